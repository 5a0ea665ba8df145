//! Non-maximum suppression: a workgroup for every class of every picture, then one pass that puts what stayed together.

use bytemuck::{Pod, Zeroable};

use super::lower::{Lowering, fold, threads};
use super::variant::{Defines, Kernel, flag};
use crate::error::Result;
use crate::graph::Node;
use crate::ops::NonMaxSuppression;
use crate::ops::suppress::sizes;

/// A pass of suppression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SuppressKey {
    /// The second: from picks to rows.
    collect: bool,
}

impl Kernel for SuppressKey {
    fn file(&self) -> &'static str {
        "suppress.wgsl"
    }
    fn defines(&self) -> Defines {
        vec![("COLLECT", flag(self.collect))]
    }
    fn all() -> Vec<Self> {
        [false, true].map(|collect| SuppressKey { collect }).into()
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    lines: u32,
    classes: u32,
    size: u32,
    limit: u32,
    iou_threshold: f32,
    score_threshold: f32,
    decay: f32,
    centred: u32,
}

pub(super) fn lower(lowering: &mut Lowering, op: &NonMaxSuppression, node: &Node) -> Result<()> {
    let [boxes, scores] = [node.inputs[0], node.inputs[1]];
    let (batch, n, classes) = sizes(lowering.shape(boxes), lowering.shape(scores))?;
    let (lines, limit) = (batch * classes, op.limit(n));
    let params = Params {
        lines: lines as u32,
        classes: classes as u32,
        size: n as u32,
        limit: limit as u32,
        iou_threshold: op.iou_threshold,
        // Shaders may take infinities for anything.
        score_threshold: op.score_threshold.clamp(-f32::MAX, f32::MAX),
        decay: op.decay(),
        centred: op.centred as u32,
    };
    let live = lowering.scratch(0, lines * n * 4);
    let picks = lowering.scratch(1, lines * (1 + 2 * limit) * 4);
    let operands = vec![boxes.into(), scores.into(), live, picks];
    lowering.push(SuppressKey { collect: false }, operands, &params, fold(lines.max(1)));
    let results = node.outputs.iter().map(|&v| v.into());
    let operands = std::iter::once(picks).chain(results).collect();
    lowering.push(SuppressKey { collect: true }, operands, &params, threads((lines * limit).max(1)));
    Ok(())
}
