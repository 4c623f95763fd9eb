//! The log: a writer appends frames to its own segments. Any process reads them, live or after a crash.
//!
//! Each process has its own folder, `log/<ordinal>-<uuid>`, in which [`Log`] creates one segment after another. No
//! other process writes there. A segment is a header followed by frames. A frame is complete or absent, and what
//! belongs together (a row, a batch, a change to a run) is one frame. Other processes follow with [`TailReader`], or
//! read everything with [`replay`].
//!
//! ```text
//! append ─► frame bytes into the segment ─► committed length (release store) ─► visible to every process
//!                                                 │
//!                        sync: fdatasync + folder ┴─► durable ─► SYNC mark: "durable below this position"
//! ```
//!
//! What makes reading safe:
//! 1. A frame is valid if and only if its length fits, its ordinal follows its predecessor's, its padding is zero and
//!    its CRC-32C matches. The checksum is seeded with the segment's identity and the frame's offset, so a block from
//!    elsewhere does not pass.
//! 2. While the writer lives, readers stop at the committed length. When it is gone (its lock is free), they read up
//!    to the first invalid frame.
//! 3. An invalid frame is *damage* if a later SYNC mark says that its position was durable. It alone is skipped, and
//!    reported. Without such a mark it is the *torn tail* of a crash: it and everything after it, later segments
//!    included, were never durable and are dropped together.
//! 4. Reading writes nothing. The next process writes to its own folder, so no row is ever written after a torn tail.
//!
//! Every segment declares the names it uses, and declares them again, as a copy, before the next SYNC mark. The loss
//! of one declaration loses no row.

#![forbid(unsafe_code)]

mod change;
mod dir;
mod format;
mod frame;
mod replay;
mod segment;
mod sink;
#[cfg(test)]
mod testing;
mod writer;

pub use dir::{Life, SegmentInfo, WriterDir, end_position, is_alive, life, numbers_taken, segments, writers};
pub use format::{
    BASE_ORDINAL_AT, BASE_POSITION_AT, COMMITTED_AT, FIRST_FRAME_AT, FRAME_BYTES_MAX, FRAME_CRC_AT,
    FRAME_HEAD_BYTES, FRAME_LEN_AT, FRAME_ORDINAL_AT, FRAME_TAG_AT, HANDLE_MAX, HEADER_BYTES, HEADER_CRC_AT,
    SEGMENT_BYTES_LIMIT, SEGMENT_ID_AT, SEGMENT_MAGIC, SEGMENT_NUMBER_AT, Tag, WRITER_AT,
};
pub use replay::{
    LogFinding, LogFindingKind, LostFrames, Progress, Replayed, Resume, TailReader, replay, replay_range,
    segments_gone,
};
pub use sink::{BatchRef, LayoutId, LogSink, Row, SeriesId, Values};
pub use writer::{Durability, Log, LogOptions, RowHead, Watermark};
