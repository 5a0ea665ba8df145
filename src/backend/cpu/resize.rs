//! Nearest and bilinear resizing; the taps of each axis are computed when the kernel is compiled. (`taps.rs` has the
//! other modes.)

use super::memory::Inputs;
use super::simd::{F32x4, LANES};
use super::{Kernel, Outputs, Spec};
use crate::error::Result;
use crate::ops::{self, ResizeMode};
use crate::parallel::{Shared, parallel_for, share, threads};

/// Where an output pixel of one axis reads: `(1 - t) * x[low] + t * x[high]`.
#[derive(Clone, Copy)]
struct Tap {
    low: usize,
    high: usize,
    t: f32,
}

struct Resize {
    images: usize,
    input: [usize; 2],
    channels: usize,
    rows: Vec<Tap>,
    columns: Vec<Tap>,
    bilinear: bool,
}

pub fn compile(op: &ops::Resize, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let bilinear = match op.mode {
        ResizeMode::Nearest(_) => false,
        ResizeMode::Bilinear => true,
        ResizeMode::Area | ResizeMode::Sampled(_) => return super::taps::compile(op, spec),
    };
    let [images, height, width, channels] = spec.dims(0)?;
    let [_, out_height, out_width, _]: [usize; 4] = spec.outputs[0].shape.dims("[batch, height, width, channels]")?;
    let pairs = |axis: usize, input: usize, output: usize| -> Vec<Tap> {
        let taps = op.taps(axis, input, output);
        let pair = |o: usize| match taps.row(o) {
            (low, [_, t]) if *t < 1.0 => Tap { low, high: low + 1, t: *t },
            // On a pixel, which may be the last.
            (low, weights) => Tap { low: low + weights.len() - 1, high: low + weights.len() - 1, t: 0.0 },
        };
        (0..output).map(pair).collect()
    };
    let (rows, columns) = (pairs(0, height, out_height), pairs(1, width, out_width));
    Ok(Box::new(Resize { images, input: [height, width], channels, rows, columns, bilinear }))
}

impl Kernel for Resize {
    fn run(&mut self, inputs: Inputs<'_>, [out, ..]: Outputs<'_>) -> Result<()> {
        let (image, out) = (inputs.f32(0), out.into_f32());
        let Resize { images, input: [height, width], channels, rows, columns, bilinear } = self;
        let (line, pitch) = (*width * *channels, columns.len() * *channels);
        let total = *images * rows.len();
        let parts = if out.len() < 1 << 15 { 1 } else { total.min(4 * threads()) };
        let shared = Shared::new(out);
        parallel_for(parts, |part| {
            for row in share(total, parts, part) {
                // SAFETY: every row is written by one task.
                let out = unsafe { shared.get(row * pitch, pitch) };
                let tap = rows[row % rows.len()];
                let image = &image[row / rows.len() * *height * line..];
                let (top, bottom) = (&image[tap.low * line..][..line], &image[tap.high * line..][..line]);
                for (column, out) in columns.iter().zip(out.chunks_exact_mut((*channels).max(1))) {
                    let at = |row: &'_ [f32], x: usize| -> *const f32 { row[x * *channels..][..*channels].as_ptr() };
                    if *bilinear {
                        let corners = [
                            at(top, column.low),
                            at(top, column.high),
                            at(bottom, column.low),
                            at(bottom, column.high),
                        ];
                        // SAFETY: the four pixels have as many channels as the output.
                        unsafe { blend(corners, column.t, tap.t, out) };
                    } else {
                        out.copy_from_slice(&top[column.low * *channels..][..*channels]);
                    }
                }
            }
        });
        Ok(())
    }

    fn scratch_bytes(&self) -> usize {
        std::mem::size_of::<Tap>() * (self.rows.len() + self.columns.len())
    }
}

/// Blends four pixels: horizontally by `tx`, then vertically by `ty`.
///
/// # Safety
/// Each must have as many floats as `out`.
#[inline(always)]
unsafe fn blend([a, b, c, d]: [*const f32; 4], tx: f32, ty: f32, out: &mut [f32]) {
    let whole = out.len() / LANES * LANES;
    // SAFETY: by the caller's promise.
    unsafe {
        let (vx, vy) = (F32x4::splat(tx), F32x4::splat(ty));
        let mix = |low: F32x4, high: F32x4, t| F32x4::madd(high.sub(low), t, low);
        for i in (0..whole).step_by(LANES) {
            let load = |p: *const f32| F32x4::load(p.add(i));
            let top = mix(load(a), load(b), vx);
            let bottom = mix(load(c), load(d), vx);
            mix(top, bottom, vy).store(out.as_mut_ptr().add(i));
        }
        let mix = |low: f32, high: f32, t: f32| (high - low) * t + low;
        for i in whole..out.len() {
            let load = |p: *const f32| *p.add(i);
            out[i] = mix(mix(load(a), load(b), tx), mix(load(c), load(d), tx), ty);
        }
    }
}
