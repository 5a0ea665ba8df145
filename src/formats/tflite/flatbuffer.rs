//! A bounds-checked reader of flatbuffers: just tables, vectors, texts and numbers.
//!
//! Every access checks its offset against the file and errors with it; nothing is allocated and nothing recurses, so
//! a hostile file costs no more than its size. Format: the FlatBuffers "internals" page.

use crate::error::{Error, Result};

/// A flatbuffer file.
#[derive(Clone, Copy)]
pub struct Flatbuffer<'a>(pub &'a [u8]);

/// A table at `start`; its fields are found through its vtable.
#[derive(Clone, Copy)]
pub struct Table<'a> {
    file: Flatbuffer<'a>,
    start: usize,
    vtable: usize,
    vtable_bytes: usize,
}

/// A vector whose elements, all within the file, begin at `start`.
#[derive(Clone, Copy)]
pub struct Vector<'a> {
    file: Flatbuffer<'a>,
    start: usize,
    len: usize,
}

fn cut_off(offset: usize) -> Error {
    Error::invalid(format!("the file is cut off or damaged: offset {offset} leads outside"))
}

impl<'a> Flatbuffer<'a> {
    fn bytes<const N: usize>(self, offset: usize) -> Result<[u8; N]> {
        let bytes = offset.checked_add(N).and_then(|end| self.0.get(offset..end));
        bytes.and_then(|b| b.try_into().ok()).ok_or_else(|| cut_off(offset))
    }

    fn u32(self, offset: usize) -> Result<u32> {
        self.bytes(offset).map(u32::from_le_bytes)
    }

    /// Follows the unsigned offset stored at `offset`.
    fn follow(self, offset: usize) -> Result<usize> {
        let target = offset.checked_add(self.u32(offset)? as usize).filter(|&t| t < self.0.len());
        target.ok_or_else(|| cut_off(offset))
    }

    /// The root table.
    pub fn root(self) -> Result<Table<'a>> {
        self.table(self.follow(0)?)
    }

    fn table(self, start: usize) -> Result<Table<'a>> {
        let back = i32::from_le_bytes(self.bytes(start)?) as i64;
        let vtable = usize::try_from(start as i64 - back).map_err(|_| cut_off(start))?;
        let vtable_bytes = u16::from_le_bytes(self.bytes(vtable)?) as usize;
        if vtable_bytes < 4 || vtable.checked_add(vtable_bytes).is_none_or(|end| end > self.0.len()) {
            return Err(cut_off(vtable));
        }
        Ok(Table { file: self, start, vtable, vtable_bytes })
    }

    fn vector(self, start: usize, element: usize) -> Result<Vector<'a>> {
        let len = self.u32(start)? as usize;
        let start = start + 4;
        let fits = len.checked_mul(element).is_some_and(|bytes| bytes <= self.0.len() - start);
        if fits { Ok(Vector { file: self, start, len }) } else { Err(cut_off(start)) }
    }
}

impl<'a> Table<'a> {
    /// Where field `index` stands, if it is present.
    fn field(self, index: usize) -> Result<Option<usize>> {
        let slot = 4 + 2 * index;
        if slot + 2 > self.vtable_bytes {
            return Ok(None);
        }
        let offset = u16::from_le_bytes(self.file.bytes(self.vtable + slot)?) as usize;
        Ok((offset != 0).then_some(self.start + offset))
    }

    /// A byte, or the default.
    pub fn i8(self, index: usize, default: i8) -> Result<i8> {
        self.field(index)?.map_or(Ok(default), |at| self.file.bytes(at).map(i8::from_le_bytes))
    }

    /// A boolean; false if absent.
    pub fn flag(self, index: usize) -> Result<bool> {
        Ok(self.i8(index, 0)? != 0)
    }

    /// A 32-bit integer, or the default.
    pub fn i32(self, index: usize, default: i32) -> Result<i32> {
        self.field(index)?.map_or(Ok(default), |at| self.file.bytes(at).map(i32::from_le_bytes))
    }

    /// An unsigned one; 0 if absent.
    pub fn u32(self, index: usize) -> Result<u32> {
        self.field(index)?.map_or(Ok(0), |at| self.file.u32(at))
    }

    /// A 64-bit one; 0 if absent.
    pub fn u64(self, index: usize) -> Result<u64> {
        self.field(index)?.map_or(Ok(0), |at| self.file.bytes(at).map(u64::from_le_bytes))
    }

    /// A float, or the default.
    pub fn f32(self, index: usize, default: f32) -> Result<f32> {
        self.field(index)?.map_or(Ok(default), |at| self.file.bytes(at).map(f32::from_le_bytes))
    }

    /// A table.
    pub fn table(self, index: usize) -> Result<Option<Table<'a>>> {
        self.field(index)?.map(|at| self.file.table(self.file.follow(at)?)).transpose()
    }

    fn vector(self, index: usize, element: usize) -> Result<Option<Vector<'a>>> {
        self.field(index)?.map(|at| self.file.vector(self.file.follow(at)?, element)).transpose()
    }

    /// A vector of bytes; empty if absent.
    pub fn byte_vector(self, index: usize) -> Result<&'a [u8]> {
        let bytes = |v: Vector<'a>| v.file.0.get(v.start..v.start + v.len).unwrap_or_default();
        Ok(self.vector(index, 1)?.map_or(&[], bytes))
    }

    /// A text; empty if absent. It must be UTF-8.
    pub fn text(self, index: usize) -> Result<&'a str> {
        std::str::from_utf8(self.byte_vector(index)?)
            .map_err(|_| Error::invalid(format!("a name in the table at offset {} is not UTF-8", self.start)))
    }

    /// 32-bit integers; empty if absent.
    pub fn ints(self, index: usize) -> Result<Vec<i32>> {
        let Some(v) = self.vector(index, 4)? else { return Ok(Vec::new()) };
        (0..v.len).map(|i| v.file.bytes(v.start + 4 * i).map(i32::from_le_bytes)).collect()
    }

    /// Floats; empty if absent.
    pub fn floats(self, index: usize) -> Result<Vec<f32>> {
        let Some(v) = self.vector(index, 4)? else { return Ok(Vec::new()) };
        (0..v.len).map(|i| v.file.bytes(v.start + 4 * i).map(f32::from_le_bytes)).collect()
    }

    /// 64-bit integers; empty if absent.
    pub fn longs(self, index: usize) -> Result<Vec<i64>> {
        let Some(v) = self.vector(index, 8)? else { return Ok(Vec::new()) };
        (0..v.len).map(|i| v.file.bytes(v.start + 8 * i).map(i64::from_le_bytes)).collect()
    }

    /// A vector of tables; empty if absent.
    pub fn tables(self, index: usize) -> Result<Vec<Table<'a>>> {
        let Some(v) = self.vector(index, 4)? else { return Ok(Vec::new()) };
        (0..v.len).map(|i| v.file.table(v.file.follow(v.start + 4 * i)?)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root table with one field, an int32 of 7.
    const SMALL: [u8; 20] = [12, 0, 0, 0, 0, 0, 6, 0, 8, 0, 4, 0, 6, 0, 0, 0, 7, 0, 0, 0];

    #[test]
    fn fields_present_and_absent() {
        let table = Flatbuffer(&SMALL).root().unwrap();
        assert_eq!((table.i32(0, 3).unwrap(), table.i32(1, 3).unwrap()), (7, 3));
        assert!(table.ints(1).unwrap().is_empty());
    }

    #[test]
    fn every_cut_is_an_error() {
        for cut in 0..SMALL.len() {
            let field = Flatbuffer(&SMALL[..cut]).root().and_then(|t| t.i32(0, 3));
            assert!(field.is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn lengths_and_offsets_beyond_the_file_are_errors() {
        let table = Flatbuffer(&SMALL).root().unwrap();
        // Field 0 read as a vector: the offset 7 leads to unaligned nonsense beyond the end.
        assert!(table.ints(0).is_err() && table.tables(0).is_err() && table.text(0).is_err());
        assert!(Flatbuffer(&[0xff; 16]).root().is_err());
        assert!(Flatbuffer(&[]).root().is_err());
    }
}
