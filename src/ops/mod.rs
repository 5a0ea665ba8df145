//! The operations: attributes, shape rules, operation counts and reference kernels, one file per family.
//!
//! Every op is a plain attribute struct that implements [`Operator`]; [`Op`] lists them once. Images are NHWC,
//! convolution kernels HWIO (Keras' layouts). The reference kernels are short and obvious: every fast kernel is held
//! to them; constant folding is their only other use.

mod batch_norm_training;
mod conv;
mod conv_backward;
mod elementwise;
mod index;
mod layout;
mod matmul;
mod normalize;
mod optimizer_step;
mod pool;
mod pool_backward;
mod random;
mod reduce;
mod resize;
mod resize_backward;
mod select;
pub(crate) mod suppress;
mod taps;
mod unary;
mod unary_backward;

pub use batch_norm_training::{BatchNormBackward, BatchNormStatistics};
pub use conv::{Conv2d, ConvTranspose2d, DepthwiseConv2d, Epilogue};
pub use conv_backward::{
    Conv2dBackwardFilter, Conv2dBackwardInput, DepthwiseConv2dBackwardFilter, DepthwiseConv2dBackwardInput,
    TransposedGradient,
};
pub use elementwise::{Binary, BinaryKind, Cast};
pub use layout::{Concat, Pad, PadMode, Reshape, ReshapeDim, Slice, SliceAxis, Transpose};
pub use matmul::MatMul;
pub use normalize::{BatchNorm, LogSoftmax, Softmax};
pub use optimizer_step::{OptimizerStep, UpdateRule};
pub use pool::{Pool2d, PoolKind};
pub use pool_backward::{AvgPool2dBackward, MaxPool2dBackward};
pub use random::{Random, RandomKind};
pub(crate) use random::{fraction as random_fraction, hash as random_hash};
pub use reduce::{Reduce, ReduceKind};
pub use resize::{Border, Coordinates, NearestRounding, Resize, ResizeMode, ResizeSize, Sampling, SamplingKernel};
pub use resize_backward::ResizeBackward;
pub use select::{ArgMax, Gather, TopK};
pub use suppress::NonMaxSuppression;
pub use taps::Taps;
pub use unary::Unary;
pub use unary_backward::{Saved, UnaryBackward};

use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{DType, Tensor, TensorType};

/// What every operation can say about itself.
pub trait Operator {
    /// The op's name in dumps and errors (ONNX spelling).
    fn name(&self) -> &'static str;

    /// Output types for the given input types; errors describe what does not fit.
    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>>;

    /// How many outputs it has.
    fn outputs(&self) -> usize {
        1
    }

    /// The input that output `output` is an updated copy of, if any: its kernels change the output's memory, which holds
    /// the input when they start. Where that input is a variable read by nothing later, nothing is copied.
    fn in_place(&self, output: usize) -> Option<usize> {
        let _ = output;
        None
    }

    /// Arithmetic operations for these types: 2 per multiply-accumulate, 1 per element otherwise.
    fn flops(&self, inputs: &[TensorType], outputs: &[TensorType]) -> u64 {
        let _ = inputs;
        outputs.iter().map(|t| t.shape.elements() as u64).sum()
    }

    /// The shape of the only output for these operands.
    fn output_shape(&self, inputs: &[&Tensor]) -> Result<Shape> {
        Ok(self.infer(&index::kinds(inputs))?.swap_remove(0).shape)
    }
}

/// The reference kernel of an operation.
///
/// A trait of its own, apart from [`Operator`], so that a shipped binary links only the kernels that constant folding
/// needs: all of them together are 79 KB of wasm.
pub trait Reference {
    /// Computes the op, short and obvious, sums in float64: what every fast kernel is held to.
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>>;
}

/// One operation of a graph.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Op {
    Conv2d(Conv2d),
    DepthwiseConv2d(DepthwiseConv2d),
    ConvTranspose2d(ConvTranspose2d),
    MatMul(MatMul),
    Pool2d(Pool2d),
    Reduce(Reduce),
    Resize(Resize),
    Unary(Unary),
    Binary(Binary),
    Cast(Cast),
    Softmax(Softmax),
    LogSoftmax(LogSoftmax),
    BatchNorm(BatchNorm),
    Concat(Concat),
    Slice(Slice),
    Pad(Pad),
    Reshape(Reshape),
    Transpose(Transpose),
    Gather(Gather),
    TopK(TopK),
    ArgMax(ArgMax),
    NonMaxSuppression(NonMaxSuppression),
    Conv2dBackwardInput(Conv2dBackwardInput),
    Conv2dBackwardFilter(Conv2dBackwardFilter),
    DepthwiseConv2dBackwardInput(DepthwiseConv2dBackwardInput),
    DepthwiseConv2dBackwardFilter(DepthwiseConv2dBackwardFilter),
    MaxPool2dBackward(MaxPool2dBackward),
    AvgPool2dBackward(AvgPool2dBackward),
    ResizeBackward(ResizeBackward),
    BatchNormStatistics(BatchNormStatistics),
    BatchNormBackward(BatchNormBackward),
    UnaryBackward(UnaryBackward),
    Random(Random),
    OptimizerStep(OptimizerStep),
}

impl Op {
    /// The op behind the enum.
    pub fn operator(&self) -> &dyn Operator {
        match self {
            Op::Conv2d(op) => op,
            Op::DepthwiseConv2d(op) => op,
            Op::ConvTranspose2d(op) => op,
            Op::MatMul(op) => op,
            Op::Pool2d(op) => op,
            Op::Reduce(op) => op,
            Op::Resize(op) => op,
            Op::Unary(op) => op,
            Op::Binary(op) => op,
            Op::Cast(op) => op,
            Op::Softmax(op) => op,
            Op::LogSoftmax(op) => op,
            Op::BatchNorm(op) => op,
            Op::Concat(op) => op,
            Op::Slice(op) => op,
            Op::Pad(op) => op,
            Op::Reshape(op) => op,
            Op::Transpose(op) => op,
            Op::Gather(op) => op,
            Op::TopK(op) => op,
            Op::ArgMax(op) => op,
            Op::NonMaxSuppression(op) => op,
            Op::Conv2dBackwardInput(op) => op,
            Op::Conv2dBackwardFilter(op) => op,
            Op::DepthwiseConv2dBackwardInput(op) => op,
            Op::DepthwiseConv2dBackwardFilter(op) => op,
            Op::MaxPool2dBackward(op) => op,
            Op::AvgPool2dBackward(op) => op,
            Op::ResizeBackward(op) => op,
            Op::BatchNormStatistics(op) => op,
            Op::BatchNormBackward(op) => op,
            Op::UnaryBackward(op) => op,
            Op::Random(op) => op,
            Op::OptimizerStep(op) => op,
        }
    }

    /// The reference kernel behind the enum.
    pub fn reference(&self) -> &dyn Reference {
        match self {
            Op::Conv2d(op) => op,
            Op::DepthwiseConv2d(op) => op,
            Op::ConvTranspose2d(op) => op,
            Op::MatMul(op) => op,
            Op::Pool2d(op) => op,
            Op::Reduce(op) => op,
            Op::Resize(op) => op,
            Op::Unary(op) => op,
            Op::Binary(op) => op,
            Op::Cast(op) => op,
            Op::Softmax(op) => op,
            Op::LogSoftmax(op) => op,
            Op::BatchNorm(op) => op,
            Op::Concat(op) => op,
            Op::Slice(op) => op,
            Op::Pad(op) => op,
            Op::Reshape(op) => op,
            Op::Transpose(op) => op,
            Op::Gather(op) => op,
            Op::TopK(op) => op,
            Op::ArgMax(op) => op,
            Op::NonMaxSuppression(op) => op,
            Op::Conv2dBackwardInput(op) => op,
            Op::Conv2dBackwardFilter(op) => op,
            Op::DepthwiseConv2dBackwardInput(op) => op,
            Op::DepthwiseConv2dBackwardFilter(op) => op,
            Op::MaxPool2dBackward(op) => op,
            Op::AvgPool2dBackward(op) => op,
            Op::ResizeBackward(op) => op,
            Op::BatchNormStatistics(op) => op,
            Op::BatchNormBackward(op) => op,
            Op::UnaryBackward(op) => op,
            Op::Random(op) => op,
            Op::OptimizerStep(op) => op,
        }
    }

    /// The reference kernel, for the ops that index arithmetic and scalars in model files are made of; what else could
    /// be folded (a convolution of constants) is left to the backend.
    pub fn foldable(&self) -> Option<&dyn Reference> {
        Some(match self {
            Op::Unary(op) => op,
            Op::Binary(op) => op,
            Op::Cast(op) => op,
            Op::Concat(op) => op,
            Op::Slice(op) => op,
            Op::Pad(op) => op,
            Op::Reshape(op) => op,
            Op::Transpose(op) => op,
            Op::Gather(op) => op,
            _ => return None,
        })
    }

    /// The fused epilogue, for the ops that have one.
    pub fn epilogue(&self) -> Option<&Epilogue> {
        match self {
            Op::Conv2d(Conv2d { epilogue, .. })
            | Op::DepthwiseConv2d(DepthwiseConv2d { epilogue, .. })
            | Op::ConvTranspose2d(ConvTranspose2d { epilogue, .. })
            | Op::MatMul(MatMul { epilogue, .. }) => Some(epilogue),
            _ => None,
        }
    }

    /// The fused epilogue, to change.
    pub fn epilogue_mut(&mut self) -> Option<&mut Epilogue> {
        match self {
            Op::Conv2d(Conv2d { epilogue, .. })
            | Op::DepthwiseConv2d(DepthwiseConv2d { epilogue, .. })
            | Op::ConvTranspose2d(ConvTranspose2d { epilogue, .. })
            | Op::MatMul(MatMul { epilogue, .. }) => Some(epilogue),
            _ => None,
        }
    }
}

macro_rules! into_op {
    ($($name:ident),*) => { $(impl From<$name> for Op { fn from(op: $name) -> Op { Op::$name(op) } })* };
}
into_op!(
    Conv2d,
    DepthwiseConv2d,
    ConvTranspose2d,
    MatMul,
    Pool2d,
    Reduce,
    Resize,
    Unary,
    Binary,
    Cast,
    Softmax,
    LogSoftmax,
    BatchNorm,
    Concat,
    Slice,
    Pad,
    Reshape,
    Transpose,
    Gather,
    TopK,
    ArgMax,
    NonMaxSuppression,
    Conv2dBackwardInput,
    Conv2dBackwardFilter,
    DepthwiseConv2dBackwardInput,
    DepthwiseConv2dBackwardFilter,
    MaxPool2dBackward,
    AvgPool2dBackward,
    ResizeBackward,
    BatchNormStatistics,
    BatchNormBackward,
    UnaryBackward,
    Random,
    OptimizerStep
);

/// Errors unless the number of inputs is `count`.
fn expect_inputs(inputs: &[TensorType], count: usize) -> Result<()> {
    if inputs.len() == count { Ok(()) } else { Err(Error::mismatch("wrong number of inputs", count, inputs.len())) }
}

/// Errors unless input `index` has this dtype.
fn expect_dtype(inputs: &[TensorType], index: usize, dtype: DType) -> Result<()> {
    if inputs[index].dtype == dtype {
        Ok(())
    } else {
        Err(Error::mismatch(format!("input {index} has the wrong element type"), dtype, inputs[index].dtype))
    }
}

/// Errors unless `dy` has the type of the only output that the forward op has for these operands.
fn expect_gradient(forward: &dyn Operator, operands: &[TensorType], dy: &TensorType) -> Result<()> {
    let output = forward.infer(operands)?.swap_remove(0);
    if output == *dy {
        Ok(())
    } else {
        Err(Error::mismatch(format!("the gradient is not of the shape of {}'s output", forward.name()), output, dy))
    }
}
