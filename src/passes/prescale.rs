//! A scalar factor of a layer's input goes into the layer's kernel: `conv(x * c, k)` is `conv(x, k * c)`.
//!
//! Files with half-precision constants hold 1/6 as 0.16662598, so a hard swish written out comes with a factor of
//! 0.99976 ([`super::written_out`]); ignoring it would cost a deep network percents. Here it costs nothing. So does
//! the scaling of pixels in front of a first layer.

use super::rewrite::Rewriter;
use crate::error::Result;
use crate::graph::{Node, ValueId};
use crate::ops::{Binary, BinaryKind, Op, ReduceKind};
use crate::tensor::Tensor;

/// Scales a layer's kernel by the factor of its first operand. Padding is zeros, which no factor changes.
pub(super) fn fold(new: &mut Rewriter, node: &Node) -> Result<Option<Vec<ValueId>>> {
    if node.op.epilogue().is_none() {
        return Ok(None);
    }
    let &[x, kernel, ..] = &node.inputs[..] else { return Ok(None) };
    let Some(tensor) = new.constant_of(kernel).cloned() else { return Ok(None) };
    let mut factor = 1.0;
    let Some(x) = without_factor(new, x, &mut factor)? else { return Ok(None) };
    let values: Vec<f32> = tensor.as_f32()?.iter().map(|&v| (v as f64 * factor) as f32).collect();
    let kernel = new.constant(&node.name, Tensor::f32(tensor.shape().clone(), values)?);
    let mut inputs = node.inputs.clone();
    (inputs[0], inputs[1]) = (x, kernel);
    Ok(Some(vec![new.emit(&node.name, node.op.clone(), &inputs)?]))
}

/// `y` if a value is `y * c`, with `c` multiplied into `factor`; also through means, sums and products that nothing
/// else uses. `None` (and nothing added) if there is no factor.
fn without_factor(new: &mut Rewriter, value: ValueId, factor: &mut f64) -> Result<Option<ValueId>> {
    let Some(node) = new.producer(value).cloned() else { return Ok(None) };
    match (&node.op, &node.inputs[..]) {
        (Op::Binary(Binary { kind: kind @ (BinaryKind::Mul | BinaryKind::Div), activation: None }), &[a, b]) => {
            let divides = *kind == BinaryKind::Div;
            // The factor itself, if it does not stretch what it scales.
            for (y, c) in [(a, b), (b, a)].into_iter().take(if divides { 1 } else { 2 }) {
                if let Some(c) = new.scalar(c).filter(|c| c.is_finite() && *c != 0.0 && new.same_type(y, value)) {
                    *factor *= if divides { 1.0 / c as f64 } else { c as f64 };
                    return Ok(Some(y));
                }
            }
            if divides || new.only_feeds_this(value).is_none() {
                return Ok(None);
            }
            let (left, right) = (without_factor(new, a, factor)?, without_factor(new, b, factor)?);
            if left.is_none() && right.is_none() {
                return Ok(None);
            }
            new.emit(&node.name, node.op, &[left.unwrap_or(a), right.unwrap_or(b)]).map(Some)
        }
        (Op::Reduce(reduce), &[x])
            if matches!(reduce.kind, ReduceKind::Mean | ReduceKind::Sum) && new.only_feeds_this(value).is_some() =>
        {
            let Some(x) = without_factor(new, x, factor)? else { return Ok(None) };
            new.emit(&node.name, node.op, &[x]).map(Some)
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
    use crate::ops::{Conv2d, DepthwiseConv2d, Epilogue, Reduce, Unary};
    use crate::passes::testing::{constant, names, optimized};
    use crate::shape::Padding;
    use crate::tensor::DType;

    fn scaled(graph: &mut Graph, x: ValueId, c: f32) -> ValueId {
        let c = graph.constant("c", Tensor::scalar(c));
        graph.add("scaled", Binary::new(BinaryKind::Mul), &[c, x]).unwrap()
    }

    fn conv(graph: &mut Graph, x: ValueId, seed: u32) -> ValueId {
        let operands = [x, constant(graph, &[3, 3, 4, 4], seed), constant(graph, &[4], seed + 1)];
        let op = Conv2d { padding: Padding::Same, epilogue: Epilogue::bias(), ..Default::default() };
        graph.add("conv", op, &operands).unwrap()
    }

    #[test]
    fn a_scaled_picture() {
        let mut graph = Graph::new();
        let x = graph.input("x", DType::F32, vec![None, Some(5), Some(6), Some(4)]);
        let y = scaled(&mut graph, x, 1.0 / 255.0);
        let y = conv(&mut graph, y, 1);
        graph.output("y", y);
        assert_eq!(names(&optimized(&graph)), ["Conv2d"]);
    }

    #[test]
    fn through_squeeze_and_excite() {
        let mut graph = Graph::new();
        let x = graph.input("x", DType::F32, vec![None, Some(5), Some(6), Some(4)]);
        let x = graph.add("abs", Unary::Abs, &[x]).unwrap();
        let x = scaled(&mut graph, x, 0.999);
        let mean = Reduce { kind: ReduceKind::Mean, axes: vec![1, 2], keep_dims: true };
        let gate = graph.add("mean", mean, &[x]).unwrap();
        let gate = conv(&mut graph, gate, 1);
        let gate = graph.add("sigmoid", Unary::Sigmoid, &[gate]).unwrap();
        let gate = scaled(&mut graph, gate, 1.25);
        let y = graph.add("mul", Binary::new(BinaryKind::Mul), &[gate, x]).unwrap();
        let kernel = constant(&mut graph, &[3, 3, 4, 1], 7);
        let y = graph.add("depthwise", DepthwiseConv2d::default(), &[y, kernel]).unwrap();
        graph.output("y", y);
        assert_eq!(names(&optimized(&graph)), ["Abs", "ReduceMean", "Conv2d", "Mul", "DepthwiseConv2d"]);
    }

    #[test]
    fn other_users_keep_the_scaled_value() {
        let mut graph = Graph::new();
        let x = graph.input("x", DType::F32, vec![None, Some(5), Some(6), Some(4)]);
        let x = scaled(&mut graph, x, 0.5);
        let y = conv(&mut graph, x, 1);
        graph.output("scaled", x);
        graph.output("y", y);
        assert_eq!(names(&optimized(&graph)), ["Mul", "Conv2d"]);
    }
}
