//! Any bytes as the body of a page of points, before compression, with checksums that match.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| tidalite_fuzz::try_page(&["parts", "hidden"], data));
