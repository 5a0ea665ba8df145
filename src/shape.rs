//! Shapes, broadcasting, and the one place of padding arithmetic.

use std::fmt;
use std::ops::{Deref, Range};

use crate::error::{Error, Result};

/// Most elements a tensor may have: byte sizes then fit 32 bits on wasm with room to spare.
pub const MAX_ELEMENTS: usize = 1 << 29;

/// The dimensions of a tensor, outermost first; images are `[batch, height, width, channels]`.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// The shape of a scalar.
    pub fn scalar() -> Self {
        Shape(Vec::new())
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// Number of elements. Shapes that come from outside go through [`Shape::checked`] first.
    pub fn elements(&self) -> usize {
        self.0.iter().product()
    }

    /// The shape if its element count is at most [`MAX_ELEMENTS`], else a resource error.
    pub fn checked(dims: impl Into<Shape>) -> Result<Shape> {
        let shape = dims.into();
        // A zero dimension must not hide an overflow of the others: kernels multiply partial products.
        let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d.max(1)).filter(|&n| n <= MAX_ELEMENTS));
        match count {
            Some(_) => Ok(shape),
            None => {
                Err(Error::resource(format!("a tensor of shape {shape} is too large; at most {MAX_ELEMENTS} elements")))
            }
        }
    }

    /// Row-major strides in elements.
    pub fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.rank()];
        for i in (0..self.rank().saturating_sub(1)).rev() {
            strides[i] = strides[i + 1] * self[i + 1];
        }
        strides
    }

    /// The dimensions as an array, or a mismatch error that says the layout wanted.
    pub fn dims<const N: usize>(&self, layout: &str) -> Result<[usize; N]> {
        <[usize; N]>::try_from(self.0.as_slice())
            .map_err(|_| Error::mismatch(format!("needs {N} dimensions"), layout, self))
    }

    /// The dimensions.
    pub fn as_slice(&self) -> &[usize] {
        &self.0
    }

    /// NumPy broadcasting of two shapes: aligned at the end, 1 stretches.
    pub fn broadcast(&self, other: &Shape) -> Result<Shape> {
        let rank = self.rank().max(other.rank());
        let dim = |s: &Shape, i: usize| if i + s.rank() >= rank { s[i + s.rank() - rank] } else { 1 };
        (0..rank)
            .map(|i| match (dim(self, i), dim(other, i)) {
                (a, b) if a == b => Ok(a),
                (1, b) => Ok(b),
                (a, 1) => Ok(a),
                _ => Err(Error::mismatch("shapes do not broadcast", self, other)),
            })
            .collect::<Result<Vec<_>>>()
            .and_then(Shape::checked)
    }

    /// Turns an axis that may count from the end into an index below the rank.
    pub fn axis(&self, axis: isize) -> Result<usize> {
        let rank = self.rank() as isize;
        if (-rank..rank).contains(&axis) {
            Ok(axis.rem_euclid(rank) as usize)
        } else {
            Err(Error::mismatch("axis out of range", format!("an axis in {}..{rank}", -rank), axis))
        }
    }
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl From<Vec<usize>> for Shape {
    fn from(dims: Vec<usize>) -> Self {
        Shape(dims)
    }
}
impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Self {
        Shape(dims.to_vec())
    }
}
impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Self {
        Shape(dims.to_vec())
    }
}
impl FromIterator<usize> for Shape {
    fn from_iter<I: IntoIterator<Item = usize>>(dims: I) -> Self {
        Shape(dims.into_iter().collect())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}
impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// How a window operation treats the borders of height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Padding {
    /// No padding; only whole windows.
    #[default]
    Valid,
    /// TensorFlow's rule: `ceil(n / stride)` outputs, the odd pixel of padding goes after.
    Same,
    /// `[[top, bottom], [left, right]]`.
    Explicit([[usize; 2]; 2]),
}

/// One spatial axis of a window operation, resolved for a concrete input size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Input size.
    pub input: usize,
    /// Output size.
    pub output: usize,
    /// Taps.
    pub kernel: usize,
    /// Step between outputs, in input pixels.
    pub stride: usize,
    /// Step between taps, in input pixels.
    pub dilation: usize,
    /// Padding before the first pixel.
    pub before: usize,
    /// Padding after the last pixel.
    pub after: usize,
}

impl Window {
    /// Resolves one axis (`axis` 0 = height, 1 = width) of a convolution or pooling.
    ///
    /// SAME: `out = ceil(n / s)`, total padding `max((out - 1) s + (k - 1) d + 1 - n, 0)`, the odd pixel after
    /// (TensorFlow's documented rule). A window that fits nowhere is an error.
    pub fn resolve(
        input: usize,
        kernel: usize,
        stride: usize,
        dilation: usize,
        padding: Padding,
        axis: usize,
    ) -> Result<Window> {
        if kernel == 0 || stride == 0 || dilation == 0 {
            return Err(Error::invalid("kernel size, strides and dilations must be at least 1"));
        }
        let too_large = || Error::resource("the window is too large");
        let extent = (kernel - 1).checked_mul(dilation).and_then(|e| e.checked_add(1)).ok_or_else(too_large)?;
        let (before, after, output) = match padding {
            Padding::Same => {
                let output = input.div_ceil(stride);
                let covered = (output.max(1) - 1)
                    .checked_mul(stride)
                    .and_then(|c| c.checked_add(extent))
                    .ok_or_else(too_large)?;
                let total = covered.saturating_sub(input);
                (total / 2, total - total / 2, output)
            }
            Padding::Valid | Padding::Explicit(_) => {
                let [before, after] = if let Padding::Explicit(pads) = padding { pads[axis] } else { [0, 0] };
                let padded = input.checked_add(before).and_then(|p| p.checked_add(after)).ok_or_else(too_large)?;
                if padded < extent {
                    return Err(Error::mismatch(
                        "the window is larger than the padded input",
                        format!("at least {extent} pixels"),
                        format!("{padded} pixels"),
                    ));
                }
                (before, after, (padded - extent) / stride + 1)
            }
        };
        Ok(Window { input, output, kernel, stride, dilation, before, after })
    }

    /// Input index of tap `k` for output `o`, or `None` in the padding.
    #[inline]
    pub fn source(&self, o: usize, k: usize) -> Option<usize> {
        (o * self.stride + k * self.dilation).checked_sub(self.before).filter(|&i| i < self.input)
    }
}

/// One spatial axis of a transposed convolution, resolved for a concrete input size.
///
/// Input pixel `i` and tap `k` contribute to output `i * stride + k * dilation - crop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransposedWindow {
    /// Input size.
    pub input: usize,
    /// Output size.
    pub output: usize,
    /// Taps.
    pub kernel: usize,
    /// Step between inputs, in output pixels.
    pub stride: usize,
    /// Step between taps, in output pixels.
    pub dilation: usize,
    /// Pixels dropped before the first output.
    pub crop: usize,
}

impl TransposedWindow {
    /// Resolves one axis with Keras' rules (Keras 3 `compute_conv_transpose_output_length`):
    /// without `output_padding`, SAME gives `n s` and VALID `n s + max(k - s, 0)`; with it,
    /// SAME gives `(n - 1) s + k - 2 floor(k / 2) + p`, VALID `(n - 1) s + k + p`. Explicit padding crops
    /// `before`/`after` from `(n - 1) s + k` and adds `p` (ONNX). `k` is the dilated extent.
    pub fn resolve(
        input: usize,
        kernel: usize,
        stride: usize,
        dilation: usize,
        padding: Padding,
        output_padding: Option<usize>,
        axis: usize,
    ) -> Result<TransposedWindow> {
        if kernel == 0 || stride == 0 || dilation == 0 {
            return Err(Error::invalid("kernel size, strides and dilations must be at least 1"));
        }
        let too_large = || Error::resource("the transposed window is too large");
        let extent = (kernel - 1).checked_mul(dilation).and_then(|e| e.checked_add(1)).ok_or_else(too_large)?;
        let spread = input.max(1).checked_mul(stride).ok_or_else(too_large)?;
        // The size before anything is cropped.
        let full = (spread - stride).checked_add(extent).ok_or_else(too_large)?;
        let length = |value: Option<usize>| value.ok_or_else(|| Error::invalid("the output would have no pixels"));
        let (output, crop) = match (padding, output_padding) {
            (Padding::Explicit(pads), p) => {
                let [before, after] = pads[axis];
                (length((full + p.unwrap_or(0)).checked_sub(before + after))?, before)
            }
            (Padding::Valid, None) => (spread + extent.saturating_sub(stride), 0),
            (Padding::Valid, Some(p)) => (full + p, 0),
            (Padding::Same, None) => (spread, full.saturating_sub(spread) / 2),
            (Padding::Same, Some(p)) => {
                let output = length((full + p).checked_sub(2 * (extent / 2)))?;
                (output, full.saturating_sub(output) / 2)
            }
        };
        if input == 0 || output == 0 {
            return Err(Error::invalid("the output would have no pixels"));
        }
        Ok(TransposedWindow { input, output, kernel, stride, dilation, crop })
    }
}

/// The smallest runs of axes that a reshape splits and joins, as `(axes before, axes behind)` with equal products; `None`
/// where an axis is empty or the shapes do not fit. Dimensions come under two guesses of what is open, which must agree.
pub(crate) fn matching_runs(from: &[[usize; 2]], to: &[[usize; 2]]) -> Option<Vec<(Range<usize>, Range<usize>)>> {
    if from.iter().chain(to).flatten().any(|&d| d == 0) {
        return None;
    }
    let (mut runs, mut i, mut j) = (Vec::new(), 0, 0);
    while i < from.len() && j < to.len() {
        let (start_i, start_j) = (i, j);
        let (mut a, mut b) = (from[i], to[j]);
        (i, j) = (i + 1, j + 1);
        while a != b {
            // Whichever side lags takes the next axis.
            if a[0] <= b[0] && a[1] <= b[1] {
                let next = from.get(i)?;
                a = [a[0].checked_mul(next[0])?, a[1].checked_mul(next[1])?];
                i += 1;
            } else if a[0] >= b[0] && a[1] >= b[1] {
                let next = to.get(j)?;
                b = [b[0].checked_mul(next[0])?, b[1].checked_mul(next[1])?];
                j += 1;
            } else {
                return None;
            }
        }
        runs.push((start_i..i, start_j..j));
    }
    // What is left on one side can only be axes of size 1.
    if i < from.len() || j < to.len() {
        runs.push((i..from.len(), j..to.len()));
    }
    Some(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_puts_the_odd_pixel_after() {
        // tf.nn.conv2d, 7 wide, kernel 4, stride 2, SAME: 4 outputs, pads (1, 2).
        let w = Window::resolve(7, 4, 2, 1, Padding::Same, 0).unwrap();
        assert_eq!((w.output, w.before, w.after), (4, 1, 2));
        // A stride above the kernel never pads.
        let w = Window::resolve(7, 2, 3, 1, Padding::Same, 1).unwrap();
        assert_eq!((w.output, w.before, w.after), (3, 0, 1));
        // Dilated: extent 5.
        let w = Window::resolve(6, 3, 1, 2, Padding::Same, 0).unwrap();
        assert_eq!((w.output, w.before, w.after), (6, 2, 2));
    }

    #[test]
    fn valid_and_explicit() {
        assert_eq!(Window::resolve(7, 3, 2, 1, Padding::Valid, 0).unwrap().output, 3);
        let w = Window::resolve(7, 3, 2, 1, Padding::Explicit([[0, 1], [2, 0]]), 1).unwrap();
        assert_eq!((w.output, w.before, w.after), (4, 2, 0));
        assert!(Window::resolve(2, 3, 1, 1, Padding::Valid, 0).is_err());
        assert!(Window::resolve(2, 0, 1, 1, Padding::Same, 0).is_err());
        assert!(Window::resolve(usize::MAX, 2, 1, 1, Padding::Explicit([[2, 2]; 2]), 0).is_err());
    }

    #[test]
    fn sources_skip_the_padding() {
        let w = Window::resolve(5, 3, 2, 1, Padding::Same, 0).unwrap();
        assert_eq!((w.source(0, 0), w.source(0, 1), w.source(2, 2)), (None, Some(0), None));
    }

    #[test]
    fn transposed_lengths_follow_keras() {
        let length =
            |n, k, s, padding, p| TransposedWindow::resolve(n, k, s, 1, padding, p, 0).map(|w| w.output).unwrap();
        assert_eq!(length(5, 3, 2, Padding::Same, None), 10);
        assert_eq!(length(5, 1, 3, Padding::Valid, None), 15);
        assert_eq!(length(5, 4, 3, Padding::Valid, None), 16);
        assert_eq!(length(5, 3, 2, Padding::Same, Some(1)), 10);
        assert_eq!(length(5, 3, 2, Padding::Valid, Some(1)), 12);
        assert_eq!(length(5, 3, 2, Padding::Explicit([[1, 1]; 2]), Some(1)), 10);
    }

    #[test]
    fn broadcasting() {
        let shape = |d: &[usize]| Shape::from(d);
        assert_eq!(shape(&[2, 1, 3]).broadcast(&shape(&[4, 1])).unwrap(), shape(&[2, 4, 3]));
        assert_eq!(shape(&[]).broadcast(&shape(&[2, 0])).unwrap(), shape(&[2, 0]));
        assert!(shape(&[2]).broadcast(&shape(&[3])).is_err());
    }

    #[test]
    fn element_counts_cannot_overflow() {
        assert!(Shape::checked([usize::MAX, 2]).is_err());
        assert!(Shape::checked([0, usize::MAX, usize::MAX]).is_err());
        assert!(Shape::checked([1 << 15, 1 << 14]).is_ok());
    }
}
