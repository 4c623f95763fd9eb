//! The log: one writer appends frames to its own segments; anyone reads them, live or after a crash.
//!
//! Each process has a folder of its own, `log/<ordinal>-<uuid>`, in which [`Log`] makes one segment after the other
//! and nobody else writes. A segment is a header and then frames; a frame is whole or not at all, and what belongs
//! together (a row, a batch, a change to a run) is one frame. Other processes follow by [`TailReader`], or read all
//! at once by [`replay`].
//!
//! ```text
//! append ─► frame bytes into the segment ─► committed length (release store) ─► visible to every process
//!                                                 │
//!                        sync: fdatasync + folder ┴─► durable ─► SYNC mark: "all below this position is durable"
//! ```
//!
//! What makes reading safe:
//! 1. A frame is valid if and only if its length fits, its ordinal follows its predecessor's, its padding is zero
//!    and its CRC-32C matches; the checksum's seed holds the segment's identity and the frame's offset, so a block
//!    from elsewhere never passes.
//! 2. While the writer lives, nobody reads beyond the committed length. When it is gone (its lock is free), frames
//!    are read up to the first that is not valid.
//! 3. A frame that is not valid is *damage* where a later SYNC mark says that its position was durable: it alone is
//!    left out, and reported. Where no mark says so it is the *torn tail* of a crash: it and all behind it, later
//!    segments too, were never durable, and are left out as one.
//! 4. Reading writes nothing. The next process writes into a folder of its own, so no row ever stands behind a tear.
//!
//! Every segment declares the names that it uses, and again, as a copy, before the next SYNC mark: the loss of one
//! declaration costs no row.

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

pub use dir::{Life, SegmentInfo, WriterDir, is_alive, life, segments, writers};
pub use format::{
    BASE_ORDINAL_AT, BASE_POSITION_AT, COMMITTED_AT, FIRST_FRAME_AT, FRAME_BYTES_MAX, FRAME_CRC_AT,
    FRAME_HEAD_BYTES, FRAME_LEN_AT, FRAME_ORDINAL_AT, FRAME_TAG_AT, HANDLE_MAX, HEADER_BYTES, HEADER_CRC_AT,
    SEGMENT_BYTES_LIMIT, SEGMENT_ID_AT, SEGMENT_MAGIC, SEGMENT_NUMBER_AT, Tag, WRITER_AT,
};
pub use replay::{LogFinding, LogFindingKind, Replayed, Resume, TailReader, replay};
pub use sink::{BatchRef, LayoutId, LogSink, Row, SeriesId, Values};
pub use writer::{Durability, Log, LogOptions, Watermark};
