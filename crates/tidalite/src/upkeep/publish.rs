//! Publishing a version: makes new parts live and replaces old ones. The caller must hold the store's lock.

use crate::engine::state::StoreState;
use crate::files::manifest::{self, Manifest};
use tidalite_model::{Error, ErrorKind, Result};

/// Makes the file names of new parts durable.
pub(crate) fn sync_part_folders(inner: &StoreState) -> Result<()> {
    inner.paths.part_folders().iter().try_for_each(|folder| inner.vfs.sync_dir(folder))
}

/// Publishes the newest version. Its number is greater than that of any existing version, damaged ones included. Fails
/// with `NotFound` if the store is gone.
pub(crate) fn publish_version(inner: &StoreState, mut next: Manifest) -> Result<()> {
    let newest = manifest::versions(&*inner.vfs, &inner.paths)?.last().copied().unwrap_or(0);
    next.version = newest.max(next.version) + 1;
    next.time_us = inner.vfs.now_us();
    // Nothing of this store may become part of another one.
    inner.check_there()?;
    if manifest::publish(&*inner.vfs, &inner.paths, &next)? {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Busy,
        "publish version",
        format!(
            "version {} already exists: another process published without the store's lock",
            next.version
        ),
        "check that the file system has working locks, then try again",
    )
    .at(&inner.paths.manifest()))
}
