//! Zip archives as `.keras` files are: few members, stored or deflated.
//!
//! Specification: PKWARE's APPNOTE 6.3. Sizes come from the central directory, never from local headers, and every
//! member is checked against its sum.

use crate::cursor::Cursor;
use crate::error::{Error, Result};

/// A member.
struct Entry {
    name: String,
    method: u16,
    crc: u32,
    /// Offset and length of its bytes as stored.
    start: usize,
    length: usize,
    size: usize,
}

/// The directory of an archive.
pub struct Archive {
    entries: Vec<Entry>,
}

/// The archive's first bytes.
pub const SIGNATURE: &[u8] = b"PK\x03\x04";

const DIRECTORY: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
/// A directory's end record is this long, and a comment of up to 64 KB may follow it.
const END_SIZE: usize = 22;

impl Archive {
    /// Reads the directory.
    pub fn read(bytes: &[u8]) -> Result<Archive> {
        let from = bytes.len().saturating_sub(END_SIZE + u16::MAX as usize);
        let last = (from..bytes.len().saturating_sub(END_SIZE - 1)).rev().find(|&at| bytes[at..].starts_with(END));
        let Some(end) = last else {
            return Err(Error::invalid("the archive's directory is missing: the file is cut off"));
        };
        let mut cursor = Cursor::new(bytes, end as u64 + 10);
        let (count, _, offset) = (cursor.u16()?, cursor.u32()?, cursor.u32()?);
        if offset == u32::MAX || count == u16::MAX {
            return Err(Error::unsupported("an archive of more than 4 GB (zip64)"));
        }
        let mut cursor = Cursor::new(bytes, offset as u64);
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push(entry(bytes, &mut cursor)?);
        }
        Ok(Archive { entries })
    }

    /// Names of the members.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// Takes a member out of the archive's bytes; a stored one is moved, not copied.
    pub fn into_member(self, mut bytes: Vec<u8>, name: &str) -> Result<Vec<u8>> {
        let entry = self.find(name)?;
        if entry.method != 0 {
            return self.member(&bytes, name);
        }
        bytes.truncate(entry.start + entry.length);
        bytes.drain(..entry.start);
        entry.check(bytes)
    }

    /// The content of a member.
    pub fn member(&self, bytes: &[u8], name: &str) -> Result<Vec<u8>> {
        let entry = self.find(name)?;
        let stored = &bytes[entry.start..entry.start + entry.length];
        let content = match entry.method {
            0 => stored.to_vec(),
            8 => {
                // The output grows with what is really there: a size that lies costs nothing.
                let inflated = miniz_oxide::inflate::decompress_to_vec_with_limit(stored, entry.size);
                inflated.map_err(|_| Error::invalid(format!("the archive's {name} does not inflate")))?
            }
            other => {
                return Err(Error::unsupported(format!("the archive's {name} is compressed by method {other}")));
            }
        };
        entry.check(content)
    }

    fn find(&self, name: &str) -> Result<&Entry> {
        let found = self.entries.iter().find(|entry| entry.name == name);
        found.ok_or_else(|| {
            let names = self.names().take(8).collect::<Vec<_>>().join(", ");
            Error::mismatch("the archive is no Keras model", name, if names.is_empty() { "nothing" } else { &names })
        })
    }
}

impl Entry {
    fn check(&self, content: Vec<u8>) -> Result<Vec<u8>> {
        // A fuzzer would never get past the sum.
        if content.len() != self.size || (!cfg!(fuzzing) && crc32(&content) != self.crc) {
            return Err(Error::invalid(format!("the archive's {} is damaged: its sum is wrong", self.name)));
        }
        Ok(content)
    }
}

/// One entry of the directory, and where its bytes are.
fn entry(bytes: &[u8], cursor: &mut Cursor) -> Result<Entry> {
    cursor.expect(DIRECTORY)?;
    cursor.skip(4)?;
    let (flags, method) = (cursor.u16()?, cursor.u16()?);
    cursor.skip(4)?;
    let (crc, length, size) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
    let (name, extra, comment) = (cursor.u16()?, cursor.u16()?, cursor.u16()?);
    cursor.skip(8)?;
    let header = cursor.u32()?;
    let name = String::from_utf8_lossy(cursor.take(name as usize)?).into_owned();
    cursor.skip(extra as usize + comment as usize)?;
    if flags & 1 != 0 {
        return Err(Error::unsupported(format!("the archive's {name} is encrypted")));
    }
    if [length, size, header].contains(&u32::MAX) {
        return Err(Error::unsupported(format!("the archive's {name} has more than 4 GB (zip64)")));
    }
    // The local header repeats the name, with extra fields of its own.
    let mut local = Cursor::new(bytes, header as u64);
    local.expect(SIGNATURE)?;
    local.skip(22)?;
    let (name_length, extra) = (local.u16()?, local.u16()?);
    local.skip(name_length as usize + extra as usize)?;
    let (start, length) = (local.at(), length as usize);
    local.skip(length)?;
    Ok(Entry { name, method, crc, start, length, size: size as usize })
}

/// An archive of stored members. (Weights are noise to a compressor; Keras stores them, too.)
pub fn write(members: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    // MS-DOS' first day: the same model gives the same file.
    const DATE: [u8; 4] = [0, 0, 0x21, 0];
    let total: usize = members.iter().map(|(name, content)| content.len() + 2 * name.len() + 80).sum();
    if total >= u32::MAX as usize {
        return Err(Error::resource("an archive of 4 GB or more"));
    }
    let mut out = Vec::with_capacity(total + END_SIZE);
    let mut directory = Vec::new();
    for (name, content) in members {
        let offset = out.len() as u32;
        // Version 2.0, no flags, stored.
        let mut fields = vec![20, 0, 0, 0, 0, 0];
        fields.extend(DATE);
        fields.extend(crc32(content).to_le_bytes());
        fields.extend([(content.len() as u32).to_le_bytes(); 2].concat());
        fields.extend((name.len() as u16).to_le_bytes());
        fields.extend([0, 0]);
        out.extend(SIGNATURE);
        out.extend(&fields);
        out.extend(name.as_bytes());
        out.extend(*content);
        directory.extend(DIRECTORY);
        directory.extend([20, 0]);
        directory.extend(&fields);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let count = (members.len() as u16).to_le_bytes();
    let start = (out.len() as u32).to_le_bytes();
    let length = (directory.len() as u32).to_le_bytes();
    out.extend(directory);
    out.extend(END);
    out.extend([0; 4]);
    out.extend([count, count].concat());
    out.extend([length, start].concat());
    out.extend([0, 0]);
    Ok(out)
}

/// The cyclic redundancy check of zip (polynomial 0xEDB88320).
fn crc32(bytes: &[u8]) -> u32 {
    let table: [u32; 256] = std::array::from_fn(|i| {
        (0..8).fold(i as u32, |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    });
    !bytes.iter().fold(!0, |crc, &byte| table[(crc as u8 ^ byte) as usize] ^ crc >> 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_the_standard_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let bytes = write(&[("a.json", b"{}"), ("b", b""), ("c/d.h5", &[7; 300])]).unwrap();
        let archive = Archive::read(&bytes).unwrap();
        assert_eq!(archive.names().collect::<Vec<_>>(), ["a.json", "b", "c/d.h5"]);
        assert_eq!(archive.member(&bytes, "a.json").unwrap(), b"{}");
        assert_eq!(archive.member(&bytes, "b").unwrap(), b"");
        let error = archive.member(&bytes, "x").unwrap_err().to_string();
        assert_eq!(error, "the archive is no Keras model (expected x, received a.json, b, c/d.h5)");
        assert_eq!(archive.into_member(bytes, "c/d.h5").unwrap(), [7; 300]);
    }

    #[test]
    fn damage_is_found() {
        let bytes = write(&[("a", &[1, 2, 3, 4])]).unwrap();
        let at = bytes.windows(4).position(|w| w == [1, 2, 3, 4]).unwrap();
        let mut wrong = bytes.clone();
        wrong[at] = 9;
        let error = Archive::read(&wrong).unwrap().member(&wrong, "a").unwrap_err();
        assert!(error.to_string().contains("its sum is wrong"));
        for length in 0..bytes.len() {
            assert!(Archive::read(&bytes[..length]).is_err(), "cut off after {length} bytes");
        }
    }
}
