//! The kind of a file system, from the magic number that the system reports: its name, whether other machines may
//! write to it, and whether rewriting a page may need new disk space.
//!
//! FUSE counts as network, since a local file system cannot be told from sshfs or an object store. The numbers come
//! from Linux's `magic.h` and, for file systems outside the kernel, from their sources.

use crate::vfs::FileSystem;
use std::fs::File;
use std::io;

/// A known kind of file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileSystemKind {
    magic: u32,
    pub(crate) name: &'static str,
    nature: Nature,
}

/// The property of a file system that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    /// Allocated blocks stay available for every later write.
    Local,
    /// Rewriting a page may need a new block, so a store can hit a full disk.
    CopiesOnWrite,
    /// Other machines may write to it, or that is unknown.
    Network,
}

use Nature::{CopiesOnWrite, Local, Network};

const fn kind(magic: u32, name: &'static str, nature: Nature) -> FileSystemKind {
    FileSystemKind { magic, name, nature }
}

const KINDS: [FileSystemKind; 29] = [
    kind(0xef53, "ext4", Local),
    kind(0x5846_5342, "xfs", Local),
    kind(0x0102_1994, "tmpfs", Local),
    kind(0x8584_58f6, "ramfs", Local),
    kind(0x794c_7630, "overlay", Local),
    kind(0xf2f5_2010, "f2fs", Local),
    kind(0x3153_464a, "jfs", Local),
    kind(0x4d44, "vfat", Local),
    kind(0x2011_bab0, "exfat", Local),
    kind(0x7366_746e, "ntfs3", Local),
    kind(0x9123_683e, "btrfs", CopiesOnWrite),
    kind(0x2fc1_2fc1, "zfs", CopiesOnWrite),
    kind(0xca45_1a4e, "bcachefs", CopiesOnWrite),
    kind(0x3434, "nilfs2", CopiesOnWrite),
    kind(0x6969, "nfs", Network),
    kind(0x517b, "smb", Network),
    kind(0xff53_4d42, "cifs", Network),
    kind(0xfe53_4d42, "smb2", Network),
    kind(0x0102_1997, "9p", Network),
    kind(0x6573_5546, "fuse", Network),
    kind(0x0bd0_0bd0, "lustre", Network),
    kind(0x4750_4653, "gpfs", Network),
    kind(0x1983_0326, "beegfs", Network),
    kind(0x00c3_6400, "ceph", Network),
    kind(0x5346_414f, "afs", Network),
    kind(0x6b41_4653, "afs", Network),
    kind(0x0116_1970, "gfs2", Network),
    kind(0x7461_636f, "ocfs2", Network),
    kind(0x2003_0528, "orangefs", Network),
];

/// The kind with this magic number.
pub(crate) fn kind_of(magic: u32) -> Option<FileSystemKind> {
    KINDS.into_iter().find(|k| k.magic == magic)
}

/// Reads the properties of the file system of an open file or folder.
pub(crate) fn file_system(file: &File) -> io::Result<FileSystem> {
    let usage = rustix::fs::fstatvfs(file)?;
    let (name, network) = match magic(file)? {
        Some(magic) => match kind_of(magic) {
            Some(k) => (k.name.to_string(), k.nature == Network),
            None => (format!("0x{magic:x}"), false),
        },
        None => ("unknown".to_string(), false),
    };
    Ok(FileSystem {
        name,
        network,
        free_bytes: usage.f_bavail.saturating_mul(usage.f_frsize),
        read_only: usage.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
    })
}

/// Whether a segment may be mapped: its allocated blocks serve every later store, and no other machine
/// changes the file.
pub(crate) fn may_map(file: &File) -> io::Result<bool> {
    // An unlisted file system is most likely a local one.
    Ok(magic(file)?.and_then(kind_of).is_none_or(|k| k.nature == Local))
}

#[cfg(target_os = "linux")]
fn magic(file: &File) -> io::Result<Option<u32>> {
    // The kernel's numbers have 32 bits. The field's width and sign depend on the architecture.
    Ok(Some(rustix::fs::fstatfs(file)?.f_type as u32))
}

#[cfg(not(target_os = "linux"))]
fn magic(_file: &File) -> io::Result<Option<u32>> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_magic_number_has_one_kind() {
        for (i, k) in KINDS.iter().enumerate() {
            assert_eq!(kind_of(k.magic), Some(*k));
            assert!(KINDS[..i].iter().all(|earlier| earlier.magic != k.magic), "{}", k.name);
        }
    }

    #[test]
    fn cluster_file_systems_and_fuse_count_as_network_and_local_disks_do_not() {
        let network = |magic| kind_of(magic).is_some_and(|k| k.nature == Network);
        assert!([0x6969, 0xff53_4d42, 0x6573_5546, 0x0bd0_0bd0, 0x4750_4653].into_iter().all(network));
        assert!(![0xef53, 0x5846_5342, 0x0102_1994, 0x9123_683e].into_iter().any(network));
    }
}
