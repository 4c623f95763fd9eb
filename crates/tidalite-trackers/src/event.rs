//! What an event says: TensorFlow's `event.proto`, `summary.proto` and `tensor.proto`, and the hparams plugin's `plugin_data.proto`.
//!
//! Taken are scalars, hyperparameters, the end of a session, and restarts. All else is counted by its kind.

use crate::wire::{FieldValue, Malformed, MessageFields, varint};
use std::collections::HashMap;
use tidalite::{Param, Params, Status};

/// One event.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct EventHead<'a> {
    /// Seconds since 1970 UTC.
    pub(crate) wall_time: f64,
    pub(crate) step: i64,
    pub(crate) body: EventBody<'a>,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) enum EventBody<'a> {
    /// The version of the format, or nothing.
    #[default]
    Nothing,
    /// Values of some tags.
    Summary(&'a [u8]),
    /// A writer begins at this step: what it wrote from there on before does not count.
    Restart,
    /// What is not taken.
    Other(&'static str),
}

impl<'a> EventHead<'a> {
    pub(crate) fn read(event: &'a [u8]) -> Result<EventHead<'a>, Malformed> {
        let mut read = EventHead::default();
        for field in MessageFields::of(event) {
            match field? {
                (1, FieldValue::Fixed64(time)) => read.wall_time = f64::from_le_bytes(time),
                (2, FieldValue::Varint(step)) => read.step = step.cast_signed(),
                (4, FieldValue::Bytes(_)) => read.body = EventBody::Other("graph"),
                (5, FieldValue::Bytes(summary)) => read.body = EventBody::Summary(summary),
                (7, FieldValue::Bytes(session)) if is_start(session)? => read.body = EventBody::Restart,
                (8, FieldValue::Bytes(_)) => read.body = EventBody::Other("run metadata"),
                (9, FieldValue::Bytes(_)) => read.body = EventBody::Other("graph"),
                _ => {}
            }
        }
        Ok(read)
    }
}

/// Whether a `SessionLog` says that a session starts.
fn is_start(session: &[u8]) -> Result<bool, Malformed> {
    let mut start = false;
    for field in MessageFields::of(session) {
        if let (1, FieldValue::Varint(status)) = field? {
            start = status == 1;
        }
    }
    Ok(start)
}

/// One value of a summary.
#[derive(Debug, Default)]
pub(crate) struct TagValue<'a> {
    pub(crate) tag: &'a [u8],
    /// The plugin that the metadata names, and its data. Only the first value of a tag in a file has metadata.
    plugin: Option<TagPlugin<'a>>,
    content: TagContent<'a>,
}

/// What the metadata of a tag says to a plugin of TensorBoard.
#[derive(Debug, Clone, Copy)]
struct TagPlugin<'a> {
    name: &'a [u8],
    data: &'a [u8],
}

#[derive(Debug, Default)]
enum TagContent<'a> {
    #[default]
    Nothing,
    Simple(f32),
    Tensor(&'a [u8]),
    Other(&'static str),
}

/// What a value is to an import.
#[derive(Debug, PartialEq)]
pub(crate) enum TagMeaning {
    Scalar(f64),
    Params(Params),
    /// The end of a session: its status, and when in seconds since 1970.
    End(Option<Status>, f64),
    Nothing,
    /// What is not taken, by its kind.
    Other(String),
}

/// The plugins of a file's tags.
pub(crate) type TagPlugins = HashMap<Vec<u8>, Vec<u8>>;

/// The values of a summary.
pub(crate) fn tag_values(summary: &[u8]) -> impl Iterator<Item = Result<TagValue<'_>, Malformed>> {
    MessageFields::of(summary).filter_map(|field| match field {
        Ok((1, FieldValue::Bytes(value))) => Some(TagValue::read(value)),
        Ok(_) => None,
        Err(e) => Some(Err(e)),
    })
}

impl<'a> TagValue<'a> {
    fn read(value: &'a [u8]) -> Result<TagValue<'a>, Malformed> {
        let mut read = TagValue::default();
        for field in MessageFields::of(value) {
            match field? {
                (1, FieldValue::Bytes(tag)) => read.tag = tag,
                (2, FieldValue::Fixed32(number)) => {
                    read.content = TagContent::Simple(f32::from_le_bytes(number))
                }
                (3 | 5, FieldValue::Bytes(_)) => read.content = TagContent::Other("histograms"),
                (4, FieldValue::Bytes(_)) => read.content = TagContent::Other("images"),
                (6, FieldValue::Bytes(_)) => read.content = TagContent::Other("audio"),
                (8, FieldValue::Bytes(tensor)) => read.content = TagContent::Tensor(tensor),
                (9, FieldValue::Bytes(metadata)) => read.plugin = plugin(metadata)?.or(read.plugin),
                _ => {}
            }
        }
        Ok(read)
    }

    /// What it is. `plugins` remembers the plugins of tags.
    pub(crate) fn meaning(&self, plugins: &mut TagPlugins) -> Result<TagMeaning, Malformed> {
        if let Some(TagPlugin { name, data }) = self.plugin {
            if name == b"hparams" {
                return hparams(data);
            }
            if !plugins.contains_key(self.tag) {
                plugins.insert(self.tag.to_vec(), name.to_vec());
            }
        }
        let plugin = plugins.get(self.tag).map(Vec::as_slice);
        match (&self.content, plugin) {
            (TagContent::Simple(number), None | Some(b"scalars")) => {
                Ok(TagMeaning::Scalar(f64::from(*number)))
            }
            (TagContent::Tensor(tensor), None | Some(b"scalars")) => Ok(scalar_of(tensor)?.map_or_else(
                || TagMeaning::Other("tensors".to_owned()),
                |number| {
                    number.map_or_else(
                        || TagMeaning::Other("whole numbers beyond 2^53".to_owned()),
                        TagMeaning::Scalar,
                    )
                },
            )),
            (TagContent::Other(kind), _) => Ok(TagMeaning::Other((*kind).to_owned())),
            (TagContent::Nothing, _) => Ok(TagMeaning::Nothing),
            (_, Some(plugin)) => Ok(TagMeaning::Other(String::from_utf8_lossy(plugin).into_owned())),
        }
    }
}

/// The plugin's name and data in a `SummaryMetadata`.
fn plugin(metadata: &[u8]) -> Result<Option<TagPlugin<'_>>, Malformed> {
    let Some(plugin) = bytes_of(metadata, 1)? else { return Ok(None) };
    let name = bytes_of(plugin, 1)?.unwrap_or_default();
    let data = bytes_of(plugin, 2)?.unwrap_or_default();
    Ok((!name.is_empty()).then_some(TagPlugin { name, data }))
}

/// The last field of bytes with this number.
fn bytes_of(message: &[u8], number: u64) -> Result<Option<&[u8]>, Malformed> {
    let mut found = None;
    for field in MessageFields::of(message) {
        if let (n, FieldValue::Bytes(bytes)) = field?
            && n == number
        {
            found = Some(bytes);
        }
    }
    Ok(found)
}

/// The number of a tensor of one element; none if it has more, none of them, or is of another type. The inner option is none
/// for a whole number that no `f64` is.
#[expect(clippy::option_option, reason = "no number, and a number that cannot be held, are two things")]
fn scalar_of(tensor: &[u8]) -> Result<Option<Option<f64>>, Malformed> {
    let (mut dtype, mut elements, mut content) = (0, 1u64, None);
    let mut numbers: Vec<(u64, FieldValue<'_>)> = Vec::new();
    for field in MessageFields::of(tensor) {
        match field? {
            (1, FieldValue::Varint(number)) => dtype = number,
            (2, FieldValue::Bytes(shape)) => {
                for dimension in MessageFields::of(shape) {
                    if let (2, FieldValue::Bytes(dimension)) = dimension? {
                        let size = MessageFields::of(dimension).find_map(|field| match field {
                            Ok((1, FieldValue::Varint(size))) => Some(size),
                            _ => None,
                        });
                        elements = elements.saturating_mul(size.unwrap_or(0));
                    }
                }
            }
            (4, FieldValue::Bytes(bytes)) => content = Some(bytes).filter(|bytes| !bytes.is_empty()),
            (n @ (5..=7 | 10 | 11 | 13 | 16 | 17), value) => numbers.push((n, value)),
            _ => {}
        }
    }
    if elements != 1 {
        return Ok(None);
    }
    let bits = match content {
        Some(content) => Some(bits_of(content)),
        None => numbers.first().map(|(field, value)| first_bits(*field, *value)).transpose()?,
    };
    // A tensor without a number is of zeros.
    Ok(number_of(dtype, bits.unwrap_or(0), content.is_some()))
}

/// Up to eight bytes as a number.
fn bits_of(bytes: &[u8]) -> u64 {
    let mut all = [0; 8];
    let n = bytes.len().min(8);
    all[..n].copy_from_slice(&bytes[..n]);
    u64::from_le_bytes(all)
}

/// The bits of a number in the tensor's field with this number, or of the first of several that are packed.
fn first_bits(field: u64, value: FieldValue<'_>) -> Result<u64, Malformed> {
    Ok(match (field, value) {
        (_, FieldValue::Varint(number)) => number,
        (_, FieldValue::Fixed64(bytes)) => u64::from_le_bytes(bytes),
        (_, FieldValue::Fixed32(bytes)) => u64::from(u32::from_le_bytes(bytes)),
        // `float_val` and `double_val`
        (5, FieldValue::Bytes(bytes)) => bits_of(bytes.get(..4).ok_or(Malformed)?),
        (6, FieldValue::Bytes(bytes)) => bits_of(bytes.get(..8).ok_or(Malformed)?),
        (_, FieldValue::Bytes(mut bytes)) => varint(&mut bytes)?,
    })
}

#[expect(clippy::option_option, reason = "no number, and a number that cannot be held, are two things")]
fn number_of(dtype: u64, bits: u64, is_content: bool) -> Option<Option<f64>> {
    let exact = |whole: i128| {
        let number = whole as f64;
        (number as i128 == whole).then_some(number)
    };
    // In `tensor_content` a number has the bytes of its type; in a field of its own a whole number is sign-extended.
    let signed = |bytes: u32| match is_content {
        true => i128::from((bits << (64 - 8 * bytes)).cast_signed() >> (64 - 8 * bytes)),
        false => i128::from(bits.cast_signed()),
    };
    Some(match dtype {
        // DT_FLOAT, DT_DOUBLE
        1 => Some(f64::from(f32::from_bits(bits as u32))),
        2 => Some(f64::from_bits(bits)),
        // DT_INT32, DT_INT16, DT_INT8, DT_INT64
        3 => exact(signed(4)),
        5 => exact(signed(2)),
        6 => exact(signed(1)),
        9 => exact(signed(8)),
        // DT_UINT8, DT_BOOL, DT_UINT16, DT_UINT32, DT_UINT64
        4 | 10 => exact(i128::from(bits & 0xff)),
        17 => exact(i128::from(bits & 0xffff)),
        22 => exact(i128::from(bits & 0xffff_ffff)),
        23 => exact(i128::from(bits)),
        // DT_BFLOAT16: the upper half of a float. DT_HALF.
        14 => Some(f64::from(f32::from_bits((bits as u32 & 0xffff) << 16))),
        19 => Some(half(bits as u16)),
        _ => return None,
    })
}

/// The number of IEEE 754's binary16.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// What `HParamsPluginData` says.
fn hparams(data: &[u8]) -> Result<TagMeaning, Malformed> {
    if let Some(start) = bytes_of(data, 3)? {
        let mut params = Params::new();
        for field in MessageFields::of(start) {
            if let (1, FieldValue::Bytes(entry)) = field?
                && let Some(key) = bytes_of(entry, 1)?
                && let Some(value) = bytes_of(entry, 2)?.map_or(Ok(None), param)?
            {
                params.insert(String::from_utf8_lossy(key).into_owned(), value);
            }
        }
        return Ok(TagMeaning::Params(params));
    }
    let Some(end) = bytes_of(data, 4)? else {
        return Ok(TagMeaning::Nothing);
    };
    let (mut status, mut seconds) = (None, 0.0);
    for field in MessageFields::of(end) {
        match field? {
            (1, FieldValue::Varint(1)) => status = Some(Status::Finished),
            (1, FieldValue::Varint(2)) => status = Some(Status::Failed),
            (2, FieldValue::Fixed64(time)) => seconds = f64::from_le_bytes(time),
            _ => {}
        }
    }
    Ok(TagMeaning::End(status, seconds))
}

/// A `google.protobuf.Value`: a number, a text or a boolean. TensorBoard knows no others.
fn param(value: &[u8]) -> Result<Option<Param>, Malformed> {
    let mut found = None;
    for field in MessageFields::of(value) {
        found = match field? {
            (2, FieldValue::Fixed64(number)) => Some(whole(f64::from_le_bytes(number))),
            (3, FieldValue::Bytes(text)) => Some(Param::Text(String::from_utf8_lossy(text).into_owned())),
            (4, FieldValue::Varint(truth)) => Some(Param::Bool(truth != 0)),
            _ => found,
        };
    }
    Ok(found)
}

/// Numbers have no type there. A whole one was most likely a whole number.
fn whole(number: f64) -> Param {
    let whole = number as i64;
    match whole as f64 == number
        && whole.unsigned_abs() < 1 << 53
        && !(number == 0.0 && number.is_sign_negative())
    {
        true => Param::Int(whole),
        false => Param::Float(number),
    }
}
