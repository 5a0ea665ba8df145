//! Activations that a file spells as arithmetic: hard sigmoid, hard swish, swish, ReLU as a maximum.

use super::rewrite::Rewriter;
use crate::error::Result;
use crate::graph::{Node, ValueId};
use crate::ops::{Binary, BinaryKind, Op, Unary};
use crate::tensor::Tensor;

/// Recognises `relu6(x + 3) / 6`, its product with `x`, and `x * sigmoid(x)`, in any association and order, and
/// clips that have a name.
pub(super) fn recognise(new: &mut Rewriter, node: &Node) -> Result<Option<Vec<ValueId>>> {
    let found = match &node.op {
        Op::Binary(Binary { kind: BinaryKind::Mul | BinaryKind::Div, activation: None }) => product(new, node),
        Op::Binary(Binary { kind: BinaryKind::Maximum, activation: None }) => {
            constant_side(new, node).filter(|&(_, c)| c == 0.0).map(|(x, _)| (Unary::Relu, x, 1.0))
        }
        Op::Binary(Binary { kind: BinaryKind::Minimum, activation: None }) => constant_side(new, node)
            .filter(|&(_, c)| c == 6.0)
            .and_then(|(y, _)| Some((Unary::Relu6, operand_of(new, y, Unary::Relu)?, 1.0))),
        Op::Unary(Unary::Clip { min: 0.0, max: 6.0 }) => Some((Unary::Relu6, node.inputs[0], 1.0)),
        Op::Unary(Unary::Clip { min: 0.0, max: f32::INFINITY }) => Some((Unary::Relu, node.inputs[0], 1.0)),
        _ => None,
    };
    let Some((function, x, factor)) = found else { return Ok(None) };
    let y = new.emit(&node.name, function, &[x])?;
    if factor == 1.0 {
        return Ok(Some(vec![y]));
    }
    // What a file's rounded constants leave over; the next layer's kernel takes it in.
    let factor = new.constant(&node.name, Tensor::scalar(factor));
    Ok(Some(vec![new.emit(&node.name, Binary::new(BinaryKind::Mul), &[y, factor])?]))
}

/// Hard sigmoid as Keras 3 has it.
const HARD_SIGMOID: Unary = Unary::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 };

/// `6 k` of a factor `k` near 1/6, or `None`. Files with half-precision constants hold 1/6 as 0.16662598: then the
/// result is not quite 1 and remains as a factor.
fn sixths(k: f32) -> Option<f32> {
    let factor = if k == 1.0 / 6.0 { 1.0 } else { (k as f64 * 6.0) as f32 };
    ((factor - 1.0).abs() < 1e-3).then_some(factor)
}

/// The function that a product spells, its argument, and a remaining factor.
fn product(new: &Rewriter, node: &Node) -> Option<(Unary, ValueId, f32)> {
    let mut factors = Vec::new();
    let mut k = 1.0;
    collect(new, node, &mut factors, &mut k)?;
    let pair = |x: ValueId, gate: ValueId| {
        if let Some(factor) = sixths(k).filter(|_| shifted_relu6(new, gate) == Some(x)) {
            Some((Unary::HardSwish, x, factor))
        } else if operand_of(new, gate, HARD_SIGMOID) == Some(x) {
            Some((Unary::HardSwish, x, k))
        } else if operand_of(new, gate, Unary::Sigmoid) == Some(x) {
            Some((Unary::Swish, x, k))
        } else {
            None
        }
    };
    match factors[..] {
        [gate] => Some((HARD_SIGMOID, shifted_relu6(new, gate)?, sixths(k)?)),
        [a, b] => pair(a, b).or_else(|| pair(b, a)),
        _ => None,
    }
}

/// The factors of a tree of products, scalars multiplied into `k`; `None` if there are too many to be an activation.
fn collect(new: &Rewriter, node: &Node, factors: &mut Vec<ValueId>, k: &mut f32) -> Option<()> {
    let Op::Binary(Binary { kind, .. }) = node.op else { return None };
    for (side, &value) in node.inputs.iter().enumerate() {
        let inner = new.only_feeds_this(value).filter(|n| {
            matches!(n.op, Op::Binary(Binary { kind: BinaryKind::Mul | BinaryKind::Div, activation: None }))
        });
        let divides = kind == BinaryKind::Div && side == 1;
        match (new.scalar(value), inner) {
            (Some(c), _) => *k *= if divides { 1.0 / c } else { c },
            (None, _) if divides => return None,
            (None, Some(inner)) => collect(new, inner, factors, k)?,
            (None, None) => factors.push(value),
        }
        if factors.len() > 2 {
            return None;
        }
    }
    Some(())
}

/// `x` of `relu6(x + 3)`.
fn shifted_relu6(new: &Rewriter, gate: ValueId) -> Option<ValueId> {
    let node = new.producer(gate)?;
    let sum = match &node.op {
        Op::Unary(Unary::Relu6) => new.producer(node.inputs[0])?,
        _ => node,
    };
    let fused = matches!(sum.op, Op::Binary(Binary { activation: Some(Unary::Relu6), .. }));
    match &sum.op {
        Op::Binary(Binary { kind: BinaryKind::Add, activation }) if activation.is_none() || fused => {
            let (x, c) = constant_side(new, sum)?;
            let gated = matches!(node.op, Op::Unary(_)) != fused;
            (gated && c == 3.0).then_some(x)
        }
        _ => None,
    }
}

/// `x` if a value is `function(x)`.
fn operand_of(new: &Rewriter, value: ValueId, function: Unary) -> Option<ValueId> {
    new.producer(value).filter(|n| n.op == Op::Unary(function)).map(|n| n.inputs[0])
}

/// The operand that is no constant, and the other one's value.
fn constant_side(new: &Rewriter, node: &Node) -> Option<(ValueId, f32)> {
    let &[a, b] = &node.inputs[..] else { return None };
    // A scalar of higher rank could add dimensions to the result.
    let plain = |v: ValueId, x: ValueId| new.scalar(v).filter(|_| new.rank(v) <= new.rank(x));
    match (plain(a, b), plain(b, a)) {
        (None, Some(c)) => Some((a, c)),
        (Some(c), None) => Some((b, c)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
    use crate::ops::Conv2d;
    use crate::passes::testing::{constant, names, optimized};
    use crate::tensor::DType;

    struct Builder(Graph, ValueId);

    impl Builder {
        fn new() -> Self {
            let mut graph = Graph::new();
            let x = graph.input("x", DType::F32, vec![None, Some(4), Some(5), Some(3)]);
            let kernel = constant(&mut graph, &[1, 1, 3, 6], 1);
            // Values from about -9 to 9, so that both ends of the clip are met.
            let x = graph.add("conv", Conv2d::default(), &[x, kernel]).unwrap();
            let five = graph.constant("five", Tensor::scalar(5.0));
            let x = graph.add("wide", Binary::new(BinaryKind::Mul), &[x, five]).unwrap();
            Builder(graph, x)
        }
        fn binary(&mut self, kind: BinaryKind, a: ValueId, b: ValueId) -> ValueId {
            self.0.add("arithmetic", Binary::new(kind), &[a, b]).unwrap()
        }
        fn scalar(&mut self, value: f32) -> ValueId {
            self.0.constant("scalar", Tensor::scalar(value))
        }
        fn relu6_of_shifted(&mut self) -> ValueId {
            let three = self.scalar(3.0);
            let sum = self.binary(BinaryKind::Add, self.1, three);
            self.0.add("relu6", Unary::Relu6, &[sum]).unwrap()
        }
        /// The activation of the only node that is left.
        fn activation(mut self, y: ValueId) -> Option<Unary> {
            self.0.output("y", y);
            let graph = optimized(&self.0);
            assert_eq!(graph.nodes().len(), 1, "{graph}");
            graph.nodes()[0].op.epilogue().unwrap().activation
        }
    }

    #[test]
    fn hard_swish_in_every_association() {
        use BinaryKind::{Div, Mul};
        for form in 0..6 {
            let mut b = Builder::new();
            let x = b.1;
            let gate = b.relu6_of_shifted();
            let (sixth, six) = (b.scalar(1.0 / 6.0), b.scalar(6.0));
            let y = match form {
                // (x * 1/6) * gate, as CenterNet's file has it.
                0 => {
                    let s = b.binary(Mul, x, sixth);
                    b.binary(Mul, s, gate)
                }
                1 => {
                    let s = b.binary(Mul, sixth, gate);
                    b.binary(Mul, x, s)
                }
                2 => {
                    let s = b.binary(Mul, gate, x);
                    b.binary(Mul, s, sixth)
                }
                3 => {
                    let s = b.binary(Mul, x, gate);
                    b.binary(Div, s, six)
                }
                4 => {
                    let s = b.binary(Div, gate, six);
                    b.binary(Mul, s, x)
                }
                _ => {
                    let s = b.binary(Div, x, six);
                    b.binary(Mul, gate, s)
                }
            };
            assert_eq!(b.activation(y), Some(Unary::HardSwish), "form {form}");
        }
    }

    #[test]
    fn half_precision_constants_are_honoured() {
        // 1/6 in half precision: the difference, 2.4e-4, must not get lost.
        let mut b = Builder::new();
        let x = b.1;
        let gate = b.relu6_of_shifted();
        let sixth = b.scalar(0.166_625_98);
        let y = b.binary(BinaryKind::Mul, x, sixth);
        let y = b.binary(BinaryKind::Mul, y, gate);
        let kernel = constant(&mut b.0, &[1, 1, 6, 2], 5);
        let y = b.0.add("next", Conv2d::default(), &[y, kernel]).unwrap();
        b.0.output("y", y);
        let graph = optimized(&b.0);
        assert_eq!(names(&graph), ["Conv2d", "Conv2d"], "the next kernel takes the factor in");
        assert_eq!(graph.nodes()[0].op.epilogue().unwrap().activation, Some(Unary::HardSwish));
    }

    #[test]
    fn hard_sigmoid_and_swish() {
        let mut b = Builder::new();
        let gate = b.relu6_of_shifted();
        let sixth = b.scalar(1.0 / 6.0);
        let y = b.binary(BinaryKind::Mul, gate, sixth);
        assert_eq!(b.activation(y), Some(HARD_SIGMOID));

        let mut b = Builder::new();
        let gate = b.0.add("sigmoid", Unary::Sigmoid, &[b.1]).unwrap();
        let y = b.binary(BinaryKind::Mul, gate, b.1);
        assert_eq!(b.activation(y), Some(Unary::Swish));
    }

    #[test]
    fn clips_with_a_name() {
        let mut b = Builder::new();
        let (zero, six) = (b.scalar(0.0), b.scalar(6.0));
        let y = b.binary(BinaryKind::Maximum, zero, b.1);
        let y = b.binary(BinaryKind::Minimum, y, six);
        assert_eq!(b.activation(y), Some(Unary::Relu6));
        let mut b = Builder::new();
        let y = b.0.add("clip", Unary::Clip { min: 0.0, max: f32::INFINITY }, &[b.1]).unwrap();
        assert_eq!(b.activation(y), Some(Unary::Relu));
    }

    #[test]
    fn a_constant_of_higher_rank_adds_dimensions() {
        let mut b = Builder::new();
        let gate = b.relu6_of_shifted();
        let sixth = b.0.constant("sixth", Tensor::f32([1, 1, 1, 1, 1], vec![1.0 / 6.0]).unwrap());
        let y = b.binary(BinaryKind::Mul, b.1, gate);
        let y = b.binary(BinaryKind::Mul, y, sixth);
        b.0.output("y", y);
        optimized(&b.0);
    }

    #[test]
    fn other_constants_are_not_mistaken() {
        for (shift, factor) in [(2.0, 1.0 / 6.0), (3.0, 0.2), (3.0, 1.0)] {
            let mut b = Builder::new();
            let x = b.1;
            let (shift, factor) = (b.scalar(shift), b.scalar(factor));
            let sum = b.binary(BinaryKind::Add, x, shift);
            let gate = b.0.add("relu6", Unary::Relu6, &[sum]).unwrap();
            let y = b.binary(BinaryKind::Mul, x, factor);
            let y = b.binary(BinaryKind::Mul, y, gate);
            b.0.output("y", y);
            let text = optimized(&b.0).to_string();
            assert!(!text.contains("HardSwish"), "{text}");
        }
        // The gate of another value.
        let mut b = Builder::new();
        let gate = b.relu6_of_shifted();
        let other = b.0.add("tanh", Unary::Tanh, &[b.1]).unwrap();
        let sixth = b.scalar(1.0 / 6.0);
        let y = b.binary(BinaryKind::Mul, other, sixth);
        let y = b.binary(BinaryKind::Mul, y, gate);
        b.0.output("y", y);
        let text = optimized(&b.0).to_string();
        assert!(!text.contains("HardSwish"), "{text}");
    }
}
