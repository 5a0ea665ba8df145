//! Half-precision weights.

/// Little-endian halves as floats. Without branches, so that it vectorises: a model has millions of them.
pub fn widen(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|b| to_f32(u16::from_le_bytes(*b))).collect()
}

/// Exponent and fraction go to their places of a float; multiplying by 2^112 corrects the exponent's bias and also
/// normalises subnormals. Infinities and NaN then lack the upper exponent bits.
pub fn to_f32(half: u16) -> f32 {
    let half = half as u32;
    let magnitude = f32::from_bits((half & 0x7fff) << 13) * f32::from_bits(0x7780_0000);
    let special = if half & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
    f32::from_bits(magnitude.to_bits() | special | (half & 0x8000) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_is_exact() {
        for bits in 0..=u16::MAX {
            let (ours, exact) = (to_f32(bits), half::f16::from_bits(bits).to_f32());
            assert!(
                ours.to_bits() == exact.to_bits() || (ours.is_nan() && exact.is_nan()),
                "{bits:#x}: {ours} {exact}"
            );
        }
    }
}
