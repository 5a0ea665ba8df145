//! Many links or attributes of one object: messages in a fractal heap, found through a B-tree of version 2.

use super::{Reader, UNDEFINED};
use crate::cursor::Cursor;
use crate::error::{Error, Result};

/// A fractal heap: blocks in rows of `width`, each row twice the size of the one before.
struct Heap {
    width: usize,
    first: u64,
    largest_direct: u64,
    /// Bytes of an offset and of a length in an object's identifier.
    offset_bytes: usize,
    length_bytes: usize,
    root: u64,
    /// Rows of the root; 0 if it is a block of objects itself.
    rows: usize,
}

impl Heap {
    fn row_size(&self, row: usize) -> u64 {
        self.first << row.saturating_sub(1).min(40)
    }
}

/// Is given the kind of a tree, the bytes of a record, and a record.
pub(super) type Visit<'v, 'a> = &'v mut dyn FnMut(u8, usize, Cursor<'a>) -> Result<()>;

impl<'a> Reader<'a> {
    /// The messages with their lengths; in the tree's records the heap's identifier comes after `skip` bytes.
    pub(super) fn dense(&self, heap: u64, index: u64, skip: usize) -> Result<Vec<(Cursor<'a>, usize)>> {
        let heap = self.heap_header(heap)?;
        let mut found = Vec::new();
        self.records(index, &mut |_, _, mut record| {
            record.skip(skip)?;
            found.push(self.heap_object(&heap, record)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// Goes through the records of a B-tree of version 2: its kind, bytes of a record, the record.
    pub(super) fn records(&self, index: u64, visit: Visit<'_, 'a>) -> Result<()> {
        let mut cursor = self.at(index, 38)?;
        cursor.expect(b"BTHD")?;
        cursor.skip(1)?;
        let kind = cursor.u8()?;
        let (node, record, depth) = (cursor.u32()? as usize, cursor.u16()? as usize, cursor.u16()?);
        cursor.skip(2)?;
        let (root, count) = (cursor.u64()?, cursor.u16()? as usize);
        if depth > 8 || record == 0 || node < 16 + record {
            return Err(Error::invalid(format!("a damaged B-tree at offset {index}")));
        }
        let tree = Tree { kind, node, record };
        if root == UNDEFINED {
            return Ok(());
        }
        self.node(&tree, root, count, depth as usize, visit)
    }

    fn node(&self, tree: &Tree, address: u64, count: usize, depth: usize, visit: Visit<'_, 'a>) -> Result<()> {
        let mut cursor = self.at(address, tree.node)?;
        cursor.expect(if depth == 0 { b"BTLF" } else { b"BTIN" })?;
        cursor.skip(2)?;
        if count > (tree.node - 10) / tree.record {
            return Err(Error::invalid(format!("too many records in the B-tree's node at offset {address}")));
        }
        for _ in 0..count {
            let record = cursor.clone();
            cursor.skip(tree.record)?;
            visit(tree.kind, tree.record, record)?;
        }
        if depth > 0 {
            let (own, all) = tree.counts(depth);
            for _ in 0..=count {
                let (child, records) = (cursor.u64()?, cursor.number(own)? as usize);
                cursor.skip(all)?;
                self.node(tree, child, records, depth - 1, visit)?;
            }
        }
        Ok(())
    }

    fn heap_header(&self, address: u64) -> Result<Heap> {
        let mut cursor = self.at(address, 146)?;
        cursor.expect(b"FRHP")?;
        cursor.skip(3)?;
        let (filters, _flags, largest) = (cursor.u16()?, cursor.u8()?, cursor.u32()?);
        if filters != 0 {
            return Err(Error::unsupported("links or attributes of an HDF5 file that are compressed"));
        }
        cursor.skip(12 * 8)?;
        let (width, first, largest_direct) = (cursor.u16()? as usize, cursor.u64()?, cursor.u64()?);
        let (bits, _) = (cursor.u16()? as usize, cursor.u16()?);
        let (root, rows) = (cursor.u64()?, cursor.u16()? as usize);
        let sound = width > 0 && first.is_power_of_two() && largest_direct.is_power_of_two() && bits <= 64;
        if !sound || first > largest_direct || first < 32 || largest == 0 || rows > 64 {
            return Err(Error::invalid(format!("a damaged heap at offset {address}")));
        }
        let of_block = largest_direct.ilog2().div_ceil(8) as usize;
        let length_bytes = of_block.min(largest.ilog2() as usize / 8 + 1);
        Ok(Heap { width, first, largest_direct, offset_bytes: bits.div_ceil(8), length_bytes, root, rows })
    }

    /// The object of an identifier, and its length.
    fn heap_object(&self, heap: &Heap, mut id: Cursor<'a>) -> Result<(Cursor<'a>, usize)> {
        let kind = id.u8()?;
        match kind >> 4 & 3 {
            0 => {
                let (mut offset, length) = (id.number(heap.offset_bytes)?, id.number(heap.length_bytes)? as usize);
                let (mut block, mut rows) = (heap.root, heap.rows);
                // Indirect blocks hold addresses of blocks; the table repeats itself inside of them, with fewer rows.
                while rows > 0 {
                    (block, offset, rows) = self.descend(heap, block, offset, rows)?;
                }
                self.at(block, 4)?.expect(b"FHDB")?;
                let place = block.checked_add(offset).ok_or_else(|| Error::invalid("a heap's object is nowhere"))?;
                Ok((self.at(place, length)?, length))
            }
            2 => {
                let length = (kind & 15) as usize + 1;
                Ok((id, length))
            }
            _ => Err(Error::unsupported("an attribute of more than 64 KB that stands by itself in an HDF5 file")),
        }
    }

    /// The block within an indirect block that holds an offset, the offset within it, and its rows (0: of objects).
    fn descend(&self, heap: &Heap, block: u64, offset: u64, rows: usize) -> Result<(u64, u64, usize)> {
        let lost = || Error::invalid(format!("the heap's block at offset {block} has no place {offset}"));
        let head = 13 + heap.offset_bytes;
        let mut cursor = self.at(block, head)?;
        cursor.expect(b"FHIB")?;
        let (mut before, mut row) = (0u64, 0usize);
        let size = loop {
            if row >= rows {
                return Err(lost());
            }
            let size = heap.row_size(row);
            let next = before.saturating_add(size.saturating_mul(heap.width as u64));
            if offset < next {
                break size;
            }
            (before, row) = (next, row + 1);
        };
        let column = (offset - before) / size;
        let place = (row * heap.width) as u64 + column;
        let child = self.at(block.saturating_add(head as u64).saturating_add(8 * place), 8)?.u64()?;
        let inner = offset - before - column * size;
        let rows_inside = if size <= heap.largest_direct {
            0
        } else {
            // As many rows as fill the block.
            let rows = (size / (heap.first * heap.width as u64)).max(1).ilog2() as usize + 1;
            if rows > row {
                return Err(lost());
            }
            rows
        };
        Ok((child, inner, rows_inside))
    }
}

/// A B-tree of version 2.
struct Tree {
    kind: u8,
    node: usize,
    record: usize,
}

impl Tree {
    /// Bytes of the two counts in a pointer to a child, in a node this far above the leaves: records of the child, and
    /// records below it in all (of leaves the same, and left out).
    fn counts(&self, depth: usize) -> (usize, usize) {
        let bytes = |limit: u64| limit.max(1).ilog2() as usize / 8 + 1;
        let mut most = ((self.node - 10) / self.record) as u64;
        let own = bytes(most);
        let mut all = 0;
        for level in 1..depth {
            let pointer = 8 + own + if level > 1 { all } else { 0 };
            let records = (self.node.saturating_sub(10 + pointer) / (self.record + pointer)) as u64;
            most = records.saturating_add(1).saturating_mul(most).saturating_add(records);
            all = bytes(most);
        }
        (own, all)
    }
}
