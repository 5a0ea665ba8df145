//! A sum with one constant per channel becomes, or joins, the bias of the layer before it.

use super::rewrite::Rewriter;
use super::scale::{KernelChannels, per_channel};
use crate::error::Result;
use crate::graph::{Node, ValueId};
use crate::ops::{Binary, BinaryKind, Op};
use crate::tensor::Tensor;

/// `conv(x, k) + c` and `conv(x, k) - c`; an activation of the sum comes along.
pub(super) fn fold(new: &mut Rewriter, node: &Node) -> Result<Option<Vec<ValueId>>> {
    let (Op::Binary(Binary { kind, activation }), &[a, b]) = (&node.op, &node.inputs[..]) else { return Ok(None) };
    let (x, constant, sign) = match kind {
        BinaryKind::Add if new.constant_of(a).is_some() => (b, a, 1.0),
        BinaryKind::Add => (a, b, 1.0),
        BinaryKind::Sub => (a, b, -1.0),
        _ => return Ok(None),
    };
    let Some(mut layer) = new.open_epilogue(x) else { return Ok(None) };
    let Some(channels) = KernelChannels::of(new, &layer) else { return Ok(None) };
    let Some(mut bias) = per_channel(new, constant, &channels, x) else { return Ok(None) };
    bias.iter_mut().for_each(|b| *b *= sign);
    let Some(epilogue) = layer.op.epilogue_mut() else { return Ok(None) };
    if let Some(index) = epilogue.bias_index() {
        let Some(present) = new.constant_of(layer.inputs[index]) else { return Ok(None) };
        bias.iter_mut().zip(present.as_f32()?).for_each(|(sum, &b)| *sum += b as f64);
        layer.inputs.remove(index);
    }
    epilogue.bias = true;
    epilogue.activation = *activation;
    let bias: Vec<f32> = bias.iter().map(|&b| b as f32).collect();
    let bias = new.constant(&layer.name, Tensor::f32([bias.len()], bias)?);
    layer.inputs.insert(2, bias);
    Ok(Some(vec![new.emit(&layer.name, layer.op, &layer.inputs)?]))
}

#[cfg(test)]
mod tests {
    use crate::graph::Graph;
    use crate::ops::{Binary, BinaryKind, Conv2d, MatMul, Unary};
    use crate::passes::testing::{constant, names, optimized};
    use crate::tensor::DType;

    #[test]
    fn sums_on_either_side_and_in_a_row() {
        let mut graph = Graph::new();
        let x = graph.input("x", DType::F32, vec![None, Some(4), Some(5), Some(3)]);
        let kernel = constant(&mut graph, &[3, 2, 3, 5], 1);
        let mut y = graph.add("conv", Conv2d::default(), &[x, kernel]).unwrap();
        for (i, shape) in [&[5][..], &[1, 1, 5], &[]].into_iter().enumerate() {
            let c = constant(&mut graph, shape, 2 + i as u32);
            y = graph.add("left", Binary::new(BinaryKind::Add), &[c, y]).unwrap();
            y = graph.add("right", Binary::new(BinaryKind::Sub), &[y, c]).unwrap();
            y = graph.add("again", Binary::new(BinaryKind::Add), &[y, c]).unwrap();
        }
        let y = graph.add("relu", Unary::Relu, &[y]).unwrap();
        graph.output("y", y);
        assert_eq!(names(&optimized(&graph)), ["Conv2d"]);
    }

    #[test]
    fn a_stretching_sum_is_no_bias() {
        // One unit: the product is [batch, 1], the sum [batch, 4].
        let mut graph = Graph::new();
        let x = graph.input("x", DType::F32, vec![None, Some(6)]);
        let (kernel, c) = (constant(&mut graph, &[6, 1], 1), constant(&mut graph, &[4], 2));
        let y = graph.add("dense", MatMul::default(), &[x, kernel]).unwrap();
        let y = graph.add("sum", Binary::new(BinaryKind::Add), &[y, c]).unwrap();
        graph.output("y", y);
        assert_eq!(names(&optimized(&graph)), ["MatMul", "Add"]);
    }
}
