//! A function of a layer's or an addition's result is applied before it is stored.

use super::rewrite::Rewriter;
use crate::error::Result;
use crate::graph::{Node, ValueId};
use crate::ops::{Binary, Op};

/// Puts a [`Unary`](crate::ops::Unary) into the epilogue of what it reads.
pub(super) fn fold(new: &mut Rewriter, node: &Node) -> Result<Option<Vec<ValueId>>> {
    let (Op::Unary(function), &[x]) = (&node.op, &node.inputs[..]) else { return Ok(None) };
    let Some(layer) = new.only_feeds_this(x) else { return Ok(None) };
    let mut layer = layer.clone();
    let slot = match &mut layer.op {
        Op::Binary(Binary { activation, .. }) => activation,
        op => match op.epilogue_mut() {
            Some(epilogue) => &mut epilogue.activation,
            None => return Ok(None),
        },
    };
    if slot.is_some() {
        return Ok(None);
    }
    *slot = Some(*function);
    Ok(Some(vec![new.emit(&layer.name, layer.op, &layer.inputs)?]))
}

#[cfg(test)]
mod tests {
    use crate::graph::Graph;
    use crate::ops::{Binary, BinaryKind, Conv2d, Unary};
    use crate::passes::testing::{constant, names, optimized};
    use crate::tensor::DType;

    #[test]
    fn one_activation_per_epilogue() {
        let mut graph = Graph::new();
        let x = graph.input("x", DType::F32, vec![None, Some(4), Some(5), Some(3)]);
        let kernel = constant(&mut graph, &[1, 1, 3, 3], 1);
        let y = graph.add("conv", Conv2d::default(), &[x, kernel]).unwrap();
        let y = graph.add("tanh", Unary::Tanh, &[y]).unwrap();
        let y = graph.add("exp", Unary::Exp, &[y]).unwrap();
        let sum = graph.add("mul", Binary::new(BinaryKind::Mul), &[y, x]).unwrap();
        let y = graph.add("abs", Unary::Abs, &[sum]).unwrap();
        graph.output("y", y);
        let graph = optimized(&graph);
        assert_eq!(names(&graph), ["Conv2d", "Exp", "Mul"], "{graph}");
    }

    #[test]
    fn an_output_keeps_its_value() {
        let mut graph = Graph::new();
        let x = graph.input("x", DType::F32, vec![None, Some(4), Some(5), Some(3)]);
        let kernel = constant(&mut graph, &[1, 1, 3, 3], 1);
        let conv = graph.add("conv", Conv2d::default(), &[x, kernel]).unwrap();
        let y = graph.add("relu", Unary::Relu, &[conv]).unwrap();
        graph.output("before", conv);
        graph.output("after", y);
        let graph = optimized(&graph);
        assert_eq!(names(&graph), ["Conv2d", "Relu"]);
        assert_eq!(graph.outputs()[0].name, "before");
    }
}
