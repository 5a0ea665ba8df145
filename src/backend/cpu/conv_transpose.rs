//! Transposed convolution as sub-pixel phases: outputs whose position leaves the same remainder by the stride use the
//! same taps, so each phase is one indirect product. No zeros are ever inserted.

use super::epilogue::Activation;
use super::gemm::{PADDING, Packed, Product, Rows, table};
use super::memory::Inputs;
use super::{Kernel, Outputs, Spec};
use crate::error::Result;
use crate::ops::{ConvTranspose2d, Epilogue};
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
    packed: Packed,
}

struct ConvTranspose {
    images: usize,
    input: usize,
    output: usize,
    channels: [usize; 2],
    phases: Vec<Phase>,
    constant: bool,
    epilogue: Epilogue,
    activation: Activation,
}

pub fn compile(op: &ConvTranspose2d, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let [images, height, width, channels] = spec.dims(0)?;
    let [kh, kw, filters, _] = spec.dims(1)?;
    let [wy, wx] = op.windows([height, width], [kh, kw])?;
    let mut phases = Vec::new();
    for y in Axis::phases(wy) {
        for x in Axis::phases(wx) {
            let rows = y.outputs() * x.outputs();
            let taps: Vec<_> = y.taps.iter().flat_map(|ky| x.taps.iter().map(move |kx| ky * kw + kx)).collect();
            let left = table(rows, taps.len(), |row, tap| {
                let iy = y.source(row / x.outputs(), tap / x.taps.len());
                let ix = x.source(row % x.outputs(), tap % x.taps.len());
                iy.zip(ix).map_or(PADDING, |(iy, ix)| ((iy * width + ix) * channels) as u32)
            });
            let pixel = |row| y.output(row / x.outputs()) * wx.output + x.output(row % x.outputs());
            let out = (0..rows).map(|row| (pixel(row) * filters) as u32).collect();
            let packed = Packed::new(taps.len(), channels, filters);
            phases.push(Phase { rows, left, out, taps, packed });
        }
    }
    let mut kernel = ConvTranspose {
        images,
        input: height * width * channels,
        output: wy.output * wx.output * filters,
        channels: [channels, filters],
        phases,
        constant: false,
        epilogue: op.epilogue.clone(),
        activation: op.epilogue.activation.into(),
    };
    let bias = op.epilogue.bias_index();
    if let Some(weights) = spec.constant(1)
        && bias.is_none_or(|i| spec.constant(i).is_some())
    {
        kernel.pack(weights, bias.and_then(|i| spec.constant(i)));
        kernel.constant = true;
    }
    Ok(Box::new(kernel))
}

impl ConvTranspose {
    fn pack(&mut self, weights: &[f32], bias: Option<&[f32]>) {
        let [channels, filters] = self.channels;
        for Phase { taps, packed, .. } in &mut self.phases {
            packed.fill(bias, |tap, k, column| weights[(taps[tap] * filters + column) * channels + k]);
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
        for i in 0..self.images {
            for Phase { rows, left, out: out_rows, packed, .. } in &self.phases {
                Product {
                    rows: *rows,
                    left: &image[i * self.input..],
                    left_rows: Rows::Table(left),
                    packed,
                    out_rows: Rows::Table(out_rows),
                    residual: residual.map(|r| &r[i * self.output..]),
                    activation: self.activation,
                }
                .run(&mut out[i * self.output..]);
            }
        }
        Ok(())
    }

    fn weight_bytes(&self) -> usize {
        self.phases.iter().map(|p| p.packed.bytes()).sum()
    }

    fn scratch_bytes(&self) -> usize {
        self.phases.iter().map(|p| 4 * (p.left.len() + p.out.len())).sum()
    }
}
