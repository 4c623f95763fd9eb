//! Oracle, generators and the crash driver that tests, fuzzers and benches share.
