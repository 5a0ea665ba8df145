//! Moving elements: concatenation, slices, padding, transposition; any dtype, by element size.

use super::memory::{Inputs, ViewMut};
use super::strided::{Walk, strides};
use super::{Kernel, Outputs, Spec};
use crate::error::Result;
use crate::ops::{self, PadMode};
use crate::tensor::View;

/// Runs a generic body with the typed slices of an input and the output.
macro_rules! typed {
    ($input:expr, $out:expr, |$x:ident, $y:ident| $body:expr) => {
        match ($input, $out) {
            (View::F32($x), ViewMut::F32($y)) => $body,
            (View::I32($x), ViewMut::I32($y)) => $body,
            (View::U8($x), ViewMut::U8($y)) => $body,
            _ => unreachable!("moving keeps the dtype"),
        }
    };
}

struct Concat {
    /// Runs of the output, and how long a run of each input is.
    outer: usize,
    runs: Vec<usize>,
}

pub fn compile_concat(op: &ops::Concat, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let axis = spec.outputs[0].shape.axis(op.axis)?;
    let runs = spec.inputs.iter().map(|i| i.shape[axis..].iter().product()).collect();
    Ok(Box::new(Concat { outer: spec.outputs[0].shape[..axis].iter().product(), runs }))
}

impl Kernel for Concat {
    fn run(&mut self, inputs: Inputs<'_>, [mut out, ..]: Outputs<'_>) -> Result<()> {
        let pitch: usize = self.runs.iter().sum();
        let mut start = 0;
        for (i, &run) in self.runs.iter().enumerate() {
            typed!(inputs.view(i), &mut out, |x, y| for row in 0..self.outer {
                y[row * pitch + start..][..run].copy_from_slice(&x[row * run..][..run]);
            });
            start += run;
        }
        Ok(())
    }
}

/// A copy that reads with strides: slices and transpositions.
struct Move {
    start: usize,
    /// Input and output.
    walk: Walk<2>,
}

pub fn compile_slice(op: &ops::Slice, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let (shape, out) = (&spec.inputs[0].shape, &spec.outputs[0].shape);
    let mut start = 0;
    let mut steps = strides(shape);
    for ((axis, &n), stride) in op.axes.iter().zip(shape.iter()).zip(&mut steps) {
        start += axis.resolve(n)?.0 * *stride as usize;
        *stride = stride.wrapping_mul(axis.step);
    }
    Ok(Box::new(Move { start, walk: Walk::new(out, [&steps, &strides(out)]) }))
}

pub fn compile_transpose(op: &ops::Transpose, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let (own, out) = (strides(&spec.inputs[0].shape), &spec.outputs[0].shape);
    let steps: Vec<_> = op.perm.iter().map(|&axis| own[axis]).collect();
    Ok(Box::new(Move { start: 0, walk: Walk::new(out, [&steps, &strides(out)]) }))
}

impl Kernel for Move {
    fn run(&mut self, inputs: Inputs<'_>, [out, ..]: Outputs<'_>) -> Result<()> {
        fn go<T: Copy>(Move { start, walk }: &Move, x: &[T], y: &mut [T]) {
            if y.is_empty() {
                return;
            }
            let step = walk.steps[0];
            walk.each(|[from, to]| {
                let from = *start as isize + from;
                let row = &mut y[to as usize..][..walk.inner];
                if step == 1 {
                    row.copy_from_slice(&x[from as usize..][..walk.inner]);
                } else {
                    row.iter_mut().enumerate().for_each(|(i, y)| *y = x[(from + i as isize * step) as usize]);
                }
            });
        }
        typed!(inputs.view(0), out, |x, y| go(self, x, y));
        Ok(())
    }
}

struct Pad {
    mode: PadMode,
    /// For every output index of every dimension, the input offset it reads; `None` is the padding.
    sources: Vec<Vec<Option<usize>>>,
    before: usize,
    inside: usize,
}

pub fn compile_pad(op: &ops::Pad, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let shape = &spec.inputs[0].shape;
    let source = |before: usize, n: usize, i: usize| -> Option<usize> {
        let i = i as isize - before as isize;
        let n = n as isize;
        let mirrored = match op.mode {
            PadMode::Constant(_) => return usize::try_from(i).ok().filter(|&i| i < n as usize),
            PadMode::Edge => i.clamp(0, n - 1),
            PadMode::Reflect if i < 0 => -i,
            PadMode::Reflect if i >= n => 2 * (n - 1) - i,
            PadMode::Symmetric if i < 0 => -1 - i,
            PadMode::Symmetric if i >= n => 2 * n - 1 - i,
            PadMode::Reflect | PadMode::Symmetric => i,
        };
        Some(mirrored as usize)
    };
    let mut sources: Vec<Vec<_>> = Vec::new();
    for (dim, stride) in strides(shape).into_iter().enumerate() {
        let [before, after] = op.pads[dim];
        let place = |i| source(before, shape[dim], i).map(|s| s * stride as usize);
        sources.push((0..before + shape[dim] + after).map(place).collect());
    }
    if sources.is_empty() {
        sources.push(vec![Some(0)]);
    }
    // The part of the last dimension that is copied as one run.
    let before = op.pads.last().map_or(0, |p| p[0]);
    let inside = shape.last().copied().unwrap_or(1);
    Ok(Box::new(Pad { mode: op.mode, sources, before, inside }))
}

impl Pad {
    fn fill<T: Copy>(&self, x: &[T], y: &mut [T], value: T) {
        fn level<T: Copy>(
            pad: &Pad,
            sources: &[Vec<Option<usize>>],
            at: Option<usize>,
            x: &[T],
            y: &mut std::slice::ChunksExactMut<'_, T>,
            value: T,
        ) {
            let [row] = sources else {
                for source in &sources[0] {
                    level(pad, &sources[1..], at.zip(*source).map(|(a, b)| a + b), x, y, value);
                }
                return;
            };
            let Some(out) = y.next() else { return };
            let Some(at) = at else { return out.fill(value) };
            let read = |source: &Option<usize>| source.map_or(value, |s| x[at + s]);
            let (before, end) = (pad.before, pad.before + pad.inside);
            out[before..end].copy_from_slice(&x[at..at + pad.inside]);
            for i in (0..before).chain(end..row.len()) {
                out[i] = read(&row[i]);
            }
        }
        let width = self.sources.last().map_or(1, Vec::len);
        if !y.is_empty() {
            level(self, &self.sources, Some(0), x, &mut y.chunks_exact_mut(width), value);
        }
    }
}

impl Kernel for Pad {
    fn run(&mut self, inputs: Inputs<'_>, [out, ..]: Outputs<'_>) -> Result<()> {
        let value = if let PadMode::Constant(value) = self.mode { value } else { 0.0 };
        match (inputs.view(0), out) {
            (View::F32(x), ViewMut::F32(y)) => self.fill(x, y, value),
            (View::I32(x), ViewMut::I32(y)) => self.fill(x, y, value as i32),
            (View::U8(x), ViewMut::U8(y)) => self.fill(x, y, value as u8),
            _ => unreachable!("padding keeps the dtype"),
        }
        Ok(())
    }
}
