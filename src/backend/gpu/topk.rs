//! Top-k: sorted blocks in workgroup memory, or a sort in global memory where there is none or k is large.

use bytemuck::{Pod, Zeroable};

use super::lower::{Lowering, fold, threads};
use super::variant::{Defines, Kernel, flag};
use crate::error::Result;
use crate::graph::Node;
use crate::ops::TopK;

/// Candidates that one workgroup sorts (`BLOCK` of `topk_block.wgsl`).
const BLOCK: usize = 1024;

/// A pass of top-k.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum TopKKey {
    /// Blocks in workgroup memory.
    Block { first: bool, last: bool },
    /// A stage of the sort in global memory.
    Global(&'static str),
}

impl Kernel for TopKKey {
    fn file(&self) -> &'static str {
        match self {
            TopKKey::Block { .. } => "topk_block.wgsl",
            TopKKey::Global(_) => "topk_global.wgsl",
        }
    }
    fn defines(&self) -> Defines {
        match self {
            TopKKey::Block { first, last } => vec![("FIRST", flag(*first)), ("LAST", flag(*last))],
            TopKKey::Global(stage) => vec![("STAGE", stage.to_string())],
        }
    }
    fn all() -> Vec<Self> {
        let blocks = [(false, false), (false, true), (true, false), (true, true)];
        let blocks = blocks.map(|(first, last)| TopKKey::Block { first, last });
        blocks.into_iter().chain(["start", "exchange", "finish"].map(TopKKey::Global)).collect()
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct BlockParams {
    lines: u32,
    size: u32,
    candidates: u32,
    blocks: u32,
    k: u32,
    _pad: [u32; 3],
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct GlobalParams {
    count: u32,
    size: u32,
    padded: u32,
    k: u32,
    run: u32,
    step: u32,
    _pad: [u32; 2],
}

pub(super) fn lower(lowering: &mut Lowering, op: &TopK, node: &Node) -> Result<()> {
    let x = lowering.shape(node.inputs[0]);
    let size = x[x.rank() - 1];
    let lines = x.elements() / size;
    // A pass must leave fewer candidates than it found.
    if lowering.workgroup_memory && (size <= BLOCK || op.k <= BLOCK / 2) {
        blocks(lowering, op.k, lines, size, node);
    } else {
        global(lowering, op.k, lines, size, node);
    }
    Ok(())
}

fn blocks(lowering: &mut Lowering, k: usize, lines: usize, size: usize, node: &Node) {
    let x = node.inputs[0].into();
    let (mut candidates, mut pass) = (size, 0);
    loop {
        let count = candidates.div_ceil(BLOCK);
        let (first, last) = (pass == 0, count == 1);
        let from = lowering.scratch((pass + 1) % 2, 0);
        let operands = match (first, last) {
            (true, true) => vec![x, node.outputs[0].into(), node.outputs[1].into()],
            (true, false) => vec![x, lowering.scratch(pass % 2, lines * count * k * 8)],
            (false, false) => vec![from, lowering.scratch(pass % 2, lines * count * k * 8)],
            (false, true) => vec![x, from, node.outputs[0].into(), node.outputs[1].into()],
        };
        let [lines_, size_, candidates_, blocks, k_] = [lines, size, candidates, count, k].map(|n| n as u32);
        let params = BlockParams { lines: lines_, size: size_, candidates: candidates_, blocks, k: k_, _pad: [0; 3] };
        lowering.push(TopKKey::Block { first, last }, operands, &params, fold(lines * count));
        if last {
            return;
        }
        (candidates, pass) = (count * k, pass + 1);
    }
}

fn global(lowering: &mut Lowering, k: usize, lines: usize, size: usize, node: &Node) {
    let padded = size.next_power_of_two();
    let x = node.inputs[0].into();
    let sorted = lowering.scratch(0, lines * padded * 8);
    let params = |count: usize, run: usize, step: usize| {
        let [count, size, padded, k, run, step] = [count, size, padded, k, run, step].map(|n| n as u32);
        GlobalParams { count, size, padded, k, run, step, _pad: [0; 2] }
    };
    let all = lines * padded;
    lowering.push(TopKKey::Global("start"), vec![x, sorted], &params(all, 0, 0), threads(all));
    let mut run = 2;
    while run <= padded {
        let mut step = run / 2;
        while step > 0 {
            lowering.push(TopKKey::Global("exchange"), vec![sorted], &params(all / 2, run, step), threads(all / 2));
            step /= 2;
        }
        run *= 2;
    }
    let operands = vec![x, sorted, node.outputs[0].into(), node.outputs[1].into()];
    lowering.push(TopKKey::Global("finish"), operands, &params(lines * k, 0, 0), threads(lines * k));
}
