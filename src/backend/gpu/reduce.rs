//! Reductions over any axes.

use bytemuck::{Pod, Zeroable};

use super::lower::{Axis, Lowering, MAX_RANK, Operand, fold, merge, output, packed, threads};
use super::variant::{Defines, Kernel, flag};
use crate::error::Result;
use crate::graph::Node;
use crate::ops::{Reduce, ReduceKind};

/// A workgroup makes one result from this many elements on, while there are at most [`FEW_RESULTS`].
const MANY_ELEMENTS: usize = 32;
/// More results than this keep a GPU busy with a thread each.
const FEW_RESULTS: usize = 4096;
/// Results of more elements are made in parts,
const LONG: usize = 4096;
/// of this many elements.
const PART: usize = 1024;

/// A reduction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReduceKey {
    kind: ReduceKind,
    /// Four neighbouring results at once.
    vector: bool,
    /// A workgroup for a result.
    cooperative: bool,
}

impl Kernel for ReduceKey {
    fn file(&self) -> &'static str {
        "reduce.wgsl"
    }
    fn defines(&self) -> Defines {
        vec![
            ("KIND", format!("{:?}", self.kind)),
            ("WIDTH", if self.vector { "4" } else { "1" }.into()),
            ("COOPERATIVE", flag(self.cooperative)),
        ]
    }
    fn all() -> Vec<Self> {
        let mut keys = Vec::new();
        for kind in [ReduceKind::Sum, ReduceKind::Max, ReduceKind::Min, ReduceKind::Prod] {
            for (vector, cooperative) in [(false, false), (false, true), (true, false), (true, true)] {
                keys.push(ReduceKey { kind, vector, cooperative });
            }
        }
        keys
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    count: u32,
    reduced: u32,
    kept_rank: u32,
    reduced_rank: u32,
    start: f32,
    scale: f32,
    parts: u32,
    part: u32,
    kept_size: [u32; MAX_RANK],
    kept_stride: [u32; MAX_RANK],
    reduced_size: [u32; MAX_RANK],
    reduced_stride: [u32; MAX_RANK],
}

impl Params {
    /// A sum over some axes, in parts.
    fn sum(kept: &[Axis<1>], over: &[Axis<1>], parts: usize, scale: f32) -> Params {
        let count: usize = kept.iter().map(|a| a.size).product();
        let reduced: usize = over.iter().map(|a| a.size).product();
        Params {
            count: (count * parts) as u32,
            reduced: reduced as u32,
            kept_rank: kept.len() as u32,
            reduced_rank: over.len() as u32,
            start: 0.0,
            scale,
            parts: parts as u32,
            part: reduced.div_ceil(parts) as u32,
            kept_size: packed(kept.iter().map(|a| a.size), 1),
            kept_stride: packed(kept.iter().map(|a| a.strides[0] as usize), 0),
            reduced_size: packed(over.iter().map(|a| a.size), 1),
            reduced_stride: packed(over.iter().map(|a| a.strides[0] as usize), 0),
        }
    }
}

/// The sum of `parts` arrays of `count` floats, which lie one after the other, times `scale`.
pub(super) fn sum_parts(lowering: &mut Lowering, [x, y]: [Operand; 2], parts: usize, count: usize, scale: f32) {
    let vector = count.is_multiple_of(4);
    let count = if vector { count / 4 } else { count };
    let cooperative = lowering.workgroup_memory && parts >= MANY_ELEMENTS && count <= FEW_RESULTS;
    let kept = [Axis { size: count, strides: [1] }];
    let params = Params::sum(&kept, &[Axis { size: parts, strides: [count as isize] }], 1, scale);
    let groups = if cooperative { fold(count) } else { threads(count) };
    lowering.push(ReduceKey { kind: ReduceKind::Sum, vector, cooperative }, vec![x, y], &params, groups);
}

pub(super) fn lower(lowering: &mut Lowering, op: &Reduce, node: &Node) -> Result<()> {
    let x = lowering.shape(node.inputs[0]);
    let (mask, strides) = (op.mask(x)?, x.strides());
    let axes = |reduced| {
        let chosen = (0..x.rank()).filter(|&d| mask[d] == reduced).collect::<Vec<_>>();
        merge(chosen.into_iter().map(|d| Axis { size: x[d], strides: [strides[d] as isize] }))
    };
    let (mut kept, mut over) = (axes(false)?, axes(true)?);
    let reduced = over.iter().map(|a| a.size).product::<usize>();
    let (start, scale) = match op.kind {
        ReduceKind::Sum => (0.0, 1.0),
        ReduceKind::Mean => (0.0, 1.0 / reduced as f32),
        ReduceKind::Prod => (1.0, 1.0),
        ReduceKind::Max => (f32::NEG_INFINITY, 1.0),
        ReduceKind::Min => (f32::INFINITY, 1.0),
    };
    // Neighbouring results from neighbouring elements: four at a time.
    let rest = |axes: &[Axis<1>]| axes.iter().all(|a| a.strides[0] % 4 == 0);
    let vector = match kept.split_last() {
        Some((last, outer)) => last.strides == [1] && last.size.is_multiple_of(4) && rest(outer) && rest(&over),
        None => false,
    };
    if vector {
        let inner = kept.len() - 1;
        kept.iter_mut().chain(&mut over).for_each(|a| a.strides[0] /= 4);
        kept[inner] = Axis { size: kept[inner].size / 4, strides: [1] };
    }
    let count: usize = kept.iter().map(|a| a.size).product();
    let cooperative = lowering.workgroup_memory && reduced >= MANY_ELEMENTS && count <= FEW_RESULTS;
    let kind = if op.kind == ReduceKind::Mean { ReduceKind::Sum } else { op.kind };
    let key = ReduceKey { kind, vector, cooperative };
    let params =
        |kept: &[Axis<1>], over: &[Axis<1>], parts, scale| Params { start, ..Params::sum(kept, over, parts, scale) };
    let (x, y) = (node.inputs[0].into(), output(node).into());
    if cooperative {
        lowering.push(key, vec![x, y], &params(&kept, &over, 1, scale), fold(count));
        return Ok(());
    }
    // A long result in parts: more threads have work, sums keep their digits, and llvmpipe ends a loop after 65,536 rounds.
    let parts = if reduced > LONG { reduced.div_ceil(PART) } else { 1 };
    if parts == 1 {
        lowering.push(key, vec![x, y], &params(&kept, &over, 1, scale), threads(count));
        return Ok(());
    }
    let between = lowering.scratch(0, count * parts * if vector { 16 } else { 4 });
    lowering.push(key.clone(), vec![x, between], &params(&kept, &over, parts, 1.0), threads(count * parts));
    let (kept, over) = ([Axis { size: count, strides: [parts as isize] }], [Axis { size: parts, strides: [1] }]);
    lowering.push(key, vec![between, y], &params(&kept, &over, 1, scale), threads(count));
    Ok(())
}
