//! Sealed texts: small files (marker, manifest versions, run tables) that detect damage and survive it.
//!
//! A file holds its text twice. Each copy is a header line, the text, and a line feed:
//!
//! ```text
//! tidalite <kind> <format> <crc32c, 8 hex digits> <bytes of text, 16 digits>\n<text>\n
//! ```
//!
//! A copy is valid if its header parses, its length matches, and the CRC32C over kind, format and text matches. Both
//! copies have the same length, so the second is found without the first. One valid copy is enough to read; damage to
//! the other is reported.
//!
//! A file that a manifest names has its checksum there as well. So a file of another store, or another file of this one, is
//! not read in its place, whatever its own header says.

use std::path::Path;
use tidalite_model::{Error, ErrorKind, Result};
use tidalite_vfs::{ReadFile, Vfs};

/// The format version that is written, and the newest that is read.
pub(crate) const FORMAT: u32 = 1;

/// The largest file that is read, so that a file with a corrupt length does not take too much memory. A run table of a
/// million runs is about 300 MB.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// A text read back.
pub(crate) struct OpenedText {
    pub(crate) text: String,
    /// Damage to one of the two copies, if any.
    pub(crate) damage: Option<String>,
}

/// The bytes of a file of this kind.
pub(crate) fn seal(kind: &str, text: &str) -> Vec<u8> {
    seal_named(kind, text).0
}

/// The bytes of a file of this kind, and the checksum by which another file names it.
pub(crate) fn seal_named(kind: &str, text: &str) -> (Vec<u8>, u32) {
    let crc = checksum(kind, FORMAT, text);
    let mut copy = format!("tidalite {kind} {FORMAT} {crc:08x} {:016}\n", text.len());
    copy.push_str(text);
    copy.push('\n');
    let mut bytes = copy.into_bytes();
    bytes.extend_from_within(..);
    (bytes, crc)
}

/// Reads a sealed file. `named` is its checksum where another file names it.
///
/// # Errors
/// `NotFound` if there is no file, `Corrupt` if neither copy is valid, `Unsupported` if a newer version of tidalite
/// wrote it.
pub(crate) fn open(vfs: &dyn Vfs, path: &Path, kind: &str, named: Option<u32>) -> Result<OpenedText> {
    let file = vfs.open(path)?;
    let bytes_len = file.len()?;
    if bytes_len > FILE_BYTES_MAX {
        return Err(Error::corrupt(
            format!("read {kind}"),
            path,
            0,
            format!("it has {bytes_len} bytes, more than any {kind} can have"),
        ));
    }
    check_length(&*file, kind, bytes_len)?;
    let mut bytes = vec![0; usize::try_from(bytes_len).expect("bounded by FILE_BYTES_MAX")];
    file.read_exact_at(0, &mut bytes)?;
    unseal(path, kind, named, &bytes)
}

/// Files up to this size are read whatever their headers say.
const SMALL_BYTES: u64 = 1 << 20;
/// The first line of a copy is shorter.
const HEADER_BYTES_MAX: u64 = 96;

/// Checks that one of the two copies claims the length that the file has, before memory is allocated for it: a file may
/// have become large by damage, as a sparse one.
fn check_length(file: &dyn ReadFile, kind: &str, bytes: u64) -> Result<()> {
    let claims = |from: u64| {
        let mut start = [0; HEADER_BYTES_MAX as usize];
        file.read_exact_at(from, &mut start)?;
        let line = start.iter().position(|byte| *byte == b'\n').unwrap_or(0);
        let length =
            std::str::from_utf8(&start[..line]).ok().and_then(|l| l.rsplit(' ').next()?.parse().ok());
        // The line feeds after the header and after the text.
        let copy = length.and_then(|text: u64| text.checked_add(line as u64 + 2));
        Ok::<_, Error>(copy.and_then(|copy| copy.checked_mul(2)) == Some(bytes))
    };
    if bytes <= SMALL_BYTES || claims(0)? || claims(bytes / 2)? {
        return Ok(());
    }
    let wrong = format!("neither of its copies has the length of a half of its {bytes} bytes");
    Err(Error::corrupt(format!("read {kind}"), file.path(), 0, wrong))
}

/// The text of a sealed file by its first valid copy. The second copy is read only where the first is damaged.
///
/// # Errors
/// As [`open`].
pub(crate) fn open_either(vfs: &dyn Vfs, path: &Path, kind: &str, named: Option<u32>) -> Result<String> {
    let file = vfs.open(path)?;
    let bytes_len = file.len()?;
    if bytes_len <= FILE_BYTES_MAX && check_length(&*file, kind, bytes_len).is_ok() {
        let mut copy = vec![0; usize::try_from(bytes_len / 2).expect("bounded by FILE_BYTES_MAX")];
        file.read_exact_at(0, &mut copy)?;
        if let Ok(text) = read_copy(&copy, kind, named) {
            return Ok(text.to_string());
        }
    }
    open(vfs, path, kind, named).map(|opened| opened.text)
}

/// As [`open`], from bytes already read.
pub(crate) fn unseal(path: &Path, kind: &str, named: Option<u32>, bytes: &[u8]) -> Result<OpenedText> {
    let half = bytes.len() / 2;
    match (read_copy(&bytes[..half], kind, named), read_copy(&bytes[half..], kind, named)) {
        (Ok(text), Ok(_)) if bytes[..half] == bytes[half..] => {
            Ok(OpenedText { text: text.to_string(), damage: None })
        }
        (Ok(text), Ok(_)) => {
            Ok(OpenedText { text: text.to_string(), damage: Some("its two copies differ".into()) })
        }
        (Ok(text), Err(e)) => Ok(OpenedText {
            text: text.to_string(),
            damage: Some(format!("its second copy is damaged: {e}")),
        }),
        (Err(e), Ok(text)) => {
            Ok(OpenedText { text: text.to_string(), damage: Some(format!("its first copy is damaged: {e}")) })
        }
        (Err(CopyFault::Newer(format)), _) | (_, Err(CopyFault::Newer(format))) => Err(Error::new(
            ErrorKind::Unsupported,
            format!("read {kind}"),
            format!("it has format version {format}; this version of tidalite reads up to {FORMAT}"),
            "open it with a newer tidalite",
        )
        .at(path)),
        (Err(e), Err(_)) => Err(Error::corrupt(
            format!("read {kind}"),
            path,
            0,
            format!("both of its copies are damaged: {e}"),
        )),
    }
}

enum CopyFault {
    Newer(u32),
    Damaged(&'static str),
}

impl std::fmt::Display for CopyFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CopyFault::Newer(format) => write!(f, "it has format version {format}"),
            CopyFault::Damaged(what) => f.write_str(what),
        }
    }
}

fn read_copy<'a>(copy: &'a [u8], kind: &str, named: Option<u32>) -> Result<&'a str, CopyFault> {
    let text = std::str::from_utf8(copy).map_err(|_| CopyFault::Damaged("it is not UTF-8"))?;
    let (header, rest) = text.split_once('\n').ok_or(CopyFault::Damaged("it has no header line"))?;
    let fields: Vec<&str> = header.split(' ').collect();
    let ["tidalite", found_kind, format, crc, length] = fields[..] else {
        return Err(CopyFault::Damaged("its header line is damaged"));
    };
    let format: u32 = format.parse().map_err(|_| CopyFault::Damaged("its format version is not a number"))?;
    let crc = u32::from_str_radix(crc, 16).map_err(|_| CopyFault::Damaged("its checksum is not a number"))?;
    let length: usize = length.parse().map_err(|_| CopyFault::Damaged("its length is not a number"))?;
    let body = rest.strip_suffix('\n').ok_or(CopyFault::Damaged("it is cut short"))?;
    if body.len() != length {
        return Err(CopyFault::Damaged("its length does not match its header"));
    }
    if checksum(found_kind, format, body) != crc {
        return Err(CopyFault::Damaged("its checksum does not match"));
    }
    if found_kind != kind {
        return Err(CopyFault::Damaged("it is a file of another kind"));
    }
    if format > FORMAT {
        return Err(CopyFault::Newer(format));
    }
    if named.is_some_and(|named| named != crc) {
        return Err(CopyFault::Damaged(
            "it is not the file that the manifest names, but another one of its kind",
        ));
    }
    Ok(body)
}

fn checksum(kind: &str, format: u32, text: &str) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(format!("{kind} {format} ").as_bytes()), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_flipped_bit_anywhere_still_reads_the_same_text() {
        let (sealed, crc) = seal_named("manifest", "{\"a\": 1}");
        for byte in 0..sealed.len() {
            for bit in 0..8 {
                let mut bad = sealed.clone();
                bad[byte] ^= 1 << bit;
                let opened = unseal(Path::new("m"), "manifest", Some(crc), &bad)
                    .unwrap_or_else(|e| panic!("byte {byte} bit {bit}: {e}"));
                assert_eq!(opened.text, "{\"a\": 1}");
                assert!(opened.damage.is_some(), "byte {byte} bit {bit} went unnoticed");
            }
        }
    }

    #[test]
    fn each_truncation_and_two_damaged_copies_are_errors() {
        let sealed = seal("manifest", "{\"a\": 1}");
        for len in 0..sealed.len() {
            assert!(unseal(Path::new("m"), "manifest", None, &sealed[..len]).is_err(), "cut to {len}");
        }
        let mut bad = sealed.clone();
        bad[45] ^= 1;
        let half = bad.len() / 2;
        bad[half + 45] ^= 2;
        assert_eq!(
            unseal(Path::new("m"), "manifest", None, &bad).err().map(|e| e.kind()),
            Some(ErrorKind::Corrupt)
        );
    }

    #[test]
    fn another_file_of_the_kind_is_not_read_and_of_two_copies_the_one_that_is_named_is() {
        let (mine, crc) = seal_named("runs", "[1]");
        let other = seal("runs", "[2]");
        let read = |bytes: &[u8]| unseal(Path::new("r"), "runs", Some(crc), bytes);
        assert!(read(&mine).unwrap().damage.is_none());
        assert_eq!(read(&other).err().map(|e| e.kind()), Some(ErrorKind::Corrupt));
        let half = mine.len() / 2;
        for mixed in [[&mine[..half], &other[half..]].concat(), [&other[..half], &mine[half..]].concat()] {
            let opened = read(&mixed).unwrap();
            assert!(opened.text == "[1]" && opened.damage.is_some());
        }
    }

    #[test]
    fn a_newer_format_is_refused_as_such() {
        let text = "{}";
        let copy =
            format!("tidalite manifest 2 {:08x} {:016}\n{text}\n", checksum("manifest", 2, text), text.len());
        let e = unseal(Path::new("m"), "manifest", None, copy.repeat(2).as_bytes()).err().unwrap();
        assert_eq!(e.kind(), ErrorKind::Unsupported);
        assert!(e.to_string().contains("format version 2"), "{e}");
    }

    #[test]
    fn a_long_file_is_read_where_one_copy_has_its_length_and_each_damage_is_told() {
        let (disk, path) = (tidalite_vfs::SimVfs::new(1), Path::new("/runs"));
        let text = "x".repeat(SMALL_BYTES as usize);
        let (sound, crc) = seal_named("runs", &text);
        // The last digit of the length in either header.
        let digit = sound.iter().position(|byte| *byte == b'\n').unwrap() - 1;
        let damaged_at = |places: &[usize]| {
            let mut bytes = sound.clone();
            places.iter().for_each(|place| bytes[*place] ^= 1);
            let _ = disk.remove(path);
            disk.create(path).unwrap().write_all(&bytes).unwrap();
            let opened = open(&disk, path, "runs", Some(crc));
            (
                opened.map(|opened| (opened.text == text, opened.damage)),
                open_either(&disk, path, "runs", Some(crc)),
            )
        };
        let half = sound.len() / 2;
        for (places, damage) in
            [(&[][..], false), (&[digit], true), (&[half + digit], true), (&[half - 2], true)]
        {
            let (opened, either) = damaged_at(places);
            let (same, told) = opened.unwrap();
            assert!(same && told.is_some() == damage && either.unwrap() == text, "{places:?}");
        }
        let (opened, either) = damaged_at(&[digit, half + digit]);
        let e = opened.err().unwrap();
        assert!(e.kind() == ErrorKind::Corrupt && e.to_string().contains("neither of its copies"), "{e}");
        assert_eq!(either.unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn a_file_of_another_kind_and_one_that_is_too_large_are_damage() {
        let sealed = seal("runs", "[]");
        let e = unseal(Path::new("m"), "manifest", None, &sealed).err().unwrap();
        assert!(e.to_string().contains("another kind"), "{e}");
        let dir = tempfile::tempdir().unwrap();
        let (disk, path) = (tidalite_vfs::RealVfs::new(), dir.path().join("runs"));
        let segment = disk.create_segment(&path, 4096).unwrap();
        drop(segment);
        #[expect(clippy::disallowed_methods, reason = "the file becomes sparse and large")]
        std::fs::File::options().write(true).open(&path).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
        let e = open(&disk, &path, "runs", None).err().unwrap();
        assert!(e.kind() == ErrorKind::Corrupt && e.to_string().contains("more than any runs"), "{e}");
        assert_eq!(open_either(&disk, &path, "runs", None).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
