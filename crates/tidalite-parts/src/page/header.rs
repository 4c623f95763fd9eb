//! A page's header: the part of Thrift's compact protocol that our pages use.
//!
//! A header that is valid Thrift but has fields that we never write (statistics, another page type) is refused. The page's
//! checksum has matched by then, so only a faulty writer can produce such a header.

/// The fields of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PageHeader {
    /// Bytes of the header.
    pub(crate) bytes: usize,
    /// 0 for a data page, 2 for a dictionary page.
    pub(crate) kind: u64,
    /// Bytes of the body before compression.
    pub(crate) plain_bytes: u64,
    /// Bytes of the body as stored.
    pub(crate) stored_bytes: u64,
    /// Values in the page.
    pub(crate) values: u64,
    /// The body's encoding, as the format numbers it.
    pub(crate) encoding: u64,
}

/// `PageType` of a data page.
pub(crate) const DATA: u64 = 0;
/// `PageType` of a dictionary page.
pub(crate) const DICTIONARY: u64 = 2;

const TYPE_TRUE: u8 = 1;
const TYPE_FALSE: u8 = 2;
const TYPE_I32: u8 = 5;
const TYPE_STRUCT: u8 = 12;

/// Parses the header at the start of `page`; `None` where it is not one that we write.
pub(crate) fn parse(page: &[u8]) -> Option<PageHeader> {
    let mut input = HeaderInput { page, at: 0 };
    let mut header = PageHeader { kind: u64::MAX, ..PageHeader::default() };
    let mut field = 0;
    while let Some(kind) = input.field(&mut field)? {
        match (field, kind) {
            (1, TYPE_I32) => header.kind = input.number()?,
            (2, TYPE_I32) => header.plain_bytes = input.number()?,
            (3, TYPE_I32) => header.stored_bytes = input.number()?,
            (5 | 7, TYPE_STRUCT) => input.inner(&mut header)?,
            _ => return None,
        }
    }
    header.bytes = input.at;
    matches!(header.kind, DATA | DICTIONARY).then_some(header)
}

struct HeaderInput<'a> {
    page: &'a [u8],
    at: usize,
}

impl HeaderInput<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.page.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// The type of the next field, whose number is stored in `field`; `Some(None)` at the end of the struct.
    fn field(&mut self, field: &mut u8) -> Option<Option<u8>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        let step = byte >> 4;
        if step == 0 {
            return None;
        }
        *field = field.checked_add(step)?;
        Some(Some(byte & 0x0f))
    }

    /// A zigzag number from 0 to 2^31 − 1.
    fn number(&mut self) -> Option<u64> {
        let mut raw = 0u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            raw |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let value = raw >> 1;
                return (raw & 1 == 0 && value < 1 << 31).then_some(value);
            }
        }
        None
    }

    /// The inner struct of a data or dictionary page: values, encoding, then fields that flat columns do not need.
    fn inner(&mut self, header: &mut PageHeader) -> Option<()> {
        let mut field = 0;
        while let Some(kind) = self.field(&mut field)? {
            match (field, kind) {
                (1, TYPE_I32) => header.values = self.number()?,
                (2, TYPE_I32) => header.encoding = self.number()?,
                (3 | 4, TYPE_I32) => drop(self.number()?),
                (3, TYPE_TRUE | TYPE_FALSE) => {}
                _ => return None,
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bytes_make_the_parser_panic() {
        let page = [0x15, 0x00, 0x15, 0x90, 0x01, 0x15, 0x20, 0x2c, 0x15, 0x10, 0x15, 0x12, 0, 0];
        let header = parse(&page).unwrap();
        assert_eq!((header.bytes, header.kind, header.plain_bytes), (14, DATA, 72));
        assert_eq!((header.stored_bytes, header.values, header.encoding), (16, 8, 9));
        for end in 0..page.len() {
            assert_eq!(parse(&page[..end]), None);
        }
        let mut seed = 1u64;
        for _ in 0..20_000 {
            let mut bytes = page;
            for byte in &mut bytes {
                seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                if seed >> 62 == 0 {
                    *byte = seed.to_le_bytes()[5];
                }
            }
            parse(&bytes);
        }
    }
}
