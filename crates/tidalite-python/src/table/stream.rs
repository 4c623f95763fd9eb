//! `TableReader`: a table's rows as an Arrow stream.

use super::answer::TableAnswer;
use super::rows::BatchReader;
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use std::sync::Arc;
use tidalite::Error;

/// Reads nothing before the first call of `next`. The consumer may call it from any thread, without the interpreter lock.
pub(super) struct TableReader {
    answer: Arc<TableAnswer>,
    rows: Option<BatchReader>,
}

impl TableReader {
    pub(super) fn new(answer: Arc<TableAnswer>) -> TableReader {
        TableReader { answer, rows: None }
    }
}

impl Iterator for TableReader {
    type Item = std::result::Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let answer = self.answer.clone();
        let external = |e: Error| {
            answer.set_stream_error(e.duplicate());
            ArrowError::ExternalError(Box::new(e))
        };
        if self.rows.is_none() {
            match self.answer.batches() {
                Ok(rows) => self.rows = Some(rows),
                Err(e) => {
                    self.rows = Some(Box::new(std::iter::empty()));
                    return Some(Err(external(e)));
                }
            }
        }
        self.rows.as_mut().and_then(Iterator::next).map(|batch| batch.map_err(external))
    }
}
