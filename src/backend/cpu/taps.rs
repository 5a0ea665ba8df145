//! Resizing by weighted sums, and the gradient of every resize: for every output row, the input rows under it are summed into one row, whole vectors at a
//! time whatever the channels; then every output pixel is a sum of that row's pixels.

use super::memory::{Buffer, Inputs};
use super::simd::{F32x4, LANES};
use super::{Kernel, Outputs, Spec};
use crate::error::Result;
use crate::ops::{self, Taps};
use crate::parallel::{Shared, parallel_for, share, threads};

/// Resizes with fewer multiply-accumulates run on one thread.
const PARALLEL_FROM: usize = 200_000;

struct Sampled {
    images: usize,
    channels: usize,
    rows: Taps,
    columns: Taps,
    parts: usize,
    /// A summed row for every part, each padded so that its last pixel can be read as a vector.
    sums: Buffer,
}

pub fn compile(op: &ops::Resize, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let [images, height, width, channels] = spec.dims(0)?;
    let [_, out_height, out_width, _]: [usize; 4] = spec.outputs[0].shape.dims("[batch, height, width, channels]")?;
    Ok(sampled(images, channels, op.taps(0, height, out_height), op.taps(1, width, out_width)))
}

/// The gradient: the same sums, with the tables transposed.
pub fn compile_backward(op: &ops::ResizeBackward, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let [images, height, width, channels] = spec.dims(0)?;
    Ok(sampled(images, channels, op.taps(0, height), op.taps(1, width)))
}

fn sampled(images: usize, channels: usize, rows: Taps, columns: Taps) -> Box<dyn Kernel> {
    let line = columns.input * channels;
    let work = images * rows.output() * (rows.width * line + columns.width * columns.output() * channels);
    let parts = if work < PARALLEL_FROM { 1 } else { (images * rows.output()).min(4 * threads()) };
    let sums = Buffer::floats(parts * padded(line));
    Box::new(Sampled { images, channels, rows, columns, parts, sums })
}

/// Floats kept for a row of this many.
fn padded(line: usize) -> usize {
    line + LANES
}

impl Kernel for Sampled {
    fn run(&mut self, inputs: Inputs<'_>, [out, ..]: Outputs<'_>) -> Result<()> {
        let (image, out) = (inputs.f32(0), out.into_f32());
        let Sampled { images, channels, rows, columns, parts, sums } = self;
        let (line, pitch) = (columns.input * *channels, columns.output() * *channels);
        if out.is_empty() {
            return Ok(());
        }
        let total = *images * rows.output();
        let (out, sums) = (Shared::new(out), Shared::new(sums.f32_mut()));
        parallel_for(*parts, |part| {
            // SAFETY: every part has a row of its own.
            let sum = unsafe { sums.get(part * padded(line), padded(line)) };
            for row in share(total, *parts, part) {
                let (first, weights) = rows.row(row % rows.output());
                let top = (row / rows.output() * rows.input + first) * line;
                add_rows(&image[top..][..weights.len() * line], weights, &mut sum[..line]);
                // SAFETY: every row is written by one task.
                let out = unsafe { out.get(row * pitch, pitch) };
                for (ox, out) in out.chunks_exact_mut(*channels).enumerate() {
                    let (first, weights) = columns.row(ox);
                    add_pixels(&sum[first * *channels..], weights, out);
                }
            }
        });
        Ok(())
    }

    fn scratch_bytes(&self) -> usize {
        let table = |taps: &Taps| 4 * (taps.starts.len() + taps.weights.len());
        self.sums.bytes() + table(&self.rows) + table(&self.columns)
    }
}

/// The weighted sum of as many rows as there are weights.
fn add_rows(rows: &[f32], weights: &[f32], sum: &mut [f32]) {
    let line = sum.len();
    let mut at = 0;
    while at + 2 * LANES <= line {
        // SAFETY: two vectors from `at` lie in every row.
        unsafe { vectors::<2>(rows.as_ptr().add(at), line, weights, sum.as_mut_ptr().add(at)) };
        at += 2 * LANES;
    }
    while at + LANES <= line {
        // SAFETY: a vector from `at` lies in every row.
        unsafe { vectors::<1>(rows.as_ptr().add(at), line, weights, sum.as_mut_ptr().add(at)) };
        at += LANES;
    }
    for at in at..line {
        sum[at] = weights.iter().enumerate().map(|(k, weight)| weight * rows[k * line + at]).sum();
    }
}

/// The weighted sum of as many pixels as there are weights; a vector must be readable behind the last one.
fn add_pixels(pixels: &[f32], weights: &[f32], out: &mut [f32]) {
    let channels = out.len();
    assert!(pixels.len() >= padded(weights.len() * channels));
    let mut at = 0;
    while at + 2 * LANES <= channels {
        // SAFETY: two vectors from `at` lie in every pixel.
        unsafe { vectors::<2>(pixels.as_ptr().add(at), channels, weights, out.as_mut_ptr().add(at)) };
        at += 2 * LANES;
    }
    while at + LANES <= channels {
        // SAFETY: a vector from `at` lies in every pixel.
        unsafe { vectors::<1>(pixels.as_ptr().add(at), channels, weights, out.as_mut_ptr().add(at)) };
        at += LANES;
    }
    if at < channels {
        let mut rest = [0.0; LANES];
        // SAFETY: what is read behind the last pixel is the padding, as just checked.
        unsafe { vectors::<1>(pixels.as_ptr().add(at), channels, weights, rest.as_mut_ptr()) };
        out[at..].copy_from_slice(&rest[..channels - at]);
    }
}

/// `out = sum of weights[k] * x[k * step]`, `V` vectors wide.
///
/// # Safety
/// All of these vectors must be readable, and `out` writable.
#[inline(always)]
unsafe fn vectors<const V: usize>(x: *const f32, step: usize, weights: &[f32], out: *mut f32) {
    // SAFETY: by the caller's promise.
    unsafe {
        let mut sums = [F32x4::zero(); V];
        for (k, &weight) in weights.iter().enumerate() {
            let weight = F32x4::splat(weight);
            for j in 0..V {
                sums[j] = F32x4::madd(F32x4::load(x.add(k * step + j * LANES)), weight, sums[j]);
            }
        }
        for j in 0..V {
            sums[j].store(out.add(j * LANES));
        }
    }
}
