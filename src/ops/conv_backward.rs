//! Gradients of convolutions, by the input and by the kernel.
//!
//! Every op has the attributes of its forward op and the size that cannot be told from the gradient alone: of the image
//! for the input's gradient, of the kernel for the kernel's. `dy` is the gradient of the output, before any epilogue.
//!
//! A transposed convolution has no ops of its own, see [`ConvTranspose2d::backward`].

use super::index::for_each_index;
use super::{Conv2d, ConvTranspose2d, DepthwiseConv2d, Epilogue, Operator, Reference, expect_gradient, expect_inputs};
use crate::error::Result;
use crate::shape::{Padding, Shape, Window};
use crate::tensor::{Tensor, TensorType};

/// Gradient of a [`Conv2d`] by its input: `dy [n, oh, ow, out], kernel [kh, kw, in / groups, out]` to
/// `dx [n, input, in]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2dBackwardInput {
    /// Step of the forward window, `[vertical, horizontal]`.
    pub strides: [usize; 2],
    /// Step between taps.
    pub dilations: [usize; 2],
    /// Channel groups.
    pub groups: usize,
    /// Borders of the forward op.
    pub padding: Padding,
    /// Height and width of the forward op's input.
    pub input: [usize; 2],
}

/// Gradient of a [`Conv2d`] by its kernel: `x [n, h, w, in], dy [n, oh, ow, out]` to
/// `dkernel [kernel, in / groups, out]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2dBackwardFilter {
    /// Step of the forward window, `[vertical, horizontal]`.
    pub strides: [usize; 2],
    /// Step between taps.
    pub dilations: [usize; 2],
    /// Channel groups.
    pub groups: usize,
    /// Borders of the forward op.
    pub padding: Padding,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
}

/// Gradient of a [`DepthwiseConv2d`] by its input: `dy [n, oh, ow, in * multiplier], kernel [kh, kw, in, multiplier]`
/// to `dx [n, input, in]`.
#[derive(Clone, Debug, PartialEq)]
pub struct DepthwiseConv2dBackwardInput {
    /// Step of the forward window, `[vertical, horizontal]`.
    pub strides: [usize; 2],
    /// Step between taps.
    pub dilations: [usize; 2],
    /// Borders of the forward op.
    pub padding: Padding,
    /// Height and width of the forward op's input.
    pub input: [usize; 2],
}

/// Gradient of a [`DepthwiseConv2d`] by its kernel: `x [n, h, w, in], dy [n, oh, ow, in * multiplier]` to
/// `dkernel [kernel, in, multiplier]`.
#[derive(Clone, Debug, PartialEq)]
pub struct DepthwiseConv2dBackwardFilter {
    /// Step of the forward window, `[vertical, horizontal]`.
    pub strides: [usize; 2],
    /// Step between taps.
    pub dilations: [usize; 2],
    /// Borders of the forward op.
    pub padding: Padding,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
}

impl Conv2d {
    /// The gradient by the input of this size.
    pub fn backward_input(&self, input: [usize; 2]) -> Conv2dBackwardInput {
        let Conv2d { strides, dilations, groups, padding, .. } = *self;
        Conv2dBackwardInput { strides, dilations, groups, padding, input }
    }

    /// The gradient by a kernel of this size.
    pub fn backward_filter(&self, kernel: [usize; 2]) -> Conv2dBackwardFilter {
        let Conv2d { strides, dilations, groups, padding, .. } = *self;
        Conv2dBackwardFilter { strides, dilations, groups, padding, kernel }
    }
}

impl DepthwiseConv2d {
    /// The gradient by the input of this size.
    pub fn backward_input(&self, input: [usize; 2]) -> DepthwiseConv2dBackwardInput {
        let DepthwiseConv2d { strides, dilations, padding, .. } = *self;
        DepthwiseConv2dBackwardInput { strides, dilations, padding, input }
    }

    /// The gradient by a kernel of this size.
    pub fn backward_filter(&self, kernel: [usize; 2]) -> DepthwiseConv2dBackwardFilter {
        let DepthwiseConv2d { strides, dilations, padding, .. } = *self;
        DepthwiseConv2dBackwardFilter { strides, dilations, padding, kernel }
    }
}

impl Conv2dBackwardInput {
    /// The op whose gradient this is.
    pub fn forward(&self) -> Conv2d {
        let Conv2dBackwardInput { strides, dilations, groups, padding, .. } = *self;
        Conv2d { strides, dilations, groups, padding, epilogue: Epilogue::default() }
    }

    /// The forward op's windows for a kernel of this size.
    pub fn windows(&self, kernel: [usize; 2]) -> Result<[Window; 2]> {
        self.forward().windows(self.input, kernel)
    }
}

impl Conv2dBackwardFilter {
    /// The op whose gradient this is.
    pub fn forward(&self) -> Conv2d {
        let Conv2dBackwardFilter { strides, dilations, groups, padding, .. } = *self;
        Conv2d { strides, dilations, groups, padding, epilogue: Epilogue::default() }
    }

    /// The forward op's windows for an image of this size.
    pub fn windows(&self, image: [usize; 2]) -> Result<[Window; 2]> {
        self.forward().windows(image, self.kernel)
    }
}

impl DepthwiseConv2dBackwardInput {
    /// The op whose gradient this is.
    pub fn forward(&self) -> DepthwiseConv2d {
        let DepthwiseConv2dBackwardInput { strides, dilations, padding, .. } = *self;
        DepthwiseConv2d { strides, dilations, padding, epilogue: Epilogue::default() }
    }

    /// The forward op's windows for a kernel of this size.
    pub fn windows(&self, kernel: [usize; 2]) -> Result<[Window; 2]> {
        self.forward().windows(self.input, kernel)
    }
}

impl DepthwiseConv2dBackwardFilter {
    /// The op whose gradient this is.
    pub fn forward(&self) -> DepthwiseConv2d {
        let DepthwiseConv2dBackwardFilter { strides, dilations, padding, .. } = *self;
        DepthwiseConv2d { strides, dilations, padding, epilogue: Epilogue::default() }
    }

    /// The forward op's windows for an image of this size.
    pub fn windows(&self, image: [usize; 2]) -> Result<[Window; 2]> {
        self.forward().windows(image, self.kernel)
    }
}

/// How a transposed convolution is differentiated ([`ConvTranspose2d::backward`]).
#[derive(Clone, Debug, PartialEq)]
pub struct TransposedGradient {
    /// Height and width of the part of `dy`, from its first pixel, that depends on the input. Where it is smaller than
    /// `dy`, what follows is output padding that no tap reaches: slice it off before either op.
    pub reached: [usize; 2],
    /// Of `(dy, kernel)`: the gradient by the input.
    pub input: Conv2d,
    /// Of `(dy, x)`, in this order: the gradient by the kernel.
    pub filter: Conv2dBackwardFilter,
}

impl ConvTranspose2d {
    /// The ops that are this op's gradients, for an input and a kernel of these heights and widths.
    ///
    /// Output `i * stride + k * dilation - crop` takes input `i` times tap `k`; so the gradient by input `i` takes
    /// `dy` at `i * stride + k * dilation - crop` times tap `k`, which is a [`Conv2d`] of `dy` with `crop` pixels of
    /// padding and the same kernel: its `[kh, kw, out, in]` *is* HWIO for a convolution from `out` to `in` channels. By
    /// the same line the kernel's gradient is a [`Conv2dBackwardFilter`] with `dy` as the image and `x` as the gradient.
    pub fn backward(&self, image: [usize; 2], kernel: [usize; 2]) -> Result<TransposedGradient> {
        let windows = self.windows(image, kernel)?;
        // The last pixel that a tap reaches, plus one; `windows` has checked that this does not overflow.
        let full = windows.map(|w| (w.input - 1) * w.stride + (w.kernel - 1) * w.dilation + 1);
        let reached = [0, 1].map(|i| windows[i].output.min(full[i].saturating_sub(windows[i].crop)));
        let after = |i: usize| full[i].saturating_sub(windows[i].crop + windows[i].output);
        let padding = Padding::Explicit([[windows[0].crop, after(0)], [windows[1].crop, after(1)]]);
        let ConvTranspose2d { strides, dilations, .. } = *self;
        let input = Conv2d { strides, dilations, groups: 1, padding, epilogue: Epilogue::default() };
        let filter = input.backward_filter(kernel);
        Ok(TransposedGradient { reached, input, filter })
    }
}

impl Operator for Conv2dBackwardInput {
    fn name(&self) -> &'static str {
        "Conv2dBackwardInput"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 2)?;
        let [n, ..] = inputs[0].shape.dims::<4>("[batch, height, width, channels]")?;
        let [_, _, depth, _] = inputs[1].shape.dims("[kh, kw, in / groups, out]")?;
        let [h, w] = self.input;
        let x = TensorType::f32(Shape::checked([n, h, w, depth.saturating_mul(self.groups)])?);
        expect_gradient(&self.forward(), &[x.clone(), inputs[1].clone()], &inputs[0])?;
        Ok(vec![x])
    }

    fn flops(&self, inputs: &[TensorType], _: &[TensorType]) -> u64 {
        let taps: usize = inputs[1].shape[..3].iter().product();
        2 * inputs[0].shape.elements() as u64 * taps as u64
    }
}

impl Reference for Conv2dBackwardInput {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let [n, h, w, c] = shape.dims("")?;
        let [kh, kw, depth, filters] = inputs[1].shape().dims("")?;
        let [wy, wx] = self.windows([kh, kw])?;
        let (dy, kernel) = (inputs[0].as_f32()?, inputs[1].as_f32()?);
        let mut dx = vec![0.0; shape.elements()];
        for_each_index(&[n, wy.output, wx.output, kh, kw], |index| {
            let &[n, oy, ox, ky, kx] = index else { unreachable!("rank 5") };
            let (Some(y), Some(x)) = (wy.source(oy, ky), wx.source(ox, kx)) else { return };
            for o in 0..filters {
                let first_channel = o / (filters / self.groups) * depth;
                let gradient = dy[((n * wy.output + oy) * wx.output + ox) * filters + o] as f64;
                for i in 0..depth {
                    let weight = kernel[((ky * kw + kx) * depth + i) * filters + o] as f64;
                    dx[((n * h + y) * w + x) * c + first_channel + i] += gradient * weight;
                }
            }
        });
        floats(shape, &dx)
    }
}

impl Operator for Conv2dBackwardFilter {
    fn name(&self) -> &'static str {
        "Conv2dBackwardFilter"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 2)?;
        let [_, _, _, c] = inputs[0].shape.dims("[batch, height, width, channels]")?;
        let [_, _, _, filters] = inputs[1].shape.dims("[batch, height, width, channels]")?;
        let [kh, kw] = self.kernel;
        let kernel = TensorType::f32(Shape::checked([kh, kw, c / self.groups.max(1), filters])?);
        expect_gradient(&self.forward(), &[inputs[0].clone(), kernel.clone()], &inputs[1])?;
        Ok(vec![kernel])
    }

    fn flops(&self, inputs: &[TensorType], outputs: &[TensorType]) -> u64 {
        let taps: usize = outputs[0].shape[..3].iter().product();
        2 * inputs[1].shape.elements() as u64 * taps as u64
    }
}

impl Reference for Conv2dBackwardFilter {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let [n, h, w, c] = inputs[0].shape().dims("")?;
        let [kh, kw, depth, filters] = shape.dims("")?;
        let [wy, wx] = self.windows([h, w])?;
        let (x, dy) = (inputs[0].as_f32()?, inputs[1].as_f32()?);
        let mut dkernel = vec![0.0; shape.elements()];
        for_each_index(&[n, wy.output, wx.output, kh, kw], |index| {
            let &[n, oy, ox, ky, kx] = index else { unreachable!("rank 5") };
            let (Some(y), Some(x_)) = (wy.source(oy, ky), wx.source(ox, kx)) else { return };
            for o in 0..filters {
                let first_channel = o / (filters / self.groups) * depth;
                let gradient = dy[((n * wy.output + oy) * wx.output + ox) * filters + o] as f64;
                for i in 0..depth {
                    let pixel = x[((n * h + y) * w + x_) * c + first_channel + i] as f64;
                    dkernel[((ky * kw + kx) * depth + i) * filters + o] += pixel * gradient;
                }
            }
        });
        floats(shape, &dkernel)
    }
}

impl Operator for DepthwiseConv2dBackwardInput {
    fn name(&self) -> &'static str {
        "DepthwiseConv2dBackwardInput"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 2)?;
        let [n, ..] = inputs[0].shape.dims::<4>("[batch, height, width, channels]")?;
        let [_, _, channels, _] = inputs[1].shape.dims("[kh, kw, in, multiplier]")?;
        let [h, w] = self.input;
        let x = TensorType::f32(Shape::checked([n, h, w, channels])?);
        expect_gradient(&self.forward(), &[x.clone(), inputs[1].clone()], &inputs[0])?;
        Ok(vec![x])
    }

    fn flops(&self, inputs: &[TensorType], _: &[TensorType]) -> u64 {
        let taps: usize = inputs[1].shape[..2].iter().product();
        2 * inputs[0].shape.elements() as u64 * taps as u64
    }
}

impl Reference for DepthwiseConv2dBackwardInput {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let [n, h, w, c] = shape.dims("")?;
        let [kh, kw, _, multiplier] = inputs[1].shape().dims("")?;
        let [wy, wx] = self.windows([kh, kw])?;
        let (dy, kernel) = (inputs[0].as_f32()?, inputs[1].as_f32()?);
        let mut dx = vec![0.0; shape.elements()];
        for_each_index(&[n, wy.output, wx.output, kh, kw], |index| {
            let &[n, oy, ox, ky, kx] = index else { unreachable!("rank 5") };
            let (Some(y), Some(x)) = (wy.source(oy, ky), wx.source(ox, kx)) else { return };
            for o in 0..c * multiplier {
                let gradient = dy[((n * wy.output + oy) * wx.output + ox) * c * multiplier + o] as f64;
                let weight = kernel[(ky * kw + kx) * c * multiplier + o] as f64;
                dx[((n * h + y) * w + x) * c + o / multiplier] += gradient * weight;
            }
        });
        floats(shape, &dx)
    }
}

impl Operator for DepthwiseConv2dBackwardFilter {
    fn name(&self) -> &'static str {
        "DepthwiseConv2dBackwardFilter"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 2)?;
        let [_, _, _, c] = inputs[0].shape.dims("[batch, height, width, channels]")?;
        let [_, _, _, filters] = inputs[1].shape.dims("[batch, height, width, channels]")?;
        let [kh, kw] = self.kernel;
        // A gradient whose channels are no multiple of the input's fits no multiplier; the forward rule says so.
        let kernel = TensorType::f32(Shape::checked([kh, kw, c, filters / c.max(1)])?);
        expect_gradient(&self.forward(), &[inputs[0].clone(), kernel.clone()], &inputs[1])?;
        Ok(vec![kernel])
    }

    fn flops(&self, inputs: &[TensorType], _: &[TensorType]) -> u64 {
        2 * inputs[1].shape.elements() as u64 * self.kernel.iter().product::<usize>() as u64
    }
}

impl Reference for DepthwiseConv2dBackwardFilter {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let [n, h, w, _] = inputs[0].shape().dims("")?;
        let [kh, kw, c, multiplier] = shape.dims("")?;
        let [wy, wx] = self.windows([h, w])?;
        let (x, dy) = (inputs[0].as_f32()?, inputs[1].as_f32()?);
        let mut dkernel = vec![0.0; shape.elements()];
        for_each_index(&[n, wy.output, wx.output, kh, kw], |index| {
            let &[n, oy, ox, ky, kx] = index else { unreachable!("rank 5") };
            let (Some(y), Some(x_)) = (wy.source(oy, ky), wx.source(ox, kx)) else { return };
            for o in 0..c * multiplier {
                let gradient = dy[((n * wy.output + oy) * wx.output + ox) * c * multiplier + o] as f64;
                let pixel = x[((n * h + y) * w + x_) * c + o / multiplier] as f64;
                dkernel[(ky * kw + kx) * c * multiplier + o] += pixel * gradient;
            }
        });
        floats(shape, &dkernel)
    }
}

/// The only result, rounded.
fn floats(shape: Shape, sums: &[f64]) -> Result<Vec<Tensor>> {
    Ok(vec![Tensor::f32(shape, sums.iter().map(|&v| v as f32).collect::<Vec<_>>())?])
}
