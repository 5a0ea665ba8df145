//! Constant folding: nodes whose operands are all known are computed now, by the reference kernels.

use super::rewrite::Rewriter;
use crate::error::Result;
use crate::graph::{Node, ValueId};

/// Replaces a node over constants by its results, as long as the budget lasts.
pub(super) fn fold(new: &mut Rewriter, node: &Node) -> Result<Option<Vec<ValueId>>> {
    let Some(operands) = node.inputs.iter().map(|&v| new.constant_of(v).cloned()).collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    let Some(kernel) = node.op.foldable() else { return Ok(None) };
    let operands: Vec<_> = operands.iter().map(|t| &**t).collect();
    let op = node.op.operator();
    let kinds: Vec<_> = operands.iter().map(|t| t.kind()).collect();
    let outputs = op.infer(&kinds)?;
    let written: usize = outputs.iter().map(|t| t.shape.elements()).sum();
    let cost = op.flops(&kinds, &outputs).max(written as u64);
    if cost > *new.budget {
        return Ok(None);
    }
    *new.budget -= cost;
    let results = kernel.reference(&operands)?;
    Ok(Some(results.into_iter().map(|tensor| new.constant(&node.name, tensor)).collect()))
}

#[cfg(test)]
mod tests {
    use crate::graph::Graph;
    use crate::ops::{Binary, BinaryKind, Pad, PadMode, Unary};
    use crate::passes::testing::{names, optimized};
    use crate::tensor::{DType, Tensor};

    #[test]
    fn arithmetic_on_constants_disappears() {
        let mut graph = Graph::new();
        let x = graph.input("x", DType::F32, vec![None, Some(3)]);
        let a = graph.constant("a", Tensor::f32([3], vec![1.0, 4.0, 9.0]).unwrap());
        let root = graph.add("root", Unary::Sqrt, &[a]).unwrap();
        let sum = graph.add("sum", Binary::new(BinaryKind::Add), &[root, a]).unwrap();
        let y = graph.add("y", Binary::new(BinaryKind::Maximum), &[x, sum]).unwrap();
        graph.output("y", y);
        assert_eq!(names(&optimized(&graph)), ["Maximum"]);
    }

    #[test]
    fn a_few_bytes_cannot_buy_gigabytes() {
        let mut graph = Graph::new();
        let x = graph.input("x", DType::F32, vec![None]);
        let one = graph.constant("one", Tensor::f32([1], vec![1.0]).unwrap());
        let huge = Pad { pads: vec![[0, (1 << 28) - 1]], mode: PadMode::Constant(0.0) };
        let huge = graph.add("huge", huge, &[one]).unwrap();
        graph.output("huge", huge);
        graph.output("x", x);
        let optimized = super::super::optimize(&graph).unwrap();
        assert_eq!(names(&optimized), ["Pad"], "left to the backend, which checks its memory");
    }

    #[test]
    fn variables_are_no_constants() {
        let mut graph = Graph::new();
        let x = graph.input("x", DType::F32, vec![None, Some(3)]);
        let [unused, v] = ["unused", "v"].map(|n| graph.variable(n, Tensor::f32([3], vec![0.0; 3]).unwrap()));
        let sum = graph.add("sum", Binary::new(BinaryKind::Add), &[x, v]).unwrap();
        let next = graph.add("next", Unary::Neg, &[v]).unwrap();
        graph.output("y", sum);
        graph.assign(v, next).unwrap();
        graph.assign(unused, v).unwrap();
        let after = optimized(&graph);
        assert_eq!(names(&after), ["Add", "Neg"], "{after}");
        let [unused, v] = [&after.variables()[0], &after.variables()[1]];
        assert_eq!((unused.update, after.values()[unused.value.index()].name.as_str()), (Some(v.value), "unused"));
        assert_eq!(after.producer(v.update.unwrap()).unwrap().1.name, "next");
    }
}
