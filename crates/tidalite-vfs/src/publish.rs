//! How a small file appears whole or not at all, and stays: write it under a temporary name, sync it, link it to
//! its name, sync the folder, remove the temporary name.
//!
//! The order is the point. Linking before the sync would show an empty file after a power cut; leaving out the
//! folder's sync could lose the name; a rename would replace what another process has just published. Used for
//! everything whose name means "this is true": manifests, the store's marker.

use crate::vfs::Vfs;
use std::path::Path;
use tidalite_model::Result;

/// Publishes `bytes` as `folder/name` by way of `folder/tmp_name`, which must be a name nobody else uses; `false`
/// where `name` is taken, and then nothing has changed.
///
/// # Errors
/// Those of the disk. Where the folder's sync fails, the file may be visible and yet not durable; the caller must
/// look again before it tries again. The temporary name is removed as far as the disk allows.
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
    // The outcome is decided; a temporary file left behind is litter, not an error.
    let _ = vfs.remove(&tmp);
    published
}
