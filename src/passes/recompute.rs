//! Memory for time: what is cheap to compute and needed again much later is computed again there, not kept.
//!
//! A training step keeps every activation that a gradient reads. Of a convolution, batch normalisation and ReLU in a row
//! the gradients read the convolution's result (for the normalisation's own gradient) and the ReLU's (for the next
//! convolution's filters): the second follows from the first in a few operations an element. So a value is dropped if it can
//! be had by a short chain of cheap operations from what is there anyway at its late use; nothing is kept longer for its
//! sake. ("Training Deep Nets with Sublinear Memory Cost", arXiv 1604.06174, recomputes whole segments, convolutions
//! included; that costs a forward pass more.)

use crate::error::Result;
use crate::graph::{Graph, Node, Source, Types, ValueId};
use crate::ops::Op;
use crate::plan::Plan;
use crate::tensor::{DType, TensorType};

/// Nodes of one chain.
const CHAIN: usize = 12;
/// Steps between uses from which on memory may be worth having: what is fused or in flight is left alone.
const GAP: usize = 6;
/// Bytes below which nothing is gained.
const SMALL: usize = 1 << 12;

/// Recomputes cheap values, if that lowers the peak memory of a run with these inputs. Results stay the same, bit for bit.
/// Run it on an optimised graph: the other passes would find the repetitions.
pub fn recompute(graph: &Graph, inputs: &[TensorType]) -> Result<Graph> {
    let types = graph.infer(inputs)?;
    let again = copies(graph, &types);
    if again.iter().all(Vec::is_empty) {
        return Ok(graph.clone());
    }
    let rebuilt = rebuild(graph, &again)?;
    let peak = |graph: &Graph, types: &Types| Plan::new(graph, types, TensorType::bytes).peak_bytes();
    let (before, after) = (peak(graph, &types), peak(&rebuilt, &rebuilt.infer(inputs)?));
    Ok(if after < before { rebuilt } else { graph.clone() })
}

/// Few operations an element, and none whose result depends on when it runs.
fn is_cheap(op: &Op) -> bool {
    matches!(
        op,
        Op::Unary(_)
            | Op::Binary(_)
            | Op::Cast(_)
            | Op::Concat(_)
            | Op::Slice(_)
            | Op::Pad(_)
            | Op::Reshape(_)
            | Op::Transpose(_)
            | Op::Pool2d(_)
            | Op::Resize(_)
    )
}

/// When a value, or its copy, is there: from one position up to and including another.
#[derive(Clone, Copy)]
struct Life {
    from: usize,
    to: usize,
}

/// For each node the nodes to copy before it, in order.
fn copies(graph: &Graph, types: &Types) -> Vec<Vec<usize>> {
    let nodes = graph.nodes();
    let mut uses: Vec<Vec<usize>> = vec![Vec::new(); graph.values().len()];
    for (position, node) in nodes.iter().enumerate() {
        node.inputs.iter().for_each(|v| uses[v.index()].push(position));
    }
    // Outputs and what variables become are there until the end.
    for value in graph.outputs().iter().map(|o| o.value).chain(graph.updates()) {
        uses[value.index()].push(usize::MAX);
    }
    let mut lives: Vec<Life> =
        uses.iter().map(|uses| Life { from: 0, to: uses.last().copied().unwrap_or(0) }).collect();
    let mut copied: Vec<Option<Life>> = vec![None; lives.len()];
    let mut again: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for node in nodes {
        let &[value] = &node.outputs[..] else { continue };
        let uses = &uses[value.index()];
        if types[value].dtype != DType::F32 || types[value].bytes() < SMALL || uses.last() == Some(&usize::MAX) {
            continue;
        }
        let gap = uses.windows(2).map(|pair| (pair[1] - pair[0], pair[0], pair[1])).max();
        let Some((length, early, late)) = gap else { continue };
        if length < GAP || copied[value.index()].is_some() {
            continue;
        }
        let mut chain = Vec::new();
        let there = |v: ValueId| {
            let at = |life: &Life| life.from <= late && late <= life.to;
            !matches!(graph.values()[v.index()].source, Source::Node { .. })
                || at(&lives[v.index()])
                || copied[v.index()].as_ref().is_some_and(at)
        };
        if !trace(graph, value, true, &there, &copied, &mut chain) {
            continue;
        }
        for &position in &chain {
            let made = nodes[position].outputs[0];
            let to = if made == value { lives[value.index()].to } else { late };
            copied[made.index()] = Some(Life { from: late, to });
        }
        lives[value.index()].to = early;
        again[late].extend(chain);
    }
    again
}

/// The chain of cheap nodes that makes a value from what is there, in order. False if there is none.
fn trace(
    graph: &Graph,
    value: ValueId,
    wanted: bool,
    there: &dyn Fn(ValueId) -> bool,
    copied: &[Option<Life>],
    chain: &mut Vec<usize>,
) -> bool {
    if !wanted && there(value) {
        return true;
    }
    let Some((id, node)) = graph.producer(value) else { return false };
    if chain.contains(&id.index()) {
        return true;
    }
    // A value is copied once: a second copy might come before the first.
    let fits = is_cheap(&node.op) && copied[value.index()].is_none() && chain.len() < CHAIN;
    if !fits || !node.inputs.iter().all(|&input| trace(graph, input, false, there, copied, chain)) {
        return false;
    }
    chain.push(id.index());
    chain.len() <= CHAIN
}

/// The graph with copies of nodes before others; from there on the copies' results are used.
fn rebuild(old: &Graph, again: &[Vec<usize>]) -> Result<Graph> {
    let mut new = Graph::new();
    let name = |value: ValueId| &old.values()[value.index()].name;
    // Where each value of the old graph is in the new one; its own place until then.
    let mut place: Vec<ValueId> = old.value_ids().collect();
    for input in old.inputs() {
        place[input.value.index()] = new.input(name(input.value), input.dtype, input.dims.clone());
    }
    for variable in old.variables() {
        place[variable.value.index()] = new.variable(name(variable.value), variable.initial.clone());
    }
    for value in old.value_ids() {
        if let Source::Constant(tensor) = &old.values()[value.index()].source {
            place[value.index()] = new.constant(name(value), tensor.clone());
        }
    }
    let mut copy = |new: &mut Graph, node: &Node| -> Result<()> {
        let inputs: Vec<ValueId> = node.inputs.iter().map(|v| place[v.index()]).collect();
        let made = new.push(&node.name, node.op.clone(), &inputs)?;
        node.outputs.iter().zip(made).for_each(|(from, to)| place[from.index()] = to);
        Ok(())
    };
    for (node, before) in old.nodes().iter().zip(again) {
        for &earlier in before {
            copy(&mut new, &old.nodes()[earlier])?;
        }
        copy(&mut new, node)?;
    }
    for variable in old.variables() {
        if let Some(update) = variable.update {
            new.assign(place[variable.value.index()], place[update.index()])?;
        }
    }
    for output in old.outputs() {
        new.output(&output.name, place[output.value.index()]);
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Binary, BinaryKind, Unary};
    use crate::reference;
    use crate::tensor::Tensor;

    /// `y` is read at once and again eight steps later; `x` is there all the time if `kept`.
    fn graph(kept: bool) -> Graph {
        let mut g = Graph::new();
        let x = g.input("x", DType::F32, [Some(1), Some(2048)]);
        let a = g.add("a", Unary::Sin, &[x]).unwrap();
        let y = g.add("y", Unary::Relu, &[a]).unwrap();
        let mut z = g.add("z", Unary::Sqrt, &[y]).unwrap();
        for i in 0..8 {
            z = g.add(format!("z{i}"), Unary::Tanh, &[z]).unwrap();
        }
        let late = g.add("late", Binary::new(BinaryKind::Add), &[z, y]).unwrap();
        g.output("late", late);
        if kept {
            let more = g.add("more", Binary::new(BinaryKind::Mul), &[a, late]).unwrap();
            g.output("more", more);
        }
        g
    }

    fn peak(g: &Graph) -> usize {
        Plan::new(g, &g.infer(&g.default_inputs()).unwrap(), TensorType::bytes).peak_bytes()
    }

    #[test]
    fn what_follows_from_what_is_there_is_not_kept() {
        let before = graph(true);
        let after = recompute(&before, &before.default_inputs()).unwrap();
        assert_eq!(after.nodes().len(), before.nodes().len() + 1, "y once more");
        assert!(peak(&after) < peak(&before), "{} and {}", peak(&after), peak(&before));
        let x = Tensor::f32([1, 2048], (0..2048).map(|i| i as f32 * 0.01).collect::<Vec<_>>()).unwrap();
        let run = |g: &Graph| reference::run(g, std::slice::from_ref(&x)).unwrap();
        assert_eq!(run(&after), run(&before));
        let names = |g: &Graph| g.outputs().iter().map(|o| o.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&after), names(&before));
    }

    /// Three buffers either way: `y`, and two for the `z`s in turn; or the last `z`, `a` and `y` at the end.
    #[test]
    fn a_chain_that_needs_what_it_saves_is_left_alone() {
        let before = graph(false);
        let after = recompute(&before, &before.default_inputs()).unwrap();
        assert_eq!(after.nodes().len(), before.nodes().len());
    }

    #[test]
    fn nothing_changes_where_nothing_is_gained() {
        let mut g = Graph::new();
        let x = g.input("x", DType::F32, [Some(1), Some(2048)]);
        let y = g.add("y", Unary::Relu, &[x]).unwrap();
        let z = g.add("z", Binary::new(BinaryKind::Add), &[y, y]).unwrap();
        g.output("z", z);
        assert_eq!(recompute(&g, &g.default_inputs()).unwrap().nodes().len(), 2);
    }
}
