//! Kernels in the layouts of TensorFlow Lite, brought into those of the graph.

use super::schema::OperatorCode;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Data, Tensor};

/// How the kernel of an operator, always its operand 1, is laid out in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KernelLayout {
    /// `[out, kh, kw, in]`, to become `[kh, kw, in, out]`.
    Conv,
    /// `[1, kh, kw, in * multiplier]`, to become `[kh, kw, in, multiplier]`.
    Depthwise {
        /// Input channels.
        channels: usize,
    },
    /// `[out, kh, kw, in]`, to become `[kh, kw, out, in]`.
    ConvTranspose,
    /// `[out, in]`, to become `[in, out]`.
    Dense,
}

impl KernelLayout {
    /// That of an operator whose first operand has this shape; `None` if it has no kernel.
    pub fn of(code: OperatorCode, image: Option<&Shape>) -> Option<KernelLayout> {
        match code.builtin {
            3 => Some(KernelLayout::Conv),
            4 => Some(KernelLayout::Depthwise { channels: image.and_then(|s| s.last().copied()).unwrap_or(0) }),
            9 => Some(KernelLayout::Dense),
            67 => Some(KernelLayout::ConvTranspose),
            32 if code.custom == super::names::TRANSPOSE_BIAS => Some(KernelLayout::ConvTranspose),
            _ => None,
        }
    }

    /// The kernel in the graph's layout.
    pub fn apply(self, kernel: Tensor) -> Result<Tensor> {
        match self {
            KernelLayout::Conv => hwio(&kernel),
            KernelLayout::ConvTranspose => hwoi(&kernel),
            KernelLayout::Dense => {
                let [out, k] = kernel.shape().dims("[out, in]")?;
                Tensor::new([k, out], Data::F32(transpose(kernel.as_f32()?, out, k)))
            }
            KernelLayout::Depthwise { channels } => {
                // The order of elements is the one wanted already.
                let [one, kh, kw, out] = kernel.shape().dims("[1, kh, kw, out]")?;
                if one != 1 || channels == 0 || !out.is_multiple_of(channels) {
                    let received = kernel.shape();
                    return Err(Error::mismatch("the kernel does not fit the input's channels", channels, received));
                }
                kernel.reshape([kh, kw, channels, out / channels])
            }
        }
    }
}

/// `[out, kh, kw, in]` as `[kh, kw, in, out]`.
fn hwio(tensor: &Tensor) -> Result<Tensor> {
    let [out, kh, kw, channels] = tensor.shape().dims("[out, kh, kw, in]")?;
    let data = transpose(tensor.as_f32()?, out, kh * kw * channels);
    Tensor::new([kh, kw, channels, out], Data::F32(data))
}

/// `[out, kh, kw, in]` as `[kh, kw, out, in]`.
fn hwoi(tensor: &Tensor) -> Result<Tensor> {
    let [out, kh, kw, channels] = tensor.shape().dims("[out, kh, kw, in]")?;
    let (data, taps) = (tensor.as_f32()?, kh * kw);
    let rows = (0..taps * out).map(|i| (i % out * taps + i / out) * channels);
    let data = rows.flat_map(|start| &data[start..start + channels]).copied().collect();
    Tensor::new([kh, kw, out, channels], Data::F32(data))
}

/// The transpose of a matrix, block by block: both sides stay in the cache.
fn transpose(data: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    const BLOCK: usize = 32;
    let mut out = vec![0.0; data.len()];
    for top in (0..rows).step_by(BLOCK) {
        for left in (0..columns).step_by(BLOCK) {
            for column in left..(left + BLOCK).min(columns) {
                for row in top..(top + BLOCK).min(rows) {
                    out[column * rows + row] = data[row * columns + column];
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_change_their_layout() {
        // Element (o, y, x, i) is 1000 o + 100 y + 10 x + i.
        let [out, kh, kw, channels] = [35, 2, 3, 4];
        let digits = |n: usize, base: [usize; 3]| {
            (n / (base[0] * base[1] * base[2]), n / (base[1] * base[2]) % base[0], n / base[2] % base[1], n % base[2])
        };
        let number = |o, y, x, i| (1000 * o + 100 * y + 10 * x + i) as f32;
        let source =
            (0..out * kh * kw * channels).map(|n| digits(n, [kh, kw, channels])).map(|(o, y, x, i)| number(o, y, x, i));
        let source = Tensor::f32([out, kh, kw, channels], source.collect::<Vec<_>>()).unwrap();
        let (a, b) = (hwio(&source).unwrap(), hwoi(&source).unwrap());
        assert_eq!(a.shape().as_slice(), [kh, kw, channels, out]);
        assert_eq!(b.shape().as_slice(), [kh, kw, out, channels]);
        for n in 0..out * kh * kw * channels {
            let (y, x, i, o) = digits(n, [kw, channels, out]);
            assert_eq!(a.as_f32().unwrap()[n], number(o, y, x, i));
            let (y, x, o, i) = digits(n, [kw, out, channels]);
            assert_eq!(b.as_f32().unwrap()[n], number(o, y, x, i));
        }
    }
}
