//! Messages: types, dimensions, attributes.

use super::header::{Message, kind, only};
use super::{Attribute, Collection, Reader, UNDEFINED};
use crate::cursor::Cursor;
use crate::error::{Error, Result};

/// A type of elements.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    Float {
        bytes: usize,
        big: bool,
        mantissa: u8,
    },
    Integer {
        bytes: usize,
        big: bool,
        signed: bool,
    },
    /// Texts of this many bytes.
    Text(usize),
    /// Texts in the global heap.
    VariableText,
    /// Anything else, by its class and size.
    Other(u8, usize),
}

impl Type {
    pub fn size(&self) -> usize {
        match self {
            Type::Float { bytes, .. } | Type::Integer { bytes, .. } | Type::Text(bytes) | Type::Other(_, bytes) => {
                *bytes
            }
            Type::VariableText => 16,
        }
    }

    pub fn read(cursor: &mut Cursor) -> Result<Type> {
        let (class, bits) = (cursor.u8()?, cursor.number(3)?);
        let bytes = cursor.u32()? as usize;
        let big = bits & 1 == 1;
        Ok(match class & 15 {
            0 => Type::Integer { bytes, big, signed: bits & 8 != 0 },
            1 => {
                cursor.skip(7)?;
                Type::Float { bytes, big, mantissa: cursor.u8()? }
            }
            3 => Type::Text(bytes),
            // An enumeration is stored as its base: h5py's booleans.
            8 => Type::read_base(cursor, bytes)?,
            9 if bits & 15 == 1 => Type::VariableText,
            other => Type::Other(other, bytes),
        })
    }

    /// The base of an enumeration; itself no enumeration.
    fn read_base(cursor: &mut Cursor, bytes: usize) -> Result<Type> {
        let class = cursor.clone().u8()? & 15;
        if class == 0 { Type::read(cursor) } else { Ok(Type::Other(8, bytes)) }
    }
}

/// Dimensions; a scalar has none.
pub(super) fn dataspace(cursor: &mut Cursor) -> Result<Vec<usize>> {
    Ok(extent(cursor)?.0)
}

/// Dimensions, and how large each may become (`u64::MAX`: without end).
pub(super) fn extent(cursor: &mut Cursor) -> Result<(Vec<usize>, Vec<u64>)> {
    let (version, rank, flags) = (cursor.u8()?, cursor.u8()?, cursor.u8()?);
    match version {
        1 => cursor.skip(5)?,
        2 => {
            if cursor.u8()? == 2 {
                // No elements at all.
                return Ok((vec![0], vec![0]));
            }
        }
        _ => return Err(Error::unsupported(format!("dimensions of version {version} in an HDF5 file"))),
    }
    if rank > 32 {
        return Err(Error::invalid(format!("{rank} dimensions in an HDF5 file; 32 at most")));
    }
    let dims = (0..rank).map(|_| cursor.size()).collect::<Result<Vec<_>>>()?;
    let largest = |&dim: &usize| if flags & 1 != 0 { cursor.u64() } else { Ok(dim as u64) };
    let most = dims.iter().map(largest).collect::<Result<_>>()?;
    Ok((dims, most))
}

/// Number of elements.
pub(super) fn elements(dims: &[usize]) -> Result<usize> {
    let product = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    product.filter(|&n| n < usize::MAX >> 4).ok_or_else(|| Error::resource(format!("an array of {dims:?} elements")))
}

impl<'a> Reader<'a> {
    /// The attributes of an object, wherever they are kept.
    pub(super) fn attributes(&self, messages: &[Message<'a>]) -> Result<Vec<(String, Attribute)>> {
        let mut attributes = Vec::new();
        for message in messages.iter().filter(|m| m.kind == kind::ATTRIBUTE && !m.shared) {
            attributes.push(self.attribute(message.body.clone(), message.length)?);
        }
        if let Some(mut info) = only(messages, kind::ATTRIBUTE_INFO)? {
            info.skip(1)?;
            let skip = if info.u8()? & 1 != 0 { 2 } else { 0 };
            info.skip(skip)?;
            let (heap, index) = (info.u64()?, info.u64()?);
            if heap != UNDEFINED {
                for (cursor, length) in self.dense(heap, index, 0)? {
                    attributes.push(self.attribute(cursor, length)?);
                }
            }
        }
        Ok(attributes)
    }

    fn attribute(&self, mut cursor: Cursor<'a>, length: usize) -> Result<(String, Attribute)> {
        let (start, end) = (cursor.at(), cursor.at() + length);
        let (version, flags) = (cursor.u8()?, cursor.u8()?);
        let [name, of_type, of_space] = [cursor.u16()?, cursor.u16()?, cursor.u16()?].map(|n| n as usize);
        match version {
            1 | 2 => {}
            3 => cursor.skip(1)?,
            _ => return Err(Error::unsupported(format!("an attribute of version {version}"))),
        }
        let mut part = |length: usize| -> Result<Cursor<'a>> {
            let part = cursor.clone();
            cursor.skip(length)?;
            if version == 1 {
                cursor.align(start)?;
            }
            Ok(part)
        };
        let name = text(part(name)?.take(name)?);
        let (mut of_type, mut of_space) = (part(of_type)?, part(of_space)?);
        // A type that stands elsewhere is one that Keras does not make.
        if flags & 3 != 0 {
            return Ok((name, Attribute::Other));
        }
        let (of_type, dims) = (Type::read(&mut of_type)?, dataspace(&mut of_space)?);
        let count = elements(&dims)?;
        let room = end.saturating_sub(cursor.at());
        if !matches!(of_type, Type::Text(_) | Type::VariableText) || count == 0 {
            return Ok((name, Attribute::Other));
        }
        if count.checked_mul(of_type.size()).is_none_or(|bytes| bytes > room) {
            return Err(Error::invalid(format!("the attribute {name} is larger than its place")));
        }
        let read = |_| match of_type {
            Type::Text(bytes) => Ok(text(cursor.take(bytes)?)),
            _ => self.heap_text(&mut cursor),
        };
        let texts = (0..count).map(read).collect::<Result<Vec<_>>>().map_err(|e| e.inside(&name))?;
        Ok((name, Attribute::Texts(texts)))
    }

    /// A text that is kept in the global heap.
    fn heap_text(&self, cursor: &mut Cursor) -> Result<String> {
        let (length, address, index) = (cursor.u32()? as usize, cursor.u64()?, cursor.u32()?);
        if length == 0 {
            return Ok(String::new());
        }
        let known = self.heap.borrow().contains_key(&address);
        if !known {
            let collection = self.collection(address)?;
            self.heap.borrow_mut().insert(address, collection);
        }
        let heap = self.heap.borrow();
        let range = u16::try_from(index).ok().and_then(|index| heap[&address].get(&index));
        let bytes = range.and_then(|range| self.bytes[range.clone()].get(..length));
        let bytes =
            bytes.ok_or_else(|| Error::invalid(format!("a text is missing in the heap at offset {address}")))?;
        self.pay(length)?;
        Ok(text(bytes))
    }

    fn collection(&self, address: u64) -> Result<Collection> {
        let mut cursor = self.at(address, 16)?;
        cursor.expect(b"GCOL")?;
        cursor.skip(4)?;
        let size = cursor.size()?;
        self.at(address, size)?;
        let end = address as usize + size;
        let mut objects = Collection::new();
        while cursor.at() + 16 <= end {
            let index = cursor.u16()?;
            cursor.skip(6)?;
            let length = cursor.size()?;
            // Object 0 is the rest, which is free.
            if index == 0 {
                break;
            }
            let start = cursor.at();
            cursor.skip(length)?;
            objects.insert(index, start..start + length);
            if cursor.at() < end {
                cursor.align(address as usize)?;
            }
        }
        Ok(objects)
    }
}

/// A text up to its end or padding.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
