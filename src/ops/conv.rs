//! Convolutions: dense (grouped, dilated), depthwise and transposed, each with a fused epilogue.

use super::index::for_each_index;
use super::{Operator, Reference, Unary, expect_dtype};
use crate::error::{Error, Result};
use crate::shape::{Padding, Shape, TransposedWindow, Window};
use crate::tensor::{DType, Tensor, TensorType};

/// What happens to a convolution's or product's sum before it is stored: `activation(sum + bias + residual)`.
///
/// The op's inputs are `x, kernel`, then the bias if `bias`, then the residual if `residual`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Epilogue {
    /// There is a bias input, one float per output channel.
    pub bias: bool,
    /// There is a residual input of the output's shape.
    pub residual: bool,
    /// Applied last.
    pub activation: Option<Unary>,
}

impl Epilogue {
    /// Just a bias.
    pub fn bias() -> Self {
        Epilogue { bias: true, ..Default::default() }
    }

    /// Index of the bias among the op's inputs.
    pub fn bias_index(&self) -> Option<usize> {
        self.bias.then_some(2)
    }

    /// Index of the residual among the op's inputs.
    pub fn residual_index(&self) -> Option<usize> {
        self.residual.then_some(2 + self.bias as usize)
    }

    /// Checks input count, dtypes, bias and residual against the output shape.
    pub(super) fn check(&self, inputs: &[TensorType], output: &Shape) -> Result<()> {
        super::expect_inputs(inputs, 2 + self.bias as usize + self.residual as usize)?;
        for i in 0..inputs.len() {
            expect_dtype(inputs, i, DType::F32)?;
        }
        if let Some(i) = self.bias_index() {
            let channels = output[output.rank() - 1];
            if *inputs[i].shape != [channels] {
                return Err(Error::mismatch("the bias does not fit", Shape::from([channels]), &inputs[i].shape));
            }
        }
        if let Some(i) = self.residual_index()
            && inputs[i].shape != *output
        {
            return Err(Error::mismatch("the residual does not fit", output, &inputs[i].shape));
        }
        Ok(())
    }
}

/// An epilogue with its operands at hand.
pub(super) struct Finish<'a> {
    bias: Option<&'a [f32]>,
    residual: Option<&'a [f32]>,
    activation: Option<Unary>,
}

impl<'a> Finish<'a> {
    pub(super) fn new(epilogue: &Epilogue, inputs: &[&'a Tensor]) -> Result<Self> {
        let operand = |i: Option<usize>| i.map(|i| inputs[i].as_f32()).transpose();
        let (bias, residual) = (operand(epilogue.bias_index())?, operand(epilogue.residual_index())?);
        Ok(Finish { bias, residual, activation: epilogue.activation })
    }

    /// What is stored at the flat position `at` of an output with `channels` channels.
    pub(super) fn apply(&self, sum: f64, at: usize, channels: usize) -> f32 {
        let bias = self.bias.map_or(0.0, |b| b[at % channels] as f64);
        let residual = self.residual.map_or(0.0, |r| r[at] as f64);
        let value = sum + bias + residual;
        self.activation.map_or(value, |f| f.eval(value)) as f32
    }
}

fn first_two<'a>(inputs: &'a [TensorType], kernel: &str) -> Result<([usize; 4], [usize; 4], &'a TensorType)> {
    let [x, w, ..] = inputs else {
        return Err(Error::mismatch("wrong number of inputs", "at least 2", inputs.len()));
    };
    Ok((x.shape.dims("[batch, height, width, channels]")?, w.shape.dims(kernel)?, x))
}

/// 2-D convolution (cross-correlation, as in Keras and ONNX). Kernel `[kh, kw, in / groups, out]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2d {
    /// Step of the window, `[vertical, horizontal]`.
    pub strides: [usize; 2],
    /// Step between taps.
    pub dilations: [usize; 2],
    /// Channel groups; 1 for an ordinary convolution.
    pub groups: usize,
    /// Borders.
    pub padding: Padding,
    /// Bias, residual, activation.
    pub epilogue: Epilogue,
}

impl Default for Conv2d {
    fn default() -> Self {
        Conv2d { strides: [1, 1], dilations: [1, 1], groups: 1, padding: Padding::Valid, epilogue: Epilogue::default() }
    }
}

impl Conv2d {
    /// The vertical and horizontal window for these input and kernel sizes.
    pub fn windows(&self, image: [usize; 2], kernel: [usize; 2]) -> Result<[Window; 2]> {
        let axis = |i| Window::resolve(image[i], kernel[i], self.strides[i], self.dilations[i], self.padding, i);
        Ok([axis(0)?, axis(1)?])
    }
}

impl Operator for Conv2d {
    fn name(&self) -> &'static str {
        "Conv2d"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let ([n, h, w, c], [kh, kw, ci, co], _) = first_two(inputs, "[kh, kw, in / groups, out]")?;
        if self.groups == 0 || !c.is_multiple_of(self.groups) || !co.is_multiple_of(self.groups) {
            return Err(Error::mismatch(
                format!("{} groups do not divide the channels", self.groups),
                "channels and filters that are multiples of the groups",
                format!("{c} channels, {co} filters"),
            ));
        }
        if ci != c / self.groups {
            return Err(Error::mismatch(
                "the kernel does not fit the input's channels",
                format!("{} input channels per group", c / self.groups),
                ci,
            ));
        }
        let [y, x] = self.windows([h, w], [kh, kw])?;
        let shape = Shape::checked([n, y.output, x.output, co])?;
        self.epilogue.check(inputs, &shape)?;
        Ok(vec![TensorType::f32(shape)])
    }

    fn flops(&self, inputs: &[TensorType], outputs: &[TensorType]) -> u64 {
        let taps: usize = inputs[1].shape[..3].iter().product();
        2 * outputs[0].shape.elements() as u64 * taps as u64
    }
}

impl Reference for Conv2d {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let ([_, h, w, c], [kh, kw, ci, co]) = (inputs[0].shape().dims("")?, inputs[1].shape().dims("")?);
        let [wy, wx] = self.windows([h, w], [kh, kw])?;
        let (x, kernel, finish) = (inputs[0].as_f32()?, inputs[1].as_f32()?, Finish::new(&self.epilogue, inputs)?);
        let mut out = Vec::with_capacity(shape.elements());
        for_each_index(&shape, |index| {
            let &[n, oy, ox, o] = index else { unreachable!("rank 4") };
            let first_channel = o / (co / self.groups) * ci;
            let mut sum = 0.0;
            for ky in 0..kh {
                for kx in 0..kw {
                    let (Some(y), Some(x_)) = (wy.source(oy, ky), wx.source(ox, kx)) else { continue };
                    for i in 0..ci {
                        let pixel = x[((n * h + y) * w + x_) * c + first_channel + i];
                        sum += pixel as f64 * kernel[((ky * kw + kx) * ci + i) * co + o] as f64;
                    }
                }
            }
            out.push(finish.apply(sum, out.len(), co));
        });
        Ok(vec![Tensor::f32(shape, out)?])
    }
}

/// Depthwise 2-D convolution. Kernel `[kh, kw, in, multiplier]`; output channel = `in * multiplier + m`.
#[derive(Clone, Debug, PartialEq)]
pub struct DepthwiseConv2d {
    /// Step of the window, `[vertical, horizontal]`.
    pub strides: [usize; 2],
    /// Step between taps.
    pub dilations: [usize; 2],
    /// Borders.
    pub padding: Padding,
    /// Bias, residual, activation.
    pub epilogue: Epilogue,
}

impl Default for DepthwiseConv2d {
    fn default() -> Self {
        DepthwiseConv2d { strides: [1, 1], dilations: [1, 1], padding: Padding::Valid, epilogue: Epilogue::default() }
    }
}

impl DepthwiseConv2d {
    /// The vertical and horizontal window for these input and kernel sizes.
    pub fn windows(&self, image: [usize; 2], kernel: [usize; 2]) -> Result<[Window; 2]> {
        let axis = |i| Window::resolve(image[i], kernel[i], self.strides[i], self.dilations[i], self.padding, i);
        Ok([axis(0)?, axis(1)?])
    }
}

impl Operator for DepthwiseConv2d {
    fn name(&self) -> &'static str {
        "DepthwiseConv2d"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let ([n, h, w, c], [kh, kw, ci, multiplier], _) = first_two(inputs, "[kh, kw, in, multiplier]")?;
        if ci != c {
            return Err(Error::mismatch("the kernel does not fit the input's channels", c, ci));
        }
        let [y, x] = self.windows([h, w], [kh, kw])?;
        let channels = c.checked_mul(multiplier).ok_or_else(|| Error::resource("too many channels"))?;
        let shape = Shape::checked([n, y.output, x.output, channels])?;
        self.epilogue.check(inputs, &shape)?;
        Ok(vec![TensorType::f32(shape)])
    }

    fn flops(&self, inputs: &[TensorType], outputs: &[TensorType]) -> u64 {
        let taps: usize = inputs[1].shape[..2].iter().product();
        2 * outputs[0].shape.elements() as u64 * taps as u64
    }
}

impl Reference for DepthwiseConv2d {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let ([_, h, w, c], [kh, kw, _, multiplier]) = (inputs[0].shape().dims("")?, inputs[1].shape().dims("")?);
        let [wy, wx] = self.windows([h, w], [kh, kw])?;
        let (x, kernel, finish) = (inputs[0].as_f32()?, inputs[1].as_f32()?, Finish::new(&self.epilogue, inputs)?);
        let channels = c * multiplier;
        let mut out = Vec::with_capacity(shape.elements());
        for_each_index(&shape, |index| {
            let &[n, oy, ox, o] = index else { unreachable!("rank 4") };
            let mut sum = 0.0;
            for ky in 0..kh {
                for kx in 0..kw {
                    let (Some(y), Some(x_)) = (wy.source(oy, ky), wx.source(ox, kx)) else { continue };
                    let pixel = x[((n * h + y) * w + x_) * c + o / multiplier];
                    sum += pixel as f64 * kernel[(ky * kw + kx) * channels + o] as f64;
                }
            }
            out.push(finish.apply(sum, out.len(), channels));
        });
        Ok(vec![Tensor::f32(shape, out)?])
    }
}

/// 2-D transposed convolution. Kernel `[kh, kw, out, in]` (Keras).
///
/// Input pixel `i` and tap `k` add to output pixel `i * stride + k * dilation - crop` ([`TransposedWindow`]).
#[derive(Clone, Debug, PartialEq)]
pub struct ConvTranspose2d {
    /// Step between inputs, in output pixels, `[vertical, horizontal]`.
    pub strides: [usize; 2],
    /// Step between taps.
    pub dilations: [usize; 2],
    /// What is cropped.
    pub padding: Padding,
    /// Extra output pixels; `None` is Keras' default and differs from `Some([0, 0])`.
    pub output_padding: Option<[usize; 2]>,
    /// Bias, residual, activation.
    pub epilogue: Epilogue,
}

impl Default for ConvTranspose2d {
    fn default() -> Self {
        ConvTranspose2d {
            strides: [1, 1],
            dilations: [1, 1],
            padding: Padding::Valid,
            output_padding: None,
            epilogue: Epilogue::default(),
        }
    }
}

impl ConvTranspose2d {
    /// The vertical and horizontal window for these input and kernel sizes.
    pub fn windows(&self, image: [usize; 2], kernel: [usize; 2]) -> Result<[TransposedWindow; 2]> {
        let axis = |i: usize| {
            let extra = self.output_padding.map(|p| p[i]);
            let (stride, dilation) = (self.strides[i], self.dilations[i]);
            TransposedWindow::resolve(image[i], kernel[i], stride, dilation, self.padding, extra, i)
        };
        Ok([axis(0)?, axis(1)?])
    }
}

impl Operator for ConvTranspose2d {
    fn name(&self) -> &'static str {
        "ConvTranspose2d"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let ([n, h, w, c], [kh, kw, co, ci], _) = first_two(inputs, "[kh, kw, out, in]")?;
        if ci != c {
            return Err(Error::mismatch("the kernel does not fit the input's channels", c, ci));
        }
        let [y, x] = self.windows([h, w], [kh, kw])?;
        let shape = Shape::checked([n, y.output, x.output, co])?;
        self.epilogue.check(inputs, &shape)?;
        Ok(vec![TensorType::f32(shape)])
    }

    fn flops(&self, inputs: &[TensorType], _: &[TensorType]) -> u64 {
        let [_, _, co, _] = [0, 1, 2, 3].map(|i| inputs[1].shape[i]);
        let taps = inputs[1].shape[0] * inputs[1].shape[1] * co;
        2 * inputs[0].shape.elements() as u64 * taps as u64
    }
}

impl Reference for ConvTranspose2d {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let ([_, h, w, c], [kh, kw, co, _]) = (inputs[0].shape().dims("")?, inputs[1].shape().dims("")?);
        let [wy, wx] = self.windows([h, w], [kh, kw])?;
        let (x, kernel, finish) = (inputs[0].as_f32()?, inputs[1].as_f32()?, Finish::new(&self.epilogue, inputs)?);
        let target = |window: &TransposedWindow, i: usize, k: usize| {
            (i * window.stride + k * window.dilation).checked_sub(window.crop).filter(|&o| o < window.output)
        };
        let mut sums = vec![0.0; shape.elements()];
        for_each_index(&[shape[0], h, w, kh, kw], |index| {
            let &[n, y, x_, ky, kx] = index else { unreachable!("rank 5") };
            let (Some(oy), Some(ox)) = (target(&wy, y, ky), target(&wx, x_, kx)) else { return };
            for o in 0..co {
                let pixel = &x[((n * h + y) * w + x_) * c..][..c];
                let taps = &kernel[((ky * kw + kx) * co + o) * c..][..c];
                let product: f64 = pixel.iter().zip(taps).map(|(&a, &b)| a as f64 * b as f64).sum();
                sums[((n * wy.output + oy) * wx.output + ox) * co + o] += product;
            }
        });
        let out = sums.iter().enumerate().map(|(at, &sum)| finish.apply(sum, at, co)).collect::<Vec<_>>();
        Ok(vec![Tensor::f32(shape, out)?])
    }
}
