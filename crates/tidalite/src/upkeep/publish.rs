//! Publishing a version: makes new parts live and replaces old ones. The caller must hold the store's lock.

use crate::engine::state::StoreState;
use crate::files::lost::{self, Lost};
use crate::files::manifest::{self, Manifest};
use crate::files::paths::version_name;
use tidalite_model::{Error, ErrorKind, Result};

/// Makes the file names of new parts durable.
pub(crate) fn sync_part_folders(state: &StoreState) -> Result<()> {
    state.paths.part_folders().iter().try_for_each(|folder| state.vfs.sync_dir(folder))
}

/// Publishes the newest version. Its number is greater than that of any existing version, damaged ones included. Fails
/// with `NotFound` if the store is gone.
pub(crate) fn publish_version(state: &StoreState, mut next: Manifest) -> Result<()> {
    let present = manifest::versions(&*state.vfs, &state.paths)?;
    let newest = present.last().copied().unwrap_or(0);
    // Nobody can read these. What they listed and the version before them did not is lost.
    for passed in present.into_iter().filter(|version| *version > next.version) {
        let path = state.paths.manifest().join(version_name(passed));
        lost::add(&mut next.lost, Lost::file(state.paths.root(), &path));
    }
    next.version = newest.max(next.version) + 1;
    next.lost.iter_mut().filter(|lost| lost.since == 0).for_each(|lost| lost.since = next.version);
    next.time_us = state.vfs.now_us();
    // Nothing of this store may become part of another one.
    state.check_there()?;
    if manifest::publish(&*state.vfs, &state.paths, &next)? {
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
    .at(&state.paths.manifest()))
}
