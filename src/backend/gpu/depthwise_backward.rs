//! Gradients of depthwise convolutions.

use bytemuck::{Pod, Zeroable};

use super::lower::{Lowering, output, threads};
use super::parts::{parts_of, slices, sum_parts, thread_goal};
use super::variant::{Defines, Kernel};
use super::window::Axis;
use crate::error::Result;
use crate::graph::Node;
use crate::ops::{DepthwiseConv2dBackwardFilter, DepthwiseConv2dBackwardInput};
use crate::shape::Window;

/// The gradient of a depthwise convolution by its input.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DepthwiseInputKey {
    /// Four channels at once.
    vector: bool,
}

impl Kernel for DepthwiseInputKey {
    fn file(&self) -> &'static str {
        "depthwise_input.wgsl"
    }
    fn defines(&self) -> Defines {
        vec![("WIDTH", if self.vector { "4" } else { "1" }.into())]
    }
    fn all() -> Vec<Self> {
        [false, true].map(|vector| DepthwiseInputKey { vector }).into()
    }
}

/// The gradient of a depthwise convolution by its kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DepthwiseFilterKey {
    /// Four channels at once.
    vector: bool,
}

impl Kernel for DepthwiseFilterKey {
    fn file(&self) -> &'static str {
        "depthwise_filter.wgsl"
    }
    fn defines(&self) -> Defines {
        vec![("WIDTH", if self.vector { "4" } else { "1" }.into())]
    }
    fn all() -> Vec<Self> {
        [false, true].map(|vector| DepthwiseFilterKey { vector }).into()
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct InputParams {
    count: u32,
    channels: u32,
    multiplier: u32,
    in_size: [u32; 2],
    _pad: [u32; 3],
    axes: [Axis; 2],
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct FilterParams {
    count: u32,
    filters: u32,
    multiplier: u32,
    pixels: u32,
    slice: u32,
    taps: u32,
    width: u32,
    _pad: u32,
    in_size: [u32; 2],
    out_size: [u32; 2],
    stride: [i32; 2],
    dilation: [i32; 2],
    before: [i32; 2],
}

pub(super) fn input(lowering: &mut Lowering, op: &DepthwiseConv2dBackwardInput, node: &Node) -> Result<()> {
    let [kh, kw, _, multiplier] = lowering.shape(node.inputs[1]).dims("HWIM")?;
    input_windows(lowering, op.windows([kh, kw])?, multiplier, node)
}

/// With the windows resolved; the kernel's memory is `[kh, kw, in, multiplier]` whatever its shape says.
pub(super) fn input_windows(
    lowering: &mut Lowering,
    windows: [Window; 2],
    multiplier: usize,
    node: &Node,
) -> Result<()> {
    let dx = lowering.shape(output(node));
    let [_, _, _, c] = dx.dims("NHWC")?;
    let vector = multiplier == 1 && c.is_multiple_of(4);
    let width = if vector { 4 } else { 1 };
    let count = dx.elements() / width;
    let params = InputParams {
        count: count as u32,
        channels: (c / width) as u32,
        multiplier: multiplier as u32,
        in_size: windows.map(|w| w.input as u32),
        _pad: [0; 3],
        axes: windows.map(|w| Axis::of(&w)),
    };
    let operands = vec![node.inputs[0].into(), node.inputs[1].into(), output(node).into()];
    lowering.push(DepthwiseInputKey { vector }, operands, &params, threads(count));
    Ok(())
}

pub(super) fn filter(lowering: &mut Lowering, op: &DepthwiseConv2dBackwardFilter, node: &Node) -> Result<()> {
    let [_, h, w, _] = lowering.shape(node.inputs[0]).dims("NHWC")?;
    let [_, _, _, multiplier] = lowering.shape(output(node)).dims("HWIM")?;
    filter_windows(lowering, op.windows([h, w])?, multiplier, node)
}

/// As [`input_windows`].
pub(super) fn filter_windows(
    lowering: &mut Lowering,
    windows: [Window; 2],
    multiplier: usize,
    node: &Node,
) -> Result<()> {
    let [batch, oh, ow, filters] = lowering.shape(node.inputs[1]).dims("NHWC")?;
    let vector = multiplier == 1 && filters.is_multiple_of(4);
    let taps = windows[0].kernel * windows[1].kernel;
    let (floats, pixels) = (taps * filters, batch * oh * ow);
    let filters = if vector { filters / 4 } else { filters };
    let (slice, parts) = slices(pixels, taps * filters, thread_goal(lowering), floats);
    let count = parts * taps * filters;
    let params = FilterParams {
        count: count as u32,
        filters: filters as u32,
        multiplier: multiplier as u32,
        pixels: pixels as u32,
        slice: slice as u32,
        taps: taps as u32,
        width: windows[1].kernel as u32,
        _pad: 0,
        in_size: windows.map(|w| w.input as u32),
        out_size: [oh as u32, ow as u32],
        stride: windows.map(|w| w.stride as i32),
        dilation: windows.map(|w| w.dilation as i32),
        before: windows.map(|w| w.before as i32),
    };
    let dkernel = output(node).into();
    let between = parts_of(lowering, parts, floats, dkernel);
    let operands = vec![node.inputs[0].into(), node.inputs[1].into(), between];
    lowering.push(DepthwiseFilterKey { vector }, operands, &params, threads(count));
    if parts > 1 {
        sum_parts(lowering, [between, dkernel], parts, floats, 1.0);
    }
    Ok(())
}
