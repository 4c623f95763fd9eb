//! Checks how large the compressed buffers of an Arrow message claim to be, since their decoder allocates that much.

use super::fault::ImportFault;
use arrow::ipc::{Message, RecordBatch};

/// The most bytes that the buffers of one message may have without compression. Writers make batches of a few MiB.
const MESSAGE_BYTES_MAX: u64 = 1 << 30;

/// The bytes before each compressed buffer that give its size without compression; -1 stands for a plain buffer.
const SIZE_BYTES: usize = 8;

/// Refuses a message whose buffers claim too much. `body` is what follows its metadata.
pub(super) fn check_claims(message: &Message<'_>, body: &[u8]) -> Result<(), ImportFault> {
    let batch = message
        .header_as_record_batch()
        .or_else(|| message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data()));
    match batch.filter(|batch| batch.compression().is_some()) {
        Some(batch) if claimed(&batch, body) > MESSAGE_BYTES_MAX => Err(ImportFault::wrong(
            format!("a record batch claims more than {} MiB without compression", MESSAGE_BYTES_MAX >> 20),
            "write smaller record batches, or fetch the file again if it is damaged",
        )),
        _ => Ok(()),
    }
}

/// The sum of what the buffers claim. A buffer outside the body is for the decoder to refuse.
fn claimed(batch: &RecordBatch<'_>, body: &[u8]) -> u64 {
    let size = |offset: i64| {
        let at = usize::try_from(offset).ok()?;
        let bytes = body.get(at..at.checked_add(SIZE_BYTES)?)?;
        u64::try_from(i64::from_le_bytes(bytes.try_into().ok()?)).ok()
    };
    batch.buffers().iter().flatten().filter_map(|b| size(b.offset())).fold(0, u64::saturating_add)
}
