//! Ctrl-C. Long work ends itself by the first one, so that it leaves no unfinished files; the second one ends the process
//! at once, as the first does where nothing waits for it.

use signal_hook::consts::SIGINT;
use signal_hook::flag;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// The flags that the signal handler sets and reads.
struct Flags {
    /// Ctrl-C came while it was awaited.
    came: Arc<AtomicBool>,
    /// The next Ctrl-C ends the process.
    ends: Arc<AtomicBool>,
}

static FLAGS: OnceLock<Option<Flags>> = OnceLock::new();

/// `None` where the handler cannot be installed: Ctrl-C then ends the process, as without it.
fn flags() -> Option<&'static Flags> {
    FLAGS.get_or_init(|| install().ok()).as_ref()
}

/// The actions run in this order at each Ctrl-C.
fn install() -> std::io::Result<Flags> {
    let flags = Flags { came: Arc::default(), ends: Arc::new(AtomicBool::new(true)) };
    flag::register_conditional_default(SIGINT, flags.ends.clone())?;
    flag::register(SIGINT, flags.came.clone())?;
    flag::register(SIGINT, flags.ends.clone())?;
    Ok(flags)
}

/// While it lives, Ctrl-C does not end the process but is told by [`came`](Self::came).
#[derive(Debug)]
pub(crate) struct AwaitInterrupt(());

impl AwaitInterrupt {
    pub(crate) fn new() -> Self {
        if let Some(flags) = flags() {
            flags.ends.store(false, Ordering::SeqCst);
        }
        AwaitInterrupt(())
    }

    /// Whether Ctrl-C came.
    pub(crate) fn came(&self) -> bool {
        flags().is_some_and(|flags| flags.came.load(Ordering::SeqCst))
    }
}

impl Drop for AwaitInterrupt {
    fn drop(&mut self) {
        if let Some(flags) = flags() {
            flags.ends.store(true, Ordering::SeqCst);
        }
    }
}
