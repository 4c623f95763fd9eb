//! Seeing that names appeared in folders or went, without listing them: inotify, where there is.
//!
//! It sees what this machine does, so it is used on local file systems only. Bytes that are written through a mapping
//! cause no event, so it says nothing about the contents of files.

use crate::vfs::FolderWatch;

/// Folders that the kernel watches.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(crate) struct Inotify {
    descriptor: rustix::fd::OwnedFd,
}

#[cfg(target_os = "linux")]
impl Inotify {
    /// Watches these folders. `None` if the system does not allow it, as without `/proc` or with too many watches.
    pub(crate) fn new<'a>(folders: impl IntoIterator<Item = &'a std::fs::File>) -> Option<Inotify> {
        use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
        use std::os::fd::AsRawFd;
        let descriptor = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok()?;
        let names = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE;
        let own = WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF | WatchFlags::ONLYDIR;
        for folder in folders {
            // A path could lead elsewhere; the descriptor is the folder itself.
            let path = format!("/proc/self/fd/{}", folder.as_raw_fd());
            inotify::add_watch(&descriptor, path, names | own).ok()?;
        }
        Some(Inotify { descriptor })
    }
}

#[cfg(target_os = "linux")]
impl FolderWatch for Inotify {
    fn has_changed(&self) -> bool {
        let mut changed = false;
        let mut events = [0; 4096];
        // Each read takes as many events as fit. An error counts as a change: then the folders have to be listed.
        loop {
            match rustix::io::read(&self.descriptor, &mut events) {
                Err(rustix::io::Errno::AGAIN) => return changed,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) | Ok(0) => return true,
                Ok(_) => changed = true,
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use crate::{RealVfs, Vfs};

    #[test]
    fn names_that_come_and_go_are_seen_once() {
        let dir = tempfile::tempdir().unwrap();
        let vfs = RealVfs::new().hold(dir.path()).unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        vfs.create_dir(&a).unwrap();
        vfs.create_dir(&b).unwrap();
        let watch = vfs.watch(&[&a, &b]).unwrap();
        assert!(!watch.has_changed());
        for act in [
            &(|| drop(vfs.create(&a.join("file")).unwrap())) as &dyn Fn(),
            &|| assert!(vfs.create_dir(&b.join("folder")).unwrap()),
            &|| assert!(vfs.link(&a.join("file"), &b.join("file")).unwrap()),
            &|| vfs.remove(&a.join("file")).unwrap(),
            &|| vfs.remove_dir(&b.join("folder")).unwrap(),
        ] {
            act();
            assert!(watch.has_changed());
            assert!(!watch.has_changed());
        }
        // The folder is watched, and not its path.
        std::fs::rename(&a, dir.path().join("c")).unwrap();
        assert!(watch.has_changed());
        drop(vfs.create(&dir.path().join("c/new")).unwrap());
        assert!(watch.has_changed() && !watch.has_changed());
        assert!(vfs.watch(&[&dir.path().join("absent")]).is_none());
    }
}
