//! The options of custom operators: a flexbuffer, of which only a map of numbers is needed.
//!
//! Every access is checked against the buffer. Format: FlatBuffers' page "FlexBuffers".

use crate::error::{Error, Result};

/// Types of values, the upper six bits of a packed type.
const INT: u8 = 1;
const UINT: u8 = 2;
const FLOAT: u8 = 3;
const INDIRECT: u8 = 5;
const MAP: u8 = 9;
const BOOL: u8 = 26;

struct Buffer<'a>(&'a [u8]);

fn damaged() -> Error {
    Error::invalid("the custom options are damaged")
}

impl<'a> Buffer<'a> {
    fn bytes(&self, at: usize, width: usize) -> Result<&'a [u8]> {
        at.checked_add(width).and_then(|end| self.0.get(at..end)).ok_or_else(damaged)
    }

    fn uint(&self, at: usize, width: usize) -> Result<u64> {
        Ok(self.bytes(at, width)?.iter().rev().fold(0, |n, &b| n << 8 | b as u64))
    }

    /// Follows the offset stored at `at`, which leads backwards.
    fn follow(&self, at: usize, width: usize) -> Result<usize> {
        usize::try_from(self.uint(at, width)?).ok().and_then(|back| at.checked_sub(back)).ok_or_else(damaged)
    }

    /// A number of this type at `at`.
    fn number(&self, at: usize, width: usize, packed: u8) -> Result<Option<f64>> {
        let bytes = self.bytes(at, width)?;
        let raw = self.uint(at, width)?;
        Ok(match packed >> 2 {
            INT => Some(((raw << (64 - 8 * width)) as i64 >> (64 - 8 * width)) as f64),
            UINT | BOOL => Some(raw as f64),
            FLOAT => match *bytes {
                [a, b, c, d] => Some(f32::from_le_bytes([a, b, c, d]) as f64),
                _ if width == 8 => Some(f64::from_bits(raw)),
                _ => None,
            },
            // The same three behind an offset, with a width of their own.
            kind @ 6..=8 => {
                let (target, own) = (self.follow(at, width)?, 1 << (packed & 3));
                return self.number(target, own, (kind - INDIRECT) << 2);
            }
            _ => None,
        })
    }
}

/// The numbers (and booleans, as 0 and 1) of a map, by key; other values are left out.
pub fn numbers(options: &[u8]) -> Result<Vec<(&str, f64)>> {
    let buffer = Buffer(options);
    let [.., packed, root] = *options else { return Err(damaged()) };
    let width = |code: u64| usize::try_from(code).ok().filter(|w| [1, 2, 4, 8].contains(w)).ok_or_else(damaged);
    if packed >> 2 != MAP {
        return Err(Error::invalid("the custom options are no map"));
    }
    let root = width(root as u64)?;
    let values = buffer.follow((options.len() - 2).checked_sub(root).ok_or_else(damaged)?, root)?;
    let own = 1usize << (packed & 3);
    let before = |n: usize| values.checked_sub(n * own).ok_or_else(damaged);
    let count = usize::try_from(buffer.uint(before(1)?, own)?).ok().filter(|&n| n <= options.len());
    let count = count.ok_or_else(damaged)?;
    let key_width = width(buffer.uint(before(2)?, own)?)?;
    let keys = buffer.follow(before(3)?, own)?;
    let mut numbers = Vec::new();
    for i in 0..count {
        let key = options.get(buffer.follow(keys + i * key_width, key_width)?..).ok_or_else(damaged)?;
        let end = key.iter().position(|&b| b == 0).ok_or_else(damaged)?;
        let key = std::str::from_utf8(&key[..end]).map_err(|_| damaged())?;
        let packed = buffer.bytes(values + count * own + i, 1)?[0];
        if let Some(number) = buffer.number(values + i * own, own, packed)? {
            numbers.push((key, number));
        }
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"a": 7, "b": -0.5, "c": true}`: keys, their vector, values of four bytes, types, root.
    fn sample() -> Vec<u8> {
        let mut bytes = b"a\0b\0c\0".to_vec();
        // The vector of keys: its length, then how far back each key is.
        bytes.extend([3, 7, 6, 5]);
        let keys = 7;
        bytes.extend([0, 0]);
        // The map: how far back the keys are, their width, its length; then its values.
        bytes.extend((12u32 - keys).to_le_bytes());
        bytes.extend(1u32.to_le_bytes());
        bytes.extend(3u32.to_le_bytes());
        bytes.extend(7i32.to_le_bytes());
        bytes.extend((-0.5f32).to_le_bytes());
        bytes.extend(1u32.to_le_bytes());
        bytes.extend([INT << 2, FLOAT << 2, BOOL << 2]);
        // The root: 15 back, a map of values of four bytes, in one byte.
        bytes.extend([15, MAP << 2 | 2, 1]);
        bytes
    }

    #[test]
    fn a_map_of_numbers() {
        assert_eq!(numbers(&sample()).unwrap(), [("a", 7.0), ("b", -0.5), ("c", 1.0)]);
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let sample = sample();
        for cut in 0..sample.len() {
            let _ = numbers(&sample[..cut]);
        }
        for at in 0..sample.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut broken = sample.clone();
                broken[at] = value;
                let _ = numbers(&broken);
            }
        }
        assert!(numbers(&[]).is_err() && numbers(&[1, 4, 1]).is_err());
    }
}
