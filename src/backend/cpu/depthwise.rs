//! Depthwise convolution: vectors run over channels, a tile of columns shares its weights and its overlapping pixels.

use std::ops::Range;

use super::epilogue::Activation;
use super::memory::{Buffer, Inputs};
use super::pool::inside;
use super::simd::{F32x4, LANES, unroll};
use super::{Kernel, Outputs, Spec};
use crate::error::Result;
use crate::ops::{Conv2d, DepthwiseConv2d, Epilogue};
use crate::parallel::{Shared, parallel_for, share, threads};
use crate::shape::Window;

/// Output columns of a tile.
const COLUMNS: usize = 4;
/// Convolutions below this many multiply-accumulates run on one thread.
const PARALLEL_FROM: usize = 100_000;

struct Depthwise {
    images: usize,
    y: Window,
    x: Window,
    channels: usize,
    multiplier: usize,
    /// `[block of 4 output channels][bias][taps]`, each 4 wide.
    packed: Buffer,
    constant: bool,
    epilogue: Epilogue,
    activation: Activation,
}

pub fn compile(op: &DepthwiseConv2d, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let [_, height, width, _] = spec.dims(0)?;
    let [kh, kw, _, multiplier] = spec.dims(1)?;
    let [y, x] = op.windows([height, width], [kh, kw])?;
    build([y, x], multiplier, &op.epilogue, spec)
}

/// A grouped convolution with one input channel per group.
pub fn compile_grouped(op: &Conv2d, multiplier: usize, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let [_, height, width, _] = spec.dims(0)?;
    let [kh, kw, ..]: [usize; 4] = spec.dims(1)?;
    build(op.windows([height, width], [kh, kw])?, multiplier, &op.epilogue, spec)
}

fn build([y, x]: [Window; 2], multiplier: usize, epilogue: &Epilogue, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let [images, _, _, channels] = spec.dims(0)?;
    let blocks = (channels * multiplier).div_ceil(LANES);
    let mut kernel = Depthwise {
        images,
        y,
        x,
        channels,
        multiplier,
        packed: Buffer::floats(blocks * LANES * (1 + y.kernel * x.kernel)),
        constant: false,
        epilogue: epilogue.clone(),
        activation: epilogue.activation.into(),
    };
    let bias = epilogue.bias_index();
    if let Some(weights) = spec.constant(1)
        && bias.is_none_or(|i| spec.constant(i).is_some())
    {
        kernel.pack(weights, bias.and_then(|i| spec.constant(i)));
        kernel.constant = true;
    }
    Ok(Box::new(kernel))
}

impl Depthwise {
    fn pack(&mut self, weights: &[f32], bias: Option<&[f32]>) {
        let (filters, taps) = (self.channels * self.multiplier, self.y.kernel * self.x.kernel);
        let mut cells = self.packed.f32_mut().iter_mut();
        for block in 0..filters.div_ceil(LANES) {
            let mut row = |value: &dyn Fn(usize) -> f32| {
                for channel in block * LANES..(block + 1) * LANES {
                    *cells.next().expect("sized for all") = if channel < filters { value(channel) } else { 0.0 };
                }
            };
            row(&|channel| bias.map_or(0.0, |b| b[channel]));
            (0..taps).for_each(|tap| row(&|channel| weights[tap * filters + channel]));
        }
    }
}

impl Kernel for Depthwise {
    fn run(&mut self, inputs: Inputs<'_>, [out, ..]: Outputs<'_>) -> Result<()> {
        let (image, out) = (inputs.f32(0), out.into_f32());
        if !self.constant {
            self.pack(inputs.f32(1), self.epilogue.bias_index().map(|i| inputs.f32(i)));
        }
        let residual = self.epilogue.residual_index().map(|i| inputs.f32(i));
        let filters = self.channels * self.multiplier;
        let pitch = self.x.output * filters;
        let rows = self.images * self.y.output;
        let work = rows * pitch * self.y.kernel * self.x.kernel;
        let parts = if work < PARALLEL_FROM { 1 } else { rows.min(4 * threads()) };
        let shared = Shared::new(out);
        parallel_for(parts, |part| {
            for row in share(rows, parts, part) {
                // SAFETY: every row is written by one task.
                let out = unsafe { shared.get(row * pitch, pitch) };
                let residual = residual.map(|r| &r[row * pitch..][..pitch]);
                let (i, oy) = (row / self.y.output, row % self.y.output);
                let size = self.y.input * self.x.input * self.channels;
                let line = Line { of: self, image: &image[i * size..][..size], oy, out, residual };
                if self.multiplier == 1 { line.run() } else { line.run_multiplied() }
            }
        });
        let activation = self.activation;
        if let Activation::Other(_) = activation {
            activation.finish(out);
        }
        Ok(())
    }

    fn weight_bytes(&self) -> usize {
        self.packed.bytes()
    }
}

/// One row of output.
struct Line<'a> {
    of: &'a Depthwise,
    image: &'a [f32],
    oy: usize,
    out: &'a mut [f32],
    residual: Option<&'a [f32]>,
}

impl Line<'_> {
    fn run(mut self) {
        let (y, x) = (&self.of.y, &self.of.x);
        let kys = inside(y, self.oy);
        // Columns whose every tap is inside.
        let first = x.before.div_ceil(x.stride).min(x.output);
        let extent = (x.kernel - 1) * x.dilation;
        let end = match (x.input + x.before).checked_sub(extent + 1) {
            Some(last) => (last / x.stride + 1).clamp(first, x.output),
            None => first,
        };
        let tile = match (x.kernel, x.stride, x.dilation) {
            (3, 1, 1) => Line::tile::<COLUMNS, 3, 1>,
            (3, 2, 1) => Line::tile::<COLUMNS, 3, 2>,
            (5, 1, 1) => Line::tile::<COLUMNS, 5, 1>,
            (5, 2, 1) => Line::tile::<COLUMNS, 5, 2>,
            _ => Line::tile::<COLUMNS, 0, 0>,
        };
        let mut ox = 0;
        while ox < x.output {
            // SAFETY: `inside` and the interior's bounds keep every read within the image, and `ox` every write
            // within the row.
            unsafe {
                if ox >= first && ox + COLUMNS <= end {
                    tile(&mut self, kys.clone(), ox, 0..x.kernel);
                    ox += COLUMNS;
                } else {
                    self.tile::<1, 0, 0>(kys.clone(), ox, inside(x, ox));
                    ox += 1;
                }
            }
        }
    }

    /// `N` output columns from `ox`, all channels. `K` and `S` are the horizontal kernel size and stride where the
    /// dilation is 1: the compiler then loads each pixel once; 0 stands for any.
    ///
    /// # Safety
    /// The taps must lie inside the image and the columns inside the row.
    #[inline(never)]
    unsafe fn tile<const N: usize, const K: usize, const S: usize>(
        &mut self,
        kys: Range<usize>,
        ox: usize,
        kxs: Range<usize>,
    ) {
        let Depthwise { y, x, channels, packed, activation, .. } = self.of;
        let (taps, channels) = (y.kernel * x.kernel, *channels);
        let line = x.input * channels;
        let (stride, dilation) = if K > 0 { (S, 1) } else { (x.stride, x.dilation) };
        let start = ((self.oy * y.stride) as isize - y.before as isize) * line as isize
            + ((ox * x.stride) as isize - x.before as isize) * channels as isize;
        let down = y.dilation * line;
        let out = ox * channels;
        for block in 0..channels / LANES {
            // SAFETY: by the caller's promise.
            unsafe {
                let weights = packed.f32().as_ptr().add(block * LANES * (1 + taps));
                let corner = self.image.as_ptr().wrapping_offset(start).wrapping_add(block * LANES);
                let bias = F32x4::load(weights);
                // Indices written out: the binaries are built for size, and an array with a running index is memory.
                let mut sums = [bias, bias, bias, bias];
                for ky in kys.clone() {
                    let row = corner.wrapping_add(ky * down);
                    let weights = weights.add((1 + ky * x.kernel) * LANES);
                    macro_rules! accumulate {
                        ($kx:expr) => {{
                            let weight = F32x4::load(weights.add($kx * LANES));
                            unroll! { i < N in [0 1 2 3] {
                                let pixel = F32x4::load(row.wrapping_add((i * stride + $kx * dilation) * channels));
                                sums[i] = F32x4::madd(pixel, weight, sums[i]);
                            } }
                        }};
                    }
                    if K > 0 {
                        unroll! { kx < K in [0 1 2 3 4] { accumulate!(kx) } }
                    } else {
                        for kx in kxs.clone() {
                            accumulate!(kx);
                        }
                    }
                }
                let at = out + block * LANES;
                if let Some(residual) = self.residual {
                    let residual = residual.as_ptr().add(at);
                    unroll! { i < N in [0 1 2 3] {
                        sums[i] = sums[i].add(F32x4::load(residual.add(i * channels)));
                    } }
                }
                let out = self.out.as_mut_ptr().add(at);
                unroll! { i < N in [0 1 2 3] {
                    activation.apply_one(sums[i]).store(out.add(i * channels));
                } }
            }
        }
        for channel in channels / LANES * LANES..channels {
            for i in 0..N {
                self.scalar(kys.clone(), ox + i, kxs.clone(), channel, channel);
            }
        }
    }

    /// One output: the last channels that fill no vector, and multiplied channels.
    fn scalar(&mut self, kys: Range<usize>, ox: usize, kxs: Range<usize>, channel: usize, filter: usize) {
        let Depthwise { y, x, channels, multiplier, packed, activation, .. } = self.of;
        let taps = y.kernel * x.kernel;
        let weights = &packed.f32()[filter / LANES * LANES * (1 + taps) + filter % LANES..];
        let mut sum = weights[0];
        for ky in kys {
            let row = (self.oy * y.stride + ky * y.dilation - y.before) * x.input;
            for kx in kxs.clone() {
                let pixel = row + ox * x.stride + kx * x.dilation - x.before;
                sum += self.image[pixel * channels + channel] * weights[(1 + ky * x.kernel + kx) * LANES];
            }
        }
        let at = ox * channels * multiplier + filter;
        let mut sums = [[F32x4::splat(sum + self.residual.map_or(0.0, |r| r[at]))]];
        activation.apply(&mut sums);
        self.out[at] = sums[0][0].to_array()[0];
    }

    fn run_multiplied(mut self) {
        let kys = inside(&self.of.y, self.oy);
        for ox in 0..self.of.x.output {
            let kxs = inside(&self.of.x, ox);
            for filter in 0..self.of.channels * self.of.multiplier {
                self.scalar(kys.clone(), ox, kxs.clone(), filter / self.of.multiplier, filter);
            }
        }
    }
}
