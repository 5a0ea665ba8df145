//! Moving elements without arithmetic: concatenation, slices, padding, reshaping, transposition. Any dtype.

use super::index::{offset, pick};
use super::{Operator, Reference, expect_inputs};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{DType, Data, Tensor, TensorType};

/// Joins tensors along an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Concat {
    /// The axis; negative ones count from the end.
    pub axis: isize,
}

impl Operator for Concat {
    fn name(&self) -> &'static str {
        "Concat"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let Some(first) = inputs.first() else {
            return Err(Error::mismatch("wrong number of inputs", "at least 1", 0));
        };
        let axis = first.shape.axis(self.axis)?;
        let mut dims = first.shape.to_vec();
        for (i, input) in inputs.iter().enumerate().skip(1) {
            let fits = input.dtype == first.dtype
                && input.shape.rank() == dims.len()
                && (0..dims.len()).all(|d| d == axis || dims[d] == input.shape[d]);
            if !fits {
                return Err(Error::mismatch(
                    format!("input {i} does not fit the first but for axis {axis}"),
                    first,
                    input,
                ));
            }
            dims[axis] =
                dims[axis].checked_add(input.shape[axis]).ok_or_else(|| Error::resource("too many elements"))?;
        }
        Ok(vec![TensorType::new(first.dtype, Shape::checked(dims)?)])
    }
}

impl Reference for Concat {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let axis = shape.axis(self.axis)?;
        let outer: usize = shape[..axis].iter().product();
        // Elements that each input adds to one row of `outer`.
        let runs = inputs.iter().map(|t| t.shape()[axis..].iter().product::<usize>());
        macro_rules! join {
            ($variant:ident, $slice:ident) => {{
                let parts = inputs.iter().map(|t| t.$slice()).collect::<Result<Vec<_>>>()?;
                let parts: Vec<_> = parts.into_iter().zip(runs).collect();
                Data::$variant(
                    (0..outer).flat_map(|i| parts.iter().flat_map(move |(v, n)| &v[i * n..][..*n])).copied().collect(),
                )
            }};
        }
        let data = match inputs[0].dtype() {
            DType::F32 => join!(F32, as_f32),
            DType::I32 => join!(I32, as_i32),
            DType::U8 => join!(U8, as_u8),
        };
        Ok(vec![Tensor::new(shape, data)?])
    }
}

/// One axis of a strided slice, with Python's meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SliceAxis {
    /// First index; negative ones count from the end; `None` is the natural start.
    pub start: Option<isize>,
    /// One past the last index, likewise.
    pub end: Option<isize>,
    /// Step, not 0; negative ones run backwards.
    pub step: isize,
}

impl SliceAxis {
    /// The whole axis.
    pub const ALL: SliceAxis = SliceAxis { start: None, end: None, step: 1 };

    /// `start..end` with step 1.
    pub fn range(start: usize, end: usize) -> Self {
        SliceAxis { start: Some(start as isize), end: Some(end as isize), step: 1 }
    }

    /// `(first index, count)` on an axis of size `n`, out-of-range ends clamped as Python does.
    pub fn resolve(&self, n: usize) -> Result<(usize, usize)> {
        if self.step == 0 {
            return Err(Error::invalid("a slice's step must not be 0"));
        }
        let n = n as isize;
        let (low, high) = if self.step > 0 { (0, n) } else { (-1, n - 1) };
        let place = |i: isize| (if i < 0 { i.saturating_add(n) } else { i }).clamp(low, high);
        let (natural_start, natural_end) = if self.step > 0 { (low, high) } else { (high, low) };
        let (start, end) = (self.start.map_or(natural_start, place), self.end.map_or(natural_end, place));
        let distance = if self.step > 0 { end - start } else { start - end };
        let count = if distance <= 0 { 0 } else { (distance as usize).div_ceil(self.step.unsigned_abs()) };
        Ok((start.max(0) as usize, count))
    }
}

/// Strided slice; one [`SliceAxis`] per dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// The axes, outermost first.
    pub axes: Vec<SliceAxis>,
}

impl Operator for Slice {
    fn name(&self) -> &'static str {
        "Slice"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 1)?;
        let shape = &inputs[0].shape;
        if self.axes.len() != shape.rank() {
            return Err(Error::mismatch("the slice needs one range per dimension", self.axes.len(), shape));
        }
        let dims = self.axes.iter().zip(shape.iter()).map(|(a, &n)| Ok(a.resolve(n)?.1)).collect::<Result<Vec<_>>>()?;
        Ok(vec![TensorType::new(inputs[0].dtype, dims)])
    }
}

impl Reference for Slice {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let source = inputs[0].shape();
        let starts =
            self.axes.iter().zip(source.iter()).map(|(a, &n)| Ok(a.resolve(n)?.0)).collect::<Result<Vec<_>>>()?;
        let strides = source.strides();
        let place = |index: &[usize]| {
            let axis = |d: usize| (starts[d] as isize + index[d] as isize * self.axes[d].step) as usize * strides[d];
            Some((0..index.len()).map(axis).sum())
        };
        Ok(vec![pick(inputs[0], &shape, 0.0, place)?])
    }
}

/// What padding is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PadMode {
    /// A value (cast to the dtype).
    Constant(f32),
    /// The mirror image without the edge: `c b | a b c | b a`.
    Reflect,
    /// The mirror image with the edge: `b a | a b c | c b`.
    Symmetric,
    /// The edge repeated.
    Edge,
}

/// Pads every dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct Pad {
    /// `[before, after]` per dimension.
    pub pads: Vec<[usize; 2]>,
    /// What the padding is made of.
    pub mode: PadMode,
}

impl Operator for Pad {
    fn name(&self) -> &'static str {
        "Pad"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 1)?;
        let TensorType { dtype, shape } = &inputs[0];
        if self.pads.len() != shape.rank() {
            return Err(Error::mismatch("padding needs one pair per dimension", self.pads.len(), shape));
        }
        let mut dims = Vec::with_capacity(shape.rank());
        for (&[before, after], &n) in self.pads.iter().zip(shape.iter()) {
            let longest = match self.mode {
                PadMode::Constant(_) => usize::MAX,
                PadMode::Reflect => n.saturating_sub(1),
                PadMode::Symmetric => n,
                PadMode::Edge if n > 0 => usize::MAX,
                PadMode::Edge => 0,
            };
            if before > longest || after > longest {
                return Err(Error::mismatch(
                    "more padding than there is to mirror",
                    format!("at most {longest}"),
                    format!("[{before}, {after}]"),
                ));
            }
            let padded = n.checked_add(before).and_then(|p| p.checked_add(after));
            dims.push(padded.ok_or_else(|| Error::resource("too much padding"))?);
        }
        if let PadMode::Constant(value) = self.mode
            && *dtype == DType::I32
            && value.fract() != 0.0
        {
            return Err(Error::invalid("an int32 tensor cannot be padded with a fraction"));
        }
        Ok(vec![TensorType::new(*dtype, Shape::checked(dims)?)])
    }
}

impl Reference for Pad {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let source = inputs[0].shape();
        let strides = source.strides();
        let place = |index: &[usize]| {
            let axis = |d: usize| {
                let (n, i) = (source[d] as isize, index[d] as isize - self.pads[d][0] as isize);
                let mirrored = match self.mode {
                    PadMode::Constant(_) => return (0..n).contains(&i).then(|| i as usize * strides[d]),
                    PadMode::Edge => i.clamp(0, n - 1),
                    PadMode::Reflect if i < 0 => -i,
                    PadMode::Reflect if i >= n => 2 * n - 2 - i,
                    PadMode::Symmetric if i < 0 => -i - 1,
                    PadMode::Symmetric if i >= n => 2 * n - 1 - i,
                    PadMode::Reflect | PadMode::Symmetric => i,
                };
                Some(mirrored as usize * strides[d])
            };
            (0..index.len()).map(axis).sum()
        };
        let fill = if let PadMode::Constant(value) = self.mode { value } else { 0.0 };
        Ok(vec![pick(inputs[0], &shape, fill, place)?])
    }
}

/// One dimension of a reshape's target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReshapeDim {
    /// This size.
    Size(usize),
    /// The size of that input dimension.
    Copy(usize),
    /// Whatever is left; once at most.
    Infer,
}

/// The same elements in another shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Reshape {
    /// The target, outermost first.
    pub dims: Vec<ReshapeDim>,
}

impl Reshape {
    /// `[batch, everything else]`.
    pub fn flatten() -> Self {
        Reshape { dims: vec![ReshapeDim::Copy(0), ReshapeDim::Infer] }
    }

    /// To a fixed shape.
    pub fn to(shape: &[usize]) -> Self {
        Reshape { dims: shape.iter().map(|&d| ReshapeDim::Size(d)).collect() }
    }
}

impl Operator for Reshape {
    fn name(&self) -> &'static str {
        "Reshape"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 1)?;
        let TensorType { dtype, shape } = &inputs[0];
        let mut dims = Vec::with_capacity(self.dims.len());
        let mut inferred = None;
        for (i, dim) in self.dims.iter().enumerate() {
            dims.push(match *dim {
                ReshapeDim::Size(n) => n,
                ReshapeDim::Copy(axis) => *shape.get(axis).ok_or_else(|| {
                    Error::mismatch(format!("no dimension {axis} to copy"), format!("rank above {axis}"), shape)
                })?,
                ReshapeDim::Infer if inferred.is_none() => {
                    inferred = Some(i);
                    1
                }
                ReshapeDim::Infer => return Err(Error::invalid("only one dimension can be inferred")),
            });
        }
        let target = Shape::checked(dims.clone())?;
        let (have, want) = (shape.elements(), target.elements());
        let shape_out = match inferred {
            Some(i) if want > 0 && have % want == 0 => {
                dims[i] = have / want;
                Shape::checked(dims)?
            }
            None if have == want => target,
            _ => return Err(Error::mismatch(format!("cannot reshape {shape} to {target}"), want, have)),
        };
        Ok(vec![TensorType::new(*dtype, shape_out)])
    }

    fn flops(&self, _: &[TensorType], _: &[TensorType]) -> u64 {
        0
    }
}

impl Reference for Reshape {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        Ok(vec![inputs[0].clone().reshape(self.output_shape(inputs)?)?])
    }
}

/// Permutes dimensions: output dimension `i` is input dimension `perm[i]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Transpose {
    /// A permutation of `0..rank`.
    pub perm: Vec<usize>,
}

impl Operator for Transpose {
    fn name(&self) -> &'static str {
        "Transpose"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 1)?;
        let TensorType { dtype, shape } = &inputs[0];
        let mut seen = vec![false; shape.rank()];
        for &axis in &self.perm {
            if axis < seen.len() {
                seen[axis] = true;
            }
        }
        if self.perm.len() != shape.rank() || seen.contains(&false) {
            return Err(Error::mismatch(
                "not a permutation of the dimensions",
                format!("0..{}", shape.rank()),
                format!("{:?}", self.perm),
            ));
        }
        Ok(vec![TensorType::new(*dtype, self.perm.iter().map(|&axis| shape[axis]).collect::<Shape>())])
    }
}

impl Reference for Transpose {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let strides = inputs[0].shape().strides();
        let strides: Vec<_> = self.perm.iter().map(|&axis| strides[axis]).collect();
        Ok(vec![pick(inputs[0], &shape, 0.0, |index| Some(offset(index, &strides)))?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[i32]) -> Tensor {
        Tensor::i32([values.len()], values).unwrap()
    }

    #[test]
    fn slices_follow_python() {
        let x = row(&[0, 1, 2, 3, 4, 5, 6]);
        let slice = |start, end, step| {
            let op = Slice { axes: vec![SliceAxis { start, end, step }] };
            op.reference(&[&x]).unwrap()[0].as_i32().unwrap().to_vec()
        };
        assert_eq!(slice(Some(1), Some(6), 2), [1, 3, 5]);
        assert_eq!(slice(None, None, -2), [6, 4, 2, 0]);
        assert_eq!(slice(Some(-2), Some(-100), -1), [5, 4, 3, 2, 1, 0]);
        assert_eq!(slice(Some(5), Some(2), 1), Vec::<i32>::new());
    }

    #[test]
    fn pads_follow_numpy() {
        let x = row(&[1, 2, 3]);
        let pad = |mode| {
            let op = Pad { pads: vec![[2, 1]], mode };
            op.reference(&[&x]).unwrap()[0].as_i32().unwrap().to_vec()
        };
        assert_eq!(pad(PadMode::Constant(7.0)), [7, 7, 1, 2, 3, 7]);
        assert_eq!(pad(PadMode::Reflect), [3, 2, 1, 2, 3, 2]);
        assert_eq!(pad(PadMode::Symmetric), [2, 1, 1, 2, 3, 3]);
        assert_eq!(pad(PadMode::Edge), [1, 1, 1, 2, 3, 3]);
    }

    #[test]
    fn concat_on_an_inner_axis() {
        let (a, b) = (Tensor::u8([2, 1], vec![1, 2]).unwrap(), Tensor::u8([2, 2], vec![3, 4, 5, 6]).unwrap());
        let joined = Concat { axis: -1 }.reference(&[&a, &b]).unwrap().remove(0);
        assert_eq!(joined, Tensor::u8([2, 3], vec![1, 3, 4, 2, 5, 6]).unwrap());
    }

    #[test]
    fn transpose_moves_axes() {
        let x = Tensor::i32([1, 2, 3], vec![0, 1, 2, 3, 4, 5]).unwrap();
        let y = Transpose { perm: vec![2, 0, 1] }.reference(&[&x]).unwrap().remove(0);
        assert_eq!(y, Tensor::i32([3, 1, 2], vec![0, 3, 1, 4, 2, 5]).unwrap());
    }
}
