//! The job that syncs at every interval and makes spare segments.
//!
//! It owns only its requests, and holds the log only while it works, so it never keeps a log alive. It starts with the
//! first append and ends when the log is closed. All logs of a process share its threads ([`Job`]); a sync that takes
//! long delays no other log.

use super::requests::BackgroundRequests;
use super::shared::LogShared;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tidalite_model::Result;
use tidalite_vfs::{Due, Job};

impl LogShared {
    /// Starts the job if the options ask for one and it is not there.
    pub(super) fn start_background(self: &Arc<Self>) -> Result<()> {
        if !self.options.background {
            return Ok(());
        }
        let mut job = self.job();
        if job.is_none() {
            let (requests, log) = (self.requests.clone(), Arc::downgrade(self));
            let interval = self.options.interval();
            let mut deadline = Instant::now() + interval;
            *job = Some(Job::start(move || work(&requests, &log, interval, &mut deadline))?);
        }
        Ok(())
    }

    pub(super) fn request_spare(&self) {
        self.requests.request_spare();
        self.wake_background();
    }

    pub(super) fn request_sync(&self) {
        self.requests.request_sync();
        self.wake_background();
    }

    fn wake_background(&self) {
        if let Some(job) = &*self.job() {
            job.wake();
        }
    }
}

fn work(
    requests: &BackgroundRequests,
    log: &Weak<LogShared>,
    interval: Duration,
    deadline: &mut Instant,
) -> Due {
    let Some(log) = log.upgrade() else { return Due::Never };
    // The spare goes first: it takes less time, and saves an append from waiting.
    if requests.take_spare() {
        log.make_spare();
    }
    if requests.take_sync() || Instant::now() >= *deadline {
        // The log keeps the failure and returns it to the next caller.
        let _ = log.sync();
        *deadline = Instant::now() + interval;
    }
    Due::At(*deadline)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_of_a_log_that_is_gone_never_works_again() {
        let requests = BackgroundRequests::default();
        requests.request_sync();
        let mut deadline = Instant::now();
        let due = work(&requests, &Weak::new(), Duration::ZERO, &mut deadline);
        assert!(matches!(due, Due::Never));
        assert!(requests.take_sync(), "nobody served the request");
    }
}
