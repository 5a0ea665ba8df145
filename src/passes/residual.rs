//! The sum of a layer's result and another value of its shape goes into the layer's epilogue.

use super::rewrite::Rewriter;
use crate::error::Result;
use crate::graph::{Node, ValueId};
use crate::ops::{Binary, BinaryKind, Op};

/// `conv(x, k) + y` with equal shapes; an activation of the sum comes along.
pub(super) fn fold(new: &mut Rewriter, node: &Node) -> Result<Option<Vec<ValueId>>> {
    let (Op::Binary(Binary { kind: BinaryKind::Add, activation }), &[a, b]) = (&node.op, &node.inputs[..]) else {
        return Ok(None);
    };
    if !new.same_type(a, b) {
        return Ok(None);
    }
    let candidate = |x: ValueId, residual: ValueId| {
        let layer = new.open_epilogue(x)?;
        (!layer.op.epilogue()?.residual).then_some((x, layer, residual))
    };
    // Where both would do, the later layer: the other one's result then lives as long as before.
    let found = [candidate(a, b), candidate(b, a)].into_iter().flatten().max_by_key(|(x, ..)| *x);
    let Some((_, mut layer, residual)) = found else { return Ok(None) };
    let Some(epilogue) = layer.op.epilogue_mut() else { return Ok(None) };
    epilogue.residual = true;
    epilogue.activation = *activation;
    layer.inputs.push(residual);
    Ok(Some(vec![new.emit(&layer.name, layer.op, &layer.inputs)?]))
}

#[cfg(test)]
mod tests {
    use crate::graph::Graph;
    use crate::ops::{Binary, BinaryKind, Conv2d, Unary};
    use crate::passes::testing::{constant, names, optimized};
    use crate::shape::Padding;
    use crate::tensor::{DType, Tensor};

    fn conv() -> Conv2d {
        Conv2d { padding: Padding::Same, ..Default::default() }
    }

    #[test]
    fn a_residual_block_is_its_convolutions() {
        let mut graph = Graph::new();
        let x = graph.input("x", DType::F32, vec![None, Some(4), Some(5), Some(3)]);
        let kernels = [1, 2, 3].map(|i| constant(&mut graph, &[3, 3, 3, 3], i));
        let a = graph.add("a", conv(), &[x, kernels[0]]).unwrap();
        let a = graph.add("relu_a", Unary::Relu, &[a]).unwrap();
        let shortcut = graph.add("shortcut", conv(), &[x, kernels[2]]).unwrap();
        let b = graph.add("b", conv(), &[a, kernels[1]]).unwrap();
        let sum = graph.add("sum", Binary::new(BinaryKind::Add), &[b, shortcut]).unwrap();
        let bias = constant(&mut graph, &[3], 7);
        let y = graph.add("late_bias", Binary::new(BinaryKind::Add), &[sum, bias]).unwrap();
        let y = graph.add("relu", Unary::Relu, &[y]).unwrap();
        graph.output("y", y);
        let graph = optimized(&graph);
        let layers: Vec<&str> = graph.nodes().iter().map(|n| n.name.as_str()).collect();
        assert_eq!(layers, ["a", "shortcut", "b"]);
        let epilogue = graph.nodes()[2].op.epilogue().unwrap();
        assert!(epilogue.bias && epilogue.residual && epilogue.activation == Some(Unary::Relu));
    }

    #[test]
    fn broadcasting_sums_stay() {
        // For a batch of one the shapes agree, for others not.
        let mut graph = Graph::new();
        let x = graph.input("x", DType::F32, vec![None, Some(4), Some(5), Some(3)]);
        let kernel = constant(&mut graph, &[1, 1, 3, 3], 1);
        let y = graph.add("conv", conv(), &[x, kernel]).unwrap();
        let picture = graph.constant("picture", Tensor::f32([1, 4, 5, 3], vec![0.5; 60]).unwrap());
        let y = graph.add("sum", Binary::new(BinaryKind::Add), &[y, picture]).unwrap();
        graph.output("y", y);
        assert_eq!(names(&optimized(&graph)), ["Conv2d", "Add"]);
    }

    #[test]
    fn values_with_other_users_stay() {
        let mut graph = Graph::new();
        let x = graph.input("x", DType::F32, vec![None, Some(4), Some(5), Some(3)]);
        let kernel = constant(&mut graph, &[1, 1, 3, 3], 1);
        let y = graph.add("conv", conv(), &[x, kernel]).unwrap();
        let sum = graph.add("sum", Binary::new(BinaryKind::Add), &[y, x]).unwrap();
        let twice = graph.add("twice", Binary::new(BinaryKind::Add), &[y, y]).unwrap();
        graph.output("sum", sum);
        graph.output("twice", twice);
        assert_eq!(names(&optimized(&graph)), ["Conv2d", "Add", "Add"]);
    }
}
