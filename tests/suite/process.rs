//! Other processes: this binary started again, to play a role instead of testing.
//!
//! A role reports to its parent by lines on its standard output, each written at once. The parent receives them through a
//! channel with a timeout. Output of the test harness lacks the sign and is ignored.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

pub(crate) const ROLE: &str = "TIDALITE_TEST_ROLE";
pub(crate) const STORE: &str = "TIDALITE_TEST_STORE";
pub(crate) const ARG: &str = "TIDALITE_TEST_ARG";
/// The first characters of a role's line.
const SIGN: &str = "@";
/// Longer than any step takes on any machine: a role that is silent for this long is stuck.
const STUCK: Duration = Duration::from_secs(120);

/// A process that plays a role. Killed when dropped.
pub(crate) struct Player {
    child: Child,
    lines: Receiver<String>,
}

impl Player {
    /// Starts one.
    pub(crate) fn start(role: &str, store: &Path, arg: &str) -> Player {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "roles::a_process_started_by_a_test_plays_its_role",
                "--exact",
                "--nocapture",
                "--test-threads=1",
            ])
            .envs([(ROLE, role), (ARG, arg)])
            .env(STORE, store)
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            let mut line = String::new();
            // A line without its end was cut off by a kill.
            while out.read_line(&mut line).is_ok_and(|n| n > 0) && line.ends_with('\n') {
                if let Some(said) = line.trim_end().strip_prefix(SIGN) {
                    let _ = sender.send(said.to_string());
                }
                line.clear();
            }
        });
        Player { child, lines }
    }

    /// The next line; `None` where there will be none.
    pub(crate) fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(STUCK) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("a process said nothing for {} s", STUCK.as_secs()),
        }
    }

    /// The lines that have arrived and were not read yet.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// Kills the process and gives its remaining lines. It must not have ended by itself.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        let rest = self.rest();
        assert_eq!(
            status.signal(),
            Some(9),
            "a process had ended with {status}; its last words were {:?}",
            rest.last()
        );
        rest
    }

    /// Waits for the process to end successfully and gives its remaining lines.
    pub(crate) fn end(mut self) -> Vec<String> {
        let rest = self.rest();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "a process ended with {status}; it said {rest:?}");
        rest
    }

    /// Waits for the process to end in whatever way, and gives its remaining lines.
    pub(crate) fn last_words(mut self) -> (Vec<String>, ExitStatus) {
        let rest = self.rest();
        (rest, self.child.wait().unwrap())
    }

    fn rest(&mut self) -> Vec<String> {
        let mut rest = Vec::new();
        while let Some(line) = self.line() {
            rest.push(line);
        }
        rest
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a line to the parent, at once.
pub(crate) fn say(line: impl std::fmt::Display) {
    // The harness may have begun a line.
    let text = format!("\n{SIGN}{line}\n");
    // One write call, so that a kill does not cut a line in two. A dead parent is not a failure.
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Runs `child` in a fork of this process. The fork ends after it.
pub(crate) fn fork(child: impl FnOnce()) -> libc::pid_t {
    // SAFETY: the process that calls this was started for it and has no thread that holds a lock: the harness runs one
    // test on the main thread, and the store has no background threads. So the child may allocate and lock. A watch's
    // thread holds no lock that the child takes: those of its parent's log and watch are left alone there.
    match unsafe { libc::fork() } {
        0 => {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).is_ok();
            if std::env::var_os("LLVM_PROFILE_FILE").is_some() {
                // SAFETY: there is one thread, and what is registered for the end of this process only writes down which
                // code it has reached.
                unsafe { libc::exit(i32::from(!done)) }
            }
            // SAFETY: it ends the process, without the destructors of what belongs to the parent.
            unsafe { libc::_exit(i32::from(!done)) }
        }
        pid => {
            assert!(pid > 0, "fork: {}", std::io::Error::last_os_error());
            pid
        }
    }
}

pub(crate) fn wait(pid: libc::pid_t) {
    let mut status = 0;
    // SAFETY: `status` lives until the call returns.
    let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!((waited, status), (pid, 0), "a child failed");
}
