//! Object headers, both versions: lists of messages.

use super::{Reader, UNDEFINED};
use crate::cursor::Cursor;
use crate::error::{Error, Result};

/// Kinds of messages that are looked at.
pub mod kind {
    pub const DATASPACE: u16 = 0x01;
    pub const LINK_INFO: u16 = 0x02;
    pub const DATATYPE: u16 = 0x03;
    pub const LINK: u16 = 0x06;
    pub const LAYOUT: u16 = 0x08;
    pub const FILTERS: u16 = 0x0b;
    pub const ATTRIBUTE: u16 = 0x0c;
    pub const CONTINUATION: u16 = 0x10;
    pub const SYMBOL_TABLE: u16 = 0x11;
    pub const ATTRIBUTE_INFO: u16 = 0x15;
}

/// A message of an object header.
pub struct Message<'a> {
    pub kind: u16,
    /// It stands elsewhere, and this is only a reference.
    pub shared: bool,
    pub body: Cursor<'a>,
    pub length: usize,
}

/// The only message of a kind.
pub fn only<'m, 'a>(messages: &'m [Message<'a>], kind: u16) -> Result<Option<Cursor<'a>>> {
    match messages.iter().find(|m| m.kind == kind) {
        Some(message) if message.shared => Err(Error::unsupported("a named type of HDF5")),
        found => Ok(found.map(|m: &'m Message<'a>| m.body.clone())),
    }
}

impl<'a> Reader<'a> {
    /// The messages of the object at an address.
    pub(super) fn header(&self, address: u64) -> Result<Vec<Message<'a>>> {
        if address == UNDEFINED {
            return Err(Error::invalid("an object of the HDF5 file has no address"));
        }
        let mut start = self.at(address, 16)?;
        let mut messages = Vec::new();
        // Blocks still to be read: address of the messages, their bytes.
        let mut blocks = Vec::new();
        let second = start.clone().expect(b"OHDR").is_ok();
        let mut order = false;
        if second {
            start.skip(4)?;
            let (version, flags) = (start.u8()?, start.u8()?);
            if version != 2 {
                return Err(Error::unsupported(format!("an object header of version {version}")));
            }
            order = flags & 4 != 0;
            let times = if flags & 0x20 != 0 { 16 } else { 0 };
            let phase = if flags & 0x10 != 0 { 4 } else { 0 };
            let mut start = self.at(start.at() as u64, times + phase + 8)?;
            start.skip(times + phase)?;
            let size = start.number(1 << (flags & 3))?;
            blocks.push((start.at() as u64, size));
        } else {
            let version = start.u8()?;
            if version != 1 {
                return Err(Error::invalid(format!("no object header at offset {address}")));
            }
            start.skip(7)?;
            let size = start.u32()?;
            blocks.push((address.saturating_add(16), size as u64));
        }
        while let Some((address, size)) = blocks.pop() {
            let size = usize::try_from(size).map_err(|_| Error::invalid("an object header of absurd size"))?;
            let mut cursor = self.at(address, size)?;
            let end = cursor.at() + size;
            let head = match (second, order) {
                (false, _) => 8,
                (true, false) => 4,
                (true, true) => 6,
            };
            while cursor.at() + head <= end {
                let (kind, length, flags) = if second {
                    let fields = (cursor.u8()? as u16, cursor.u16()?, cursor.u8()?);
                    cursor.skip(head - 4)?;
                    fields
                } else {
                    let fields = (cursor.u16()?, cursor.u16()?, cursor.u8()?);
                    cursor.skip(3)?;
                    fields
                };
                let length = length as usize;
                if cursor.at() + length > end {
                    return Err(Error::invalid(format!("a message at offset {} leaves its object", cursor.at())));
                }
                let mut body = cursor.clone();
                cursor.skip(length)?;
                if kind == kind::CONTINUATION {
                    let (address, mut size) = (body.u64()?, body.u64()?);
                    let mut place = address;
                    if second {
                        self.at(address, 4)?.expect(b"OCHK")?;
                        // Signature before, sum behind.
                        size = size.checked_sub(8).ok_or_else(|| Error::invalid("a header's part is too short"))?;
                        place = address.saturating_add(4);
                    }
                    blocks.push((place, size));
                } else {
                    messages.push(Message { kind, shared: flags & 2 != 0, body, length });
                }
            }
        }
        Ok(messages)
    }
}
