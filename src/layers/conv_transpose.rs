//! Transposed convolutions in one, two and three dimensions.
//!
//! One dimension is two with a height of 1. Three are a sum over the taps in depth: each is a two-dimensional one of every
//! slice, whose results are spread over the output's depth.

use serde_json::{Map, Value as Json};

use super::arguments::{Border, keras_layer};
use super::conv::{insert_axis, layout, merge_batch, positive, remove_axis, split_batch, strides_or_dilations};
use super::scope::{expect_rank, known_channels, one};
use super::{Activation, Constraint, GLOROT_UNIFORM, Initializer, Layer, Regularizer, Scope, WeightSpec};
use crate::error::{Error, Result};
use crate::graph::{Dims, ValueId};
use crate::ops::{BinaryKind, ConvTranspose2d, Epilogue, Pad, PadMode, ReshapeDim, Slice, SliceAxis};
use crate::shape::{Padding, TransposedWindow};

keras_layer! {
    /// Transposed convolution over `N` spatial axes: `[batch, ...N, channels]`, kernel `[...N, filters, channels]`.
    ConvTranspose<N> {
        filters: usize,
        kernel_size: [usize; N],
        ---
        strides: [usize; N] = [1; N],
        padding: Border = Border::Valid,
        output_padding: Option<[usize; N]> = None,
        dilation_rate: [usize; N] = [1; N],
        activation: Activation = Activation::Linear,
        use_bias: bool = true,
        kernel_initializer: Initializer = GLOROT_UNIFORM,
        bias_initializer: Initializer = Initializer::Zeros,
        kernel_regularizer: Option<Regularizer> = None,
        bias_regularizer: Option<Regularizer> = None,
        activity_regularizer: Option<Regularizer> = None,
        kernel_constraint: Option<Constraint> = None,
        bias_constraint: Option<Constraint> = None,
    }
}

/// Over `[batch, steps, channels]`.
pub type Conv1DTranspose = ConvTranspose<1>;
/// Over `[batch, height, width, channels]`.
pub type Conv2DTranspose = ConvTranspose<2>;
/// Over `[batch, depth, height, width, channels]`.
pub type Conv3DTranspose = ConvTranspose<3>;

impl<const N: usize> Layer for ConvTranspose<N> {
    fn class(&self) -> &'static str {
        ["Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"][N - 1]
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        positive("filters", &[self.filters])?;
        positive("kernel_size", &self.kernel_size)?;
        positive("strides", &self.strides)?;
        positive("dilation_rate", &self.dilation_rate)?;
        strides_or_dilations(&self.strides, &self.dilation_rate)?;
        if self.padding == Border::Causal {
            return Err(Error::invalid("causal padding is for Conv1D only"));
        }
        for (axis, &extra) in self.output_padding.iter().flatten().enumerate() {
            if extra >= self.strides[axis] {
                let expected = format!("less than the stride {}", self.strides[axis]);
                return Err(Error::mismatch("`output_padding` must be less than `strides`", expected, extra));
            }
            // A convolution of the output must give the input's size back: `ceil(output / stride)` for SAME, where an
            // even window leaves `(n - 1) stride + output_padding`.
            let even = ((self.kernel_size[axis] - 1) * self.dilation_rate[axis] + 1).is_multiple_of(2);
            if self.padding == Border::Same && even && extra == 0 {
                return Err(Error::mismatch(
                    "SAME padding with an even kernel cannot have this `output_padding`",
                    "1 or more, or none at all",
                    0,
                ));
            }
        }
        Ok(())
    }

    fn weights(&self, inputs: &[Dims]) -> Result<Vec<WeightSpec>> {
        let [dims] = inputs else { return Err(Error::mismatch("the layer takes one input", 1, inputs.len())) };
        expect_rank(dims, layout(N))?;
        let shape = [&self.kernel_size[..], &[self.filters, known_channels(dims)?]].concat();
        let mut weights = vec![
            WeightSpec::new("kernel", shape, &self.kernel_initializer)
                .with(&self.kernel_regularizer, &self.kernel_constraint),
        ];
        if self.use_bias {
            weights.push(
                WeightSpec::new("bias", [self.filters], &self.bias_initializer)
                    .with(&self.bias_regularizer, &self.bias_constraint),
            );
        }
        Ok(weights)
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        let kernel = scope.weight("kernel")?;
        let bias = if self.use_bias { Some(scope.weight("bias")?) } else { None };
        let last = N - 1;
        let pair = |sizes: &[usize; N], single: usize| [if N == 1 { single } else { sizes[last - 1] }, sizes[last]];
        let op = |bias: bool| ConvTranspose2d {
            strides: pair(&self.strides, 1),
            dilations: pair(&self.dilation_rate, 1),
            padding: if self.padding == Border::Same { Padding::Same } else { Padding::Valid },
            output_padding: self.output_padding.map(|extra| pair(&extra, 0)),
            epilogue: Epilogue { bias, ..Default::default() },
        };
        let flat = [&[x, kernel], bias.as_slice()].concat();
        let y = match N {
            1 => {
                let (x, kernel) = (insert_axis(scope, 1, x)?, insert_axis(scope, 0, kernel)?);
                let y = scope.add(op(self.use_bias), &[&[x, kernel], bias.as_slice()].concat())?;
                remove_axis(scope, 1, y)?
            }
            2 => scope.add(op(self.use_bias), &flat)?,
            _ => {
                let y = self.volume(scope, x, kernel, &op(false))?;
                match bias {
                    Some(bias) => scope.binary(BinaryKind::Add, y, bias)?,
                    None => y,
                }
            }
        };
        scope.activate(&self.activation, &self.activity_regularizer, y)
    }
}

impl<const N: usize> ConvTranspose<N> {
    /// Three dimensions, without the bias.
    fn volume(&self, scope: &mut Scope, x: ValueId, kernel: ValueId, op: &ConvTranspose2d) -> Result<ValueId> {
        let size = scope.dims(x)[1].ok_or_else(|| Error::unsupported("a volume of open depth"))?;
        let (taps, stride, dilation) = (self.kernel_size[0], self.strides[0], self.dilation_rate[0]);
        let extra = self.output_padding.map(|extra| extra[0]);
        let depth = TransposedWindow::resolve(size, taps, stride, dilation, op.padding, extra, 0)?;
        // What one tap reaches, and what all do.
        let span = (size - 1) * stride + 1;
        let full = span + (taps - 1) * dilation;
        let images = merge_batch(scope, x)?;
        let (mut sum, mut slice) = (None, None);
        for k in 0..taps {
            let mut axes = vec![SliceAxis::ALL; 5];
            axes[0] = SliceAxis::range(k, k + 1);
            let tap = scope.add(Slice { axes }, &[kernel])?;
            let tap = remove_axis(scope, 0, tap)?;
            let y = scope.add(op.clone(), &[images, tap])?;
            let y = split_batch(scope, size, y)?;
            slice = Some(scope.dims(y));
            // [batch, size, everything else], with `stride - 1` zeros after every slice.
            let y = scope
                .reshape(&[ReshapeDim::Copy(0), ReshapeDim::Copy(1), ReshapeDim::Size(1), ReshapeDim::Infer], y)?;
            let pads = vec![[0, 0], [0, 0], [0, stride - 1], [0, 0]];
            let y = scope.add(Pad { pads, mode: PadMode::Constant(0.0) }, &[y])?;
            let y = scope.reshape(&[ReshapeDim::Copy(0), ReshapeDim::Size(size * stride), ReshapeDim::Copy(3)], y)?;
            let y = keep(scope, 0, span, y)?;
            let pads = vec![[0, 0], [k * dilation, full - span - k * dilation], [0, 0]];
            let y = scope.add(Pad { pads, mode: PadMode::Constant(0.0) }, &[y])?;
            sum = Some(match sum {
                None => y,
                Some(sum) => scope.binary(BinaryKind::Add, sum, y)?,
            });
        }
        let (Some(mut sum), Some(dims)) = (sum, slice) else { return Err(Error::invalid("a kernel without taps")) };
        let end = depth.crop + depth.output;
        if end > full {
            let pads = vec![[0, 0], [0, end - full], [0, 0]];
            sum = scope.add(Pad { pads, mode: PadMode::Constant(0.0) }, &[sum])?;
        }
        let sum = keep(scope, depth.crop, end, sum)?;
        let mut target = vec![ReshapeDim::Copy(0), ReshapeDim::Size(depth.output)];
        target.extend(dims[2..].iter().map(|d| d.map_or(ReshapeDim::Infer, ReshapeDim::Size)));
        if target.iter().filter(|d| **d == ReshapeDim::Infer).count() > 1 {
            return Err(Error::unsupported("a volume of open height and width"));
        }
        scope.reshape(&target, sum)
    }
}

/// `start..end` of axis 1 of three.
fn keep(scope: &mut Scope, start: usize, end: usize, x: ValueId) -> Result<ValueId> {
    let axes = vec![SliceAxis::ALL, SliceAxis::range(start, end), SliceAxis::ALL];
    scope.add(Slice { axes }, &[x])
}
