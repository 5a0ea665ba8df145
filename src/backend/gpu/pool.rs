//! Pooling.

use bytemuck::{Pod, Zeroable};

use super::lower::{Lowering, output, threads};
use super::variant::{Defines, Kernel};
use crate::error::Result;
use crate::graph::Node;
use crate::ops::{Pool2d, PoolKind};

/// A pooling.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PoolKey {
    max: bool,
    /// Four channels at once.
    vector: bool,
}

impl Kernel for PoolKey {
    fn file(&self) -> &'static str {
        "pool.wgsl"
    }
    fn defines(&self) -> Defines {
        let kind = if self.max { "Max" } else { "Average" };
        vec![("KIND", kind.into()), ("WIDTH", if self.vector { "4" } else { "1" }.into())]
    }
    fn all() -> Vec<Self> {
        [(false, false), (false, true), (true, false), (true, true)].map(|(max, vector)| PoolKey { max, vector }).into()
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    count: u32,
    channels: u32,
    in_size: [u32; 2],
    out_size: [u32; 2],
    stride: [i32; 2],
    dilation: [i32; 2],
    before: [i32; 2],
    taps: [u32; 2],
    lowest: f32,
    all_taps: f32,
}

pub(super) fn lower(lowering: &mut Lowering, op: &Pool2d, node: &Node) -> Result<()> {
    let [batch, h, w, c] = lowering.shape(node.inputs[0]).dims("NHWC")?;
    let windows = op.windows([h, w])?;
    let vector = c.is_multiple_of(4);
    let channels = if vector { c / 4 } else { c };
    let count = batch * windows[0].output * windows[1].output * channels;
    let all_taps = match op.kind {
        PoolKind::Average { include_padding: true } => (op.kernel[0] * op.kernel[1]) as f32,
        _ => 0.0,
    };
    let params = Params {
        count: count as u32,
        channels: channels as u32,
        in_size: [h as u32, w as u32],
        out_size: windows.map(|w| w.output as u32),
        stride: windows.map(|w| w.stride as i32),
        dilation: windows.map(|w| w.dilation as i32),
        before: windows.map(|w| w.before as i32),
        taps: windows.map(|w| w.kernel as u32),
        lowest: f32::NEG_INFINITY,
        all_taps,
    };
    let key = PoolKey { max: op.kind == PoolKind::Max, vector };
    lowering.push(key, vec![node.inputs[0].into(), output(node).into()], &params, threads(count));
    Ok(())
}
