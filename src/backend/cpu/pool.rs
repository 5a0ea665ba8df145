//! Maximum and average pooling: vectors run over channels, one output pixel after the other.

use std::ops::Range;

use super::memory::Inputs;
use super::simd::{F32x4, LANES};
use super::{Kernel, Outputs, Spec};
use crate::error::Result;
use crate::ops::{Pool2d, PoolKind};
use crate::parallel::{Shared, parallel_for, share, threads};
use crate::shape::Window;

/// Poolings with fewer reads run on one thread.
const PARALLEL_FROM: usize = 200_000;

struct Pool {
    kind: PoolKind,
    images: usize,
    channels: usize,
    y: Window,
    x: Window,
}

pub fn compile(op: &Pool2d, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let [images, height, width, channels] = spec.dims(0)?;
    let [y, x] = op.windows([height, width])?;
    Ok(Box::new(Pool { kind: op.kind, images, channels, y, x }))
}

/// Taps of output `o` that lie inside the image.
pub fn inside(w: &Window, o: usize) -> Range<usize> {
    let start = o * w.stride;
    let first = w.before.saturating_sub(start).div_ceil(w.dilation).min(w.kernel);
    let end = (w.input + w.before).saturating_sub(start).div_ceil(w.dilation).min(w.kernel);
    first..end.max(first)
}

impl Kernel for Pool {
    fn run(&mut self, inputs: Inputs<'_>, [out, ..]: Outputs<'_>) -> Result<()> {
        let (image, out) = (inputs.f32(0), out.into_f32());
        let Pool { kind, channels, ref y, ref x, .. } = *self;
        let (size, pitch) = (y.input * x.input * channels, x.output * channels);
        let rows = self.images * y.output;
        let parts = if out.len() * y.kernel * x.kernel < PARALLEL_FROM { 1 } else { rows.min(4 * threads()) };
        let shared = Shared::new(out);
        parallel_for(parts, |part| {
            for row in share(rows, parts, part) {
                // SAFETY: every row is written by one task.
                let out = unsafe { shared.get(row * pitch, pitch) };
                let (i, oy) = (row / y.output, row % y.output);
                let image = &image[i * size..][..size];
                let kys = inside(y, oy);
                for ox in 0..x.output {
                    let taps = Taps { image, channels, y, x, oy, ox, kys: kys.clone(), kxs: inside(x, ox) };
                    let out = &mut out[ox * channels..][..channels];
                    match kind {
                        PoolKind::Max => taps.combine(out, f32::NEG_INFINITY, 1.0, F32x4::max),
                        PoolKind::Average { include_padding } => {
                            let count = taps.kys.len() * taps.kxs.len();
                            let count = if include_padding { y.kernel * x.kernel } else { count };
                            taps.combine(out, 0.0, 1.0 / count as f32, F32x4::add);
                        }
                    }
                }
            }
        });
        Ok(())
    }
}

/// The taps under one output pixel.
struct Taps<'a> {
    image: &'a [f32],
    channels: usize,
    y: &'a Window,
    x: &'a Window,
    oy: usize,
    ox: usize,
    kys: Range<usize>,
    kxs: Range<usize>,
}

impl Taps<'_> {
    /// `scale` times all taps combined, starting from `first`.
    #[inline(always)]
    fn combine(&self, out: &mut [f32], first: f32, scale: f32, f: impl Fn(F32x4, F32x4) -> F32x4) {
        let mut channel = 0;
        while channel + 2 * LANES <= self.channels {
            self.vectors::<2>(channel, out, first, scale, &f);
            channel += 2 * LANES;
        }
        while channel + LANES <= self.channels {
            self.vectors::<1>(channel, out, first, scale, &f);
            channel += LANES;
        }
        for channel in channel..self.channels {
            let mut sum = F32x4::splat(first);
            self.each(|pixel| sum = f(sum, F32x4::splat(self.image[pixel + channel])));
            out[channel] = sum.to_array()[0] * scale;
        }
    }

    #[inline(always)]
    fn each(&self, mut tap: impl FnMut(usize)) {
        for ky in self.kys.clone() {
            let row = (self.oy * self.y.stride + ky * self.y.dilation - self.y.before) * self.x.input;
            for kx in self.kxs.clone() {
                tap((row + self.ox * self.x.stride + kx * self.x.dilation - self.x.before) * self.channels);
            }
        }
    }

    #[inline(always)]
    fn vectors<const V: usize>(
        &self,
        channel: usize,
        out: &mut [f32],
        first: f32,
        scale: f32,
        f: &impl Fn(F32x4, F32x4) -> F32x4,
    ) {
        let mut sums = [F32x4::splat(first); V];
        let image = self.image.as_ptr();
        self.each(|pixel| {
            for j in 0..V {
                // SAFETY: the tap is inside the image and the vector inside its channels.
                sums[j] = f(sums[j], unsafe { F32x4::load(image.add(pixel + channel + j * LANES)) });
            }
        });
        for j in 0..V {
            // SAFETY: inside the pixel's channels.
            unsafe { sums[j].mul(F32x4::splat(scale)).store(out.as_mut_ptr().add(channel + j * LANES)) };
        }
    }
}
