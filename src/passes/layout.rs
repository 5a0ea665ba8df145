//! Transpositions that a file needed and striate does not.
//!
//! A network that was written channels first and converted to a format of channels last turns its values before and
//! behind every window (NanoDet, which came by onnx-tf: 83 times). [`sink`] moves a transposition behind the operation that reads it,
//! so that it meets the next one, and the pair is one or none ([`identity`]). What cannot take another
//! order of axes (windows, resizes, products) and outputs stop it. Between the picture and the first window it is the
//! other way round ([`hoist`]): what scales and pads a picture then stands beside the window, which takes it in.
//!
//! Moving may also cost: a value with two readers of which one stays as it is would be turned in both ways. So the whole
//! is tried and weighed by the elements that its transpositions move; if these are no fewer than before, it stays.

use std::ops::Range;

use super::rewrite::{self, Rewriter, Rule};
use super::{common, constants, identity};
use crate::error::Result;
use crate::graph::{Graph, Node, ValueId};
use crate::ops::{ArgMax, Concat, Gather, LogSoftmax, Op, Pad, Reduce, Reshape, ReshapeDim, Slice, Softmax, Transpose};
use crate::shape::{Shape, matching_runs};

/// The ways to settle a graph, the boldest first.
const WAYS: [Rule; 2] = [sink_and_split, sink];

/// An operand may be turned so that another need not be if it has this many times fewer elements (the gates of squeeze
/// and excite, whose axes of size 1 make that free anyway).
const MUCH_SMALLER: usize = 8;

/// The graph with as few elements moved by transpositions as can be.
pub(super) fn settle(graph: Graph, budget: &mut u64) -> Result<Graph> {
    if !graph.nodes().iter().any(|node| matches!(node.op, Op::Transpose(_))) {
        return Ok(graph);
    }
    let Some(mut least) = moved(&graph) else { return Ok(graph) };
    let mut best = None;
    for way in WAYS {
        let tried = rounds(&graph, way, budget)?;
        // With no fewer elements to move there may still be fusions: as many will do.
        let Some(elements) = moved(&tried).filter(|n| *n < least || *n == least && best.is_none()) else { continue };
        (least, best) = (elements, Some(tried));
    }
    let graph = rounds(&best.unwrap_or(graph), hoist, budget)?;
    Ok(Rewriter::walk(&graph, &[unmoved], budget)?.0)
}

/// Walks with a rule, and what cleans up behind it, until nothing changes.
fn rounds(graph: &Graph, rule: Rule, budget: &mut u64) -> Result<Graph> {
    let rules = [constants::fold, identity::drop, common::share, rule];
    let (mut graph, mut changed) = Rewriter::walk(graph, &rules, budget)?;
    for _ in 0..super::MAX_ROUNDS {
        if !changed {
            break;
        }
        (graph, changed) = Rewriter::walk(&graph, &rules, budget)?;
    }
    Ok(graph)
}

/// Elements that all transpositions move; `None` where the shapes are not known.
fn moved(graph: &Graph) -> Option<usize> {
    let types = graph.infer(rewrite::probes(graph).first()?).ok()?;
    let cost = |node: &Node| match &node.op {
        Op::Transpose(op) if !in_order(&op.perm, &types[node.inputs[0]].shape) => {
            types[node.inputs[0]].shape.elements()
        }
        _ => 0,
    };
    Some(graph.nodes().iter().map(cost).sum())
}

/// Whether a transposition leaves every element where it is: only axes of size 1 pass others.
fn in_order(perm: &[usize], shape: &Shape) -> bool {
    perm.iter().filter(|&&axis| shape[axis] != 1).is_sorted()
}

/// What a transposition turns, and how.
fn turned(new: &Rewriter, value: ValueId) -> Option<(ValueId, Vec<usize>)> {
    match new.producer(value)? {
        Node { op: Op::Transpose(op), inputs, .. } => Some((inputs[0], op.perm.clone())),
        _ => None,
    }
}

/// `out[perm[i]] = list[i]`: what is said of the axes of a transposed value, said of the axes before it.
fn behind<T: Copy>(list: &[T], perm: &[usize]) -> Option<Vec<T>> {
    let mut out = list.to_vec();
    for (&item, &axis) in list.iter().zip(perm) {
        *out.get_mut(axis)? = item;
    }
    (list.len() == perm.len()).then_some(out)
}

fn inverse(perm: &[usize]) -> Vec<usize> {
    behind(&(0..perm.len()).collect::<Vec<_>>(), perm).unwrap_or_default()
}

/// The permutation that is left when axes are gone.
fn without(perm: &[usize], gone: &[usize]) -> Vec<usize> {
    let kept = perm.iter().filter(|axis| !gone.contains(axis));
    kept.map(|&axis| axis - gone.iter().filter(|&&g| g < axis).count()).collect()
}

/// `f(transpose(x))` becomes `transpose(f(x))`.
fn sink(new: &mut Rewriter, node: &Node) -> Result<Option<Vec<ValueId>>> {
    pass(new, node, false)
}

/// The same; and a reshape that needs some axes together (a shuffle of channels) gets these moved for it, on their own.
fn sink_and_split(new: &mut Rewriter, node: &Node) -> Result<Option<Vec<ValueId>>> {
    pass(new, node, true)
}

fn pass(new: &mut Rewriter, node: &Node, split: bool) -> Result<Option<Vec<ValueId>>> {
    let many = matches!(node.op, Op::Binary(_) | Op::Concat(_));
    let operands = &node.inputs[..if many { node.inputs.len() } else { node.inputs.len().min(1) }];
    let Some((source, perm)) = operands.iter().find_map(|&v| turned(new, v)) else { return Ok(None) };
    let rank = perm.len() as isize;
    let axis = |axis: isize| perm.get(if axis < 0 { axis + rank } else { axis } as usize).copied();
    let found: Option<(Op, Vec<usize>)> = match &node.op {
        Op::Unary(_) | Op::Cast(_) | Op::Binary(_) => Some((node.op.clone(), perm.clone())),
        Op::Concat(op) => axis(op.axis).map(|axis| (Concat { axis: axis as isize }.into(), perm.clone())),
        Op::Softmax(op) => axis(op.axis).map(|axis| (Softmax { axis: axis as isize }.into(), perm.clone())),
        Op::LogSoftmax(op) => axis(op.axis).map(|axis| (LogSoftmax { axis: axis as isize }.into(), perm.clone())),
        Op::Slice(op) => behind(&op.axes, &perm).map(|axes| (Slice { axes }.into(), perm.clone())),
        Op::Pad(op) => behind(&op.pads, &perm).map(|pads| (Pad { pads, mode: op.mode }.into(), perm.clone())),
        Op::Reduce(op) => op.axes.iter().map(|&a| axis(a)).collect::<Option<Vec<_>>>().map(|gone| {
            let axes = gone.iter().map(|&axis| axis as isize).collect();
            let all = if gone.is_empty() { Vec::new() } else { without(&perm, &gone) };
            let left = if op.keep_dims { perm.clone() } else { all };
            (Reduce { kind: op.kind, axes, keep_dims: op.keep_dims }.into(), left)
        }),
        Op::ArgMax(op) => axis(op.axis).map(|at| {
            let left = if op.keep_dims { perm.clone() } else { without(&perm, &[at]) };
            (ArgMax { axis: at as isize, keep_dims: op.keep_dims }.into(), left)
        }),
        Op::Gather(op) if new.rank(node.inputs[1]) == Some(1) => {
            axis(op.axis).map(|axis| (Gather { axis: axis as isize }.into(), perm.clone()))
        }
        Op::Reshape(op) => return reshape(new, node, op, source, &perm, split),
        _ => None,
    };
    let Some((op, left)) = found else { return Ok(None) };
    let mut inputs = node.inputs.clone();
    if many {
        let elements = new.elements(source);
        if !node.inputs.iter().all(|&v| can_turn(new, node, v, &perm, elements)) {
            return Ok(None);
        }
        for input in &mut inputs {
            *input = turn_back(new, node, *input, &perm)?;
        }
    } else {
        inputs[0] = source;
    }
    let result = new.emit(&node.name, op, &inputs)?;
    Ok(Some(vec![new.emit(&node.name, Transpose { perm: left }, &[result])?]))
}

/// Whether an operand can be had as it is before the transposition, for little.
fn can_turn(new: &Rewriter, node: &Node, value: ValueId, perm: &[usize], elements: Option<usize>) -> bool {
    if let Some((_, other)) = turned(new, value) {
        return other == perm;
    }
    // Only element by element do operands of fewer dimensions fit.
    let fits = new.rank(value).is_some_and(|r| r == perm.len() || r < perm.len() && matches!(node.op, Op::Binary(_)));
    let small = || new.elements(value).zip(elements).is_some_and(|(n, all)| n.saturating_mul(MUCH_SMALLER) <= all);
    fits && (new.constant_of(value).is_some() || small())
}

/// The operand as it is before the transposition.
fn turn_back(new: &mut Rewriter, node: &Node, value: ValueId, perm: &[usize]) -> Result<ValueId> {
    if let Some((source, _)) = turned(new, value) {
        return Ok(source);
    }
    let (rank, one) = (new.rank(value).unwrap_or(0), new.elements(value) == Some(1));
    if one && matches!(node.op, Op::Binary(_)) {
        return Ok(value);
    }
    let mut value = value;
    if rank < perm.len() {
        let ones = (rank..perm.len()).map(|_| ReshapeDim::Size(1));
        let dims = ones.chain((0..rank).map(ReshapeDim::Copy)).collect();
        value = new.emit(&node.name, Reshape { dims }, &[value])?;
    }
    new.emit(&node.name, Transpose { perm: inverse(perm) }, &[value])
}

/// A reshape of a transposed value: it splits and joins runs of axes. Where every run lies together before the
/// transposition, it can go first.
fn reshape(
    new: &mut Rewriter,
    node: &Node,
    op: &Reshape,
    source: ValueId,
    perm: &[usize],
    split: bool,
) -> Result<Option<Vec<ValueId>>> {
    let (Some(from), Some(to)) = (new.dims(node.inputs[0]), new.result_dims(node)) else { return Ok(None) };
    let Some(runs) = matching_runs(&from, &to) else { return Ok(None) };
    let wide = |axis: &usize| from[*axis] != [1, 1];
    // Runs in the order in which they begin before the transposition.
    let first = |run: &Range<usize>| {
        let places = |wide_only: bool| run.clone().filter(|a| !wide_only || wide(a)).map(|a| perm[a]).min();
        places(true).or_else(|| places(false)).unwrap_or(usize::MAX)
    };
    let mut sorted: Vec<_> = runs.into_iter().collect();
    sorted.sort_by_key(|(run, _)| first(run));
    let wanted: Vec<usize> = sorted.iter().flat_map(|(run, _)| run.clone()).collect();
    let order: Vec<usize> = sorted.iter().flat_map(|(_, target)| target.clone()).collect();
    let stored = inverse(perm);
    let moves = stored.iter().filter(|a| wide(a)).ne(wanted.iter().filter(|a| wide(a)));
    if moves && (!split || order.is_sorted()) {
        return Ok(None);
    }
    // Where each axis of the transposed value is in what the reshape gets now.
    let places = if moves { inverse(&wanted) } else { perm.to_vec() };
    let dim = |&axis: &usize| match op.dims.get(axis)? {
        ReshapeDim::Copy(from) => places.get(*from).copied().map(ReshapeDim::Copy),
        dim => Some(*dim),
    };
    let Some(dims) = order.iter().map(dim).collect() else { return Ok(None) };
    let mut value = source;
    if moves {
        let perm = wanted.iter().map(|&axis| perm[axis]).collect();
        value = new.emit(&node.name, Transpose { perm }, &[value])?;
    }
    value = new.emit(&node.name, Reshape { dims }, &[value])?;
    Ok(Some(vec![new.emit(&node.name, Transpose { perm: inverse(&order) }, &[value])?]))
}

/// `transpose(f(x))` becomes `f(transpose(x))` where `x` is an input of the graph, or follows from one by such functions.
fn hoist(new: &mut Rewriter, node: &Node) -> Result<Option<Vec<ValueId>>> {
    let Op::Transpose(Transpose { perm }) = &node.op else { return Ok(None) };
    let mut value = node.inputs[0];
    while let Some(before) = new.only_feeds_this(value) {
        let Some(at) = picture(new, before) else { return Ok(None) };
        value = before.inputs[at];
    }
    // Not a constant, and not the same as before.
    if new.producer(value).is_some() || new.constant_of(value).is_some() || value == node.inputs[0] {
        return Ok(None);
    }
    let Some(before) = new.producer(node.inputs[0]).cloned() else { return Ok(None) };
    let Some(at) = picture(new, &before) else { return Ok(None) };
    if new.rank(before.inputs[at]) != Some(perm.len()) {
        return Ok(None);
    }
    let op = match &before.op {
        Op::Pad(op) => Pad { pads: perm.iter().map(|&axis| op.pads[axis]).collect(), mode: op.mode }.into(),
        op => op.clone(),
    };
    let back = inverse(perm);
    let mut inputs = before.inputs.clone();
    for (i, input) in inputs.iter_mut().enumerate() {
        *input = if i == at {
            new.emit(&node.name, Transpose { perm: perm.clone() }, &[*input])?
        } else {
            turn_back(new, &before, *input, &back)?
        };
    }
    Ok(Some(vec![new.emit(&before.name, op, &inputs)?]))
}

/// Which operand of a node is the picture, if it does no more to it than what may be done in any order of axes.
fn picture(new: &Rewriter, node: &Node) -> Option<usize> {
    match node.op {
        Op::Pad(_) | Op::Unary(_) | Op::Cast(_) => Some(0),
        Op::Binary(_) if new.constant_of(node.inputs[1]).is_some() => Some(0),
        Op::Binary(_) if new.constant_of(node.inputs[0]).is_some() => Some(1),
        _ => None,
    }
}

/// A transposition that moves no element is a reshape, which costs nothing.
fn unmoved(new: &mut Rewriter, node: &Node) -> Result<Option<Vec<ValueId>>> {
    let (Op::Transpose(Transpose { perm }), Some(dims)) = (&node.op, new.dims(node.inputs[0])) else { return Ok(None) };
    if !perm.iter().filter(|&&axis| dims[axis] != [1, 1]).is_sorted() {
        return Ok(None);
    }
    let dims = perm.iter().map(|&axis| ReshapeDim::Copy(axis)).collect();
    Ok(Some(vec![new.emit(&node.name, Reshape { dims }, &node.inputs)?]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{ArgMax, Binary, BinaryKind, Conv2d, PadMode, ReduceKind, SliceAxis, Unary};
    use crate::passes::testing::{constant, names, optimized};
    use crate::shape::Padding;
    use crate::tensor::{DType, Tensor};

    const FIRST: [usize; 4] = [0, 3, 1, 2];
    const LAST: [usize; 4] = [0, 2, 3, 1];

    struct Net(Graph);

    impl Net {
        /// An input of channels last, with an open batch: `[?, 4, 5, 6]`.
        fn new() -> (Net, ValueId) {
            let mut graph = Graph::new();
            let x = graph.input("x", DType::F32, vec![None, Some(4), Some(5), Some(6)]);
            (Net(graph), x)
        }

        fn turn(&mut self, x: ValueId, perm: &[usize]) -> ValueId {
            self.add(Transpose { perm: perm.to_vec() }, &[x])
        }

        fn add(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> ValueId {
            self.0.add("step", op, inputs).unwrap()
        }

        /// A 1 x 1 convolution, channels last inside and first outside.
        fn conv(&mut self, x: ValueId, inputs: usize, outputs: usize) -> ValueId {
            let x = self.turn(x, &LAST);
            let y = self.conv_last(x, inputs, outputs);
            self.turn(y, &FIRST)
        }

        fn conv_last(&mut self, x: ValueId, inputs: usize, outputs: usize) -> ValueId {
            let kernel = constant(&mut self.0, &[1, 1, inputs, outputs], 5);
            self.add(Conv2d::default(), &[x, kernel])
        }

        fn names(mut self, y: ValueId) -> Vec<&'static str> {
            self.0.output("y", y);
            names(&optimized(&self.0))
        }
    }

    /// Transposes to channels first, does something, goes back.
    fn between(op: impl Into<Op>) -> Vec<&'static str> {
        let (mut net, x) = Net::new();
        let x = net.turn(x, &FIRST);
        let y = net.add(op, &[x]);
        let y = net.turn(y, &LAST);
        net.names(y)
    }

    #[test]
    fn operations_of_one_operand_work_in_any_order_of_axes() {
        let all = SliceAxis::ALL;
        assert_eq!(between(Unary::Tanh), ["Tanh"]);
        assert_eq!(between(Slice { axes: vec![all, SliceAxis::range(1, 4), all, SliceAxis::range(2, 3)] }), ["Slice"]);
        for mode in [PadMode::Constant(2.0), PadMode::Reflect] {
            assert_eq!(between(Pad { pads: vec![[0, 0], [0, 1], [2, 3], [1, 0]], mode }), ["Pad"]);
        }
        for axis in [-3, 1, 2] {
            assert_eq!(between(Softmax { axis }), ["Softmax"]);
            assert_eq!(between(LogSoftmax { axis }), ["LogSoftmax"]);
            assert_eq!(between(ArgMax { axis, keep_dims: true }), ["ArgMax"]);
        }
        for axes in [vec![1], vec![-1, 2], vec![]] {
            assert_eq!(between(Reduce { kind: ReduceKind::Max, axes, keep_dims: true }), ["ReduceMax"]);
        }
        // Height and width in one axis: the channels behind it, not before.
        let (mut net, x) = Net::new();
        let x = net.turn(x, &FIRST);
        let dims = vec![ReshapeDim::Copy(0), ReshapeDim::Copy(1), ReshapeDim::Infer];
        let y = net.add(Reshape { dims }, &[x]);
        let y = net.turn(y, &[0, 2, 1]);
        assert_eq!(net.names(y), ["Reshape"]);
    }

    #[test]
    fn axes_that_go_take_their_place_in_the_permutation_with_them() {
        for (axes, ops) in [
            (vec![2, 3], vec!["ReduceMean"]),
            (vec![1], vec!["ReduceMean"]),
            (vec![2], vec!["ReduceMean", "Transpose"]),
        ] {
            let (mut net, x) = Net::new();
            let x = net.turn(x, &FIRST);
            let y = net.add(Reduce { kind: ReduceKind::Mean, axes: axes.clone(), keep_dims: false }, &[x]);
            assert_eq!(net.names(y), ops, "{axes:?}");
        }
        let (mut net, x) = Net::new();
        let x = net.turn(x, &FIRST);
        let y = net.add(ArgMax { axis: 1, keep_dims: false }, &[x]);
        assert_eq!(net.names(y), ["ArgMax"]);
        let (mut net, x) = Net::new();
        let x = net.turn(x, &FIRST);
        let order = net.0.constant("order", Tensor::i32([3], vec![5, 0, 2]).unwrap());
        let y = net.add(Gather { axis: 1 }, &[x, order]);
        let y = net.turn(y, &LAST);
        assert_eq!(net.names(y), ["Gather"]);
    }

    #[test]
    fn operands_are_turned_where_that_costs_nothing() {
        for shape in [&[6, 1, 1][..], &[1, 6, 4, 5], &[5], &[], &[1, 1]] {
            let (mut net, x) = Net::new();
            let x = net.turn(x, &FIRST);
            let c = constant(&mut net.0, shape, 3);
            let y = net.add(Binary::new(BinaryKind::Sub), &[c, x]);
            let y = net.turn(y, &LAST);
            assert_eq!(net.names(y), ["Sub"], "{shape:?}");
        }
        // A gate for every channel, of another branch.
        let (mut net, x) = Net::new();
        let turned = net.turn(x, &FIRST);
        let gate = net.0.input("gate", DType::F32, vec![None, Some(6), Some(1), Some(1)]);
        let y = net.add(Binary::new(BinaryKind::Mul), &[turned, gate]);
        let y = net.turn(y, &LAST);
        assert_eq!(net.names(y), ["Reshape", "Mul"]);
        // As large as the picture: one of the two has to be turned.
        let (mut net, x) = Net::new();
        let turned = net.turn(x, &FIRST);
        let other = net.0.input("other", DType::F32, vec![None, Some(6), Some(4), Some(5)]);
        let y = net.add(Binary::new(BinaryKind::Mul), &[turned, other]);
        let y = net.turn(y, &LAST);
        assert_eq!(net.names(y), ["Transpose", "Mul", "Transpose"]);
    }

    /// A residual unit, a concatenation and a squeeze-and-excite gate, as a converter from channels first writes them.
    #[test]
    fn networks_of_channels_first_keep_one_transposition_at_each_end() {
        let mut net = Net(Graph::new());
        let x = net.0.input("x", DType::F32, vec![None, Some(3), Some(8), Some(8)]);
        let pads = vec![[0, 0], [0, 0], [1, 1], [1, 1]];
        let padded = net.add(Pad { pads, mode: PadMode::Constant(0.0) }, &[x]);
        let y = net.conv(padded, 3, 8);
        let y = net.add(Unary::LeakyRelu { alpha: 0.1 }, &[y]);
        let side = net.conv(y, 8, 8);
        let sum = net.add(Binary::new(BinaryKind::Add), &[side, y]);
        let joined = net.add(Concat { axis: 1 }, &[y, sum, side]);
        let gate = net.add(Reduce { kind: ReduceKind::Mean, axes: vec![2, 3], keep_dims: true }, &[joined]);
        let gate = net.conv(gate, 24, 24);
        let gate = net.add(Unary::Sigmoid, &[gate]);
        let y = net.add(Binary::new(BinaryKind::Mul), &[joined, gate]);
        let y = net.conv(y, 24, 4);
        // The padding went into the first convolution, which the transposition would not have let it.
        let ops =
            ["Transpose", "Conv2d", "Conv2d", "Add", "Concat", "ReduceMean", "Conv2d", "Mul", "Conv2d", "Transpose"];
        assert_eq!(net.names(y), ops);
    }

    #[test]
    fn a_shuffle_of_channels_moves_channels_alone() {
        let mut net = Net(Graph::new());
        let x = net.0.input("x", DType::F32, vec![None, Some(4), Some(5), Some(6)]);
        let first = net.turn(x, &FIRST);
        let sizes = |list: &[usize]| list.iter().map(|&n| ReshapeDim::Size(n)).collect::<Vec<_>>();
        let split = [vec![ReshapeDim::Copy(0)], sizes(&[2, 3, 4, 5])].concat();
        let y = net.add(Reshape { dims: split }, &[first]);
        let y = net.turn(y, &[0, 2, 1, 3, 4]);
        let joined = [vec![ReshapeDim::Copy(0)], sizes(&[6, 4, 5])].concat();
        let y = net.add(Reshape { dims: joined }, &[y]);
        let y = net.turn(y, &LAST);
        net.0.output("y", y);
        let graph = optimized(&net.0);
        assert_eq!(names(&graph), ["Reshape", "Transpose", "Reshape"]);
        let Op::Transpose(op) = &graph.nodes()[1].op else { panic!("{graph}") };
        assert_eq!(op.perm, [0, 1, 2, 4, 3]);
    }

    #[test]
    fn what_is_needed_both_ways_is_turned_once() {
        // The sum of squares of each channel, and the picture itself, are asked for channels first.
        let (mut net, x) = Net::new();
        let y = net.conv_last(x, 6, 6);
        let y = net.turn(y, &FIRST);
        let a = net.add(Unary::Square, &[y]);
        let b = net.add(Unary::Exp, &[y]);
        net.0.output("a", a);
        net.0.output("b", b);
        assert_eq!(names(&optimized(&net.0)), ["Conv2d", "Transpose", "Square", "Exp"]);
    }

    #[test]
    fn what_scales_a_picture_comes_behind_the_turn_and_goes_into_the_window() {
        let mut net = Net(Graph::new());
        let x = net.0.input("x", DType::F32, vec![None, Some(3), Some(6), Some(6)]);
        let scale = net.0.constant("scale", Tensor::scalar(1.0 / 255.0));
        let scaled = net.add(Binary::new(BinaryKind::Mul), &[scale, x]);
        let pads = vec![[0, 0], [0, 0], [1, 0], [0, 2]];
        let padded = net.add(Pad { pads, mode: PadMode::Constant(0.0) }, &[scaled]);
        let x = net.turn(padded, &LAST);
        let kernel = constant(&mut net.0, &[3, 3, 3, 4], 5);
        let y = net.add(Conv2d { padding: Padding::Valid, ..Default::default() }, &[x, kernel]);
        assert_eq!(net.names(y), ["Transpose", "Conv2d"]);
    }

    #[test]
    fn axes_of_size_one_are_not_moved() {
        let mut net = Net(Graph::new());
        let x = net.0.input("x", DType::F32, vec![None, Some(1), Some(1), Some(6)]);
        let y = net.turn(x, &FIRST);
        assert_eq!(net.names(y), ["Reshape"]);
    }
}
