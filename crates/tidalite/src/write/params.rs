//! The limits on a run's params.

use tidalite_model::{Error, PARAM_DEPTH_MAX, Param, Result, check_name};

/// # Errors
/// `Invalid` if the key is wrong or the value is nested too deep.
pub(super) fn check_param(key: &str, value: &Param) -> Result<()> {
    check_name("param name", key)?;
    if value.depth() > PARAM_DEPTH_MAX {
        return Err(Error::invalid(
            "set param",
            format!("param {key:?} is nested {} levels deep", value.depth()),
            format!("use at most {PARAM_DEPTH_MAX} levels"),
        ));
    }
    Ok(())
}
