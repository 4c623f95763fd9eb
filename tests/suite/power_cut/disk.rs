//! A disk that records what is asked of it: a file in memory, on which a loop device stands.
//!
//! The file is served to the kernel by FUSE, of which the protocol's version 7.31 is spoken (`linux/fuse.h`): a header, then a
//! body of fixed layout. Requests that such a file needs none of are answered with ENOSYS.

use super::tape::{DiskRequest, Tape};
use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;

/// The name of the file.
const DISK: &str = "disk";
const ROOT_INODE: u64 = 1;
const DISK_INODE: u64 = 2;
/// The most bytes that one request writes.
const WRITE_BYTES_MAX: u32 = 128 << 10;
/// How long the kernel may remember names and attributes, which do not change.
const VALID_SECONDS: u64 = 1 << 20;
/// The bytes of a request's header.
const HEADER_BYTES: usize = 40;
/// The bytes before the data of a write.
const WRITE_BYTES: usize = 40;

/// The disk, which is there while this value lives.
pub(super) struct RecordingDisk {
    at: TempDir,
    recorded: Arc<Mutex<Recorded>>,
}

/// The content now, and how it came about.
struct Recorded {
    content: Vec<u8>,
    tape: Tape,
}

fn lock(recorded: &Mutex<Recorded>) -> MutexGuard<'_, Recorded> {
    recorded.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RecordingDisk {
    /// # Errors
    /// Why no file system can be served here.
    pub(super) fn new(content: Vec<u8>) -> Result<RecordingDisk, String> {
        let at = tempfile::tempdir().unwrap();
        let kernel = OpenOptions::new().read(true).write(true).open("/dev/fuse");
        let kernel = kernel.map_err(|e| format!("/dev/fuse: {e}"))?;
        mount(&kernel, at.path())?;
        let tape = Tape { base: content.clone(), requests: Vec::new() };
        let recorded = Arc::new(Mutex::new(Recorded { content, tape }));
        let served = Served { kernel, recorded: recorded.clone() };
        std::thread::spawn(move || served.serve());
        Ok(RecordingDisk { at, recorded })
    }

    pub(super) fn file(&self) -> PathBuf {
        self.at.path().join(DISK)
    }

    /// How many requests there were so far.
    pub(super) fn requests(&self) -> usize {
        lock(&self.recorded).tape.requests.len()
    }

    pub(super) fn take_tape(&self) -> Tape {
        std::mem::take(&mut lock(&self.recorded).tape)
    }
}

impl Drop for RecordingDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.at.path()).output();
    }
}

fn mount(kernel: &File, at: &Path) -> Result<(), String> {
    let text = |bytes: &[u8]| CString::new(bytes).unwrap();
    let (kind, at) = (text(b"fuse"), text(at.as_os_str().as_bytes()));
    let options = text(format!("fd={},rootmode=40000,user_id=0,group_id=0", kernel.as_raw_fd()).as_bytes());
    // SAFETY: all texts live until the call returns.
    let done = unsafe {
        libc::mount(
            kind.as_ptr(),
            at.as_ptr(),
            kind.as_ptr(),
            libc::MS_NODEV | libc::MS_NOSUID,
            options.as_ptr().cast(),
        )
    };
    if done == 0 { Ok(()) } else { Err(format!("mount: {}", std::io::Error::last_os_error())) }
}

/// The side of the disk that answers the kernel.
struct Served {
    kernel: File,
    recorded: Arc<Mutex<Recorded>>,
}

/// A body of numbers.
#[derive(Default)]
struct Body(Vec<u8>);

impl Body {
    fn put<const N: usize>(mut self, numbers: [u64; N]) -> Body {
        numbers.iter().for_each(|n| self.0.extend_from_slice(&n.to_le_bytes()));
        self
    }

    fn put_halves<const N: usize>(mut self, numbers: [u32; N]) -> Body {
        numbers.iter().for_each(|n| self.0.extend_from_slice(&n.to_le_bytes()));
        self
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn half(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

impl Served {
    /// Answers until the file system is unmounted.
    fn serve(mut self) {
        let mut request = vec![0; HEADER_BYTES + WRITE_BYTES + WRITE_BYTES_MAX as usize + 4096];
        // An error says that there will be no more requests.
        while let Ok(n) = self.kernel.read(&mut request) {
            let (opcode, unique, inode) = (half(&request, 4), number(&request, 8), number(&request, 16));
            let (code, body) = match self.answer(opcode, inode, &request[HEADER_BYTES..n]) {
                Some(Ok(body)) => (0, body.0),
                Some(Err(errno)) => (-errno, Vec::new()),
                // Nobody waits for an answer.
                None => continue,
            };
            let mut answer = Vec::with_capacity(16 + body.len());
            answer.extend_from_slice(&(16 + body.len() as u32).to_le_bytes());
            answer.extend_from_slice(&code.to_le_bytes());
            answer.extend_from_slice(&unique.to_le_bytes());
            answer.extend_from_slice(&body);
            let _ = self.kernel.write(&answer);
        }
    }

    /// The body of the answer, or an error number; `None` where there is no answer.
    fn answer(&self, opcode: u32, inode: u64, body: &[u8]) -> Option<Result<Body, i32>> {
        Some(Ok(match opcode {
            // FORGET, INTERRUPT, BATCH_FORGET
            2 | 36 | 42 => return None,
            // LOOKUP
            1 if body.strip_suffix(&[0]) == Some(DISK.as_bytes()) => {
                let entry =
                    Body::default().put([DISK_INODE, 0, VALID_SECONDS, VALID_SECONDS]).put_halves([0, 0]);
                self.attributes(entry, DISK_INODE)
            }
            1 => return Some(Err(libc::ENOENT)),
            // GETATTR, SETATTR
            3 | 4 => self.attributes(Body::default().put([VALID_SECONDS, 0]), inode),
            // OPEN
            14 => Body::default().put([0, 0]),
            // READ
            15 => {
                let recorded = lock(&self.recorded);
                let (offset, size) = (number(body, 8) as usize, half(body, 16) as usize);
                let end = recorded.content.len().min(offset + size);
                Body(recorded.content[offset.min(end)..end].to_vec())
            }
            // WRITE
            16 => {
                let (offset, size) = (number(body, 8) as usize, half(body, 16));
                let bytes = body[WRITE_BYTES..WRITE_BYTES + size as usize].to_vec();
                let mut recorded = lock(&self.recorded);
                recorded.content[offset..offset + bytes.len()].copy_from_slice(&bytes);
                recorded.tape.requests.push(DiskRequest::Write { offset, bytes });
                Body::default().put_halves([size, 0])
            }
            // FSYNC
            20 => {
                lock(&self.recorded).tape.requests.push(DiskRequest::Flush);
                Body::default()
            }
            // RELEASE, FLUSH, DESTROY
            18 | 25 | 38 => Body::default(),
            // INIT: version, read ahead, flags, background requests, bytes of a write, and the rest as it is by default.
            26 => Body::default()
                .put_halves([7, 31, WRITE_BYTES_MAX, 0, 16 | 12 << 16, WRITE_BYTES_MAX, 1])
                .put_halves([0; 9]),
            _ => return Some(Err(libc::ENOSYS)),
        }))
    }

    /// Appends the attributes of an inode.
    fn attributes(&self, before: Body, inode: u64) -> Body {
        let is_root = inode == ROOT_INODE;
        let size = if is_root { 0 } else { lock(&self.recorded).content.len() as u64 };
        let mode = if is_root { libc::S_IFDIR | 0o700 } else { libc::S_IFREG | 0o600 };
        let times = [0, 0, 0];
        before.put([inode, size, size / 512]).put(times).put_halves([0, 0, 0, mode, 1, 0, 0, 0, 4096, 0])
    }
}
