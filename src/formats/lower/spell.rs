//! TensorFlow's operations that striate spells in one or several of its own. Both formats carry the same ones.

use super::{Guessed, Lowering, MAX_PIECES};
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::ops::{
    Binary, BinaryKind, Concat, Conv2d, ConvTranspose2d, Coordinates, Epilogue, NearestRounding, Pad, PadMode, Reduce,
    ReduceKind, Reshape, ReshapeDim, Resize, ResizeMode, ResizeSize, Slice, SliceAxis, Transpose, Unary,
};
use crate::shape::{Padding, Shape, TransposedWindow};
use crate::tensor::{DType, Tensor};

/// Local response normalisation becomes a product with a banded matrix; beyond this many channels that is no bargain.
const MAX_LRN_CHANNELS: usize = 2048;

/// The bit masks of `StridedSlice`: bit `i` is about element `i` of begin, end and strides.
#[derive(Clone, Copy, Debug, Default)]
pub struct StridedSliceMasks {
    /// Begin is the natural start.
    pub begin: i64,
    /// End is the natural end.
    pub end: i64,
    /// Stands for as many whole axes as are left.
    pub ellipsis: i64,
    /// A new axis of size 1.
    pub new_axis: i64,
    /// One element, and the axis goes.
    pub shrink: i64,
}

/// A transposed convolution as TensorFlow has it: the output size is an operand.
pub struct TransposedConv {
    /// `[vertical, horizontal]`.
    pub strides: [usize; 2],
    /// SAME, VALID or explicit padding of the forward convolution.
    pub padding: Padding,
    /// `[batch, height, width, channels]` of the output.
    pub sizes: Vec<Guessed<i64>>,
    /// Bias and activation.
    pub epilogue: Epilogue,
}

fn size(n: i64, what: &str) -> Result<usize> {
    usize::try_from(n).map_err(|_| Error::invalid(format!("{what} must not be negative, but is {n}")))
}

impl Lowering {
    /// An axis operand as an index below the rank.
    pub fn axis(&self, value: ValueId, axis: i64) -> Result<usize> {
        self.shape(value).axis(isize::try_from(axis).unwrap_or(isize::MAX))
    }

    /// Keeps some dimensions and inserts others of size 1.
    fn regroup(&mut self, name: &str, value: ValueId, dims: Vec<ReshapeDim>) -> Result<ValueId> {
        self.add(name, Reshape { dims }, &[value])
    }

    /// Drops dimensions of size 1: those of `axes`, or all that are known to be 1.
    pub fn squeeze(&mut self, name: &str, value: ValueId, axes: &[i64]) -> Result<ValueId> {
        let dims = self.dims(value);
        let mut drop: Vec<bool> = dims.iter().map(|d| axes.is_empty() && *d == [1, 1]).collect();
        for &axis in axes {
            let axis = self.axis(value, axis)?;
            if dims[axis][0] != 1 {
                return Err(Error::mismatch(format!("cannot drop axis {axis}"), 1, dims[axis][0]));
            }
            drop[axis] = true;
        }
        let kept = (0..dims.len()).filter(|&i| !drop[i]).map(ReshapeDim::Copy).collect();
        self.regroup(name, value, kept)
    }

    /// Inserts a dimension of size 1.
    pub fn expand_dims(&mut self, name: &str, value: ValueId, axis: i64) -> Result<ValueId> {
        let rank = self.shape(value).rank() as i64;
        if !(-rank - 1..=rank).contains(&axis) {
            return Err(Error::mismatch("axis out of range", format!("an axis in {}..={rank}", -rank - 1), axis));
        }
        let at = (if axis < 0 { axis + rank + 1 } else { axis }) as usize;
        let mut dims: Vec<_> = (0..rank as usize).map(ReshapeDim::Copy).collect();
        dims.insert(at, ReshapeDim::Size(1));
        self.regroup(name, value, dims)
    }

    /// `begin` and `size` per axis; size -1 is the rest.
    pub fn slice(&mut self, name: &str, value: ValueId, begin: &[i64], size: &[i64]) -> Result<ValueId> {
        let shape = self.shape(value);
        if begin.len() != shape.rank() || size.len() != shape.rank() {
            return Err(Error::mismatch("a slice needs begin and size for every axis", shape.rank(), begin.len()));
        }
        let mut axes = Vec::with_capacity(begin.len());
        for (i, (&begin, &size)) in begin.iter().zip(size).enumerate() {
            let end = if size < 0 { Some(shape[i] as i64) } else { begin.checked_add(size) };
            let fits = begin >= 0 && end.is_some_and(|end| end <= shape[i] as i64 && end >= begin);
            if !fits {
                return Err(Error::mismatch(
                    format!("the slice leaves axis {i}"),
                    format!("0..{}", shape[i]),
                    format!("{size} elements from {begin}"),
                ));
            }
            let end = if size < 0 { None } else { end };
            axes.push(SliceAxis { start: Some(begin as isize), end: end.map(|e| e as isize), step: 1 });
        }
        self.add(name, Slice { axes }, &[value])
    }

    /// NumPy's basic indexing, as TensorFlow encodes it.
    pub fn strided_slice(
        &mut self,
        name: &str,
        value: ValueId,
        [begin, end, strides]: [&[i64]; 3],
        masks: StridedSliceMasks,
    ) -> Result<ValueId> {
        let (count, rank) = (begin.len(), self.shape(value).rank());
        if end.len() != count || strides.len() != count || count > 32 {
            return Err(Error::mismatch("begin, end and strides must be of one length", count, end.len()));
        }
        let bit = |mask: i64, i: usize| mask >> i & 1 == 1;
        let named = (0..count).filter(|&i| !bit(masks.ellipsis, i) && !bit(masks.new_axis, i)).count();
        let mut rest = rank
            .checked_sub(named)
            .ok_or_else(|| Error::mismatch("the slice has more ranges than the value has dimensions", rank, named))?;
        let (mut axes, mut dims) = (Vec::with_capacity(rank), Vec::with_capacity(rank));
        for i in 0..count {
            if bit(masks.ellipsis, i) {
                for _ in 0..std::mem::take(&mut rest) {
                    dims.push(ReshapeDim::Copy(axes.len()));
                    axes.push(SliceAxis::ALL);
                }
            } else if bit(masks.new_axis, i) {
                dims.push(ReshapeDim::Size(1));
            } else if bit(masks.shrink, i) {
                let n = self.shape(value)[axes.len()] as i64;
                if !(-n..n).contains(&begin[i]) {
                    return Err(Error::mismatch("index out of range", format!("{}..{n}", -n), begin[i]));
                }
                let after = if begin[i] == -1 { None } else { Some(begin[i] as isize + 1) };
                axes.push(SliceAxis { start: Some(begin[i] as isize), end: after, step: 1 });
            } else {
                dims.push(ReshapeDim::Copy(axes.len()));
                let place = |mask, n: i64| if bit(mask, i) { None } else { Some(n as isize) };
                let (start, end) = (place(masks.begin, begin[i]), place(masks.end, end[i]));
                axes.push(SliceAxis { start, end, step: strides[i] as isize });
            }
        }
        for _ in 0..rest {
            dims.push(ReshapeDim::Copy(axes.len()));
            axes.push(SliceAxis::ALL);
        }
        let unchanged = dims.len() == rank && dims.iter().enumerate().all(|(i, d)| *d == ReshapeDim::Copy(i));
        let inner = if unchanged { name.to_string() } else { format!("{name}/slice") };
        let sliced = self.add(&inner, Slice { axes }, &[value])?;
        if unchanged { Ok(sliced) } else { self.regroup(name, sliced, dims) }
    }

    /// Cuts an axis into pieces of these sizes; one of them may be -1.
    pub fn split(&mut self, name: &str, value: ValueId, axis: i64, sizes: &[i64]) -> Result<Vec<ValueId>> {
        let axis = self.axis(value, axis)?;
        let (n, rank) = (self.shape(value)[axis] as i64, self.shape(value).rank());
        let sum = sizes.iter().filter(|&&s| s >= 0).try_fold(0i64, |sum, &s| sum.checked_add(s)).unwrap_or(i64::MAX);
        let open = sizes.iter().filter(|&&s| s < 0).count();
        if sizes.len() > MAX_PIECES {
            return Err(Error::resource(format!("a split into {} pieces; at most {MAX_PIECES}", sizes.len())));
        }
        if open > 1 || sum > n || (open == 0 && sum != n) {
            return Err(Error::mismatch(format!("the pieces do not add up to axis {axis}"), n, sum));
        }
        let mut start = 0;
        let mut pieces = Vec::with_capacity(sizes.len());
        for (i, &size) in sizes.iter().enumerate() {
            let size = if size < 0 { n - sum } else { size };
            let mut axes = vec![SliceAxis::ALL; rank];
            axes[axis] = SliceAxis::range(start as usize, (start + size) as usize);
            pieces.push(self.add(&format!("{name}:{i}"), Slice { axes }, &[value])?);
            start += size;
        }
        Ok(pieces)
    }

    /// Cuts an axis into `count` equal pieces.
    pub fn split_evenly(&mut self, name: &str, value: ValueId, axis: i64, count: i64) -> Result<Vec<ValueId>> {
        let n = self.shape(value)[self.axis(value, axis)?];
        let count = size(count, "the number of pieces")?;
        if count > MAX_PIECES || count == 0 || !n.is_multiple_of(count) {
            return Err(Error::mismatch("the axis does not split evenly", format!("a multiple of {count}"), n));
        }
        self.split(name, value, axis, &vec![(n / count) as i64; count])
    }

    /// The slices of an axis, without it.
    pub fn unpack(&mut self, name: &str, value: ValueId, axis: i64) -> Result<Vec<ValueId>> {
        let axis = self.axis(value, axis)? as i64;
        let n = self.shape(value)[axis as usize];
        let pieces = self.split(&format!("{name}/split"), value, axis, &vec![1; n.min(MAX_PIECES + 1)])?;
        pieces.into_iter().enumerate().map(|(i, v)| self.squeeze(&format!("{name}:{i}"), v, &[axis])).collect()
    }

    /// Joins values along a new axis.
    pub fn pack(&mut self, name: &str, values: &[ValueId], axis: i64) -> Result<ValueId> {
        let rows = values.iter().enumerate();
        let rows = rows.map(|(i, &v)| self.expand_dims(&format!("{name}/{i}"), v, axis)).collect::<Result<Vec<_>>>()?;
        self.add(name, Concat { axis: axis as isize }, &rows)
    }

    /// Reduces over axes; unlike [`Reduce`]'s, an empty list means none.
    pub fn reduce(
        &mut self,
        name: &str,
        kind: ReduceKind,
        value: ValueId,
        axes: &[i64],
        keep_dims: bool,
    ) -> Result<ValueId> {
        if axes.is_empty() {
            return Ok(value);
        }
        let axes = axes.iter().map(|&a| isize::try_from(a).unwrap_or(isize::MAX)).collect();
        self.add(name, Reduce { kind, axes, keep_dims }, &[value])
    }

    /// Pads by an int32 matrix `[rank, 2]`.
    pub fn pad(&mut self, name: &str, value: ValueId, paddings: &[i64], mode: PadMode) -> Result<ValueId> {
        let pair = |p: &[i64]| Ok([size(p[0], "padding")?, size(p[1], "padding")?]);
        if !paddings.len().is_multiple_of(2) {
            return Err(Error::invalid("paddings must be pairs"));
        }
        let pads = paddings.chunks_exact(2).map(pair).collect::<Result<Vec<_>>>()?;
        self.add(name, Pad { pads, mode }, &[value])
    }

    /// Permutes dimensions.
    pub fn transpose(&mut self, name: &str, value: ValueId, perm: &[i64]) -> Result<ValueId> {
        let perm = perm.iter().map(|&p| self.axis(value, p)).collect::<Result<Vec<_>>>()?;
        self.add(name, Transpose { perm }, &[value])
    }

    /// Resizes to `[height, width]`, by the pair of flags that TensorFlow has for its three conventions.
    pub fn resize(
        &mut self,
        name: &str,
        value: ValueId,
        target: &[Guessed<i64>],
        bilinear: bool,
        align_corners: bool,
        half_pixel: bool,
    ) -> Result<ValueId> {
        let (coordinates, rounding) = match (align_corners, half_pixel) {
            (true, true) => return Err(Error::invalid("corners cannot be aligned with half-pixel centres")),
            (true, false) => (Coordinates::AlignCorners, NearestRounding::HalfUp),
            (false, true) => (Coordinates::HalfPixel, NearestRounding::HalfUp),
            (false, false) => (Coordinates::Asymmetric, NearestRounding::Floor),
        };
        let mode = if bilinear { ResizeMode::Bilinear } else { ResizeMode::Nearest(rounding) };
        let [y, x] = target else {
            return Err(Error::mismatch(
                "the size of a resize",
                "[height, width]",
                format!("{} numbers", target.len()),
            ));
        };
        let size = if y[0] == y[1] && x[0] == x[1] {
            ResizeSize::Fixed([size(y[0], "height")?, size(x[0], "width")?])
        } else {
            // Sizes that follow the input's: the same factor under both guesses.
            let dims = self.dims(value);
            let factor = |axis: usize, target: Guessed<i64>| {
                let of = |g: usize| target[g] as f32 / dims.get(axis).map_or(0.0, |d| d[g] as f32);
                if of(0) == of(1) && of(0).is_finite() {
                    return Ok(of(0));
                }
                Err(Error::unsupported("the size of a resize must be constant or a multiple of the input's"))
            };
            ResizeSize::Factors([factor(1, *y)?, factor(2, *x)?])
        };
        self.add(name, Resize { size, mode, coordinates }, &[value])
    }

    /// A two-operand operation; the activation is fused into float arithmetic.
    pub fn binary(
        &mut self,
        name: &str,
        kind: BinaryKind,
        operands: [ValueId; 2],
        activation: Option<Unary>,
    ) -> Result<ValueId> {
        self.add(name, Binary { kind, activation }, &operands)
    }

    /// The sum of one or more values.
    pub fn sum(&mut self, name: &str, values: &[ValueId]) -> Result<ValueId> {
        let (&first, rest) =
            values.split_first().ok_or_else(|| Error::mismatch("wrong number of inputs", "at least 1", 0))?;
        let last = rest.len().saturating_sub(1);
        let mut total = first;
        for (i, &value) in rest.iter().enumerate() {
            let name = if i == last { name.to_string() } else { format!("{name}/{i}") };
            total = self.binary(&name, BinaryKind::Add, [total, value], None)?;
        }
        Ok(total)
    }

    /// `x` where positive, else `alpha * x`; `alpha` broadcasts.
    pub fn prelu(&mut self, name: &str, value: ValueId, alpha: ValueId) -> Result<ValueId> {
        if let Some(slopes) = self.tensor(alpha)
            && let Ok([first, rest @ ..]) = slopes.as_f32()
            && rest.iter().all(|slope| slope == first)
        {
            let alpha = *first;
            return self.add(name, Unary::LeakyRelu { alpha }, &[value]);
        }
        let zero = self.constant(&format!("{name}/zero"), Tensor::scalar(0.0));
        let positive = self.add(&format!("{name}/positive"), Unary::Relu, &[value])?;
        let negative = self.binary(&format!("{name}/negative"), BinaryKind::Minimum, [value, zero], None)?;
        let scaled = self.binary(&format!("{name}/scaled"), BinaryKind::Mul, [negative, alpha], None)?;
        self.binary(name, BinaryKind::Add, [positive, scaled], None)
    }

    /// True where not zero.
    pub fn truth(&mut self, name: &str, value: ValueId) -> Result<ValueId> {
        let zero = match self.dtype(value) {
            DType::U8 => return Ok(value),
            DType::F32 => Tensor::scalar(0.0),
            DType::I32 => Tensor::i32(Shape::scalar(), [0])?,
        };
        let zero = self.constant(&format!("{name}/zero"), zero);
        self.binary(name, BinaryKind::NotEqual, [value, zero], None)
    }

    /// The transposed convolution of `x` with `kernel` `[kh, kw, out, in]`; the bias, if any, is in `inputs`.
    pub fn conv_transpose(&mut self, name: &str, inputs: &[ValueId], conv: TransposedConv) -> Result<ValueId> {
        let TransposedConv { strides, padding, sizes, epilogue } = conv;
        let [x, kernel, ..] = inputs else {
            return Err(Error::mismatch("wrong number of inputs", "at least 2", inputs.len()));
        };
        let (image, taps) = (self.dims(*x), self.shape(*kernel).dims::<4>("[kh, kw, out, in]")?);
        if sizes.len() != 4 || image.len() != 4 {
            return Err(Error::mismatch("the output size", "[batch, height, width, channels]", sizes.len()));
        }
        // The plain rule where it gives the size asked for (it also serves open sizes) ...
        let plain = (0..2).all(|axis| {
            (0..2).all(|guess| {
                let (n, k) = (image[axis + 1][guess], taps[axis]);
                let window = TransposedWindow::resolve(n, k, strides[axis], 1, padding, None, axis);
                window.is_ok_and(|w| w.output as i64 == sizes[axis + 1][guess])
            })
        });
        let mut op = ConvTranspose2d { strides, dilations: [1, 1], padding, output_padding: None, epilogue };
        if !plain {
            // ... else the forward convolution's padding on that size, cropped from the full result.
            let (mut pads, mut extra) = ([[0; 2]; 2], [0; 2]);
            for axis in 0..2 {
                let ([n, other], [output, output_other]) = (image[axis + 1], sizes[axis + 1]);
                if n != other || output != output_other || n == 0 {
                    return Err(Error::unsupported("a transposed convolution to an open size that is not its own"));
                }
                let output = size(output, "the output size")?;
                let full = (n - 1)
                    .checked_mul(strides[axis])
                    .and_then(|spread| spread.checked_add(taps[axis]))
                    .ok_or_else(|| Error::resource("the transposed window is too large"))?;
                let cropped = full.saturating_sub(output);
                let before = match padding {
                    Padding::Explicit(pads) => pads[axis][0].min(cropped),
                    Padding::Same => cropped / 2,
                    Padding::Valid => 0,
                };
                pads[axis] = [before, cropped - before];
                extra[axis] = output.saturating_sub(full);
            }
            (op.padding, op.output_padding) = (Padding::Explicit(pads), Some(extra));
        }
        self.add(name, op, inputs)
    }

    /// Local response normalisation over channels, `x / (bias + alpha * sum(x^2 over c - radius ..= c + radius))^beta`:
    /// the windowed sum is a 1x1 convolution with a banded matrix.
    pub fn local_response_norm(
        &mut self,
        name: &str,
        value: ValueId,
        radius: i64,
        [bias, alpha, beta]: [f32; 3],
    ) -> Result<ValueId> {
        let [.., c] = self.shape(value).dims::<4>("[batch, height, width, channels]")?;
        if c > MAX_LRN_CHANNELS {
            return Err(Error::unsupported(format!(
                "local response normalisation of {c} channels; at most {MAX_LRN_CHANNELS}"
            )));
        }
        let radius = size(radius, "the radius")?;
        self.spend(c * c * DType::F32.size())?;
        let band = (0..c * c).map(|i| if (i / c).abs_diff(i % c) <= radius { alpha } else { 0.0 });
        let band = Tensor::f32([1, 1, c, c], band.collect::<Vec<_>>())?;
        let band = self.constant(&format!("{name}/band"), band);
        let bias = self.constant(&format!("{name}/bias"), Tensor::f32([c], vec![bias; c])?);
        let power = self.constant(&format!("{name}/power"), Tensor::scalar(-beta));
        let squares = self.add(&format!("{name}/squares"), Unary::Square, &[value])?;
        let conv = Conv2d { epilogue: Epilogue::bias(), ..Conv2d::default() };
        let sums = self.add(&format!("{name}/sums"), conv, &[squares, band, bias])?;
        let scale = self.binary(&format!("{name}/scale"), BinaryKind::Pow, [sums, power], None)?;
        self.binary(name, BinaryKind::Mul, [value, scale], None)
    }

    /// Moves blocks of channels into space (TensorFlow's order: channel = `(dy * block + dx) * depth + d`).
    pub fn depth_to_space(&mut self, name: &str, value: ValueId, block: i64) -> Result<ValueId> {
        let [n, h, w, c] = self.block_dims(value, block, false)?;
        let b = [block; 2];
        let depth = c.map(|c| c / (block * block));
        let split = self.reshape(&format!("{name}/blocks"), value, &[n, h, w, b, b, depth])?;
        let moved = self.transpose(&format!("{name}/transposed"), split, &[0, 1, 3, 2, 4, 5])?;
        self.reshape(name, moved, &[n, h.map(|h| h * block), w.map(|w| w * block), depth])
    }

    /// The inverse of [`Lowering::depth_to_space`].
    pub fn space_to_depth(&mut self, name: &str, value: ValueId, block: i64) -> Result<ValueId> {
        let [n, h, w, c] = self.block_dims(value, block, true)?;
        let b = [block; 2];
        let (h, w) = (h.map(|h| h / block), w.map(|w| w / block));
        let split = self.reshape(&format!("{name}/blocks"), value, &[n, h, b, w, b, c])?;
        let moved = self.transpose(&format!("{name}/transposed"), split, &[0, 1, 3, 2, 4, 5])?;
        self.reshape(name, moved, &[n, h, w, c.map(|c| c * block * block)])
    }

    fn block_dims(&self, value: ValueId, block: i64, space: bool) -> Result<[Guessed<i64>; 4]> {
        self.shape(value).dims::<4>("[batch, height, width, channels]")?;
        let dims: Vec<_> = self.dims(value).iter().map(|d| d.map(|n| n as i64)).collect();
        let [n, h, w, c] = [dims[0], dims[1], dims[2], dims[3]];
        let whole = |d: Guessed<i64>, unit: i64| d.iter().all(|n| n % unit == 0);
        let fits = (1..=1 << 10).contains(&block)
            && if space { whole(h, block) && whole(w, block) } else { whole(c, block * block) };
        if !fits {
            return Err(Error::mismatch(format!("no whole blocks of {block}"), "sizes that divide", self.shape(value)));
        }
        Ok([n, h, w, c])
    }
}
