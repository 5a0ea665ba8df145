//! Resizing of images.

use bytemuck::{Pod, Zeroable};

use super::lower::{Lowering, Operand, output, threads};
use super::variant::{Defines, Kernel};
use crate::error::Result;
use crate::graph::Node;
use crate::ops::{Resize, ResizeBackward, ResizeMode, Taps};

/// A resize.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResizeKey {
    nearest: bool,
    /// Four channels at once.
    vector: bool,
}

impl Kernel for ResizeKey {
    fn file(&self) -> &'static str {
        "resize.wgsl"
    }
    fn defines(&self) -> Defines {
        let mode = if self.nearest { "Nearest" } else { "Bilinear" };
        vec![("MODE", mode.into()), ("WIDTH", if self.vector { "4" } else { "1" }.into())]
    }
    fn all() -> Vec<Self> {
        let both = [(false, false), (false, true), (true, false), (true, true)];
        both.map(|(nearest, vector)| ResizeKey { nearest, vector }).into()
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    count: u32,
    channels: u32,
    in_size: [u32; 2],
    out_size: [u32; 2],
}

/// One output row or column: both input pixels and the weight of the second.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
struct Tap {
    low: u32,
    high: u32,
    weight: f32,
    _pad: u32,
}

/// One pass of a separable resize.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TapsKey {
    /// Four neighbouring elements at once.
    vector: bool,
}

impl Kernel for TapsKey {
    fn file(&self) -> &'static str {
        "taps.wgsl"
    }
    fn defines(&self) -> Defines {
        vec![("WIDTH", if self.vector { "4" } else { "1" }.into())]
    }
    fn all() -> Vec<Self> {
        [false, true].map(|vector| TapsKey { vector }).into()
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct TapsParams {
    count: u32,
    inner: u32,
    input: u32,
    output: u32,
    width: u32,
    _pad: [u32; 3],
}

/// Pixels and weights of one axis of a nearest or bilinear resize.
fn pairs(taps: &Taps) -> impl Iterator<Item = Tap> {
    (0..taps.output()).map(|o| match taps.row(o) {
        (low, [_, t]) if *t < 1.0 => Tap { low: low as u32, high: low as u32 + 1, weight: *t, _pad: 0 },
        // On a pixel, which may be the last.
        (low, weights) => {
            let pixel = (low + weights.len() - 1) as u32;
            Tap { low: pixel, high: pixel, weight: 0.0, _pad: 0 }
        }
    })
}

pub(super) fn lower(lowering: &mut Lowering, op: &Resize, node: &Node) -> Result<()> {
    let [_, h, w, c] = lowering.shape(node.inputs[0]).dims("NHWC")?;
    let [batch, oh, ow, _] = lowering.shape(output(node)).dims("NHWC")?;
    let (rows, columns) = (op.taps(0, h, oh), op.taps(1, w, ow));
    if matches!(op.mode, ResizeMode::Area | ResizeMode::Sampled(_)) {
        sampled(lowering, &rows, &columns, node, [batch, c]);
        return Ok(());
    }
    let vector = c.is_multiple_of(4);
    let channels = if vector { c / 4 } else { c };
    let count = batch * oh * ow * channels;
    let table: Vec<Tap> = pairs(&rows).chain(pairs(&columns)).collect();
    let table = lowering.table(&table);
    let params = Params {
        count: count as u32,
        channels: channels as u32,
        in_size: [h as u32, w as u32],
        out_size: [oh as u32, ow as u32],
    };
    let key = ResizeKey { nearest: matches!(op.mode, ResizeMode::Nearest(_)), vector };
    lowering.push(key, vec![node.inputs[0].into(), table, output(node).into()], &params, threads(count));
    Ok(())
}

/// The gradient: the same sums, with the tables transposed.
pub(super) fn backward(lowering: &mut Lowering, op: &ResizeBackward, node: &Node) -> Result<()> {
    let [batch, h, w, c] = lowering.shape(node.inputs[0]).dims("NHWC")?;
    sampled(lowering, &op.taps(0, h), &op.taps(1, w), node, [batch, c]);
    Ok(())
}

/// Two passes, one for each axis; one that changes nothing is left out.
fn sampled(lowering: &mut Lowering, rows: &Taps, columns: &Taps, node: &Node, [batch, channels]: [usize; 2]) {
    let (x, y) = (node.inputs[0].into(), output(node).into());
    let vertical = |lowering: &mut Lowering, x, y, width: usize| pass(lowering, rows, x, y, batch, width * channels);
    let horizontal = |lowering: &mut Lowering, x, y, height| pass(lowering, columns, x, y, batch * height, channels);
    if rows.is_identity() {
        return horizontal(lowering, x, y, rows.input);
    }
    if columns.is_identity() {
        return vertical(lowering, x, y, columns.input);
    }
    // The order that leaves less in between.
    let (tall, wide) = (rows.input * columns.output(), rows.output() * columns.input);
    let between = lowering.scratch(0, 4 * (batch * channels * tall.min(wide)).next_multiple_of(4));
    if tall < wide {
        horizontal(lowering, x, between, rows.input);
        vertical(lowering, between, y, columns.output());
    } else {
        vertical(lowering, x, between, columns.input);
        horizontal(lowering, between, y, rows.output());
    }
}

fn pass(lowering: &mut Lowering, taps: &Taps, x: Operand, y: Operand, outer: usize, inner: usize) {
    let vector = inner.is_multiple_of(4);
    let inner = if vector { inner / 4 } else { inner };
    let count = outer * taps.output() * inner;
    let params = TapsParams {
        count: count as u32,
        inner: inner as u32,
        input: taps.input as u32,
        output: taps.output() as u32,
        width: taps.width as u32,
        _pad: [0; 3],
    };
    let (starts, weights) = (lowering.table(&taps.starts), lowering.table(&taps.weights));
    lowering.push(TapsKey { vector }, vec![x, starts, weights, y], &params, threads(count));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Coordinates, ResizeSize};

    #[test]
    fn half_pixel_taps_stay_inside() {
        let op =
            Resize { size: ResizeSize::Fixed([4, 4]), mode: ResizeMode::Bilinear, coordinates: Coordinates::HalfPixel };
        let taps: Vec<_> = pairs(&op.taps(1, 2, 4)).map(|t| (t.low, t.high, t.weight)).collect();
        assert_eq!(taps, [(0, 1, 0.0), (0, 1, 0.25), (0, 1, 0.75), (1, 1, 0.0)]);
    }
}
