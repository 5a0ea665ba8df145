//! Where an array's chunks are: the index of HDF5 1.8 (a B-tree of version 1) and those that 1.10 chooses from.
//!
//! Specification: "HDF5 File Format Specification" version 3.0, sections III.A.1 and VII. Implicit indices, fixed and
//! extensible arrays count chunks in row-major order of the array's *largest* extent; B-trees say for each where it lies.

use super::{Reader, UNDEFINED};
use crate::cursor::Cursor;
use crate::error::{Error, Result};

/// How chunks are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Index {
    /// A B-tree of version 1.
    Tree,
    /// One behind the other, unfiltered.
    Implicit,
    /// A table.
    Fixed,
    /// A table that grows along one axis.
    Extensible,
    /// A B-tree of version 2: more than one axis may grow.
    Tree2,
}

/// Where a chunk is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub at: u64,
    pub bytes: usize,
    /// Filters that it did not go through.
    pub mask: u32,
}

/// Offset in elements, and place of a chunk.
pub(super) type Stored = (Vec<usize>, Place);

/// Chunks of an array.
#[derive(Clone, Debug)]
pub(super) struct Chunks {
    pub index: Index,
    /// Where the index is.
    pub at: u64,
    /// Dimensions of a chunk.
    pub dims: Vec<usize>,
    /// The array's dimensions as large as they may become; `u64::MAX` for any size.
    pub most: Vec<u64>,
    /// Chunks that reach beyond the array did not go through filters.
    pub raw_edges: bool,
}

/// An entry of a table: an address, and with filters the size as stored and a mask.
#[derive(Clone, Copy)]
struct Entry {
    /// Bytes of an entry.
    bytes: usize,
    filtered: bool,
    /// Bytes of a chunk that went through no filter.
    plain: usize,
}

impl Entry {
    fn new(bytes: usize, client: u8, plain: usize) -> Result<Entry> {
        let filtered = client == 1;
        if client > 1 || if filtered { !(13..=20).contains(&bytes) } else { bytes != 8 } {
            return Err(Error::invalid("a damaged index of chunks in the HDF5 file"));
        }
        Ok(Entry { bytes, filtered, plain })
    }

    fn read(&self, cursor: &mut Cursor) -> Result<Place> {
        let at = cursor.u64()?;
        if at == UNDEFINED {
            return Err(Error::invalid("chunks are missing in the HDF5 file"));
        }
        if !self.filtered {
            return Ok(Place { at, bytes: self.plain, mask: 0 });
        }
        Ok(Place { at, bytes: size(cursor.number(self.bytes - 12)?)?, mask: cursor.u32()? })
    }
}

fn size(number: u64) -> Result<usize> {
    usize::try_from(number).map_err(|_| Error::invalid(format!("a chunk of {number} bytes in the HDF5 file")))
}

fn damaged(what: &str, at: u64) -> Error {
    Error::invalid(format!("a damaged {what} at offset {at} of the HDF5 file"))
}

impl Reader<'_> {
    /// All chunks of an array of this shape, in any order; `plain` are the bytes of one without filters. There are no more than
    /// the file has entries for.
    pub(super) fn stored(&self, chunks: &Chunks, shape: &[usize], plain: usize) -> Result<Vec<Stored>> {
        let (rank, dims) = (shape.len(), &chunks.dims);
        match chunks.index {
            Index::Tree => {
                let mut found = Vec::new();
                self.chunk_tree(chunks.at, rank, None, &mut found)?;
                Ok(found)
            }
            Index::Tree2 => self.chunk_tree2(chunks, plain),
            Index::Implicit => self.table(chunks, shape, 1, &|number| {
                let offset = number.checked_mul(plain as u64).and_then(|offset| offset.checked_add(chunks.at));
                let at = offset.ok_or_else(|| damaged("row of chunks", chunks.at))?;
                Cursor::new(self.bytes, at).skip(plain)?;
                Ok(Place { at, bytes: plain, mask: 0 })
            }),
            Index::Fixed => {
                let table = Fixed::read(self, chunks.at, plain)?;
                self.table(chunks, shape, table.entry.bytes, &|number| table.find(self.bytes, number))
            }
            Index::Extensible => {
                // The axis that grows counts slowest.
                let axis = chunks.most.iter().position(|&most| most == u64::MAX);
                let axis = axis.ok_or_else(|| damaged("extensible array", chunks.at))?;
                let table = Extensible::read(self, chunks.at, plain)?;
                let order: Vec<usize> = std::iter::once(axis).chain((0..rank).filter(|&a| a != axis)).collect();
                let turned = Chunks {
                    dims: order.iter().map(|&a| dims[a]).collect(),
                    most: order.iter().map(|&a| chunks.most[a]).collect(),
                    ..*chunks
                };
                let shape: Vec<usize> = order.iter().map(|&a| shape[a]).collect();
                let found = self.table(&turned, &shape, table.entry.bytes, &|number| table.find(self.bytes, number))?;
                let back = |(offset, place): Stored| {
                    let mut straight = vec![0; rank];
                    order.iter().zip(offset).for_each(|(&a, o)| straight[a] = o);
                    (straight, place)
                };
                Ok(found.into_iter().map(back).collect())
            }
        }
    }

    /// Chunks that are numbered in row-major order; each has an entry of so many bytes at least.
    fn table(
        &self,
        chunks: &Chunks,
        shape: &[usize],
        entry: usize,
        find: &dyn Fn(u64) -> Result<Place>,
    ) -> Result<Vec<Stored>> {
        let counts: Vec<usize> = shape.iter().zip(&chunks.dims).map(|(s, d)| s.div_ceil(*d)).collect();
        let count = counts.iter().try_fold(1usize, |n, &c| n.checked_mul(c));
        let count = count.filter(|n| n.checked_mul(entry).is_some_and(|bytes| bytes <= self.bytes.len()));
        let count = count.ok_or_else(|| Error::invalid("the HDF5 file has fewer chunks than its array"))?;
        let mut found = Vec::with_capacity(count);
        let mut place = vec![0; shape.len()];
        for _ in 0..count {
            let mut number = 0u64;
            for ((&at, &most), &dim) in place.iter().zip(&chunks.most).zip(&chunks.dims) {
                let along = if most == u64::MAX { 0 } else { most.div_ceil(dim as u64) };
                let next = number.checked_mul(along).and_then(|n| n.checked_add(at as u64));
                number = next.ok_or_else(|| damaged("index of chunks", chunks.at))?;
            }
            let offset = place.iter().zip(&chunks.dims).map(|(p, d)| p * d).collect();
            found.push((offset, find(number)?));
            for axis in (0..shape.len()).rev() {
                place[axis] += 1;
                if place[axis] < counts[axis] {
                    break;
                }
                place[axis] = 0;
            }
        }
        Ok(found)
    }

    /// The chunks in a B-tree of version 1.
    fn chunk_tree(&self, address: u64, rank: usize, level: Option<u8>, found: &mut Vec<Stored>) -> Result<()> {
        let mut cursor = self.at(address, 24)?;
        cursor.expect(b"TREE")?;
        let (kind, own, count) = (cursor.u8()?, cursor.u8()?, cursor.u16()? as usize);
        if kind != 1 || level.is_some_and(|level| level != own) || own > 16 {
            return Err(Error::invalid(format!("the B-tree at offset {address} is no array's")));
        }
        cursor.skip(16)?;
        let key = 8 + 8 * (rank + 1);
        let mut cursor = self.at(cursor.at() as u64, count * (key + 8))?;
        for _ in 0..count {
            let (bytes, mask) = (cursor.u32()? as usize, cursor.u32()?);
            let offset = (0..rank).map(|_| cursor.size()).collect::<Result<Vec<_>>>()?;
            cursor.skip(8)?;
            let at = cursor.u64()?;
            match own.checked_sub(1) {
                Some(below) => self.chunk_tree(at, rank, Some(below), found)?,
                None => found.push((offset, Place { at, bytes, mask })),
            }
        }
        Ok(())
    }

    /// The chunks in a B-tree of version 2, whose records count offsets in chunks.
    fn chunk_tree2(&self, chunks: &Chunks, plain: usize) -> Result<Vec<Stored>> {
        let rank = chunks.dims.len();
        let mut found = Vec::new();
        self.records(chunks.at, &mut |kind, record, mut cursor| {
            let bytes = record.checked_sub(8 * rank).ok_or_else(|| damaged("B-tree", chunks.at))?;
            let entry = Entry::new(bytes, kind.wrapping_sub(10), plain)?;
            let place = entry.read(&mut cursor)?;
            let offset = |&dim: &usize| {
                let offset = cursor.size()?.checked_mul(dim);
                offset.ok_or_else(|| damaged("B-tree", chunks.at))
            };
            found.push((chunks.dims.iter().map(offset).collect::<Result<_>>()?, place));
            Ok(())
        })?;
        Ok(found)
    }
}

/// A fixed array: entries in a block, in pages if there are many.
struct Fixed {
    entry: Entry,
    /// Entries of a page; 0 without pages.
    page: u64,
    entries: u64,
    /// Where the entries begin, or the bits that say which pages there are.
    start: u64,
}

impl Fixed {
    fn read(reader: &Reader, at: u64, plain: usize) -> Result<Fixed> {
        let mut cursor = reader.at(at, 28)?;
        cursor.expect(b"FAHD\0")?;
        let (client, bytes, bits) = (cursor.u8()?, cursor.u8()? as usize, cursor.u8()?);
        let (entries, block) = (cursor.u64()?, cursor.u64()?);
        let entry = Entry::new(bytes, client, plain)?;
        let mut cursor = reader.at(block, 14)?;
        cursor.expect(b"FADB\0")?;
        if bits >= 32 || entries > reader.bytes.len() as u64 {
            return Err(damaged("fixed array", at));
        }
        let page = if entries > 1 << bits { 1 << bits } else { 0 };
        Ok(Fixed { entry, page, entries, start: block + 14 })
    }

    fn find(&self, file: &[u8], number: u64) -> Result<Place> {
        if number >= self.entries {
            return Err(damaged("fixed array", self.start));
        }
        let bytes = self.entry.bytes as u64;
        if self.page == 0 {
            return self.entry.read(&mut Cursor::new(file, self.start + number * bytes));
        }
        let page = number / self.page;
        has_page(file, self.start, page)?;
        // A sum stands behind the bits and behind each page.
        let pages = self.start + self.entries.div_ceil(self.page).div_ceil(8) + 4;
        self.entry.read(&mut Cursor::new(file, pages + page * (self.page * bytes + 4) + number % self.page * bytes))
    }
}

/// Errors unless a page was written, by its bit; the highest bit comes first.
fn has_page(file: &[u8], bits: u64, page: u64) -> Result<()> {
    if Cursor::new(file, bits + page / 8).u8()? >> (7 - page % 8) & 1 == 1 {
        return Ok(());
    }
    Err(Error::invalid("chunks are missing in the HDF5 file"))
}

/// An extensible array: first entries in its own block, then blocks of entries that grow, the later ones by way of blocks of
/// their addresses.
struct Extensible {
    entry: Entry,
    /// Entries in the index block.
    first: u64,
    /// Entries of the smallest block.
    least: u64,
    /// Super blocks whose blocks the index block lists itself.
    listed: u64,
    /// Super blocks in all.
    all: u64,
    /// Entries of a page.
    page: u64,
    /// Bytes of a block's offset.
    offset_bytes: u64,
    /// Where the entries of the index block begin.
    start: u64,
}

impl Extensible {
    fn read(reader: &Reader, at: u64, plain: usize) -> Result<Extensible> {
        let mut cursor = reader.at(at, 72)?;
        cursor.expect(b"EAHD\0")?;
        let (client, bytes, bits, first) = (cursor.u8()?, cursor.u8()? as usize, cursor.u8()? as u64, cursor.u8()?);
        let (least, pointers, page) = (cursor.u8()? as u64, cursor.u8()? as u64, cursor.u8()?);
        cursor.skip(6 * 8)?;
        let block = cursor.u64()?;
        let entry = Entry::new(bytes, client, plain)?;
        let sound = least.is_power_of_two() && pointers.is_power_of_two() && bits <= 48 && page < 32;
        if !sound || bits < least.ilog2() as u64 {
            return Err(damaged("extensible array", at));
        }
        reader.at(block, 14)?.expect(b"EAIB\0")?;
        let (listed, all) = (2 * pointers.ilog2() as u64, 1 + bits - least.ilog2() as u64);
        let (first, page, offset_bytes) = (first as u64, 1 << page, bits.div_ceil(8));
        Ok(Extensible { entry, first, least, listed, all, page, offset_bytes, start: block + 14 })
    }

    fn find(&self, file: &[u8], number: u64) -> Result<Place> {
        let bytes = self.entry.bytes as u64;
        let Some(mut left) = number.checked_sub(self.first) else {
            return self.entry.read(&mut Cursor::new(file, self.start + number * bytes));
        };
        // The n-th super block has 2^(n/2) blocks, of 2^((n+1)/2) times the least number of entries.
        let (mut nth, mut before) = (0u64, 0u64);
        let (blocks, entries) = loop {
            let (blocks, entries) = (1u64 << (nth / 2), self.least << nth.div_ceil(2));
            if nth >= self.all {
                return Err(damaged("extensible array", self.start));
            }
            if left < blocks * entries {
                break (blocks, entries);
            }
            left -= blocks * entries;
            (nth, before) = (nth + 1, before + blocks);
        };
        let (block, within) = (left / entries, left % entries);
        let list = self.start + self.first * bytes;
        let head = 14 + self.offset_bytes;
        let pages = if entries > self.page { entries / self.page } else { 0 };
        let (page, slot) = (within / self.page, within % self.page);
        let address = if nth < self.listed {
            list + 8 * (before + block)
        } else {
            // Behind the list of blocks is one of super blocks; in those, bits for the pages of all blocks come first.
            let direct = 2 * ((1u64 << (self.listed / 2)) - 1);
            let upper = pointer(file, list + 8 * (direct + nth - self.listed))?;
            Cursor::new(file, upper).expect(b"EASB\0")?;
            let bits = pages.div_ceil(8);
            let upper = upper.saturating_add(head);
            if pages > 0 {
                // One bit after the other, though there is room for whole bytes for each block.
                has_page(file, upper, block * pages + page)?;
            }
            upper + blocks * bits + 8 * block
        };
        let at = pointer(file, address)?;
        Cursor::new(file, at).expect(b"EADB\0")?;
        let start = at.saturating_add(head);
        let start =
            if pages > 0 { start + 4 + page * (self.page * bytes + 4) + slot * bytes } else { start + within * bytes };
        self.entry.read(&mut Cursor::new(file, start))
    }
}

/// An address that must lead somewhere.
fn pointer(file: &[u8], at: u64) -> Result<u64> {
    let address = Cursor::new(file, at).u64()?;
    // What is added to it stays within 64 bits.
    if address > file.len() as u64 {
        return Err(Error::invalid("chunks are missing in the HDF5 file"));
    }
    Ok(address)
}
