//! Gradients of depthwise convolutions. Vectors run over the filters: with a multiplier, over the products of every
//! filter by itself, and the filters of a channel are added up (or the channel is repeated for them) afterwards.

use super::conv_filter::seen;
use super::memory::{Buffer, Inputs};
use super::simd::{F32x4, LANES, unroll};
use super::{Kernel, Outputs, Spec};
use crate::error::Result;
use crate::ops::{
    Conv2dBackwardFilter, Conv2dBackwardInput, DepthwiseConv2dBackwardFilter, DepthwiseConv2dBackwardInput,
};
use crate::parallel::{Shared, parallel_for, share, threads};
use crate::shape::Window;

/// Gradients below this many multiply-accumulates run on one thread.
const PARALLEL_FROM: usize = 100_000;

fn parts(work: usize, rows: usize) -> usize {
    if work < PARALLEL_FROM || threads() == 1 { 1 } else { rows.clamp(1, 4 * threads()) }
}

/// For every input position of an axis, the taps that lie on it and the outputs whose taps they are.
struct Sources {
    /// Where the position's list starts, and after the last one where it ends.
    starts: Vec<u32>,
    /// Tap and output.
    list: Vec<[u32; 2]>,
}

impl Sources {
    fn new(w: &Window) -> Sources {
        let (mut starts, mut list) = (vec![0], Vec::new());
        for i in 0..w.input {
            for k in 0..w.kernel {
                let Some(spread) = (i + w.before).checked_sub(k * w.dilation) else { break };
                if spread % w.stride == 0 && spread / w.stride < w.output {
                    list.push([k as u32, (spread / w.stride) as u32]);
                }
            }
            starts.push(list.len() as u32);
        }
        Sources { starts, list }
    }

    fn of(&self, i: usize) -> &[[u32; 2]] {
        &self.list[self.starts[i] as usize..self.starts[i + 1] as usize]
    }
}

struct BackwardInput {
    images: usize,
    y: Window,
    x: Window,
    channels: usize,
    multiplier: usize,
    rows: Sources,
    columns: Sources,
    parts: usize,
    /// With a multiplier, a pixel's sums by filter for every part.
    sums: Buffer,
}

pub fn compile_input(op: &DepthwiseConv2dBackwardInput, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let [kh, kw, channels, multiplier] = spec.dims(1)?;
    build_input(op.windows([kh, kw])?, channels, multiplier, spec)
}

/// Of a grouped convolution with one input channel per group.
pub fn compile_grouped_input(op: &Conv2dBackwardInput, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let [kh, kw, _, filters] = spec.dims(1)?;
    build_input(op.windows([kh, kw])?, op.groups, filters / op.groups, spec)
}

fn build_input([y, x]: [Window; 2], channels: usize, multiplier: usize, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let [images, ..] = spec.dims::<4>(0)?;
    let work = images * y.output * x.output * channels * multiplier * y.kernel * x.kernel;
    let parts = parts(work, images * y.input);
    let sums = Buffer::floats(if multiplier == 1 { 0 } else { parts * channels * multiplier });
    let (rows, columns) = (Sources::new(&y), Sources::new(&x));
    Ok(Box::new(BackwardInput { images, y, x, channels, multiplier, rows, columns, parts, sums }))
}

impl Kernel for BackwardInput {
    fn run(&mut self, inputs: Inputs<'_>, [out, ..]: Outputs<'_>) -> Result<()> {
        let (dy, kernel, out) = (inputs.f32(0), inputs.f32(1), out.into_f32());
        let BackwardInput { images, y, x, channels, multiplier, rows, columns, parts, sums } = self;
        let filters = *channels * *multiplier;
        let (pitch, total) = (x.input * *channels, *images * y.input);
        let (out, sums) = (Shared::new(out), Shared::new(sums.f32_mut()));
        parallel_for(*parts, |part| {
            for row in share(total, *parts, part) {
                let (image, iy) = (row / y.input, row % y.input);
                for ix in 0..x.input {
                    // SAFETY: every row is written by one part, which has sums of its own.
                    let pixel = unsafe { out.get(row * pitch + ix * *channels, *channels) };
                    let product = Product {
                        dy,
                        kernel,
                        rows: rows.of(iy),
                        columns: columns.of(ix),
                        width: x.kernel,
                        pitch: x.output,
                        first: image * y.output,
                        filters,
                    };
                    if *multiplier == 1 {
                        product.run(pixel);
                        continue;
                    }
                    // SAFETY: as above.
                    let sums = unsafe { sums.get(part * filters, filters) };
                    product.run(sums);
                    for (out, sums) in pixel.iter_mut().zip(sums.chunks_exact(*multiplier)) {
                        *out = sums.iter().sum();
                    }
                }
            }
        });
        Ok(())
    }

    fn scratch_bytes(&self) -> usize {
        self.sums.bytes() + 8 * (self.rows.list.len() + self.columns.list.len())
    }
}

/// The taps on one pixel.
struct Product<'a> {
    dy: &'a [f32],
    kernel: &'a [f32],
    rows: &'a [[u32; 2]],
    columns: &'a [[u32; 2]],
    /// Taps in a row of the kernel.
    width: usize,
    /// Pixels in a row of the gradient.
    pitch: usize,
    /// The image's first row.
    first: usize,
    filters: usize,
}

impl Product<'_> {
    fn run(&self, out: &mut [f32]) {
        let mut at = 0;
        while at + 4 * LANES <= out.len() {
            self.vectors::<4>(at, out);
            at += 4 * LANES;
        }
        while at + LANES <= out.len() {
            self.vectors::<1>(at, out);
            at += LANES;
        }
        for at in at..out.len() {
            let mut sum = 0.0;
            self.each(|dy, weight| sum += self.dy[dy + at] * self.kernel[weight + at]);
            out[at] = sum;
        }
    }

    #[inline(always)]
    fn each(&self, mut tap: impl FnMut(usize, usize)) {
        for &[ky, oy] in self.rows {
            for &[kx, ox] in self.columns {
                let pixel = (self.first + oy as usize) * self.pitch + ox as usize;
                tap(pixel * self.filters, (ky as usize * self.width + kx as usize) * self.filters);
            }
        }
    }

    #[inline(always)]
    fn vectors<const V: usize>(&self, at: usize, out: &mut [f32]) {
        let zero = F32x4::zero();
        let mut sums = [zero, zero, zero, zero];
        self.each(|dy, weight| {
            // SAFETY: the tap is inside, and the vectors inside its filters.
            unsafe {
                let (dy, weight) = (self.dy.as_ptr().add(dy + at), self.kernel.as_ptr().add(weight + at));
                unroll! { j < V in [0 1 2 3] {
                    sums[j] = F32x4::madd(F32x4::load(dy.add(j * LANES)), F32x4::load(weight.add(j * LANES)), sums[j]);
                } }
            }
        });
        // SAFETY: inside the pixel.
        unroll! { j < V in [0 1 2 3] { unsafe { sums[j].store(out.as_mut_ptr().add(at + j * LANES)) } } }
    }
}

struct BackwardFilter {
    images: usize,
    y: Window,
    x: Window,
    channels: usize,
    multiplier: usize,
    parts: usize,
    /// For every part its sums and, with a multiplier, a row of the image with every channel repeated for its filters.
    scratch: Buffer,
}

pub fn compile_filter(op: &DepthwiseConv2dBackwardFilter, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let [_, height, width, channels] = spec.dims(0)?;
    let [_, _, _, filters] = spec.dims(1)?;
    build_filter(op.windows([height, width])?, channels, filters / channels.max(1), spec)
}

/// Of a grouped convolution with one input channel per group.
pub fn compile_grouped_filter(op: &Conv2dBackwardFilter, multiplier: usize, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let [_, height, width, channels] = spec.dims(0)?;
    build_filter(op.windows([height, width])?, channels, multiplier, spec)
}

fn build_filter([y, x]: [Window; 2], channels: usize, multiplier: usize, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let [images, ..] = spec.dims::<4>(0)?;
    let work = images * y.output * x.output * channels * multiplier * y.kernel * x.kernel;
    let parts = parts(work, images * y.output);
    let mut kernel = BackwardFilter { images, y, x, channels, multiplier, parts, scratch: Buffer::default() };
    kernel.scratch = Buffer::floats(parts * (kernel.sums() + kernel.repeated()));
    Ok(Box::new(kernel))
}

impl BackwardFilter {
    /// Floats of the result.
    fn sums(&self) -> usize {
        self.y.kernel * self.x.kernel * self.channels * self.multiplier
    }

    /// Floats of a repeated row.
    fn repeated(&self) -> usize {
        if self.multiplier == 1 { 0 } else { self.x.input * self.channels * self.multiplier }
    }
}

impl Kernel for BackwardFilter {
    fn run(&mut self, inputs: Inputs<'_>, [out, ..]: Outputs<'_>) -> Result<()> {
        let (image, dy, out) = (inputs.f32(0), inputs.f32(1), out.into_f32());
        let (size, repeated) = (self.sums(), self.repeated());
        let mut scratch = std::mem::take(&mut self.scratch);
        let BackwardFilter { images, ref y, ref x, channels, multiplier, parts, .. } = *self;
        let filters = channels * multiplier;
        let line = x.input * channels;
        let rows = images * y.output;
        let spaces = Shared::new(scratch.f32_mut());
        parallel_for(parts, |part| {
            // SAFETY: every part has a space of its own.
            let (sums, copy) = unsafe { spaces.get(part * (size + repeated), size + repeated) }.split_at_mut(size);
            sums.fill(0.0);
            for row in share(rows, parts, part) {
                let (n, oy) = (row / y.output, row % y.output);
                for ky in 0..y.kernel {
                    let Some(iy) = y.source(oy, ky) else { continue };
                    let mut source = &image[(n * y.input + iy) * line..][..line];
                    if multiplier > 1 {
                        for (copy, &x) in copy.chunks_exact_mut(multiplier).zip(source) {
                            copy.fill(x);
                        }
                        source = copy;
                    }
                    for kx in 0..x.kernel {
                        let columns = seen(x, kx);
                        if columns.is_empty() {
                            continue;
                        }
                        let first = columns.start * x.stride + kx * x.dilation - x.before;
                        let run = Run {
                            x: source[first * filters..].as_ptr(),
                            step: x.stride * filters,
                            dy: dy[(row * x.output + columns.start) * filters..].as_ptr(),
                            filters,
                            count: columns.len(),
                        };
                        // SAFETY: the tap is seen by all of these columns.
                        unsafe { run.add_to(&mut sums[(ky * x.kernel + kx) * filters..][..filters]) };
                    }
                }
            }
        });
        let mut results = scratch.f32().chunks((size + repeated).max(1)).take(parts);
        out.copy_from_slice(results.next().map_or(&[], |r| &r[..size]));
        for result in results {
            out.iter_mut().zip(result).for_each(|(sum, x)| *sum += x);
        }
        self.scratch = scratch;
        Ok(())
    }

    fn scratch_bytes(&self) -> usize {
        self.scratch.bytes()
    }
}

/// A row's pixels under one tap, with the gradients they meet.
struct Run {
    x: *const f32,
    step: usize,
    dy: *const f32,
    filters: usize,
    count: usize,
}

impl Run {
    /// Adds the products to the tap's sums.
    ///
    /// # Safety
    /// All pixels must lie in their operands.
    unsafe fn add_to(&self, sums: &mut [f32]) {
        // SAFETY: the caller's promise; the vectors lie inside the filters.
        unsafe {
            let mut at = 0;
            while at + 4 * LANES <= sums.len() {
                self.vectors::<4>(at, sums);
                at += 4 * LANES;
            }
            while at + LANES <= sums.len() {
                self.vectors::<1>(at, sums);
                at += LANES;
            }
            for at in at..sums.len() {
                for i in 0..self.count {
                    sums[at] += *self.x.add(i * self.step + at) * *self.dy.add(i * self.filters + at);
                }
            }
        }
    }

    /// # Safety
    /// As [`Run::add_to`].
    #[inline(always)]
    unsafe fn vectors<const V: usize>(&self, at: usize, sums: &mut [f32]) {
        // SAFETY: the caller's promise.
        unsafe {
            let target = sums.as_mut_ptr().add(at);
            let zero = F32x4::zero();
            let mut sums = [zero, zero, zero, zero];
            unroll! { j < V in [0 1 2 3] { sums[j] = F32x4::load(target.add(j * LANES)) } }
            let (mut x, mut dy) = (self.x.add(at), self.dy.add(at));
            for _ in 0..self.count {
                unroll! { j < V in [0 1 2 3] {
                    sums[j] = F32x4::madd(F32x4::load(x.add(j * LANES)), F32x4::load(dy.add(j * LANES)), sums[j]);
                } }
                (x, dy) = (x.wrapping_add(self.step), dy.wrapping_add(self.filters));
            }
            unroll! { j < V in [0 1 2 3] { sums[j].store(target.add(j * LANES)) } }
        }
    }
}
