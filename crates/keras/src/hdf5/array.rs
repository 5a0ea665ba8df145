//! Arrays: where their numbers are, and the numbers as floats.

use super::chunks::{Chunks, Index};
use super::header::{Message, kind, only};
use super::messages::{Type, elements, extent};
use super::{Attribute, Reader, UNDEFINED};
use crate::cursor::Cursor;
use crate::error::{Error, Result};
use crate::numbers::{self, Number};

/// An array of a file.
#[derive(Clone, Debug)]
pub struct Array {
    /// Dimensions.
    pub shape: Vec<usize>,
    of: Type,
    /// Keras says so in an attribute, since HDF5 does not know the type.
    bfloat: bool,
    layout: Layout,
    filters: Vec<Filter>,
}

/// The kind of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// Floats of any width.
    Float,
    /// Integers of any width.
    Integer,
    /// Texts and other things that are no numbers.
    Other,
}

#[derive(Clone, Debug)]
enum Layout {
    /// At an offset of the file.
    Whole { at: u64, bytes: usize },
    /// Nothing was ever written: zeros.
    Empty,
    /// Chunks with an index.
    Chunks(Chunks),
    /// All in one chunk.
    OneChunk { at: u64, bytes: usize, dims: Vec<usize>, mask: u32 },
    /// A way that is not read.
    Unknown(&'static str),
}

/// What chunks went through.
#[derive(Clone, Debug, PartialEq)]
enum Filter {
    Deflate,
    /// First bytes of all elements first; of elements this long.
    Shuffle(usize),
    /// A sum behind the data.
    Checksum,
    Unknown(u16),
}

/// No array of a network is larger.
const MAX_BYTES: usize = 1 << 31;

impl<'a> Reader<'a> {
    /// The array that these messages describe, if they do.
    pub(super) fn array(&self, messages: &[Message<'a>]) -> Result<Option<Array>> {
        let Some(layout) = only(messages, kind::LAYOUT)? else { return Ok(None) };
        let (Some(mut of), Some(mut space)) = (only(messages, kind::DATATYPE)?, only(messages, kind::DATASPACE)?)
        else {
            return Err(Error::invalid("an array without a type or without dimensions in an HDF5 file"));
        };
        let (of, (shape, most)) = (Type::read(&mut of)?, extent(&mut space)?);
        let filters = only(messages, kind::FILTERS)?.map_or(Ok(Vec::new()), filters)?;
        let is_bfloat = |(name, value): &(String, Attribute)| {
            name == "dtype" && *value == Attribute::Texts(vec!["bfloat16".to_string()])
        };
        let bfloat = self.attributes(messages)?.iter().any(is_bfloat);
        let layout = read_layout(layout, &shape, most, of.size())?;
        Ok(Some(Array { shape, of, bfloat, layout, filters }))
    }
}

fn filters(mut cursor: Cursor) -> Result<Vec<Filter>> {
    let (version, count) = (cursor.u8()?, cursor.u8()?);
    if version == 1 {
        cursor.skip(6)?;
    }
    let mut filters = Vec::new();
    for _ in 0..count {
        let id = cursor.u16()?;
        let name = if version == 1 || id >= 256 { cursor.u16()? as usize } else { 0 };
        let (_flags, values) = (cursor.u16()?, cursor.u16()? as usize);
        cursor.skip(if version == 1 { name.next_multiple_of(8) } else { name })?;
        let first = if values > 0 { cursor.clone().u32()? } else { 0 };
        cursor.skip(4 * values + if version == 1 && values % 2 == 1 { 4 } else { 0 })?;
        filters.push(match id {
            1 => Filter::Deflate,
            2 => Filter::Shuffle(first as usize),
            3 => Filter::Checksum,
            other => Filter::Unknown(other),
        });
    }
    Ok(filters)
}

fn read_layout(mut cursor: Cursor, shape: &[usize], most: Vec<u64>, element: usize) -> Result<Layout> {
    let bytes = elements(shape)?.saturating_mul(element);
    let whole = |at: u64, bytes: usize| if at == UNDEFINED { Layout::Empty } else { Layout::Whole { at, bytes } };
    let chunks = |index, at: u64, dims: Vec<usize>, raw_edges| match at {
        UNDEFINED => Layout::Empty,
        _ => Layout::Chunks(Chunks { index, at, dims, most, raw_edges }),
    };
    let version = cursor.u8()?;
    if version < 3 {
        let (rank, class) = (cursor.u8()? as usize, cursor.u8()?);
        cursor.skip(5)?;
        let at = if class == 0 { 0 } else { cursor.u64()? };
        let mut dims = Vec::new();
        for _ in 0..rank {
            dims.push(cursor.u32()? as usize);
        }
        return Ok(match class {
            0 => {
                let size = cursor.u32()? as usize;
                Layout::Whole { at: cursor.at() as u64, bytes: size }
            }
            1 => whole(at, bytes),
            // The last dimension is the element's size.
            _ => chunks(Index::Tree, at, dims[..rank.saturating_sub(1)].to_vec(), false),
        });
    }
    Ok(match (version, cursor.u8()?) {
        (3..=5, 0) => {
            let size = cursor.u16()? as usize;
            Layout::Whole { at: cursor.at() as u64, bytes: size }
        }
        (3..=5, 1) => whole(cursor.u64()?, cursor.size()?),
        (3, 2) => {
            let rank = cursor.u8()? as usize;
            let tree = cursor.u64()?;
            let dims = (1..rank).map(|_| Ok(cursor.u32()? as usize)).collect::<Result<Vec<_>>>()?;
            chunks(Index::Tree, tree, dims, false)
        }
        (4 | 5, 2) => {
            let (flags, rank, width) = (cursor.u8()?, cursor.u8()? as usize, cursor.u8()? as usize);
            if !(1..=8).contains(&width) {
                return Err(Error::invalid("a damaged chunk size in an HDF5 file"));
            }
            let dims = (1..rank).map(|_| Ok(cursor.number(width)? as usize)).collect::<Result<Vec<_>>>()?;
            cursor.skip(width)?;
            match cursor.u8()? {
                1 if flags & 2 != 0 => {
                    let (bytes, mask) = (cursor.size()?, cursor.u32()?);
                    Layout::OneChunk { at: cursor.u64()?, bytes, dims, mask }
                }
                1 => {
                    let bytes = elements(&dims)?.saturating_mul(element);
                    Layout::OneChunk { at: cursor.u64()?, bytes, dims, mask: 0 }
                }
                kind => {
                    // What the index was made with stands in its own header, too.
                    let (index, arguments) = match kind {
                        2 => (Index::Implicit, 0),
                        3 => (Index::Fixed, 1),
                        4 => (Index::Extensible, 5),
                        5 => (Index::Tree2, 6),
                        _ => return Ok(Layout::Unknown("chunks with an index of a later version")),
                    };
                    cursor.skip(arguments)?;
                    chunks(index, cursor.u64()?, dims, flags & 1 != 0)
                }
            }
        }
        (3..=5, 3) => Layout::Unknown("a virtual array"),
        _ => Layout::Unknown("a layout of a later version"),
    })
}

impl Array {
    /// Bytes of an element.
    pub fn element_bytes(&self) -> usize {
        self.of.size()
    }

    /// What its elements are.
    pub fn element(&self) -> Element {
        match self.of {
            Type::Float { .. } => Element::Float,
            Type::Integer { .. } => Element::Integer,
            _ => Element::Other,
        }
    }

    fn number(&self) -> Result<Number> {
        let number = match self.of {
            Type::Float { bytes: 2, mantissa: 7, .. } => Some(Number::BFloat16),
            Type::Float { bytes: 2, .. } => Some(Number::Float16),
            Type::Float { bytes: 4, .. } => Some(Number::Float32),
            Type::Float { bytes: 8, .. } => Some(Number::Float64),
            Type::Integer { bytes: bytes @ (1 | 2 | 4 | 8), signed, .. } => Some(Number::Integer { bytes, signed }),
            Type::Other(5, 2) => Some(Number::BFloat16),
            _ => None,
        };
        let number = if self.bfloat && self.of.size() == 2 { Some(Number::BFloat16) } else { number };
        number.ok_or_else(|| Error::unsupported("an array of HDF5 whose elements are no numbers"))
    }

    fn big(&self) -> bool {
        matches!(self.of, Type::Float { big: true, .. } | Type::Integer { big: true, .. })
    }

    /// All numbers, in row-major order.
    pub(super) fn floats(&self, file: &[u8]) -> Result<Vec<f32>> {
        let number = self.number()?;
        let bytes = elements(&self.shape)?.checked_mul(number.size()).filter(|&n| n <= MAX_BYTES);
        let bytes = bytes.ok_or_else(|| Error::resource(format!("an array of {:?} elements", self.shape)))?;
        let owned;
        let raw: &[u8] = match &self.layout {
            Layout::Empty if bytes == 0 => &[],
            Layout::Empty => return Err(Error::invalid("an array of the HDF5 file was never written")),
            Layout::Whole { at, bytes: stored } => {
                if *stored < bytes {
                    return Err(Error::mismatch("an array of the HDF5 file is cut short", bytes, stored));
                }
                Cursor::new(file, *at).take(bytes)?
            }
            Layout::Chunks(chunks) => {
                owned = self.chunked(file, chunks)?;
                &owned
            }
            Layout::OneChunk { at, bytes, dims, mask } => {
                if dims.len() != self.shape.len() || self.shape.iter().zip(dims).any(|(s, d)| s > d) {
                    return Err(Error::invalid("an array of the HDF5 file is larger than its only chunk"));
                }
                let stored = Cursor::new(file, *at).take(*bytes)?;
                owned = self.assemble(dims, vec![(vec![0; dims.len()], self.unfilter(stored, dims, *mask)?)])?;
                &owned
            }
            Layout::Unknown(what) => return Err(Error::unsupported(format!("an HDF5 file with {what}"))),
        };
        let swapped;
        let raw = if self.big() && number.size() > 1 {
            swapped = raw.chunks_exact(number.size()).flat_map(|c| c.iter().rev().copied()).collect::<Vec<u8>>();
            &swapped
        } else {
            raw
        };
        numbers::floats(number, raw)
    }

    fn chunked(&self, file: &[u8], chunks: &Chunks) -> Result<Vec<u8>> {
        let dims = &*chunks.dims;
        if dims.len() != self.shape.len() || dims.contains(&0) {
            return Err(Error::mismatch("chunks of other dimensions than their array", self.shape.len(), dims.len()));
        }
        let mut stored = Reader::new(file).stored(chunks, &self.shape, self.chunk_bytes(dims)?)?;
        // Every place, once: Keras leaves no holes, and nothing is set aside for what is not there.
        let expected = self.shape.iter().zip(dims).try_fold(1usize, |n, (s, d)| n.checked_mul(s.div_ceil(*d)));
        if expected != Some(stored.len()) {
            let expected = expected.map_or("more than can be".into(), |n| n.to_string());
            return Err(Error::mismatch("chunks are missing in the HDF5 file", expected, stored.len()));
        }
        stored.sort();
        if stored.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(Error::invalid("a chunk is there twice in the HDF5 file"));
        }
        let all = stored.iter().fold(0usize, |sum, (_, place)| sum.saturating_add(place.bytes));
        if all > file.len() {
            return Err(Error::invalid("chunks of the HDF5 file lie on each other"));
        }
        let read = stored.into_iter().map(|(offset, place)| {
            let stored = Cursor::new(file, place.at).take(place.bytes)?;
            let edge = offset.iter().zip(dims).zip(&self.shape).any(|((o, d), s)| o.saturating_add(*d) > *s);
            let mask = if edge && chunks.raw_edges { u32::MAX } else { place.mask };
            Ok((offset, self.unfilter(stored, dims, mask)?))
        });
        let read = read.collect::<Result<Vec<_>>>()?;
        self.assemble(dims, read)
    }

    /// Bytes of a chunk before it went through filters.
    fn chunk_bytes(&self, dims: &[usize]) -> Result<usize> {
        let bytes = elements(dims)?.checked_mul(self.of.size()).filter(|&n| n <= MAX_BYTES);
        bytes.ok_or_else(|| Error::resource(format!("a chunk of {dims:?} elements")))
    }

    /// A chunk's elements, as they were before the filters.
    fn unfilter(&self, stored: &[u8], dims: &[usize], mask: u32) -> Result<Vec<u8>> {
        let bytes = self.chunk_bytes(dims)?;
        let mut data = stored.to_vec();
        for (i, filter) in self.filters.iter().enumerate().rev() {
            if i < 32 && mask >> i & 1 == 1 {
                continue;
            }
            data = match filter {
                // A sum may stand behind the elements.
                Filter::Deflate => miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(&data, bytes + 4)
                    .map_err(|_| Error::invalid("a chunk of the HDF5 file does not inflate"))?,
                Filter::Shuffle(0 | 1) => data,
                Filter::Shuffle(element) => unshuffle(&data, *element),
                Filter::Checksum => {
                    data.truncate(data.len().saturating_sub(4));
                    data
                }
                Filter::Unknown(id) => {
                    return Err(Error::unsupported(format!("an HDF5 file whose chunks went through the filter {id}")));
                }
            };
        }
        if data.len() != bytes {
            return Err(Error::mismatch("a chunk of the HDF5 file has another size", bytes, data.len()));
        }
        Ok(data)
    }

    /// The array of its chunks, each with its offset in elements.
    fn assemble(&self, dims: &[usize], chunks: Vec<(Vec<usize>, Vec<u8>)>) -> Result<Vec<u8>> {
        let size = self.of.size();
        let mut out = vec![0; elements(&self.shape)? * size];
        let rank = dims.len();
        if rank == 0 || rank != self.shape.len() {
            return chunks.into_iter().next().map(|(_, data)| data).ok_or_else(|| Error::invalid("a chunk is missing"));
        }
        // Steps of one element along each axis, in the array and in a chunk.
        let steps =
            |dims: &[usize]| -> Vec<usize> { (0..rank).map(|axis| dims[axis + 1..].iter().product()).collect() };
        let (outer, inner) = (steps(&self.shape), steps(dims));
        for (offset, data) in chunks {
            if offset.iter().zip(&self.shape).zip(dims).any(|((o, s), d)| o >= s || o % d != 0) {
                return Err(Error::invalid("a chunk lies outside of its array in the HDF5 file"));
            }
            let kept: Vec<usize> =
                offset.iter().zip(&self.shape).zip(dims).map(|((o, s), d)| (s - o).min(*d)).collect();
            let rows: usize = kept[..rank - 1].iter().product();
            let mut place = vec![0; rank - 1];
            for _ in 0..rows {
                let to: usize =
                    (0..rank - 1).map(|a| (offset[a] + place[a]) * outer[a]).sum::<usize>() + offset[rank - 1];
                let from: usize = (0..rank - 1).map(|a| place[a] * inner[a]).sum();
                let length = kept[rank - 1] * size;
                out[to * size..][..length].copy_from_slice(&data[from * size..][..length]);
                for axis in (0..rank - 1).rev() {
                    place[axis] += 1;
                    if place[axis] < kept[axis] {
                        break;
                    }
                    place[axis] = 0;
                }
            }
        }
        Ok(out)
    }
}

/// Puts the bytes of each element together again; a remainder was left alone.
fn unshuffle(data: &[u8], element: usize) -> Vec<u8> {
    let count = data.len() / element;
    let mut out: Vec<u8> = (0..count * element).map(|i| data[i % element * count + i / element]).collect();
    out.extend_from_slice(&data[count * element..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffled_bytes_come_together() {
        assert_eq!(unshuffle(&[1, 3, 5, 2, 4, 6, 9], 2), [1, 2, 3, 4, 5, 6, 9]);
    }
}
