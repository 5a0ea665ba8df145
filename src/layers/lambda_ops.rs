//! The operations of a [`Lambda`](super::Lambda) layer, by name.
//!
//! | operations | arguments (and what they are by default) |
//! |---|---|
//! | `add` `subtract` `multiply` `divide` `maximum` `minimum` `pow` `squaredDifference` `floorDiv` `mod` | |
//! | `equal` `notEqual` `less` `lessEqual` `greater` `greaterEqual`, as floats 0 and 1; of those `logicalAnd` `logicalOr` `logicalNot` | |
//! | `where`: condition (0 or 1), value where it is 1, value where it is 0 | |
//! | `neg` `abs` `sign` `exp` `log` `sqrt` `rsqrt` `square` `reciprocal` `erf` `floor` `ceil` `round` | |
//! | Keras' activations by name: `relu` `leaky_relu` `gelu` ... | |
//! | `leakyRelu` `elu` | `alpha` (0.2, 1) |
//! | `clip` | `min`, `max` |
//! | `softmax` `logSoftmax` | `axis` (-1) |
//! | `sum` `mean` `max` `min` `prod` `logSumExp` | `axis` (all), `keepDims` (false) |
//! | `argMax` `argMin`, as int32 | `axis` (-1), `keepDims` (false) |
//! | `l2Normalize` | `axis` (-1), `epsilon` (1e-12) |
//! | `reshape` | `shape`: 0 keeps the size of that place, -1 is what is left |
//! | `flatten` | |
//! | `transpose` | `perm` |
//! | `expandDims` `squeeze` | `axis` |
//! | `slice` | `start`, `end`, `step` (1): one for each axis, null for the natural one, negative from the end |
//! | `concatenate` `stack` | `axis` (-1) |
//! | `pad` | `padding`: a pair for each axis, `mode` (constant) `reflect` `symmetric` `edge`, `value` (0) |
//! | `gather`: value, and indices (int32) as the second input or in the arguments | `axis` (0), `indices` |
//! | `matMul` | `transposeA` `transposeB` (false) |
//! | `dot`: Keras' Dot layer | `axes`, `normalize` (false) |
//! | `resize` | `size`, `method` (bilinear), `antialias` (false) |
//! | `maxPool` `avgPool` | `poolSize`, `strides` (the size), `padding` (valid) |
//! | `conv2d`: value, kernel | `strides` `dilations` (1), `padding` (valid), `groups` (1) |
//! | `depthwiseConv2d`: value, kernel | `strides` `dilations` (1), `padding` (valid) |
//! | `conv2dTranspose`: value, kernel | `strides` (1), `padding` (valid) |
//! | `depthToSpace` `spaceToDepth` | `blockSize` |
//! | `cast` | `dtype`: `float32` `int32` `uint8` |
//! | `stopGradient` `identity` | |

use serde_json::{Map, Value as Json};

use super::arguments::{Arguments, Border, Several};
use super::conv::{insert_axis, layout};
use super::scope::{axis, expect_rank, known_channels};
use super::{Activation, Dot, Layer, Resize, Scope};
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::ops::{
    ArgMax, BinaryKind, Cast, Concat, Conv2d, ConvTranspose2d, DepthwiseConv2d, Epilogue, Gather, LogSoftmax, MatMul,
    Pad, PadMode, Pool2d, PoolKind, ReduceKind, ReshapeDim, Slice, SliceAxis, Softmax, Transpose, Unary,
};
use crate::shape::Padding;
use crate::tensor::{DType, Tensor};

/// What a step takes: a value of the graph, or a number of whatever type its partner is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operand {
    Value(ValueId),
    Number(f32),
}

impl Operand {
    /// As a value; numbers are floats.
    pub fn value(self, scope: &mut Scope) -> ValueId {
        match self {
            Operand::Value(value) => value,
            Operand::Number(number) => scope.scalar(number),
        }
    }

    /// As a value of this type.
    fn typed(self, scope: &mut Scope, dtype: DType) -> Result<ValueId> {
        match self {
            Operand::Number(number) if dtype == DType::I32 && number.fract() == 0.0 => {
                Ok(scope.constant(Tensor::i32([], vec![number as i32])?))
            }
            _ => Ok(self.value(scope)),
        }
    }
}

const BINARY: &[(&str, BinaryKind)] = &[
    ("add", BinaryKind::Add),
    ("subtract", BinaryKind::Sub),
    ("multiply", BinaryKind::Mul),
    ("divide", BinaryKind::Div),
    ("maximum", BinaryKind::Maximum),
    ("minimum", BinaryKind::Minimum),
    ("pow", BinaryKind::Pow),
    ("squaredDifference", BinaryKind::SquaredDifference),
    ("floorDiv", BinaryKind::FloorDiv),
    ("mod", BinaryKind::FloorMod),
    ("equal", BinaryKind::Equal),
    ("notEqual", BinaryKind::NotEqual),
    ("less", BinaryKind::Less),
    ("lessEqual", BinaryKind::LessEqual),
    ("greater", BinaryKind::Greater),
    ("greaterEqual", BinaryKind::GreaterEqual),
    // Of floats that are 0 or 1.
    ("logicalAnd", BinaryKind::Minimum),
    ("logicalOr", BinaryKind::Maximum),
];

const UNARY: &[(&str, Unary)] = &[
    ("neg", Unary::Neg),
    ("abs", Unary::Abs),
    ("sign", Unary::Sign),
    ("exp", Unary::Exp),
    ("log", Unary::Log),
    ("sqrt", Unary::Sqrt),
    ("rsqrt", Unary::Rsqrt),
    ("square", Unary::Square),
    ("reciprocal", Unary::Reciprocal),
    ("erf", Unary::Erf),
    ("floor", Unary::Floor),
    ("ceil", Unary::Ceil),
    ("round", Unary::Round),
];

const REDUCE: &[(&str, ReduceKind)] = &[
    ("sum", ReduceKind::Sum),
    ("mean", ReduceKind::Mean),
    ("max", ReduceKind::Max),
    ("min", ReduceKind::Min),
    ("prod", ReduceKind::Prod),
];

fn find<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table.iter().find(|(known, _)| *known == name).map(|&(_, value)| value)
}

/// The operation of arithmetic or a comparison, if there is one.
pub(crate) fn operation_of_binary(kind: BinaryKind) -> Option<&'static str> {
    BINARY.iter().find(|(_, known)| *known == kind).map(|(name, _)| *name)
}

/// The operation of a function without attributes, if there is one.
pub(crate) fn operation_of_unary(function: Unary) -> Option<&'static str> {
    UNARY.iter().find(|(_, known)| *known == function).map(|(name, _)| *name)
}

/// A step under construction.
struct Call<'a, 's, 'g> {
    scope: &'s mut Scope<'g>,
    args: Arguments<'a>,
    operands: &'a [Operand],
}

/// Adds one operation.
pub(super) fn call(scope: &mut Scope, op: &str, args: &Map<String, Json>, operands: &[Operand]) -> Result<ValueId> {
    let mut call = Call { scope, args: Arguments::new(args, false), operands };
    let value = call.named(op)?;
    call.args.finish()?;
    Ok(value)
}

impl Call<'_, '_, '_> {
    fn operands<const N: usize>(&self) -> Result<[Operand; N]> {
        self.operands.try_into().map_err(|_| Error::mismatch("wrong number of inputs", N, self.operands.len()))
    }

    fn values<const N: usize>(&mut self) -> Result<[ValueId; N]> {
        Ok(self.operands::<N>()?.map(|operand| operand.value(self.scope)))
    }

    fn one(&mut self) -> Result<ValueId> {
        Ok(self.values::<1>()?[0])
    }

    fn axis(&mut self, default: isize) -> Result<isize> {
        self.args.optional("axis", default)
    }

    fn keep_dims(&mut self) -> Result<bool> {
        self.args.optional("keepDims|keepdims", false)
    }

    fn named(&mut self, op: &str) -> Result<ValueId> {
        if let Some(kind) = find(BINARY, op) {
            return self.binary(kind);
        }
        if let Some(f) = find(UNARY, op) {
            let x = self.one()?;
            return self.scope.add(f, &[x]);
        }
        if let Some(kind) = find(REDUCE, op) {
            let (x, keep) = (self.one()?, self.keep_dims()?);
            let axes = self.args.optional("axis|axes", Vec::new())?;
            return self.scope.reduce(kind, &axes, keep, x);
        }
        match op {
            "where" => self.select(),
            "logicalNot" => {
                let x = self.one()?;
                let one = self.scope.scalar(1.0);
                self.scope.binary(BinaryKind::Sub, one, x)
            }
            "leakyRelu" | "elu" | "clip" => self.with_attributes(op),
            "softmax" | "logSoftmax" => {
                let (x, axis) = (self.one()?, self.axis(-1)?);
                if op == "softmax" {
                    self.scope.add(Softmax { axis }, &[x])
                } else {
                    self.scope.add(LogSoftmax { axis }, &[x])
                }
            }
            "logSumExp" => self.log_sum_exp(),
            "argMax" | "argMin" => {
                let mut x = self.one()?;
                let op_ = ArgMax { axis: self.axis(-1)?, keep_dims: self.keep_dims()? };
                if op == "argMin" {
                    x = self.scope.add(Unary::Neg, &[x])?;
                }
                self.scope.add(op_, &[x])
            }
            "l2Normalize" => {
                let axes = self.args.optional("axis", vec![-1])?;
                let (x, epsilon) = (self.one()?, self.args.optional("epsilon", 1e-12)?);
                self.scope.normalize(&axes, epsilon, x)
            }
            "reshape" | "flatten" | "transpose" | "expandDims" | "squeeze" | "slice" | "pad" => self.layout(op),
            "concatenate" | "stack" => self.join(op == "stack"),
            "gather" => self.gather(),
            "matMul" => {
                let (transpose_a, transpose_b) =
                    (self.args.optional("transposeA", false)?, self.args.optional("transposeB", false)?);
                let operands = self.values::<2>()?;
                self.scope.add(MatMul { transpose_a, transpose_b, ..Default::default() }, &operands)
            }
            "dot" => {
                let axes: Several<isize> = self.args.required("axes")?;
                let dot = Dot { normalize: self.args.optional("normalize", false)?, ..Dot::new(axes) };
                self.layer(&dot)
            }
            "resize" => {
                let resize = Resize {
                    method: self.args.optional("method", "bilinear".to_string())?,
                    antialias: self.args.optional("antialias", false)?,
                    ..Resize::new(self.args.required("size")?)
                };
                self.layer(&resize)
            }
            "maxPool" | "avgPool" | "conv2d" | "depthwiseConv2d" | "conv2dTranspose" => self.windows(op),
            "depthToSpace" | "spaceToDepth" => self.blocks(op == "depthToSpace"),
            "cast" => {
                let (x, name) = (self.one()?, self.args.required::<String>("dtype")?);
                let to = match name.as_str() {
                    "float32" => DType::F32,
                    "int32" => DType::I32,
                    "uint8" => DType::U8,
                    _ => return Err(Error::mismatch("no such `dtype`", "float32, int32 or uint8", name)),
                };
                self.scope.add(Cast { to }, &[x])
            }
            "identity" => self.one(),
            "stopGradient" => {
                let x = self.one()?;
                let same: Vec<ReshapeDim> = (0..self.scope.dims(x).len()).map(ReshapeDim::Copy).collect();
                let y = self.scope.reshape(&same, x)?;
                self.scope.detach(y);
                Ok(y)
            }
            _ => match Activation::named(op) {
                Some(activation) => {
                    let x = self.one()?;
                    activation.lower(self.scope, x)
                }
                None => Err(Error::unsupported("there is no such operation")),
            },
        }
    }

    /// Runs a layer that has no weights.
    fn layer(&mut self, layer: &dyn Layer) -> Result<ValueId> {
        layer.check()?;
        let inputs: Vec<ValueId> = self.operands.iter().map(|operand| operand.value(self.scope)).collect();
        Ok(layer.lower(self.scope, &inputs)?[0])
    }

    fn binary(&mut self, kind: BinaryKind) -> Result<ValueId> {
        let [a, b] = self.operands::<2>()?;
        let dtype = |operand: Operand, scope: &Scope| match operand {
            Operand::Value(value) => scope.dtype(value),
            Operand::Number(_) => DType::F32,
        };
        let (of_a, of_b) = (dtype(a, self.scope), dtype(b, self.scope));
        let (a, b) = (a.typed(self.scope, of_b)?, b.typed(self.scope, of_a)?);
        if kind.is_comparison() { self.scope.mask(kind, a, b) } else { self.scope.binary(kind, a, b) }
    }

    /// `max(min(a, m), min(b, -m))` where m is the largest float with the condition's sign: nothing is multiplied, so
    /// that an infinity on the other side does no harm.
    fn select(&mut self) -> Result<ValueId> {
        let [condition, a, b] = self.values::<3>()?;
        let sign = self.scope.with(BinaryKind::Sub, condition, 0.5)?;
        let limit = self.scope.with(BinaryKind::Mul, sign, f32::MAX)?;
        let limit = self.scope.with(BinaryKind::Mul, limit, 2.0)?;
        let other = self.scope.add(Unary::Neg, &[limit])?;
        let a = self.scope.binary(BinaryKind::Minimum, a, limit)?;
        let b = self.scope.binary(BinaryKind::Minimum, b, other)?;
        self.scope.binary(BinaryKind::Maximum, a, b)
    }

    fn with_attributes(&mut self, op: &str) -> Result<ValueId> {
        let f = match op {
            "leakyRelu" => Unary::LeakyRelu { alpha: self.args.optional("alpha", 0.2)? },
            "elu" => Unary::Elu { alpha: self.args.optional("alpha", 1.0)? },
            _ => Unary::Clip { min: self.args.required("min")?, max: self.args.required("max")? },
        };
        let x = self.one()?;
        self.scope.add(f, &[x])
    }

    fn log_sum_exp(&mut self) -> Result<ValueId> {
        let (x, keep) = (self.one()?, self.keep_dims()?);
        let axes: Vec<isize> = self.args.optional("axis|axes", Vec::new())?;
        let scope = &mut *self.scope;
        let max = scope.reduce(ReduceKind::Max, &axes, true, x)?;
        let shifted = scope.binary(BinaryKind::Sub, x, max)?;
        let exp = scope.add(Unary::Exp, &[shifted])?;
        let sum = scope.reduce(ReduceKind::Sum, &axes, keep, exp)?;
        let log = scope.add(Unary::Log, &[sum])?;
        let max = if keep { max } else { scope.reduce(ReduceKind::Max, &axes, false, x)? };
        scope.binary(BinaryKind::Add, log, max)
    }

    fn layout(&mut self, op: &str) -> Result<ValueId> {
        let x = self.one()?;
        let rank = self.scope.dims(x).len();
        match op {
            "reshape" => {
                let shape: Vec<isize> = self.args.required("shape")?;
                let dim = |(place, &d): (usize, &isize)| match d {
                    0 => Ok(ReshapeDim::Copy(place)),
                    -1 => Ok(ReshapeDim::Infer),
                    1.. => Ok(ReshapeDim::Size(d as usize)),
                    _ => Err(Error::mismatch("no such size", "1 or more, 0 or -1", d)),
                };
                let dims = shape.iter().enumerate().map(dim).collect::<Result<Vec<_>>>()?;
                self.scope.reshape(&dims, x)
            }
            "flatten" => self.scope.reshape(&[ReshapeDim::Copy(0), ReshapeDim::Infer], x),
            "transpose" => {
                let perm: Vec<usize> = self.args.required("perm")?;
                self.scope.add(Transpose { perm }, &[x])
            }
            "expandDims" => {
                let given: isize = self.args.required("axis")?;
                let at = if given < 0 { given + rank as isize + 1 } else { given };
                match usize::try_from(at) {
                    Ok(at) if at <= rank => insert_axis(self.scope, at, x),
                    _ => Err(Error::mismatch("no such place for an axis", format!("0 to {rank}"), given)),
                }
            }
            "squeeze" => {
                let dims = self.scope.dims(x);
                let given: isize = self.args.required("axis")?;
                let at = axis(&dims, given)?;
                if dims[at] != Some(1) {
                    return Err(Error::mismatch("only an axis of size 1 can be dropped", 1, dims));
                }
                super::conv::remove_axis(self.scope, at, x)
            }
            "slice" => {
                let natural = vec![None; rank];
                let start: Vec<Option<isize>> = self.args.optional("start", natural.clone())?;
                let end: Vec<Option<isize>> = self.args.optional("end", natural)?;
                let step: Vec<isize> = self.args.optional("step", vec![1; rank])?;
                if [start.len(), end.len(), step.len()] != [rank; 3] {
                    return Err(Error::mismatch("a slice needs one range per axis", rank, start.len()));
                }
                let axes = (0..rank).map(|i| SliceAxis { start: start[i], end: end[i], step: step[i] }).collect();
                self.scope.add(Slice { axes }, &[x])
            }
            _ => {
                let pads: Vec<[usize; 2]> = self.args.required("padding")?;
                let value: f32 = self.args.optional("value", 0.0)?;
                let mode: String = self.args.optional("mode", "constant".to_string())?;
                let mode = match mode.as_str() {
                    "constant" => PadMode::Constant(value),
                    "reflect" => PadMode::Reflect,
                    "symmetric" => PadMode::Symmetric,
                    "edge" => PadMode::Edge,
                    _ => return Err(Error::mismatch("no such `mode`", "constant, reflect, symmetric or edge", mode)),
                };
                self.scope.add(Pad { pads, mode }, &[x])
            }
        }
    }

    fn join(&mut self, stack: bool) -> Result<ValueId> {
        let mut values: Vec<ValueId> = self.operands.iter().map(|operand| operand.value(self.scope)).collect();
        let mut along = self.axis(-1)?;
        if stack {
            let rank = values.first().map_or(0, |&v| self.scope.dims(v).len());
            let at = if along < 0 { along + rank as isize + 1 } else { along };
            match usize::try_from(at) {
                Ok(at) if at <= rank => {
                    for value in &mut values {
                        *value = insert_axis(self.scope, at, *value)?;
                    }
                }
                _ => return Err(Error::mismatch("no such place for an axis", format!("0 to {rank}"), along)),
            }
            along = at;
        }
        self.scope.add(Concat { axis: along }, &values)
    }

    fn gather(&mut self) -> Result<ValueId> {
        let op = Gather { axis: self.axis(0)? };
        let indices: Option<Vec<isize>> = self.args.optional("indices", None)?;
        let Some(indices) = indices else {
            let operands = self.values::<2>()?;
            return self.scope.add(op, &operands);
        };
        let x = self.one()?;
        let dims = self.scope.dims(x);
        let size = dims[axis(&dims, op.axis)?];
        let place = |&i: &isize| {
            let n = size.map(|n| n as isize);
            let at = if i < 0 { n.map(|n| i + n) } else { Some(i) };
            at.filter(|&at| at >= 0 && n.is_none_or(|n| at < n)).map(|at| at as i32)
        };
        let places: Option<Vec<i32>> = indices.iter().map(place).collect();
        let places =
            places.ok_or_else(|| Error::mismatch("an index lies outside the axis", &dims, format!("{indices:?}")))?;
        let places = self.scope.constant(Tensor::i32([places.len()], places)?);
        self.scope.add(op, &[x, places])
    }

    fn windows(&mut self, op: &str) -> Result<ValueId> {
        let border: Border = self.args.optional("padding", Border::Valid)?;
        let padding = match border {
            Border::Valid => Padding::Valid,
            Border::Same => Padding::Same,
            Border::Causal => return Err(Error::mismatch("no such `padding`", "valid or same", "causal")),
        };
        if let "maxPool" | "avgPool" = op {
            let kernel: [usize; 2] = self.args.required("poolSize")?;
            let strides = self.args.optional("strides", kernel)?;
            let kind = if op == "maxPool" { PoolKind::Max } else { PoolKind::Average { include_padding: false } };
            let x = self.one()?;
            return self.scope.add(Pool2d { kind, kernel, strides, dilations: [1, 1], padding }, &[x]);
        }
        let operands = self.values::<2>()?;
        let strides = self.args.optional("strides", [1, 1])?;
        let epilogue = Epilogue::default();
        if op == "conv2dTranspose" {
            let op = ConvTranspose2d { strides, padding, ..Default::default() };
            return self.scope.add(op, &operands);
        }
        let dilations = self.args.optional("dilations", [1, 1])?;
        if op == "depthwiseConv2d" {
            return self.scope.add(DepthwiseConv2d { strides, dilations, padding, epilogue }, &operands);
        }
        let groups = self.args.optional("groups", 1)?;
        self.scope.add(Conv2d { strides, dilations, groups, padding, epilogue }, &operands)
    }

    /// Blocks of pixels to channels, or the other way round.
    fn blocks(&mut self, to_space: bool) -> Result<ValueId> {
        let (x, block) = (self.one()?, self.args.required::<usize>("blockSize")?);
        let dims = self.scope.dims(x);
        expect_rank(&dims, layout(2))?;
        let channels = known_channels(&dims)?;
        let area = block.saturating_mul(block);
        let fits = |n: Option<usize>| n.is_none_or(|n| n.is_multiple_of(block.max(1)));
        let divides = if to_space { channels.is_multiple_of(area.max(1)) } else { fits(dims[1]) && fits(dims[2]) };
        if block == 0 || !divides {
            return Err(Error::mismatch("`blockSize` does not divide the sizes", &dims, block));
        }
        let [height, width] = [dims[1], dims[2]];
        // One open size can be what is left.
        let size = |n: Option<usize>| n.map_or(ReshapeDim::Infer, ReshapeDim::Size);
        if height.is_none() && width.is_none() {
            return Err(Error::unsupported("blocks of an image of open height and width"));
        }
        let (split, joined) = if to_space {
            let split = [
                size(height),
                size(width),
                ReshapeDim::Size(block),
                ReshapeDim::Size(block),
                ReshapeDim::Size(channels / area),
            ];
            (
                split,
                [size(height.map(|n| n * block)), size(width.map(|n| n * block)), ReshapeDim::Size(channels / area)],
            )
        } else {
            let [rows, columns] = [height.map(|n| n / block), width.map(|n| n / block)];
            let split = [
                size(rows),
                ReshapeDim::Size(block),
                size(columns),
                ReshapeDim::Size(block),
                ReshapeDim::Size(channels),
            ];
            (split, [size(rows), size(columns), ReshapeDim::Size(channels.saturating_mul(area))])
        };
        // [batch, height, width, block, block, channels] and [batch, height, block, width, block, channels]: the third axis
        // and the fourth change places, both ways.
        let perm = vec![0, 1, 3, 2, 4, 5];
        let batch = [ReshapeDim::Copy(0)];
        let y = self.scope.reshape(&[&batch[..], &split].concat(), x)?;
        let y = self.scope.add(Transpose { perm }, &[y])?;
        self.scope.reshape(&[&batch[..], &joined].concat(), y)
    }
}
