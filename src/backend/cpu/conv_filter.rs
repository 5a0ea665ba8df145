//! Gradient of a convolution by its kernel, as a sum of outer products: for every tap, the image under it, moved by the
//! tap, times the gradient of the output.

use std::ops::Range;

use super::memory::Inputs;
use super::outer::{Border, Grid, Outer, Tap};
use super::{Kernel, Outputs, Spec, depthwise_backward};
use crate::error::Result;
use crate::ops::Conv2dBackwardFilter;
use crate::shape::Window;

/// Below this many channels the rows of a tile are of several taps: tiles of one tap's would be too low.
const FUSE_BELOW: usize = 12;

struct ConvFilter(Outer);

pub fn compile(op: &Conv2dBackwardFilter, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let [images, height, width, channels] = spec.dims(0)?;
    let [_, _, _, filters] = spec.dims(1)?;
    let depth = channels / op.groups;
    if depth == 1 && op.groups > 1 {
        // HWIO with one input channel per group is depthwise' layout already.
        return depthwise_backward::compile_grouped_filter(op, filters / channels, spec);
    }
    let [y, x] = op.windows([height, width])?;
    let border = Border { y, x, channels };
    // Borders that dwarf the image are better left virtual; more so where each pixel's taps are copied again.
    let small = (y.before + y.after) * border.pitch() + (x.before + x.after) * y.input * channels
        <= 4 * height * width * channels + (1 << 12);
    let fused = depth < FUSE_BELOW && op.groups == 1 && y.kernel * x.kernel > 1 && small;
    let line = width * channels;
    let steps = [height * line, y.stride * line, x.stride * channels];
    let grid = Grid { counts: [images, y.output, x.output], steps };
    let taps = if fused {
        let pitch = border.pitch();
        let place = |ky: usize, kx: usize| ky * y.dilation * pitch + kx * x.dilation * channels;
        let places = (0..y.kernel).flat_map(|ky| (0..x.kernel).map(move |kx| place(ky, kx)));
        let rows = places.flat_map(|at| at..at + depth).collect();
        vec![Tap { inside: [0..y.output, 0..x.output], offset: 0, rows }]
    } else {
        let tap = |ky: usize, kx: usize| Tap {
            inside: [seen(&y, ky), seen(&x, kx)],
            offset: shift(&y, ky) * line as isize + shift(&x, kx) * channels as isize,
            rows: (0..depth).collect(),
        };
        (0..y.kernel).flat_map(|ky| (0..x.kernel).map(move |kx| tap(ky, kx))).collect()
    };
    let per_group = filters / op.groups;
    Ok(Box::new(ConvFilter(Outer::new(grid, taps, fused.then_some(border), op.groups, depth, per_group))))
}

/// Where tap `k` of output 0 lies.
fn shift(w: &Window, k: usize) -> isize {
    (k * w.dilation) as isize - w.before as isize
}

/// The outputs whose tap `k` lies inside the input.
pub fn seen(w: &Window, k: usize) -> Range<usize> {
    let tap = k * w.dilation;
    let first = w.before.saturating_sub(tap).div_ceil(w.stride).min(w.output);
    let end = (w.input + w.before).saturating_sub(tap).div_ceil(w.stride).min(w.output);
    first..end.max(first)
}

impl Kernel for ConvFilter {
    fn run(&mut self, inputs: Inputs<'_>, [out, ..]: Outputs<'_>) -> Result<()> {
        self.0.run(inputs.f32(0), inputs.f32(1), out.into_f32());
        Ok(())
    }

    fn scratch_bytes(&self) -> usize {
        self.0.scratch_bytes()
    }
}
