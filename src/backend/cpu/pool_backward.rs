//! Gradients of pooling windows: every window gives its gradient to the input pixels under it, vectors over channels.

use std::ops::Range;

use super::memory::Inputs;
use super::pool::inside;
use super::simd::{F32x4, LANES};
use super::{Kernel, Outputs, Spec};
use crate::error::Result;
use crate::ops::{AvgPool2dBackward, MaxPool2dBackward};
use crate::parallel::{Shared, parallel_for, share, threads};
use crate::shape::Window;

/// Gradients of fewer taps run on one thread.
const PARALLEL_FROM: usize = 100_000;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Max,
    Average { include_padding: bool },
}

struct PoolBackward {
    kind: Kind,
    images: usize,
    channels: usize,
    y: Window,
    x: Window,
    /// Where every tap of a window lies, from its first one, in floats.
    taps: Vec<usize>,
}

pub fn compile_max(op: &MaxPool2dBackward, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let [images, height, width, channels] = spec.dims(0)?;
    Ok(build(Kind::Max, images, channels, op.forward().windows([height, width])?))
}

pub fn compile_average(op: &AvgPool2dBackward, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let [images, _, _, channels] = spec.dims(0)?;
    let kind = Kind::Average { include_padding: op.include_padding };
    Ok(build(kind, images, channels, op.forward().windows(op.input)?))
}

fn build(kind: Kind, images: usize, channels: usize, [y, x]: [Window; 2]) -> Box<dyn Kernel> {
    let place = |ky: usize, kx: usize| (ky * y.dilation * x.input + kx * x.dilation) * channels;
    let taps = (0..y.kernel).flat_map(|ky| (0..x.kernel).map(move |kx| place(ky, kx))).collect();
    Box::new(PoolBackward { kind, images, channels, y, x, taps })
}

impl Kernel for PoolBackward {
    fn run(&mut self, inputs: Inputs<'_>, [out, ..]: Outputs<'_>) -> Result<()> {
        let (dy, out) = (inputs.f32(if self.kind == Kind::Max { 1 } else { 0 }), out.into_f32());
        let image = if self.kind == Kind::Max { inputs.f32(0) } else { &[] };
        let PoolBackward { images, channels, ref y, ref x, .. } = *self;
        let line = x.input * channels;
        // Rows of windows that do not overlap are written by different threads; else whole images are.
        let apart = (y.kernel - 1) * y.dilation < y.stride;
        let bands = if apart { y.output } else { 1 };
        let units = images * bands;
        let parts = if dy.len() * self.taps.len() < PARALLEL_FROM { 1 } else { units.min(4 * threads()) };
        let shared = Shared::new(out);
        parallel_for(parts, |part| {
            for unit in share(units, parts, part) {
                let (n, band) = (unit / bands, unit % bands);
                // The first input row of a band; before the first and after the last band come the image's ends.
                let start = |band: usize| match band {
                    0 => 0,
                    _ if band == bands => y.input,
                    _ => (band * y.stride).saturating_sub(y.before).min(y.input),
                };
                let (first, end) = (start(band), start(band + 1));
                let place = (n * y.input + first) * line;
                // SAFETY: units have input rows of their own, and their windows no others.
                let dx = unsafe { shared.get(place, (end - first) * line) };
                dx.fill(0.0);
                let rows = if apart { band..band + 1 } else { 0..y.output };
                let x_band = image.get(place..place + dx.len()).unwrap_or(&[]);
                for (oy, ox) in rows.flat_map(|oy| (0..x.output).map(move |ox| (oy, ox))) {
                    let row = (oy * y.stride) as isize - (y.before + first) as isize;
                    let column = (ox * x.stride) as isize - x.before as isize;
                    let window = Seen {
                        of: self,
                        kys: inside(y, oy),
                        kxs: inside(x, ox),
                        origin: (row * x.input as isize + column) * channels as isize,
                    };
                    let dy = &dy[((n * y.output + oy) * x.output + ox) * channels..][..channels];
                    match self.kind {
                        Kind::Max => window.max(x_band, dy, dx),
                        Kind::Average { include_padding } => {
                            let seen = window.kys.len() * window.kxs.len();
                            let count = if include_padding { self.taps.len() } else { seen };
                            window.average(1.0 / count as f32, dy, dx);
                        }
                    }
                }
            }
        });
        Ok(())
    }

    fn scratch_bytes(&self) -> usize {
        self.taps.len() * size_of::<usize>()
    }
}

/// The taps of a window that lie inside the image.
struct Seen<'a> {
    of: &'a PoolBackward,
    kys: Range<usize>,
    kxs: Range<usize>,
    /// Where the window's first tap lies in the band, in floats; perhaps before it.
    origin: isize,
}

impl Seen<'_> {
    /// Calls `body` with the number of every tap.
    #[inline(always)]
    fn each(&self, mut body: impl FnMut(usize)) {
        for ky in self.kys.clone() {
            for kx in self.kxs.clone() {
                body(ky * self.of.x.kernel + kx);
            }
        }
    }

    /// Where a tap lies in the band.
    #[inline(always)]
    fn place(&self, tap: usize) -> usize {
        self.origin.wrapping_add_unsigned(self.of.taps[tap]) as usize
    }

    /// Adds the gradient to the first maximum of each channel.
    fn max(&self, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        if self.kys.is_empty() || self.kxs.is_empty() {
            return;
        }
        let first = self.kys.start * self.of.x.kernel + self.kxs.start;
        let whole = dy.len() / LANES * LANES;
        for channel in (0..whole).step_by(LANES) {
            let load = |tap: usize| {
                let pixel = &x[self.place(tap) + channel..][..LANES];
                // SAFETY: four floats.
                unsafe { F32x4::load(pixel.as_ptr()) }
            };
            let (mut best, mut index) = (load(first), F32x4::splat(first as f32));
            self.each(|tap| {
                let value = load(tap);
                let larger = best.less(value);
                best = F32x4::select(larger, value, best);
                index = F32x4::select(larger, F32x4::splat(tap as f32), index);
            });
            for (lane, index) in index.to_array().into_iter().enumerate() {
                dx[self.place(index as usize) + channel + lane] += dy[channel + lane];
            }
        }
        for channel in whole..dy.len() {
            let mut best = first;
            self.each(|tap| {
                if x[self.place(tap) + channel] > x[self.place(best) + channel] {
                    best = tap;
                }
            });
            dx[self.place(best) + channel] += dy[channel];
        }
    }

    /// Adds `scale` times the gradient to all taps.
    fn average(&self, scale: f32, dy: &[f32], dx: &mut [f32]) {
        let whole = dy.len() / LANES * LANES;
        self.each(|tap| {
            let dx = &mut dx[self.place(tap)..][..dy.len()];
            for (dx, dy) in dx.chunks_exact_mut(LANES).zip(dy.chunks_exact(LANES)) {
                // SAFETY: chunks have four floats.
                unsafe {
                    let sum = F32x4::madd(F32x4::load(dy.as_ptr()), F32x4::splat(scale), F32x4::load(dx.as_ptr()));
                    sum.store(dx.as_mut_ptr());
                }
            }
            for i in whole..dy.len() {
                dx[i] += dy[i] * scale;
            }
        });
    }
}
