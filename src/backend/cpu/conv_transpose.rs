//! Transposed convolution as sub-pixel phases: outputs whose position leaves the same remainder by the stride use the
//! same taps, so each phase is one indirect product. No zeros are ever inserted.
//!
//! The gradient of a convolution by its input is the same computation: a kernel `[kh, kw, in, out]` is that of a transposed
//! convolution from `out` to `in` channels as it stands.

use super::epilogue::Activation;
use super::gemm::{PADDING, Packed, Product, Rows, table};
use super::memory::Inputs;
use super::{Kernel, Outputs, Spec, depthwise_backward};
use crate::error::Result;
use crate::ops::{Conv2dBackwardInput, ConvTranspose2d, Epilogue};
use crate::shape::TransposedWindow;

/// Outputs `first, first + stride, ...` of one axis.
struct Axis {
    window: TransposedWindow,
    first: usize,
    taps: Vec<usize>,
}

impl Axis {
    /// The phases of an axis that have outputs.
    fn phases(window: TransposedWindow) -> impl Iterator<Item = Axis> {
        (0..window.stride.min(window.output)).map(move |first| {
            let remainder = (first + window.crop) % window.stride;
            let taps = (0..window.kernel).filter(|k| k * window.dilation % window.stride == remainder).collect();
            Axis { window, first, taps }
        })
    }

    fn outputs(&self) -> usize {
        (self.window.output - self.first).div_ceil(self.window.stride)
    }
    fn output(&self, i: usize) -> usize {
        self.first + i * self.window.stride
    }
    /// The input under output number `i` at tap number `t`.
    fn source(&self, i: usize, t: usize) -> Option<usize> {
        let spread = (self.output(i) + self.window.crop).checked_sub(self.taps[t] * self.window.dilation)?;
        Some(spread / self.window.stride).filter(|&s| s < self.window.input)
    }
}

struct Phase {
    rows: usize,
    left: Vec<u32>,
    out: Vec<u32>,
    /// The kernel's taps in this phase, row-major.
    taps: Vec<usize>,
    /// One per group.
    packed: Vec<Packed>,
}

struct ConvTranspose {
    /// Products per run: images of the batch (1 when the whole batch is one product).
    images: usize,
    input: usize,
    output: usize,
    /// Of a group.
    channels: [usize; 2],
    phases: Vec<Phase>,
    constant: bool,
    epilogue: Epilogue,
    activation: Activation,
}

pub fn compile(op: &ConvTranspose2d, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let [_, height, width, _] = spec.dims(0)?;
    let [kh, kw, ..] = spec.dims::<4>(1)?;
    build(op.windows([height, width], [kh, kw])?, 1, &op.epilogue, spec)
}

/// The gradient of a convolution by its input.
pub fn compile_backward(op: &Conv2dBackwardInput, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let [kh, kw, depth, _] = spec.dims(1)?;
    if depth == 1 && op.groups > 1 {
        // HWIO with one input channel per group is depthwise' layout already.
        return depthwise_backward::compile_grouped_input(op, spec);
    }
    let windows = op.windows([kh, kw])?.map(|w| TransposedWindow {
        input: w.output,
        output: w.input,
        kernel: w.kernel,
        stride: w.stride,
        dilation: w.dilation,
        crop: w.before,
    });
    build(windows, op.groups, &Epilogue::default(), spec)
}

fn build([wy, wx]: [TransposedWindow; 2], groups: usize, epilogue: &Epilogue, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let [images, height, width, all_channels] = spec.dims(0)?;
    let [_, kw, filters, _] = spec.dims::<4>(1)?;
    let (channels, all_filters) = (all_channels / groups, filters * groups);
    // A pointwise one is a plain product over the whole batch.
    let pointwise = [wy, wx].iter().all(|w| w.kernel == 1 && w.stride == 1 && w.crop == 0 && w.output == w.input);
    // One pixel that becomes a whole kernel is a dense layer over images: its columns are the kernel's taps.
    let whole =
        groups == 1 && !epilogue.bias && [wy, wx].iter().all(|w| w.input == 1 && w.output == w.kernel && w.crop == 0);
    if whole {
        let filters = wy.kernel * wx.kernel * filters;
        let packed = vec![Packed::new(1, channels, filters)];
        let phase = Phase { rows: images, left: Vec::new(), out: Vec::new(), taps: vec![0], packed };
        return Ok(finish([1, channels, filters], [channels, filters], vec![phase], epilogue, spec));
    }
    let mut phases = Vec::new();
    for y in Axis::phases(wy) {
        for x in Axis::phases(wx) {
            let rows = y.outputs() * x.outputs();
            let taps: Vec<_> = y.taps.iter().flat_map(|ky| x.taps.iter().map(move |kx| ky * kw + kx)).collect();
            let packed = (0..groups).map(|_| Packed::new(taps.len(), channels, filters)).collect();
            if pointwise {
                phases.push(Phase { rows: images * rows, left: Vec::new(), out: Vec::new(), taps, packed });
                continue;
            }
            let left = table(rows, taps.len(), |row, tap| {
                let iy = y.source(row / x.outputs(), tap / x.taps.len());
                let ix = x.source(row % x.outputs(), tap % x.taps.len());
                iy.zip(ix).map_or(PADDING, |(iy, ix)| ((iy * width + ix) * all_channels) as u32)
            });
            let pixel = |row| y.output(row / x.outputs()) * wx.output + x.output(row % x.outputs());
            let out = (0..rows).map(|row| (pixel(row) * all_filters) as u32).collect();
            phases.push(Phase { rows, left, out, taps, packed });
        }
    }
    let images = if pointwise { 1 } else { images };
    let sizes = [images, height * width * all_channels, wy.output * wx.output * all_filters];
    Ok(finish(sizes, [channels, filters], phases, epilogue, spec))
}

/// From products per run and the floats of an image and of a result; packs what is constant.
fn finish(
    [images, input, output]: [usize; 3],
    channels: [usize; 2],
    phases: Vec<Phase>,
    epilogue: &Epilogue,
    spec: &Spec,
) -> Box<dyn Kernel> {
    let (constant, activation) = (false, epilogue.activation.into());
    let epilogue = epilogue.clone();
    let mut kernel = ConvTranspose { images, input, output, channels, phases, constant, epilogue, activation };
    let bias = kernel.epilogue.bias_index();
    if let Some(weights) = spec.constant(1)
        && bias.is_none_or(|i| spec.constant(i).is_some())
    {
        kernel.pack(weights, bias.and_then(|i| spec.constant(i)));
        kernel.constant = true;
    }
    Box::new(kernel)
}

impl ConvTranspose {
    fn pack(&mut self, weights: &[f32], bias: Option<&[f32]>) {
        let [channels, filters] = self.channels;
        for Phase { taps, packed, .. } in &mut self.phases {
            let pitch = channels * packed.len();
            for (group, packed) in packed.iter_mut().enumerate() {
                let at = |tap: usize| taps[tap] * filters * pitch + group * channels;
                packed.fill_transposed(bias, weights, pitch, &at);
            }
        }
    }
}

impl Kernel for ConvTranspose {
    fn run(&mut self, inputs: Inputs<'_>, [out, ..]: Outputs<'_>) -> Result<()> {
        let (image, out) = (inputs.f32(0), out.into_f32());
        if !self.constant {
            self.pack(inputs.f32(1), self.epilogue.bias_index().map(|i| inputs.f32(i)));
        }
        let residual = self.epilogue.residual_index().map(|i| inputs.f32(i));
        let [channels, filters] = self.channels;
        for i in 0..self.images {
            for Phase { rows, left, out: out_rows, packed, .. } in &self.phases {
                for (group, weights) in packed.iter().enumerate() {
                    let start = i * self.output + group * filters;
                    let pointwise = out_rows.is_empty();
                    Product {
                        rows: *rows,
                        left: image.get(i * self.input + group * channels..).unwrap_or(&[]),
                        left_rows: if pointwise { Rows::Strided(channels * packed.len()) } else { Rows::Table(left) },
                        packed: weights,
                        out_rows: if pointwise { Rows::Strided(filters * packed.len()) } else { Rows::Table(out_rows) },
                        residual: residual.map(|r| r.get(start..).unwrap_or(&[])),
                        activation: self.activation,
                    }
                    .run(out.get_mut(start..).unwrap_or(&mut []));
                }
            }
        }
        Ok(())
    }

    fn weight_bytes(&self) -> usize {
        self.phases.iter().flat_map(|p| &p.packed).map(Packed::bytes).sum()
    }

    fn scratch_bytes(&self) -> usize {
        self.phases.iter().map(|p| 4 * (p.left.len() + p.out.len())).sum()
    }
}
