//! Depthwise convolution.

use bytemuck::{Pod, Zeroable};

use super::lower::{Lowering, output, threads};
use super::variant::{Activation, Defines, Kernel, flag};
use crate::error::Result;
use crate::graph::Node;
use crate::ops::{DepthwiseConv2d, Epilogue};
use crate::shape::Window;

/// A depthwise convolution.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DepthwiseKey {
    /// Four channels at once.
    vector: bool,
    bias: bool,
    residual: bool,
    activation: Activation,
}

impl Kernel for DepthwiseKey {
    fn file(&self) -> &'static str {
        "depthwise.wgsl"
    }
    fn defines(&self) -> Defines {
        vec![
            ("WIDTH", if self.vector { "4" } else { "1" }.into()),
            ("BIAS", flag(self.bias)),
            ("RESIDUAL", flag(self.residual)),
            self.activation.define(),
        ]
    }
    fn all() -> Vec<Self> {
        let mut keys = Vec::new();
        for activation in Activation::all() {
            for (vector, bias, residual) in (0..8).map(|i| (i & 1 != 0, i & 2 != 0, i & 4 != 0)) {
                keys.push(DepthwiseKey { vector, bias, residual, activation });
            }
        }
        keys
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    count: u32,
    channels: u32,
    multiplier: u32,
    strips: u32,
    in_size: [u32; 2],
    out_size: [u32; 2],
    stride: [i32; 2],
    dilation: [i32; 2],
    before: [i32; 2],
    taps: [u32; 2],
    attributes: [f32; 2],
}

pub(super) fn lower(lowering: &mut Lowering, op: &DepthwiseConv2d, node: &Node) -> Result<()> {
    let [_, h, w, _] = lowering.shape(node.inputs[0]).dims("NHWC")?;
    let [kh, kw, _, multiplier] = lowering.shape(node.inputs[1]).dims("HWIM")?;
    lower_windows(lowering, op.windows([h, w], [kh, kw])?, multiplier, &op.epilogue, node)
}

/// With the windows resolved; the kernel's memory is `[kh, kw, in, multiplier]` whatever its shape says.
pub(super) fn lower_windows(
    lowering: &mut Lowering,
    windows: [Window; 2],
    multiplier: usize,
    epilogue: &Epilogue,
    node: &Node,
) -> Result<()> {
    let [batch, oh, ow, channels] = lowering.shape(output(node)).dims("NHWC")?;
    let vector = multiplier == 1 && channels.is_multiple_of(4);
    let channels = if vector { channels / 4 } else { channels };
    let strips = ow.div_ceil(4);
    let count = batch * oh * strips * channels;
    let (activation, attributes) = Activation::of(epilogue.activation);
    let params = Params {
        count: count as u32,
        channels: channels as u32,
        multiplier: multiplier as u32,
        strips: strips as u32,
        in_size: windows.map(|w| w.input as u32),
        out_size: [oh as u32, ow as u32],
        stride: windows.map(|w| w.stride as i32),
        dilation: windows.map(|w| w.dilation as i32),
        before: windows.map(|w| w.before as i32),
        taps: windows.map(|w| w.kernel as u32),
        attributes,
    };
    let key = DepthwiseKey { vector, bias: epilogue.bias, residual: epilogue.residual, activation };
    let operands = node.inputs.iter().map(|&v| v.into()).chain([output(node).into()]).collect();
    lowering.push(key, operands, &params, threads(count));
    Ok(())
}
