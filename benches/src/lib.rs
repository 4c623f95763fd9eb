//! The benches are the files beside this package's manifest; there is no library in it.
