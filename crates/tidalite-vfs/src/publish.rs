//! How a small file appears complete or not at all, and durably: write it under a temporary name, sync it, link it to
//! its name, sync the folder, remove the temporary name.
//!
//! The order matters. Linking before the sync could leave an empty file after a power cut. Without the folder's sync
//! the name could be lost. A rename would replace what another process has just published.

use crate::vfs::Vfs;
use std::path::Path;
use tidalite_model::Result;

/// Publishes `bytes` as `folder/name`, using `folder/tmp_name`, a name that nobody else uses. `false` if `name` is
/// taken; then nothing has changed.
///
/// # Errors
/// Disk errors. If the folder's sync fails, the file may be visible but not durable, and the caller must check for it
/// before trying again. The temporary name is removed if the disk allows it.
pub fn publish(vfs: &dyn Vfs, folder: &Path, tmp_name: &str, name: &str, bytes: &[u8]) -> Result<bool> {
    let tmp = folder.join(tmp_name);
    let mut file = vfs.create(&tmp)?;
    let published = (|| {
        file.write_all(bytes)?;
        file.sync()?;
        drop(file);
        let linked = vfs.link(&tmp, &folder.join(name))?;
        if linked {
            vfs.sync_dir(folder)?;
        }
        Ok(linked)
    })();
    // Best effort: a leftover temporary file is harmless.
    let _ = vfs.remove(&tmp);
    published
}
