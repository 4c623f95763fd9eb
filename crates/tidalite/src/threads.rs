//! Work on many things at once, in the store's threads.

use crate::store::Inner;
use rayon::prelude::*;
use tidalite_model::Result;

/// Works on each of some things; what is made of them is in their order. To wake a thread and wait for it takes longer than
/// many an answer, so that one thing alone is worked on here.
///
/// # Errors
/// The first error of the work's, and that there are no threads to be had.
pub(crate) fn each<T: Sync, U: Send>(
    inner: &Inner,
    things: &[T],
    work: impl Fn(&T) -> Result<U> + Sync,
) -> Result<Vec<U>> {
    match things {
        [] => Ok(Vec::new()),
        [one] => Ok(vec![work(one)?]),
        _ => inner.pool()?.install(|| things.par_iter().map(&work).collect()),
    }
}
