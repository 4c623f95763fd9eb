//! Reads a pipe in a thread of its own, so that an import can append what came while the pipe gives nothing more.

use super::fault::ImportFault;
use std::io::{self, ErrorKind, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// Bytes read at a time.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces that wait to be taken. The thread then stops reading, and so the pipe's writer.
const PIECES_MAX: usize = 4;

/// A pipe. Where an import fails, its thread ends with the next piece that the pipe gives, or with the pipe.
pub(super) struct Feed {
    pieces: Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    /// Bytes of the piece that were taken.
    taken: usize,
}

impl Feed {
    pub(super) fn start(mut pipe: impl Read + Send + 'static) -> Result<Feed, ImportFault> {
        let (send, pieces) = sync_channel(PIECES_MAX);
        let read = move || {
            loop {
                let mut piece = vec![0; PIECE_BYTES];
                let read = match pipe.read(&mut piece) {
                    Ok(0) => return,
                    Ok(n) => {
                        piece.truncate(n);
                        Ok(piece)
                    }
                    Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                    Err(e) => Err(e),
                };
                let failed = read.is_err();
                if send.send(read).is_err() || failed {
                    return;
                }
            }
        };
        let named = thread::Builder::new().name("tidalite-import".to_owned());
        named.spawn(read).map_err(ImportFault::Read)?;
        Ok(Feed { pieces, piece: Vec::new(), taken: 0 })
    }

    /// As [`Read::read`]; fails with `WouldBlock` if nothing came for `wait`.
    pub(super) fn read(&mut self, buf: &mut [u8], wait: Duration) -> io::Result<usize> {
        if self.taken == self.piece.len() {
            match self.pieces.recv_timeout(wait) {
                Ok(piece) => (self.piece, self.taken) = (piece?, 0),
                Err(RecvTimeoutError::Timeout) => return Err(ErrorKind::WouldBlock.into()),
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
        }
        let left = &self.piece[self.taken..];
        let n = left.len().min(buf.len());
        buf[..n].copy_from_slice(&left[..n]);
        self.taken += n;
        Ok(n)
    }
}
