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
const END64: &[u8] = b"PK\x06\x06";
const LOCATOR: &[u8] = b"PK\x06\x07";
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
        let (count, size, offset) = (cursor.u16()?, cursor.u32()?, cursor.u32()?);
        let (mut count, mut offset, large) = (count as u64, offset as u64, size == u32::MAX);
        if large || offset == u32::MAX as u64 || count == u16::MAX as u64 {
            // The end record of zip64, whose place stands in front of this one.
            let mut cursor = Cursor::new(bytes, (end as u64).saturating_sub(20));
            cursor.expect(LOCATOR)?;
            cursor.skip(4)?;
            let mut cursor = Cursor::new(bytes, cursor.u64()?);
            cursor.expect(END64)?;
            cursor.skip(28)?;
            count = cursor.u64()?;
            cursor.skip(8)?;
            offset = cursor.u64()?;
        }
        let mut cursor = Cursor::new(bytes, offset);
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
    let more = cursor.take(extra as usize)?;
    cursor.skip(comment as usize)?;
    if flags & 1 != 0 {
        return Err(Error::unsupported(format!("the archive's {name} is encrypted")));
    }
    let [size, length, header] = zip64(more, [size, length, header])?;
    // The local header repeats the name, with extra fields of its own.
    let mut local = Cursor::new(bytes, header);
    local.expect(SIGNATURE)?;
    local.skip(22)?;
    let (name_length, extra) = (local.u16()?, local.u16()?);
    local.skip(name_length as usize + extra as usize)?;
    let memory = |number: u64| {
        usize::try_from(number).map_err(|_| Error::resource(format!("the archive's {name} of {number} bytes")))
    };
    let (start, length, size) = (local.at(), memory(length)?, memory(size)?);
    local.skip(length)?;
    Ok(Entry { name, method, crc, start, length, size })
}

/// Numbers of which those without room for them stand in the extra field 1, one after the other (APPNOTE 4.5.3).
fn zip64(extra: &[u8], short: [u32; 3]) -> Result<[u64; 3]> {
    let mut long = Cursor::new(&[], 0);
    let mut cursor = Cursor::new(extra, 0);
    // Other fields end where they like; some writers pad the list.
    while let (Ok(id), Ok(length)) = (cursor.u16(), cursor.u16()) {
        let Ok(field) = cursor.take(length as usize) else { break };
        if id == 1 {
            long = Cursor::new(field, 0);
        }
    }
    let mut numbers = [0; 3];
    for (number, short) in numbers.iter_mut().zip(short) {
        *number = if short == u32::MAX { long.u64()? } else { short as u64 };
    }
    Ok(numbers)
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

    /// `write`'s archive of one member with all that may be long in its long form.
    fn long(name: &str, content: &[u8]) -> Vec<u8> {
        let plain = write(&[(name, content)]).unwrap();
        let (directory, end) = (30 + name.len() + content.len(), plain.len() - END_SIZE);
        let mut out = plain[..directory].to_vec();
        let mut entry = plain[directory..end].to_vec();
        entry[20..28].fill(0xff);
        entry[42..46].fill(0xff);
        // Another field comes first: its contents are nobody's business.
        entry.extend([0x34, 0x12, 5, 0, 1, 0, 8, 0, 9]);
        entry.extend([1, 0, 24, 0]);
        for number in [content.len() as u64, content.len() as u64, 0] {
            entry.extend(number.to_le_bytes());
        }
        entry[30] = (entry.len() - 46 - name.len()) as u8;
        out.extend(&entry);
        let at = out.len() as u64;
        out.extend(END64);
        out.extend(44u64.to_le_bytes());
        out.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for number in [1, 1, entry.len() as u64, directory as u64] {
            out.extend(number.to_le_bytes());
        }
        out.extend(LOCATOR);
        out.extend([0; 4]);
        out.extend(at.to_le_bytes());
        out.extend(1u32.to_le_bytes());
        out.extend(END);
        out.extend([0; 4]);
        out.extend([0xff; 12]);
        out.extend([0, 0]);
        out
    }

    #[test]
    fn zip64_is_read() {
        let bytes = long("a.json", b"{12}");
        let archive = Archive::read(&bytes).unwrap();
        assert_eq!(archive.names().collect::<Vec<_>>(), ["a.json"]);
        assert_eq!(archive.member(&bytes, "a.json").unwrap(), b"{12}");
        for at in 0..bytes.len() {
            for value in [0, 1, 0x80, 0xff] {
                let mut wrong = bytes.clone();
                wrong[at] = value;
                let _ = Archive::read(&wrong).and_then(|archive| archive.member(&wrong, "a.json"));
            }
            assert!(Archive::read(&bytes[..at]).is_err(), "cut off after {at} bytes");
        }
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
