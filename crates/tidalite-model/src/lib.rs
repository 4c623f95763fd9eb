//! The terms of a metrics store as types. This crate reads no file, starts no thread and depends on no other crate.
//!
//! A **run** is one experiment or one source of telemetry. A **metric** is a name such as `train/loss`.
//! **Labels** are a small sorted map on a series. A **series** is run × metric × labels. A **point** is (step, time,
//! value) of a series. A **row** is one append: one step, one time, many values. `docs/glossary.md` defines every
//! term.
//!
//! Units, everywhere: a step is the caller's own `i64`, a time is `i64` microseconds since 1970-01-01T00:00:00 UTC,
//! and a value is an `f64` whose bits are kept.

#![forbid(unsafe_code)]

mod error;
mod exact;
mod label;
mod moment;
mod name;
mod param;
mod point;
mod range;
mod run;
mod summary;

pub use error::{Error, ErrorAdvice, ErrorKind, Result};
pub use exact::{
    ExactSquares, ExactSum, ExactTerms, REST_BYTES_MAX, rest_from_bytes, rest_to_bytes, sum_rest_from_bytes,
};
pub use label::Labels;
pub use moment::Moment;
pub use name::{NAME_BYTES_MAX, check_name};
pub use param::{PARAM_DEPTH_MAX, Param, Params};
pub use point::{
    Point, SEQ_ORDINAL_BITS, SEQ_ORDINAL_MAX, Seq, SeriesKey, TIME_US_MAX, TIME_US_MIN, WRITER_MAX,
    WriteOrder, Written, check_time, value_bits_sum,
};
pub use range::{Bounds, Extent, StepRange};
pub use run::{
    Assign, Environment, Latest, LatestField, Moving, Parent, Participant, ParticipantEnd, Participants,
    Participation, Rewind, RunChange, RunEdit, RunEnd, RunInfo, RunRecord, RunStart, Status,
};
pub use summary::{Extreme, Summary, SummaryFacts};
