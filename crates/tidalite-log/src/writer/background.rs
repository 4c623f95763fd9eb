//! The thread that syncs at every interval and makes spare segments.
//!
//! It owns only its requests, and holds the log only while it works, so it never keeps a log alive. It dies with the
//! process and delays neither its exit nor a fork. It starts with the first append and is joined when the log is
//! closed.

use super::requests::{BackgroundRequests, Request};
use super::shared::LogShared;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tidalite_model::{Error, Result};

impl LogShared {
    /// Starts the thread if the options ask for one and it is not running.
    pub(super) fn start_background(self: &Arc<Self>) -> Result<()> {
        if !self.options.background {
            return Ok(());
        }
        let mut thread = self.thread();
        if thread.is_none() {
            let (requests, log) = (self.requests.clone(), Arc::downgrade(self));
            let interval = self.options.interval();
            let started = std::thread::Builder::new()
                .name("tidalite-log".to_string())
                .spawn(move || work(&requests, &log, interval))
                .map_err(|e| Error::io("start the thread that syncs the log", &self.dir.path, e))?;
            *thread = Some(started);
        }
        Ok(())
    }
}

fn work(requests: &BackgroundRequests, log: &Weak<LogShared>, interval: Duration) {
    let mut deadline = Instant::now() + interval;
    loop {
        let request = requests.wait(deadline);
        let Some(log) = log.upgrade() else { return };
        match request {
            Request::Stop => return,
            Request::Spare => log.make_spare(),
            Request::Sync => {
                // The log keeps the failure and returns it to the next caller.
                let _ = log.sync();
                deadline = Instant::now() + interval;
            }
        }
    }
}
