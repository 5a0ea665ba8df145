//! A pad before a window becomes the window's own padding, where that means the same.

use super::rewrite::Rewriter;
use crate::error::Result;
use crate::graph::{Node, ValueId};
use crate::ops::{Op, Pad, PadMode, PoolKind, Unary};
use crate::shape::Padding;

/// Folds constant padding of height and width into convolutions (zeros), average pools that count padding (zeros) and
/// maximum pools (minus infinity, or zeros around values that cannot be negative, as in Keras' ResNet).
pub(super) fn fold(new: &mut Rewriter, node: &Node) -> Result<Option<Vec<ValueId>>> {
    let Some(Node { op: Op::Pad(pad), inputs, .. }) = node.inputs.first().and_then(|&x| new.producer(x)) else {
        return Ok(None);
    };
    let (x, mut op, mut operands) = (inputs[0], node.op.clone(), node.inputs.clone());
    let (Pad { pads, mode: PadMode::Constant(value) }, mut kernel_operand) = (pad, operands.iter().skip(1)) else {
        return Ok(None);
    };
    let &[[0, 0], rows, columns, [0, 0]] = &pads[..] else { return Ok(None) };
    if kernel_operand.any(|&v| v == operands[0]) {
        return Ok(None);
    }
    let padding = match &mut op {
        Op::Conv2d(conv) if *value == 0.0 => &mut conv.padding,
        Op::DepthwiseConv2d(conv) if *value == 0.0 => &mut conv.padding,
        Op::Pool2d(pool) => {
            match &mut pool.kind {
                PoolKind::Average { include_padding } if *value == 0.0 => {
                    // Without padding of its own the pool may count as it likes.
                    if !*include_padding && pool.padding != Padding::Valid {
                        return Ok(None);
                    }
                    *include_padding = true;
                }
                PoolKind::Max => {
                    // Every window must meet a pixel of the image: padding alone would be minus infinity.
                    let meets = pool.dilations == [1, 1]
                        && pool.padding == Padding::Valid
                        && [rows, columns].iter().zip(pool.kernel).all(|(p, k)| p[0] < k && p[1] < k);
                    let same = *value == f32::NEG_INFINITY || *value == 0.0 && is_never_negative(new, x);
                    if !meets || !same {
                        return Ok(None);
                    }
                }
                _ => return Ok(None),
            }
            &mut pool.padding
        }
        _ => return Ok(None),
    };
    let own = match *padding {
        Padding::Valid => [[0, 0]; 2],
        Padding::Explicit(own) => own,
        // SAME depends on the padded size.
        Padding::Same => return Ok(None),
    };
    let sum = |a: [usize; 2], b: [usize; 2]| Some([a[0].checked_add(b[0])?, a[1].checked_add(b[1])?]);
    let (Some(rows), Some(columns)) = (sum(own[0], rows), sum(own[1], columns)) else { return Ok(None) };
    *padding = Padding::Explicit([rows, columns]);
    operands[0] = x;
    Ok(Some(vec![new.emit(&node.name, op, &operands)?]))
}

/// Whether a value ends in a function that gives nothing below zero.
fn is_never_negative(new: &Rewriter, value: ValueId) -> bool {
    let Some(node) = new.producer(value) else { return false };
    let function = match &node.op {
        Op::Unary(function) => Some(*function),
        Op::Binary(binary) => binary.activation,
        op => op.epilogue().and_then(|e| e.activation),
    };
    match function {
        Some(Unary::Relu | Unary::Relu6 | Unary::Sigmoid | Unary::HardSigmoid { .. } | Unary::Softplus) => true,
        Some(Unary::Clip { min, .. }) => min >= 0.0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
    use crate::ops::{Conv2d, DepthwiseConv2d, Pool2d};
    use crate::passes::testing::{constant, names, optimized};
    use crate::tensor::DType;

    fn padded(mode: PadMode, relu: bool, op: impl Into<Op>, kernel: &[usize]) -> Vec<&'static str> {
        let mut graph = Graph::new();
        let mut x = graph.input("x", DType::F32, vec![None, Some(6), Some(5), Some(3)]);
        if relu {
            x = graph.add("relu", Unary::Relu, &[x]).unwrap();
        }
        let pad = Pad { pads: vec![[0, 0], [0, 1], [1, 2], [0, 0]], mode };
        let x = graph.add("pad", pad, &[x]).unwrap();
        let mut operands = vec![x];
        if !kernel.is_empty() {
            operands.push(constant(&mut graph, kernel, 1));
        }
        let y = graph.add("y", op, &operands).unwrap();
        graph.output("y", y);
        names(&optimized(&graph))
    }

    fn pool(kind: PoolKind, padding: Padding) -> Pool2d {
        Pool2d { kind, kernel: [3, 3], strides: [2, 2], dilations: [1, 1], padding }
    }

    #[test]
    fn convolutions_take_zeros() {
        let zeros = PadMode::Constant(0.0);
        let explicit = Padding::Explicit([[1, 0], [0, 3]]);
        for padding in [Padding::Valid, explicit] {
            let conv = Conv2d { strides: [2, 2], padding, ..Default::default() };
            assert_eq!(padded(zeros, false, conv, &[3, 3, 3, 4]), ["Conv2d"]);
            let depthwise = DepthwiseConv2d { dilations: [2, 1], padding, ..Default::default() };
            assert_eq!(padded(zeros, false, depthwise, &[3, 3, 3, 2]), ["DepthwiseConv2d"]);
        }
        let same = Conv2d { padding: Padding::Same, strides: [2, 2], ..Default::default() };
        assert_eq!(padded(zeros, false, same, &[3, 3, 3, 4]), ["Pad", "Conv2d"]);
        let ones = PadMode::Constant(1.0);
        assert_eq!(padded(ones, false, Conv2d::default(), &[3, 3, 3, 4]), ["Pad", "Conv2d"]);
        assert_eq!(padded(PadMode::Edge, false, Conv2d::default(), &[3, 3, 3, 4]), ["Pad", "Conv2d"]);
    }

    #[test]
    fn maximum_pools_take_zeros_only_around_what_is_not_negative() {
        let zeros = PadMode::Constant(0.0);
        assert_eq!(padded(zeros, true, pool(PoolKind::Max, Padding::Valid), &[]), ["Relu", "MaxPool2d"]);
        assert_eq!(padded(zeros, false, pool(PoolKind::Max, Padding::Valid), &[]), ["Pad", "MaxPool2d"]);
        let nothing = PadMode::Constant(f32::NEG_INFINITY);
        assert_eq!(padded(nothing, false, pool(PoolKind::Max, Padding::Valid), &[]), ["MaxPool2d"]);
        let small = Pool2d { kernel: [1, 1], ..pool(PoolKind::Max, Padding::Valid) };
        assert_eq!(padded(zeros, true, small, &[]), ["Relu", "Pad", "MaxPool2d"], "windows of padding alone");
    }

    #[test]
    fn average_pools_take_zeros_and_count_them() {
        let zeros = PadMode::Constant(0.0);
        for include_padding in [false, true] {
            let kind = PoolKind::Average { include_padding };
            assert_eq!(padded(zeros, false, pool(kind, Padding::Valid), &[]), ["AveragePool2d"]);
        }
        let explicit = Padding::Explicit([[1, 1], [1, 1]]);
        let kind = PoolKind::Average { include_padding: false };
        assert_eq!(padded(zeros, false, pool(kind, explicit), &[]), ["Pad", "AveragePool2d"]);
    }
}
