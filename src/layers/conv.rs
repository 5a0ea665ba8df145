//! Convolutions in one, two and three dimensions.
//!
//! One dimension is two with a height of 1; three are a sum of two-dimensional ones over the taps in depth. So the kernels
//! of two dimensions serve all, at full speed.

use serde_json::{Map, Value as Json};

use super::arguments::{Border, keras_layer};
use super::scope::{expect_rank, known_channels, one};
use super::{Activation, Constraint, GLOROT_UNIFORM, Initializer, Layer, Regularizer, Scope, WeightSpec};
use crate::error::{Error, Result};
use crate::graph::{Dims, ValueId};
use crate::ops::{Conv2d, Epilogue, Op, Pad, PadMode, ReshapeDim, Slice, SliceAxis};
use crate::shape::{Padding, Window};

keras_layer! {
    /// Convolution over `N` spatial axes: `[batch, ...N, channels]`, kernel `[...N, channels / groups, filters]`.
    Conv<N> {
        filters: usize,
        kernel_size: [usize; N],
        ---
        strides: [usize; N] = [1; N],
        padding: Border = Border::Valid,
        dilation_rate: [usize; N] = [1; N],
        groups: usize = 1,
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
pub type Conv1D = Conv<1>;
/// Over `[batch, height, width, channels]`.
pub type Conv2D = Conv<2>;
/// Over `[batch, depth, height, width, channels]`.
pub type Conv3D = Conv<3>;

/// The layout of inputs with `n` spatial axes.
pub(super) fn layout(n: usize) -> &'static [&'static str] {
    match n {
        1 => &["batch", "steps", "channels"],
        2 => &["batch", "height", "width", "channels"],
        _ => &["batch", "depth", "height", "width", "channels"],
    }
}

/// Errors unless every number is at least 1.
pub(super) fn positive(name: &str, values: &[usize]) -> Result<()> {
    if values.contains(&0) {
        let list = values.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        return Err(Error::mismatch(format!("`{name}` must be positive"), "1 or more", format!("[{list}]")));
    }
    Ok(())
}

/// Keras refuses strides and dilations at once.
pub(super) fn strides_or_dilations(strides: &[usize], dilations: &[usize]) -> Result<()> {
    if strides.iter().any(|&s| s > 1) && dilations.iter().any(|&d| d > 1) {
        return Err(Error::invalid("`strides` above 1 cannot be combined with `dilation_rate` above 1"));
    }
    Ok(())
}

impl<const N: usize> Layer for Conv<N> {
    fn class(&self) -> &'static str {
        ["Conv1D", "Conv2D", "Conv3D"][N - 1]
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        positive("filters", &[self.filters])?;
        positive("groups", &[self.groups])?;
        positive("kernel_size", &self.kernel_size)?;
        positive("strides", &self.strides)?;
        positive("dilation_rate", &self.dilation_rate)?;
        strides_or_dilations(&self.strides, &self.dilation_rate)?;
        if !self.filters.is_multiple_of(self.groups) {
            return Err(Error::mismatch("the groups do not divide the filters", self.groups, self.filters));
        }
        if self.padding == Border::Causal && N > 1 {
            return Err(Error::invalid("causal padding is for Conv1D only"));
        }
        Ok(())
    }

    fn weights(&self, inputs: &[Dims]) -> Result<Vec<WeightSpec>> {
        let [dims] = inputs else { return Err(Error::mismatch("the layer takes one input", 1, inputs.len())) };
        expect_rank(dims, layout(N))?;
        let channels = known_channels(dims)?;
        if !channels.is_multiple_of(self.groups) {
            return Err(Error::mismatch("the groups do not divide the input's channels", self.groups, channels));
        }
        let shape = [&self.kernel_size[..], &[channels / self.groups, self.filters]].concat();
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
        let y = convolve(
            scope,
            x,
            kernel,
            bias,
            &Windows {
                kernel: &self.kernel_size,
                strides: &self.strides,
                dilations: &self.dilation_rate,
                padding: self.padding,
            },
            self.groups,
        )?;
        let y = self.activation.lower(scope, y)?;
        scope.penalize(&self.activity_regularizer, y);
        Ok(vec![y])
    }
}

/// The windows of a layer, one number for each spatial axis.
pub(super) struct Windows<'a> {
    pub kernel: &'a [usize],
    pub strides: &'a [usize],
    pub dilations: &'a [usize],
    pub padding: Border,
}

impl Windows<'_> {
    /// Padding as the ops want it, for the last two axes.
    pub fn padding(&self) -> Padding {
        if self.padding == Border::Same { Padding::Same } else { Padding::Valid }
    }
}

/// A convolution over one, two or three spatial axes.
fn convolve(
    scope: &mut Scope,
    x: ValueId,
    kernel: ValueId,
    bias: Option<ValueId>,
    windows: &Windows,
    groups: usize,
) -> Result<ValueId> {
    let conv = |strides, dilations, padding, bias| Conv2d {
        strides,
        dilations,
        groups,
        padding,
        epilogue: Epilogue { bias, ..Default::default() },
    };
    match (windows.kernel, windows.strides, windows.dilations) {
        (&[taps], &[stride], &[dilation]) => {
            let mut x = x;
            if windows.padding == Border::Causal {
                let pads = vec![[0, 0], [(taps - 1) * dilation, 0], [0, 0]];
                x = scope.add(Pad { pads, mode: PadMode::Constant(0.0) }, &[x])?;
            }
            // [batch, 1, steps, channels]
            let image = insert_axis(scope, 1, x)?;
            let kernel = insert_axis(scope, 0, kernel)?;
            let op = conv([1, stride], [1, dilation], windows.padding(), bias.is_some());
            let y = scope.add(op, &[&[image, kernel], bias.as_slice()].concat())?;
            remove_axis(scope, 1, y)
        }
        (&[_, _], &[sy, sx], &[dy, dx]) => {
            let op = conv([sy, sx], [dy, dx], windows.padding(), bias.is_some());
            scope.add(op, &[&[x, kernel], bias.as_slice()].concat())
        }
        (&[taps, ..], &[stride, sy, sx], &[dilation, dy, dx]) => {
            let size = scope.dims(x)[1].ok_or_else(|| Error::unsupported("a volume of open depth"))?;
            let padding = windows.padding();
            let depth = Window::resolve(size, taps, stride, dilation, padding, 0)?;
            let pads = [vec![[0, 0], [depth.before, depth.after]], vec![[0, 0]; 3]].concat();
            let padded = scope.add(Pad { pads, mode: PadMode::Constant(0.0) }, &[x])?;
            // Slices of the volume that tap `k` meets, as a batch of images; each sum goes on where the last one ended.
            let mut sum = None;
            for k in 0..taps {
                let first = k * dilation;
                let mut axes = vec![SliceAxis::ALL; 5];
                axes[1] = SliceAxis {
                    start: Some(first as isize),
                    end: Some((first + (depth.output - 1) * stride + 1) as isize),
                    step: stride as isize,
                };
                let volume = scope.add(Slice { axes }, &[padded])?;
                let images = merge_batch(scope, volume)?;
                let mut axes = vec![SliceAxis::ALL; 5];
                axes[0] = SliceAxis::range(k, k + 1);
                let tap = scope.add(Slice { axes }, &[kernel])?;
                let tap = remove_axis(scope, 0, tap)?;
                let mut op = conv([sy, sx], [dy, dx], padding, bias.is_some() && k == 0);
                op.epilogue.residual = sum.is_some();
                let bias = bias.filter(|_| k == 0);
                sum = Some(scope.add(op, &[&[images, tap], bias.as_slice(), sum.as_slice()].concat())?);
            }
            let Some(sum) = sum else { return Err(Error::invalid("a kernel without taps")) };
            split_batch(scope, depth.output, sum)
        }
        _ => Err(Error::invalid("a convolution has one to three spatial axes")),
    }
}

/// Dimensions as a reshape's: known ones by their size; of several open ones each must keep its place, so they are
/// copied from the operand's axis `from(axis)`.
fn reshape_dims(dims: &[Option<usize>], from: impl Fn(usize) -> usize) -> Vec<ReshapeDim> {
    dims.iter().enumerate().map(|(axis, d)| d.map_or(ReshapeDim::Copy(from(axis)), ReshapeDim::Size)).collect()
}

/// A new axis of size 1 before `at`.
pub(super) fn insert_axis(scope: &mut Scope, at: usize, x: ValueId) -> Result<ValueId> {
    let mut dims = scope.dims(x).0;
    dims.insert(at, Some(1));
    scope.reshape(&reshape_dims(&dims, |axis| if axis > at { axis - 1 } else { axis }), x)
}

/// Drops an axis of size 1.
pub(super) fn remove_axis(scope: &mut Scope, at: usize, x: ValueId) -> Result<ValueId> {
    let mut dims = scope.dims(x).0;
    dims.remove(at);
    scope.reshape(&reshape_dims(&dims, |axis| if axis >= at { axis + 1 } else { axis }), x)
}

/// `[batch, depth, height, width, channels]` as `[batch * depth, height, width, channels]`.
pub(super) fn merge_batch(scope: &mut Scope, x: ValueId) -> Result<ValueId> {
    let dims = scope.dims(x).0;
    let rest = reshape_dims(&dims[2..], |axis| axis + 2);
    scope.reshape(&[&[ReshapeDim::Infer], &rest[..]].concat(), x)
}

/// `[batch * depth, height, width, channels]` as `[batch, depth, height, width, channels]`.
pub(super) fn split_batch(scope: &mut Scope, depth: usize, x: ValueId) -> Result<ValueId> {
    let dims = scope.dims(x).0;
    let rest = reshape_dims(&dims[1..], |axis| axis + 1);
    scope.reshape(&[&[ReshapeDim::Infer, ReshapeDim::Size(depth)], &rest[..]].concat(), x)
}

/// An op over height and width of `[batch, depth, height, width, channels]`.
pub(super) fn per_slice(scope: &mut Scope, op: impl Into<Op>, x: ValueId) -> Result<ValueId> {
    let depth = scope.dims(x)[1].ok_or_else(|| Error::unsupported("a volume of open depth"))?;
    let images = merge_batch(scope, x)?;
    let y = scope.add(op, &[images])?;
    split_batch(scope, depth, y)
}

/// An op over the depth of `[batch, depth, height, width, channels]`, as the height of `[batch, depth, height * width,
/// channels]`. It must leave the width as it is.
pub(super) fn along_depth(scope: &mut Scope, op: impl Into<Op>, x: ValueId) -> Result<ValueId> {
    let dims = scope.dims(x);
    let target = match (dims[2], dims[3]) {
        (Some(height), Some(width)) => [ReshapeDim::Size(height), ReshapeDim::Size(width)],
        (Some(height), None) => [ReshapeDim::Size(height), ReshapeDim::Infer],
        (None, Some(width)) => [ReshapeDim::Infer, ReshapeDim::Size(width)],
        (None, None) => return Err(Error::unsupported("a volume of open height and width")),
    };
    let flat = [ReshapeDim::Copy(0), ReshapeDim::Copy(1), ReshapeDim::Infer, ReshapeDim::Copy(4)];
    let flat = scope.reshape(&flat, x)?;
    let y = scope.add(op, &[flat])?;
    scope.reshape(&[ReshapeDim::Copy(0), ReshapeDim::Copy(1), target[0], target[1], ReshapeDim::Copy(3)], y)
}
