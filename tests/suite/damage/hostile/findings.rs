//! What forged files have found, each by a case of its own.
