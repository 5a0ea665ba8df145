//! A bounds-checked reader of protocol buffers: just varints, fixed numbers and length-delimited pieces.
//!
//! A [`Message`] borrows its bytes and is read field by field, so a hostile file costs no more than its size: nothing is
//! allocated here, and nothing recurses. Errors carry the offset in the file. Format: "Encoding" in the protobuf guide.

use crate::error::{Error, Result};

/// A length-delimited piece of the file: a message, a text, bytes, or packed numbers.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    /// Where the bytes stand in the file.
    start: usize,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// Integers, booleans, enumerations.
    Varint(u64),
    /// 8 bytes, little-endian: double.
    Fixed64([u8; 8]),
    /// 4 bytes, little-endian: float.
    Fixed32([u8; 4]),
    /// Everything else.
    Piece(Message<'a>),
}

/// One field of a message.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Its number in the schema.
    pub number: u64,
    /// Its value.
    pub value: Value<'a>,
    /// Where it stands in the file.
    at: usize,
}

fn cut_off(at: usize) -> Error {
    Error::invalid(format!("the file is cut off or damaged at offset {at}"))
}

impl<'a> Message<'a> {
    /// The whole file.
    pub fn file(bytes: &'a [u8]) -> Self {
        Message { bytes, start: 0 }
    }

    /// The bytes.
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// As text, which must be UTF-8.
    pub fn text(self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes)
            .map_err(|_| Error::invalid(format!("a name at offset {} is not UTF-8", self.start)))
    }

    /// The fields in the order of the file; after an error there are no more.
    pub fn fields(self) -> Fields<'a> {
        Fields { rest: self, failed: false }
    }

    /// Packed varints, one after the other.
    pub fn varints(self) -> impl Iterator<Item = Result<u64>> + use<'a> {
        let mut rest = self;
        std::iter::from_fn(move || {
            if rest.bytes.is_empty() {
                return None;
            }
            let number = rest.varint();
            if number.is_err() {
                rest.bytes = &[];
            }
            Some(number)
        })
    }

    fn take(&mut self, count: usize) -> Result<Message<'a>> {
        let (head, tail) = self.bytes.split_at_checked(count).ok_or_else(|| cut_off(self.start))?;
        let piece = Message { bytes: head, start: self.start };
        *self = Message { bytes: tail, start: self.start + count };
        Ok(piece)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let at = self.start;
        self.take(N)?.bytes.try_into().map_err(|_| cut_off(at))
    }

    /// Seven bits a byte, least significant first, ten bytes at most; what exceeds 64 bits is dropped, as protobuf does.
    fn varint(&mut self) -> Result<u64> {
        let mut number = 0;
        for (i, &byte) in self.bytes.iter().take(10).enumerate() {
            number |= ((byte & 0x7f) as u64) << (7 * i);
            if byte & 0x80 == 0 {
                self.take(i + 1)?;
                return Ok(number);
            }
        }
        Err(cut_off(self.start))
    }

    fn field(&mut self) -> Result<Field<'a>> {
        let at = self.start;
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(self.array()?),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| cut_off(at))?;
                Value::Piece(self.take(length)?)
            }
            5 => Value::Fixed32(self.array()?),
            // Groups (3 and 4) are of a protobuf before ONNX.
            _ => return Err(cut_off(at)),
        };
        Ok(Field { number: key >> 3, value, at })
    }
}

/// See [`Message::fields`].
pub struct Fields<'a> {
    rest: Message<'a>,
    failed: bool,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.rest.bytes.is_empty() {
            return None;
        }
        let field = self.rest.field();
        self.failed = field.is_err();
        Some(field)
    }
}

impl<'a> Field<'a> {
    fn wrong(&self) -> Error {
        Error::invalid(format!("field {} at offset {} is not of the type it should be", self.number, self.at))
    }

    /// A message, text or bytes.
    pub fn piece(&self) -> Result<Message<'a>> {
        match self.value {
            Value::Piece(piece) => Ok(piece),
            _ => Err(self.wrong()),
        }
    }

    /// A text.
    pub fn text(&self) -> Result<&'a str> {
        self.piece()?.text()
    }

    /// An integer.
    pub fn int(&self) -> Result<i64> {
        match self.value {
            Value::Varint(number) => Ok(number as i64),
            _ => Err(self.wrong()),
        }
    }

    /// A float.
    pub fn float(&self) -> Result<f32> {
        match self.value {
            Value::Fixed32(bytes) => Ok(f32::from_le_bytes(bytes)),
            _ => Err(self.wrong()),
        }
    }

    /// Integers of a repeated field, packed or one by one.
    pub fn each_int(&self, mut visit: impl FnMut(i64) -> Result<()>) -> Result<()> {
        match self.value {
            Value::Varint(number) => visit(number as i64),
            Value::Piece(packed) => packed.varints().try_for_each(|number| visit(number? as i64)),
            _ => Err(self.wrong()),
        }
    }

    /// Floats of a repeated field, packed or one by one.
    pub fn each_float(&self, mut visit: impl FnMut(f32) -> Result<()>) -> Result<()> {
        match self.value {
            Value::Fixed32(bytes) => visit(f32::from_le_bytes(bytes)),
            Value::Piece(packed) if packed.bytes.len().is_multiple_of(4) => {
                packed.bytes.as_chunks().0.iter().try_for_each(|b| visit(f32::from_le_bytes(*b)))
            }
            _ => Err(self.wrong()),
        }
    }

    /// Doubles of a repeated field, packed or one by one.
    pub fn each_double(&self, mut visit: impl FnMut(f64) -> Result<()>) -> Result<()> {
        match self.value {
            Value::Fixed64(bytes) => visit(f64::from_le_bytes(bytes)),
            Value::Piece(packed) if packed.bytes.len().is_multiple_of(8) => {
                packed.bytes.as_chunks().0.iter().try_for_each(|b| visit(f64::from_le_bytes(*b)))
            }
            _ => Err(self.wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Field 1: varint 300; field 2: text "ab"; field 3: float 1.
    const SMALL: [u8; 12] = [0x08, 0xac, 0x02, 0x12, 2, b'a', b'b', 0x1d, 0, 0, 0x80, 0x3f];

    #[test]
    fn every_kind_of_field() {
        let fields: Vec<_> = Message::file(&SMALL).fields().map(Result::unwrap).collect();
        assert_eq!(fields.iter().map(|f| f.number).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!((fields[0].int().unwrap(), fields[1].text().unwrap()), (300, "ab"));
        assert_eq!(fields[2].float().unwrap(), 1.0);
        assert!(fields[0].text().is_err() && fields[1].int().is_err() && fields[2].int().is_err());
    }

    #[test]
    fn every_cut_within_a_field_is_an_error() {
        let whole = [0, 3, 7, 12];
        for cut in 0..SMALL.len() {
            let result: Result<Vec<_>> = Message::file(&SMALL[..cut]).fields().collect();
            assert_eq!(result.is_ok(), whole.contains(&cut), "cut at {cut}");
        }
    }

    #[test]
    fn lengths_beyond_the_file_and_endless_numbers_are_errors() {
        for bad in [&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1][..], &[0x08; 1], &[0xff; 16]] {
            assert!(Message::file(bad).fields().any(|field| field.is_err()), "{bad:?}");
        }
        // A negative number takes ten bytes.
        let minus_one = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        let numbers: Result<Vec<_>> = Message::file(&minus_one).varints().collect();
        assert_eq!(numbers.unwrap(), [u64::MAX]);
    }
}
