//! Batch normalisation becomes a product and a sum per channel, which the scale and bias passes fold into what precedes.

use super::rewrite::Rewriter;
use crate::error::Result;
use crate::graph::{Node, ValueId};
use crate::ops::{Binary, BinaryKind, Op, Unary};
use crate::tensor::Tensor;

/// `x * s + t` with `s = gamma / sqrt(variance + epsilon)` and `t = beta - mean * s`, computed here in float64 where
/// the statistics are constants and by further nodes where they are not.
pub(super) fn unfold(new: &mut Rewriter, node: &Node) -> Result<Option<Vec<ValueId>>> {
    let (Op::BatchNorm(op), &[x, gamma, beta, mean, variance]) = (&node.op, &node.inputs[..]) else { return Ok(None) };
    let name = &node.name;
    let known = [gamma, beta, mean, variance].map(|v| new.constant_of(v).cloned());
    let (scale, shift) = if let [Some(gamma), Some(beta), Some(mean), Some(variance)] = known {
        let (gamma, beta, mean, variance) = (gamma.as_f32()?, beta.as_f32()?, mean.as_f32()?, variance.as_f32()?);
        let scale = |c: usize| gamma[c] as f64 / (variance[c] as f64 + op.epsilon as f64).sqrt();
        let channels = 0..gamma.len().min(beta.len()).min(mean.len()).min(variance.len());
        let scales: Vec<f32> = channels.clone().map(|c| scale(c) as f32).collect();
        let shifts: Vec<f32> = channels.map(|c| (beta[c] as f64 - mean[c] as f64 * scale(c)) as f32).collect();
        let n = scales.len();
        (new.constant(name, Tensor::f32([n], scales)?), new.constant(name, Tensor::f32([n], shifts)?))
    } else {
        let epsilon = new.constant(name, Tensor::scalar(op.epsilon));
        let sum = new.emit(name, Binary::new(BinaryKind::Add), &[variance, epsilon])?;
        let root = new.emit(name, Unary::Rsqrt, &[sum])?;
        let scale = new.emit(name, Binary::new(BinaryKind::Mul), &[root, gamma])?;
        let offset = new.emit(name, Binary::new(BinaryKind::Mul), &[mean, scale])?;
        (scale, new.emit(name, Binary::new(BinaryKind::Sub), &[beta, offset])?)
    };
    let product = new.emit(name, Binary::new(BinaryKind::Mul), &[x, scale])?;
    Ok(Some(vec![new.emit(name, Binary::new(BinaryKind::Add), &[product, shift])?]))
}

#[cfg(test)]
mod tests {
    use crate::graph::{Graph, ValueId};
    use crate::ops::{BatchNorm, Conv2d, ConvTranspose2d, DepthwiseConv2d, MatMul, Op, Unary};
    use crate::passes::testing::{constant, names, optimized};
    use crate::tensor::{DType, Tensor};

    /// Appends batch normalisation with arbitrary statistics over `c` channels, then a ReLU.
    fn normalise(graph: &mut Graph, x: ValueId, c: usize) -> ValueId {
        let statistics = [0, 1, 2].map(|i| constant(graph, &[c], i));
        let variance =
            graph.constant("variance", Tensor::f32([c], (0..c).map(|i| 0.1 + i as f32).collect::<Vec<_>>()).unwrap());
        let [gamma, beta, mean] = statistics;
        let y = graph.add("bn", BatchNorm { epsilon: 1e-3 }, &[x, gamma, beta, mean, variance]).unwrap();
        graph.add("relu", Unary::Relu, &[y]).unwrap()
    }

    #[test]
    fn folds_into_every_op_with_a_kernel() {
        let image = vec![None, Some(5), Some(6), Some(3)];
        let up = ConvTranspose2d { strides: [2, 2], ..Default::default() };
        let turned = MatMul { transpose_b: true, ..Default::default() };
        let cases = [
            (Op::from(Conv2d::default()), image.clone(), &[3, 3, 3, 7][..], 7),
            (DepthwiseConv2d::default().into(), image.clone(), &[3, 3, 3, 2], 6),
            (up.into(), image, &[3, 3, 4, 3], 4),
            (MatMul::default().into(), vec![None, Some(5)], &[5, 3], 3),
            (turned.into(), vec![None, Some(5)], &[3, 5], 3),
        ];
        for (op, dims, kernel, channels) in cases {
            let mut graph = Graph::new();
            let x = graph.input("x", DType::F32, dims);
            let kernel = constant(&mut graph, kernel, 9);
            let name = op.operator().name();
            let y = graph.add("layer", op, &[x, kernel]).unwrap();
            let y = normalise(&mut graph, y, channels);
            graph.output("y", y);
            let graph = optimized(&graph);
            assert_eq!(names(&graph), [name], "{graph}");
            let epilogue = graph.nodes()[0].op.epilogue().unwrap();
            assert!(epilogue.bias && epilogue.activation == Some(Unary::Relu));
            assert_eq!(graph.nodes()[0].name, "layer");
        }
    }

    #[test]
    fn stands_alone_as_product_and_sum() {
        let mut graph = Graph::new();
        let x = graph.input("x", DType::F32, vec![None, Some(4), Some(5)]);
        let y = normalise(&mut graph, x, 5);
        graph.output("y", y);
        assert_eq!(names(&optimized(&graph)), ["Mul", "Add"]);
    }

    #[test]
    fn statistics_may_be_inputs() {
        let mut graph = Graph::new();
        let inputs = ["x", "gamma", "beta", "mean", "variance"].map(|n| graph.input(n, DType::F32, vec![Some(3)]));
        let y = graph.add("bn", BatchNorm { epsilon: 1.5 }, &inputs).unwrap();
        graph.output("y", y);
        let graph = optimized(&graph);
        assert!(!names(&graph).contains(&"BatchNorm"), "{graph}");
    }

    #[test]
    fn does_not_pass_an_activation_or_an_output() {
        for shared in [false, true] {
            let mut graph = Graph::new();
            let x = graph.input("x", DType::F32, vec![None, Some(5), Some(6), Some(3)]);
            let kernel = constant(&mut graph, &[1, 1, 3, 4], 0);
            let mut y = graph.add("conv", Conv2d::default(), &[x, kernel]).unwrap();
            if shared {
                graph.output("conv", y);
            } else {
                y = graph.add("relu", Unary::Relu, &[y]).unwrap();
            }
            let y = normalise(&mut graph, y, 4);
            graph.output("y", y);
            assert_eq!(names(&optimized(&graph)), ["Conv2d", "Mul", "Add"]);
        }
    }
}
