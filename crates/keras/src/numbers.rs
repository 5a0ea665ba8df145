//! Numbers as files store them, as floats.

use crate::error::{Error, Result};

/// A stored kind of number, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    Float16,
    BFloat16,
    Float32,
    Float64,
    Integer { bytes: usize, signed: bool },
}

impl Number {
    /// Bytes of one.
    pub fn size(self) -> usize {
        match self {
            Number::Float16 | Number::BFloat16 => 2,
            Number::Float32 => 4,
            Number::Float64 => 8,
            Number::Integer { bytes, .. } => bytes,
        }
    }
}

/// All of them as floats. An integer that a float cannot hold is an error: it is no weight then.
pub fn floats(number: Number, bytes: &[u8]) -> Result<Vec<f32>> {
    Ok(match number {
        Number::Float32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Number::Float64 => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        Number::Float16 => bytes.as_chunks().0.iter().map(|b| half(u16::from_le_bytes(*b))).collect(),
        Number::BFloat16 => {
            let widen = |b: &[u8; 2]| f32::from_bits((u16::from_le_bytes(*b) as u32) << 16);
            bytes.as_chunks().0.iter().map(widen).collect()
        }
        Number::Integer { bytes: size, signed } => {
            bytes.chunks_exact(size).map(|b| integer(b, signed)).collect::<Result<_>>()?
        }
    })
}

fn integer(bytes: &[u8], signed: bool) -> Result<f32> {
    let unsigned = bytes.iter().rev().fold(0u64, |n, &b| n << 8 | b as u64);
    let spare = 64 - 8 * bytes.len() as u32;
    let value = if signed { ((unsigned << spare) as i64 >> spare) as i128 } else { unsigned as i128 };
    if (value as f32) as i128 != value {
        return Err(Error::unsupported(format!("the integer {value} among weights: a float cannot hold it")));
    }
    Ok(value as f32)
}

/// Exponent and fraction move to their places; multiplying by 2^112 mends the exponent and normalises subnormals.
fn half(half: u16) -> f32 {
    let half = half as u32;
    let magnitude = f32::from_bits((half & 0x7fff) << 13) * f32::from_bits(0x7780_0000);
    let special = if half & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
    f32::from_bits(magnitude.to_bits() | special | (half & 0x8000) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_all_widths() {
        let integer = |bytes: &[u8], signed| floats(Number::Integer { bytes: bytes.len(), signed }, bytes);
        assert_eq!(integer(&[0xff], true).unwrap(), [-1.0]);
        assert_eq!(integer(&[0xff], false).unwrap(), [255.0]);
        assert_eq!(integer(&(-7i64).to_le_bytes(), true).unwrap(), [-7.0]);
        assert_eq!(integer(&u64::MAX.to_le_bytes(), false).unwrap_err().fields().kind.code(), "unsupported");
        assert_eq!(floats(Number::Float64, &1.5f64.to_le_bytes()).unwrap(), [1.5]);
        // One, the smallest subnormal, minus infinity.
        let halves = [0x00, 0x3c, 0x01, 0x00, 0x00, 0xfc];
        assert_eq!(floats(Number::Float16, &halves).unwrap(), [1.0, 2f32.powi(-24), f32::NEG_INFINITY]);
        assert_eq!(floats(Number::BFloat16, &[0x80, 0xbf]).unwrap(), [-1.0]);
    }
}
