//! The members of a group: a B-tree of symbol tables, link messages, or dense links.

use super::header::{Message, kind, only};
use super::{Reader, UNDEFINED};
use crate::cursor::Cursor;
use crate::error::{Error, Result};

impl<'a> Reader<'a> {
    /// Names and headers' addresses of a group's members. Soft and external links are passed over: Keras has none.
    pub(super) fn links(&self, messages: &[Message<'a>]) -> Result<Vec<(String, u64)>> {
        let mut links = Vec::new();
        if let Some(mut table) = only(messages, kind::SYMBOL_TABLE)? {
            let (tree, heap) = (table.u64()?, table.u64()?);
            let names = self.local_heap(heap)?;
            self.tree(tree, names, None, &mut links)?;
        }
        for message in messages.iter().filter(|m| m.kind == kind::LINK) {
            links.extend(link(message.body.clone())?);
        }
        if let Some(mut info) = only(messages, kind::LINK_INFO)? {
            info.skip(1)?;
            let skip = if info.u8()? & 1 != 0 { 8 } else { 0 };
            info.skip(skip)?;
            let (heap, index) = (info.u64()?, info.u64()?);
            if heap != UNDEFINED {
                for (cursor, _) in self.dense(heap, index, 4)? {
                    links.extend(link(cursor)?);
                }
            }
        }
        Ok(links)
    }

    /// Where a local heap's names begin.
    fn local_heap(&self, address: u64) -> Result<(u64, usize)> {
        let mut cursor = self.at(address, 32)?;
        cursor.expect(b"HEAP")?;
        cursor.skip(4)?;
        let size = cursor.size()?;
        cursor.skip(8)?;
        let names = cursor.u64()?;
        self.at(names, size)?;
        Ok((names, size))
    }

    /// The members in a B-tree of symbol tables. `level` is the node's, once its parent has said it: levels fall, so
    /// that the recursion ends.
    fn tree(&self, address: u64, names: (u64, usize), level: Option<u8>, links: &mut Vec<(String, u64)>) -> Result<()> {
        let mut cursor = self.at(address, 24)?;
        cursor.expect(b"TREE")?;
        let (kind, own, count) = (cursor.u8()?, cursor.u8()?, cursor.u16()? as usize);
        if kind != 0 || level.is_some_and(|level| level != own) || own > 16 {
            return Err(Error::invalid(format!("the B-tree at offset {address} is no group's")));
        }
        cursor.skip(16)?;
        let mut cursor = self.at(cursor.at() as u64, count * 16 + 8)?;
        for _ in 0..count {
            cursor.skip(8)?;
            let child = cursor.u64()?;
            match own.checked_sub(1) {
                Some(below) => self.tree(child, names, Some(below), links)?,
                None => self.symbols(child, names, links)?,
            }
        }
        Ok(())
    }

    fn symbols(&self, address: u64, (names, size): (u64, usize), links: &mut Vec<(String, u64)>) -> Result<()> {
        let mut cursor = self.at(address, 8)?;
        cursor.expect(b"SNOD")?;
        cursor.skip(2)?;
        let count = cursor.u16()? as usize;
        let mut cursor = self.at(cursor.at() as u64, count * 40)?;
        for _ in 0..count {
            let (name, object, cache) = (cursor.size()?, cursor.u64()?, cursor.u32()?);
            cursor.skip(20)?;
            if name >= size {
                return Err(Error::invalid(format!("a name outside of the heap at offset {names}")));
            }
            let rest = &self.bytes[names as usize + name..names as usize + size];
            let end = rest.iter().position(|&b| b == 0).unwrap_or(rest.len());
            self.pay(end)?;
            // 2: a soft link.
            if cache != 2 {
                links.push((String::from_utf8_lossy(&rest[..end]).into_owned(), object));
            }
        }
        Ok(())
    }
}

/// A hard link.
fn link(mut cursor: Cursor) -> Result<Option<(String, u64)>> {
    let (version, flags) = (cursor.u8()?, cursor.u8()?);
    if version != 1 {
        return Err(Error::unsupported(format!("a link of version {version} in an HDF5 file")));
    }
    let soft = flags & 8 != 0 && cursor.u8()? != 0;
    let order = if flags & 4 != 0 { 8 } else { 0 };
    let charset = if flags & 16 != 0 { 1 } else { 0 };
    cursor.skip(order + charset)?;
    let length = cursor.number(1 << (flags & 3))?;
    let length = usize::try_from(length).map_err(|_| Error::invalid("a link's name is absurdly long"))?;
    let name = String::from_utf8_lossy(cursor.take(length)?).into_owned();
    if soft { Ok(None) } else { Ok(Some((name, cursor.u64()?))) }
}
