//! Depthwise and separable convolutions in one and two dimensions.

use serde_json::{Map, Value as Json};

use super::arguments::{Border, keras_layer};
use super::conv::{Windows, insert_axis, layout, positive, remove_axis, strides_or_dilations};
use super::scope::{expect_rank, known_channels, one};
use super::{Activation, Constraint, GLOROT_UNIFORM, Initializer, Layer, Regularizer, Scope, WeightSpec};
use crate::error::{Error, Result};
use crate::graph::{Dims, ValueId};
use crate::ops::{Conv2d, DepthwiseConv2d, Epilogue};

keras_layer! {
    /// One convolution for each channel: `[batch, ...N, channels]` to `[batch, ...N, channels * depth_multiplier]`,
    /// kernel `[...N, channels, depth_multiplier]`.
    DepthwiseConv<N> {
        kernel_size: [usize; N],
        ---
        strides: [usize; N] = [1; N],
        padding: Border = Border::Valid,
        depth_multiplier: usize = 1,
        dilation_rate: [usize; N] = [1; N],
        activation: Activation = Activation::Linear,
        use_bias: bool = true,
        depthwise_initializer: Initializer = GLOROT_UNIFORM,
        bias_initializer: Initializer = Initializer::Zeros,
        depthwise_regularizer: Option<Regularizer> = None,
        bias_regularizer: Option<Regularizer> = None,
        activity_regularizer: Option<Regularizer> = None,
        depthwise_constraint: Option<Constraint> = None,
        bias_constraint: Option<Constraint> = None,
    }
}

/// Over `[batch, steps, channels]`.
pub type DepthwiseConv1D = DepthwiseConv<1>;
/// Over `[batch, height, width, channels]`.
pub type DepthwiseConv2D = DepthwiseConv<2>;

keras_layer! {
    /// A depthwise convolution, then a 1x1 convolution over its `channels * depth_multiplier` channels.
    SeparableConv<N> {
        filters: usize,
        kernel_size: [usize; N],
        ---
        strides: [usize; N] = [1; N],
        padding: Border = Border::Valid,
        dilation_rate: [usize; N] = [1; N],
        depth_multiplier: usize = 1,
        activation: Activation = Activation::Linear,
        use_bias: bool = true,
        depthwise_initializer: Initializer = GLOROT_UNIFORM,
        pointwise_initializer: Initializer = GLOROT_UNIFORM,
        bias_initializer: Initializer = Initializer::Zeros,
        depthwise_regularizer: Option<Regularizer> = None,
        pointwise_regularizer: Option<Regularizer> = None,
        bias_regularizer: Option<Regularizer> = None,
        activity_regularizer: Option<Regularizer> = None,
        depthwise_constraint: Option<Constraint> = None,
        pointwise_constraint: Option<Constraint> = None,
        bias_constraint: Option<Constraint> = None,
    }
}

/// Over `[batch, steps, channels]`.
pub type SeparableConv1D = SeparableConv<1>;
/// Over `[batch, height, width, channels]`.
pub type SeparableConv2D = SeparableConv<2>;

/// What Keras refuses of a depthwise convolution.
fn check(windows: &Windows, depth_multiplier: usize) -> Result<()> {
    positive("kernel_size", windows.kernel)?;
    positive("strides", windows.strides)?;
    positive("dilation_rate", windows.dilations)?;
    positive("depth_multiplier", &[depth_multiplier])?;
    strides_or_dilations(windows.strides, windows.dilations)?;
    if windows.padding == Border::Causal {
        return Err(Error::invalid("causal padding is for Conv1D only"));
    }
    match windows.strides {
        [y, x] if y != x => {
            Err(Error::mismatch("a depthwise convolution's strides must be equal", y, format!("[{y}, {x}]")))
        }
        _ => Ok(()),
    }
}

/// The channels of the only input.
fn input_channels(inputs: &[Dims], spatial: usize) -> Result<usize> {
    let [dims] = inputs else { return Err(Error::mismatch("the layer takes one input", 1, inputs.len())) };
    expect_rank(dims, layout(spatial))?;
    known_channels(dims)
}

/// A depthwise convolution over one or two spatial axes.
fn depthwise(
    scope: &mut Scope,
    x: ValueId,
    kernel: ValueId,
    bias: Option<ValueId>,
    windows: &Windows,
) -> Result<ValueId> {
    let op = |strides, dilations| DepthwiseConv2d {
        strides,
        dilations,
        padding: windows.padding(),
        epilogue: Epilogue { bias: bias.is_some(), ..Default::default() },
    };
    match (windows.strides, windows.dilations) {
        (&[stride], &[dilation]) => {
            let image = insert_axis(scope, 1, x)?;
            let kernel = insert_axis(scope, 0, kernel)?;
            let y = scope.add(op([1, stride], [1, dilation]), &[&[image, kernel], bias.as_slice()].concat())?;
            remove_axis(scope, 1, y)
        }
        (&[sy, sx], &[dy, dx]) => scope.add(op([sy, sx], [dy, dx]), &[&[x, kernel], bias.as_slice()].concat()),
        _ => Err(Error::invalid("a depthwise convolution has one or two spatial axes")),
    }
}

impl<const N: usize> DepthwiseConv<N> {
    fn windows(&self) -> Windows<'_> {
        Windows {
            kernel: &self.kernel_size,
            strides: &self.strides,
            dilations: &self.dilation_rate,
            padding: self.padding,
        }
    }
}

impl<const N: usize> Layer for DepthwiseConv<N> {
    fn class(&self) -> &'static str {
        ["DepthwiseConv1D", "DepthwiseConv2D"][N - 1]
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        check(&self.windows(), self.depth_multiplier)
    }

    fn weights(&self, inputs: &[Dims]) -> Result<Vec<WeightSpec>> {
        let channels = input_channels(inputs, N)?;
        let shape = [&self.kernel_size[..], &[channels, self.depth_multiplier]].concat();
        let mut weights = vec![
            WeightSpec::new("kernel", shape, &self.depthwise_initializer)
                .with(&self.depthwise_regularizer, &self.depthwise_constraint),
        ];
        if self.use_bias {
            let outputs = channels.saturating_mul(self.depth_multiplier);
            weights.push(
                WeightSpec::new("bias", [outputs], &self.bias_initializer)
                    .with(&self.bias_regularizer, &self.bias_constraint),
            );
        }
        Ok(weights)
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        let kernel = scope.weight("kernel")?;
        let bias = if self.use_bias { Some(scope.weight("bias")?) } else { None };
        let y = depthwise(scope, x, kernel, bias, &self.windows())?;
        scope.activate(&self.activation, &self.activity_regularizer, y)
    }
}

impl<const N: usize> SeparableConv<N> {
    fn windows(&self) -> Windows<'_> {
        Windows {
            kernel: &self.kernel_size,
            strides: &self.strides,
            dilations: &self.dilation_rate,
            padding: self.padding,
        }
    }
}

impl<const N: usize> Layer for SeparableConv<N> {
    fn class(&self) -> &'static str {
        ["SeparableConv1D", "SeparableConv2D"][N - 1]
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        positive("filters", &[self.filters])?;
        check(&self.windows(), self.depth_multiplier)
    }

    fn weights(&self, inputs: &[Dims]) -> Result<Vec<WeightSpec>> {
        let channels = input_channels(inputs, N)?;
        let depthwise = [&self.kernel_size[..], &[channels, self.depth_multiplier]].concat();
        let pointwise = [&[1; N][..], &[channels.saturating_mul(self.depth_multiplier), self.filters]].concat();
        let mut weights = vec![
            WeightSpec::new("depthwise_kernel", depthwise, &self.depthwise_initializer)
                .with(&self.depthwise_regularizer, &self.depthwise_constraint),
            WeightSpec::new("pointwise_kernel", pointwise, &self.pointwise_initializer)
                .with(&self.pointwise_regularizer, &self.pointwise_constraint),
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
        let (kernel, pointwise) = (scope.weight("depthwise_kernel")?, scope.weight("pointwise_kernel")?);
        let bias = if self.use_bias { Some(scope.weight("bias")?) } else { None };
        // One dimension becomes an image of height 1 here, so that it need not go back between the two.
        let single = N == 1;
        let image = |scope: &mut Scope, at: usize, v: ValueId| if single { insert_axis(scope, at, v) } else { Ok(v) };
        let (x, kernel) = (image(scope, 1, x)?, image(scope, 0, kernel)?);
        let pointwise = image(scope, 0, pointwise)?;
        let pair = |sizes: &[usize; N]| [if single { 1 } else { sizes[0] }, sizes[N - 1]];
        let windows = Windows {
            kernel: &pair(&self.kernel_size),
            strides: &pair(&self.strides),
            dilations: &pair(&self.dilation_rate),
            padding: self.padding,
        };
        let y = depthwise(scope, x, kernel, None, &windows)?;
        let op = Conv2d { epilogue: Epilogue { bias: self.use_bias, ..Default::default() }, ..Default::default() };
        let y = scope.add(op, &[&[y, pointwise], bias.as_slice()].concat())?;
        let y = if single { remove_axis(scope, 1, y)? } else { y };
        scope.activate(&self.activation, &self.activity_regularizer, y)
    }
}
