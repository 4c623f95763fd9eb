//! The fields of a protobuf message, as they are encoded: <https://protobuf.dev/programming-guides/encoding/>.
//!
//! No length is trusted: a field ends within its message, or the message is malformed.

/// The value of one field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum FieldValue<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
}

/// A message that is not encoded as protobuf says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The fields of a message, in order. After a malformed one there are no more.
#[derive(Debug, Clone)]
pub(crate) struct MessageFields<'a>(&'a [u8]);

impl<'a> MessageFields<'a> {
    pub(crate) fn of(message: &'a [u8]) -> MessageFields<'a> {
        MessageFields(message)
    }

    fn field(&mut self) -> Result<(u64, FieldValue<'a>), Malformed> {
        let tag = varint(&mut self.0)?;
        let value = match tag & 7 {
            0 => FieldValue::Varint(varint(&mut self.0)?),
            1 => FieldValue::Fixed64(fixed(&mut self.0)?),
            2 => {
                let length = usize::try_from(varint(&mut self.0)?).map_err(|_| Malformed)?;
                let (bytes, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
                self.0 = rest;
                FieldValue::Bytes(bytes)
            }
            5 => FieldValue::Fixed32(fixed(&mut self.0)?),
            // Groups are not used by any message that is read here.
            _ => return Err(Malformed),
        };
        Ok((tag >> 3, value))
    }
}

impl<'a> Iterator for MessageFields<'a> {
    type Item = Result<(u64, FieldValue<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

fn fixed<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (number, rest) = bytes.split_first_chunk().ok_or(Malformed)?;
    *bytes = rest;
    Ok(*number)
}

/// Reads a number of 7 bits a byte, lowest first.
pub(crate) fn varint(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(Malformed)?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_each_kind_are_read_and_cut_ones_are_malformed() {
        let message = [8, 150, 1, 18, 2, b'h', b'i', 25, 1, 0, 0, 0, 0, 0, 0, 0, 37, 0, 0, 128, 63];
        let all = [
            (1, FieldValue::Varint(150)),
            (2, FieldValue::Bytes(b"hi")),
            (3, FieldValue::Fixed64(1u64.to_le_bytes())),
            (4, FieldValue::Fixed32(1f32.to_le_bytes())),
        ];
        assert_eq!(MessageFields::of(&message).collect::<Result<Vec<_>, _>>(), Ok(all.to_vec()));
        for cut in 1..message.len() {
            let fields: Vec<_> = MessageFields::of(&message[..cut]).collect();
            let whole = fields.iter().take_while(|field| field.is_ok()).count();
            assert!(fields.len() - whole <= 1);
            assert!(fields.iter().flatten().eq(&all[..whole]), "cut at {cut}");
            assert_eq!(fields.iter().all(Result::is_ok), [3, 7, 16].contains(&cut), "cut at {cut}");
        }
    }

    #[test]
    fn groups_and_endless_numbers_are_malformed() {
        assert_eq!(MessageFields::of(&[11]).next(), Some(Err(Malformed)));
        assert_eq!(
            MessageFields::of(&[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]).next(),
            Some(Err(Malformed))
        );
        let mut fields = MessageFields::of(&[10, 255, 255, 3]);
        assert_eq!((fields.next(), fields.next()), (Some(Err(Malformed)), None));
    }
}
