//! A place in a file: little-endian numbers, every read checked.

use crate::error::{Error, Result};

/// Reads on from a place.
#[derive(Clone)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At an offset, which may lie outside: then the first read fails.
    pub fn new(bytes: &'a [u8], at: u64) -> Cursor<'a> {
        Cursor { bytes, at: usize::try_from(at).unwrap_or(usize::MAX) }
    }

    /// Where it stands.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The next bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| {
            Error::invalid(format!("cut off: {count} bytes wanted at offset {} of {}", self.at, self.bytes.len()))
        })?;
        self.at += count;
        Ok(taken)
    }

    /// Passes over bytes.
    pub fn skip(&mut self, count: usize) -> Result<()> {
        self.take(count).map(|_| ())
    }

    /// Goes on at the next multiple of 8, counted from `start`.
    pub fn align(&mut self, start: usize) -> Result<()> {
        self.skip((8 - (self.at - start) % 8) % 8)
    }

    /// Errors unless these bytes come next.
    pub fn expect(&mut self, signature: &[u8]) -> Result<()> {
        let at = self.at;
        if self.take(signature.len())? == signature {
            return Ok(());
        }
        let name = String::from_utf8_lossy(signature);
        Err(Error::invalid(format!("no {name:?} at offset {at}, where one has to be")))
    }

    /// A number of up to 8 bytes.
    pub fn number(&mut self, bytes: usize) -> Result<u64> {
        let taken = self.take(bytes)?;
        Ok(taken.iter().rev().fold(0, |number, &byte| number << 8 | byte as u64))
    }

    /// A byte.
    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.number(1)? as u8)
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Result<u16> {
        Ok(self.number(2)? as u16)
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32> {
        Ok(self.number(4)? as u32)
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Result<u64> {
        self.number(8)
    }

    /// Eight bytes that count something in memory.
    pub fn size(&mut self) -> Result<usize> {
        let (at, number) = (self.at, self.u64()?);
        usize::try_from(number).map_err(|_| Error::invalid(format!("the size {number} at offset {at}")))
    }
}
