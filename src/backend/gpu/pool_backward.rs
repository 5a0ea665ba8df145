//! Gradients of pooling.

use bytemuck::{Pod, Zeroable};

use super::lower::{Lowering, Operand, output, threads};
use super::variant::{Defines, Kernel};
use super::window::Axis;
use crate::error::Result;
use crate::graph::Node;
use crate::ops::{AvgPool2dBackward, MaxPool2dBackward};
use crate::shape::Window;

/// Where the maxima of windows are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PoolFirstKey {
    /// Four channels at once.
    vector: bool,
}

impl Kernel for PoolFirstKey {
    fn file(&self) -> &'static str {
        "pool_first.wgsl"
    }
    fn defines(&self) -> Defines {
        vec![("WIDTH", if self.vector { "4" } else { "1" }.into())]
    }
    fn all() -> Vec<Self> {
        [false, true].map(|vector| PoolFirstKey { vector }).into()
    }
}

/// The gradient of a pooling.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PoolBackwardKey {
    max: bool,
    /// Four channels at once.
    vector: bool,
}

impl Kernel for PoolBackwardKey {
    fn file(&self) -> &'static str {
        "pool_backward.wgsl"
    }
    fn defines(&self) -> Defines {
        let kind = if self.max { "Max" } else { "Average" };
        vec![("KIND", kind.into()), ("WIDTH", if self.vector { "4" } else { "1" }.into())]
    }
    fn all() -> Vec<Self> {
        let both = [(false, false), (false, true), (true, false), (true, true)];
        both.map(|(max, vector)| PoolBackwardKey { max, vector }).into()
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct FirstParams {
    count: u32,
    channels: u32,
    in_size: [u32; 2],
    out_size: [u32; 2],
    stride: [i32; 2],
    dilation: [i32; 2],
    before: [i32; 2],
    taps: [u32; 2],
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    count: u32,
    channels: u32,
    in_size: [u32; 2],
    axes: [Axis; 2],
}

pub(super) fn max(lowering: &mut Lowering, op: &MaxPool2dBackward, node: &Node) -> Result<()> {
    let [batch, h, w, c] = lowering.shape(node.inputs[0]).dims("NHWC")?;
    let windows = op.forward().windows([h, w])?;
    let vector = c.is_multiple_of(4);
    let channels = if vector { c / 4 } else { c };
    // Found once for each window: a pixel that looked for itself would do so once for every window that holds it.
    let count = batch * windows[0].output * windows[1].output * channels;
    let first = lowering.scratch(0, (count * if vector { 16 } else { 4 }).next_multiple_of(16));
    let params = FirstParams {
        count: count as u32,
        channels: channels as u32,
        in_size: windows.map(|w| w.input as u32),
        out_size: windows.map(|w| w.output as u32),
        stride: windows.map(|w| w.stride as i32),
        dilation: windows.map(|w| w.dilation as i32),
        before: windows.map(|w| w.before as i32),
        taps: windows.map(|w| w.kernel as u32),
    };
    lowering.push(PoolFirstKey { vector }, vec![node.inputs[0].into(), first], &params, threads(count));
    gather(lowering, windows, true, [first, node.inputs[1].into()], node)
}

pub(super) fn average(lowering: &mut Lowering, op: &AvgPool2dBackward, node: &Node) -> Result<()> {
    let windows = op.forward().windows(op.input)?;
    // A window's pixels inside the image are so many rows times so many columns.
    let weight = |w: &Window, o: usize| match op.include_padding {
        true => 1.0 / w.kernel as f32,
        false => 1.0 / (0..w.kernel).filter(|&k| w.source(o, k).is_some()).count().max(1) as f32,
    };
    let weights: Vec<f32> = windows.iter().flat_map(|w| (0..w.output).map(move |o| weight(w, o))).collect();
    let weights = lowering.table(&weights);
    gather(lowering, windows, false, [weights, node.inputs[0].into()], node)
}

fn gather(
    lowering: &mut Lowering,
    windows: [Window; 2],
    max: bool,
    [share, dy]: [Operand; 2],
    node: &Node,
) -> Result<()> {
    let dx = lowering.shape(output(node));
    let [_, _, _, c] = dx.dims("NHWC")?;
    let vector = c.is_multiple_of(4);
    let width = if vector { 4 } else { 1 };
    let count = dx.elements() / width;
    let params = Params {
        count: count as u32,
        channels: (c / width) as u32,
        in_size: windows.map(|w| w.input as u32),
        axes: windows.map(|w| Axis::of(&w)),
    };
    lowering.push(PoolBackwardKey { max, vector }, vec![share, dy, output(node).into()], &params, threads(count));
    Ok(())
}
