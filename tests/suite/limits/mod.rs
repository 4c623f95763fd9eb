//! Wrong input of every kind is an error that says what, where and what to do. The store stays as it was.
//!
//! Method: one wrong thing at a time, on a real file system. The error's kind is compared, and its text is searched for the
//! thing, the place and a remedy. After each, the store still takes rows and answers.

mod batches;
mod closing;
mod files;
mod names;
mod questions;
mod refusal;
