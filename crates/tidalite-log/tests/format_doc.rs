//! Keeps `docs/format.md` and the code consistent. The page is normative: it lists each constant that the crate
//! exports with its value, and no constant that the code does not have.
//!
//! Table rows of the page whose first cell is a constant's name in backticks are read as name and value (the second
//! cell) and compared with the constants and tags below. The list below is compared with the `pub use` of the crate's
//! source, so that no exported constant is left out.

use std::collections::BTreeMap;
use tidalite_log as log;
use tidalite_model as model;

const PAGE: &str = include_str!("../../../docs/format.md");
const CRATE: &str = include_str!("../src/lib.rs");

/// The constants this crate exports, with their values as the page spells them.
fn exported() -> BTreeMap<String, String> {
    let magic = std::str::from_utf8(&log::SEGMENT_MAGIC).expect("the magic is text");
    let numbers: [(&str, u64); 17] = [
        ("SEGMENT_ID_AT", log::SEGMENT_ID_AT as u64),
        ("WRITER_AT", log::WRITER_AT as u64),
        ("SEGMENT_NUMBER_AT", log::SEGMENT_NUMBER_AT as u64),
        ("BASE_POSITION_AT", log::BASE_POSITION_AT as u64),
        ("BASE_ORDINAL_AT", log::BASE_ORDINAL_AT as u64),
        ("HEADER_CRC_AT", log::HEADER_CRC_AT as u64),
        ("COMMITTED_AT", log::COMMITTED_AT as u64),
        ("HEADER_BYTES", log::HEADER_BYTES as u64),
        ("FIRST_FRAME_AT", log::FIRST_FRAME_AT as u64),
        ("FRAME_CRC_AT", log::FRAME_CRC_AT as u64),
        ("FRAME_LEN_AT", log::FRAME_LEN_AT as u64),
        ("FRAME_ORDINAL_AT", log::FRAME_ORDINAL_AT as u64),
        ("FRAME_TAG_AT", log::FRAME_TAG_AT as u64),
        ("FRAME_HEAD_BYTES", log::FRAME_HEAD_BYTES as u64),
        ("FRAME_BYTES_MAX", log::FRAME_BYTES_MAX as u64),
        ("SEGMENT_BYTES_LIMIT", log::SEGMENT_BYTES_LIMIT),
        ("HANDLE_MAX", u64::from(log::HANDLE_MAX)),
    ];
    let mut all: BTreeMap<String, String> =
        numbers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    all.insert("SEGMENT_MAGIC".into(), magic.into());
    all
}

/// The model's constants that the page states, since they bound what is on disk.
fn model_constants() -> BTreeMap<String, String> {
    BTreeMap::from([
        ("SEQ_ORDINAL_BITS".into(), model::SEQ_ORDINAL_BITS.to_string()),
        ("SEQ_ORDINAL_MAX".into(), model::SEQ_ORDINAL_MAX.to_string()),
        ("WRITER_MAX".into(), model::WRITER_MAX.to_string()),
        ("TIME_US_MIN".into(), model::TIME_US_MIN.to_string()),
        ("TIME_US_MAX".into(), model::TIME_US_MAX.to_string()),
        ("NAME_BYTES_MAX".into(), model::NAME_BYTES_MAX.to_string()),
        ("PARAM_DEPTH_MAX".into(), model::PARAM_DEPTH_MAX.to_string()),
    ])
}

/// Every tag, by its name in the code.
fn tags() -> BTreeMap<String, String> {
    let tag = |byte| log::Tag::from_byte(byte).map(|tag| (format!("Tag::{tag:?}"), byte.to_string()));
    (0..=u8::MAX).filter_map(tag).collect()
}

/// Names and values in the page's tables. The first cells of other tables are not names of constants.
fn in_the_page(is_wanted: fn(&str) -> bool) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for line in PAGE.lines().filter(|l| l.starts_with('|')) {
        let mut cells = line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`'));
        let (Some(name), Some(value)) = (cells.next(), cells.next()) else { continue };
        if is_wanted(name) {
            let before = found.insert(name.to_string(), value.to_string());
            assert_eq!(before, None, "docs/format.md lists {name} twice");
        }
    }
    found
}

fn is_constant(name: &str) -> bool {
    let shouted = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    name.contains('_') && name.chars().all(shouted)
}

fn is_tag(name: &str) -> bool {
    name.starts_with("Tag::")
}

#[test]
fn the_page_lists_each_constant_with_its_value() {
    let mut expected = exported();
    expected.extend(model_constants());
    assert_eq!(in_the_page(is_constant), expected, "docs/format.md (left) differs from the code (right)");
}

#[test]
fn the_page_lists_each_tag_with_its_number() {
    assert_eq!(in_the_page(is_tag), tags(), "docs/format.md (left) differs from the code (right)");
}

#[test]
fn the_list_contains_every_exported_constant() {
    let uses = CRATE.lines().skip_while(|l| !l.starts_with("pub use "));
    let words = uses.flat_map(|l| l.split(|c: char| !c.is_alphanumeric() && c != '_'));
    let named: BTreeMap<String, String> =
        words.filter(|w| is_constant(w)).map(|w| (w.to_string(), String::new())).collect();
    let listed: Vec<String> = exported().into_keys().collect();
    assert_eq!(
        named.into_keys().collect::<Vec<_>>(),
        listed,
        "lib.rs (left) exports other constants than this test compares (right)"
    );
}

#[test]
fn numbers_that_the_page_derives_from_constants_are_right() {
    let greatest_base = model::SEQ_ORDINAL_MAX - log::SEGMENT_BYTES_LIMIT / log::FRAME_HEAD_BYTES as u64;
    assert!(
        PAGE.contains(&format!("at most {greatest_base} |")),
        "the greatest base ordinal is {greatest_base}"
    );
    assert_eq!((log::HEADER_BYTES, log::FRAME_HEAD_BYTES), (64, 16), "the page says so in words");
}
