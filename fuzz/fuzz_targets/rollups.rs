//! Any bytes as the body of a page of rollups, before compression, with checksums that match.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| tidalite_fuzz::try_page(&["rollups"], data));
