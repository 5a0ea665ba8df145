//! Nodes that change nothing, and pairs of moves that are one move or none.

use super::rewrite::Rewriter;
use crate::error::Result;
use crate::graph::{Node, ValueId};
use crate::ops::{Binary, BinaryKind, Op, PadMode, Reshape, ReshapeDim, SliceAxis, Transpose, Unary};

/// Drops a node that returns its operand; merges transposes and reshapes in a row.
pub(super) fn drop(new: &mut Rewriter, node: &Node) -> Result<Option<Vec<ValueId>>> {
    let Some(&x) = node.inputs.first() else { return Ok(None) };
    if let Some(same) = unchanged(new, node, x) {
        return Ok(Some(vec![same]));
    }
    let Some(before) = new.producer(x) else { return Ok(None) };
    let merged: Op = match (&before.op, &node.op) {
        (Op::Transpose(first), Op::Transpose(second)) => {
            let Some(perm) = second.perm.iter().map(|&axis| first.perm.get(axis).copied()).collect() else {
                return Ok(None);
            };
            Transpose { perm }.into()
        }
        // What the first one made of the dimensions is lost, so the second must not ask for what was left over there.
        (Op::Reshape(first), Op::Reshape(second)) => {
            let dim = |dim: &ReshapeDim| match dim {
                ReshapeDim::Copy(axis) => first.dims.get(*axis).copied().filter(|d| *d != ReshapeDim::Infer),
                dim => Some(*dim),
            };
            let Some(dims) = second.dims.iter().map(dim).collect() else { return Ok(None) };
            Reshape { dims }.into()
        }
        // Idempotent.
        (Op::Unary(first), Op::Unary(second))
            if first == second && matches!(first, Unary::Relu | Unary::Relu6 | Unary::Abs) =>
        {
            return Ok(Some(vec![x]));
        }
        _ => return Ok(None),
    };
    let origin = before.inputs[0];
    Ok(Some(vec![new.emit(&node.name, merged, &[origin])?]))
}

/// The operand that a node returns as it is.
fn unchanged(new: &Rewriter, node: &Node, x: ValueId) -> Option<ValueId> {
    let keeps_type = |operand| new.keeps_type(&node.op, &node.inputs, operand);
    let same = match &node.op {
        Op::Transpose(op) => op.perm.iter().enumerate().all(|(i, &axis)| i == axis),
        Op::Slice(op) => {
            op.axes.iter().all(|axis| *axis == SliceAxis::ALL) || op.axes.iter().all(|a| a.step == 1) && keeps_type(x)
        }
        Op::Pad(op) => op.pads.iter().all(|p| *p == [0, 0]) && !matches!(op.mode, PadMode::Constant(v) if v.is_nan()),
        Op::Concat(_) => node.inputs.len() == 1,
        Op::Reshape(_) | Op::Cast(_) => keeps_type(x),
        Op::Resize(op) => op.keeps_pixels() && keeps_type(x),
        Op::Binary(Binary { kind, activation: None }) => return neutral(new, node, *kind),
        _ => false,
    };
    same.then_some(x)
}

/// The other operand of a sum with 0 or a product with 1, if the neutral one does not stretch it.
fn neutral(new: &Rewriter, node: &Node, kind: BinaryKind) -> Option<ValueId> {
    let &[a, b] = &node.inputs[..] else { return None };
    let is = |v: ValueId, value: f32| {
        new.constant_of(v).is_some_and(|t| t.as_f32().is_ok_and(|t| !t.is_empty() && t.iter().all(|&x| x == value)))
    };
    let kept = match kind {
        BinaryKind::Add if is(a, 0.0) => b,
        BinaryKind::Mul if is(a, 1.0) => b,
        BinaryKind::Add | BinaryKind::Sub if is(b, 0.0) => a,
        BinaryKind::Mul | BinaryKind::Div | BinaryKind::Pow if is(b, 1.0) => a,
        _ => return None,
    };
    new.keeps_type(&node.op, &node.inputs, kept).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
    use crate::ops::{Cast, Concat, Coordinates, Pad, Resize, ResizeMode, ResizeSize, Slice};
    use crate::passes::testing::{names, optimized};
    use crate::tensor::{DType, Tensor};

    fn chain(ops: Vec<Op>) -> Vec<&'static str> {
        let mut graph = Graph::new();
        let mut x = graph.input("x", DType::F32, vec![None, Some(4), Some(5), Some(3)]);
        for op in ops {
            x = graph.add("step", op, &[x]).unwrap();
        }
        graph.output("y", x);
        names(&optimized(&graph))
    }

    #[test]
    fn moves_that_cancel() {
        let transpose = |perm: [usize; 4]| Op::from(Transpose { perm: perm.to_vec() });
        assert_eq!(chain(vec![transpose([0, 3, 1, 2]), transpose([0, 2, 3, 1])]), [""; 0]);
        assert_eq!(chain(vec![transpose([0, 3, 1, 2]), transpose([0, 3, 1, 2])]), ["Transpose"]);
        let to = |dims: Vec<ReshapeDim>| Op::from(Reshape { dims });
        let flat = to(vec![ReshapeDim::Copy(0), ReshapeDim::Infer]);
        let back = to(vec![ReshapeDim::Infer, ReshapeDim::Size(4), ReshapeDim::Size(5), ReshapeDim::Size(3)]);
        assert_eq!(chain(vec![flat.clone(), back]), [""; 0]);
        assert_eq!(chain(vec![flat.clone(), to(vec![ReshapeDim::Infer])]), ["Reshape"]);
        assert_eq!(chain(vec![to(vec![ReshapeDim::Infer, ReshapeDim::Size(3)]), flat]), ["Reshape"]);
    }

    #[test]
    fn nodes_that_do_nothing() {
        let all = SliceAxis::ALL;
        let nothing: Vec<Op> = vec![
            Slice { axes: vec![all; 4] }.into(),
            Slice { axes: vec![all, SliceAxis::range(0, 100), all, all] }.into(),
            Pad { pads: vec![[0, 0]; 4], mode: PadMode::Reflect }.into(),
            Concat { axis: 2 }.into(),
            Cast { to: DType::F32 }.into(),
            Resize { size: ResizeSize::Fixed([4, 5]), mode: ResizeMode::Bilinear, coordinates: Coordinates::HalfPixel }
                .into(),
            Transpose { perm: vec![0, 1, 2, 3] }.into(),
        ];
        assert_eq!(chain(nothing), [""; 0]);
        assert_eq!(chain(vec![Unary::Relu.into(), Unary::Relu.into()]), ["Relu"]);
        let mode = ResizeMode::tensorflow("gaussian", false).unwrap();
        let blur = Resize { size: ResizeSize::Fixed([4, 5]), mode, coordinates: Coordinates::HalfPixel };
        assert_eq!(chain(vec![blur.into()]), ["ResizeSampled"], "a Gaussian blurs");
        let halves = Slice { axes: vec![all, all, SliceAxis { start: None, end: None, step: -1 }, all] };
        assert_eq!(chain(vec![halves.into()]), ["Slice"], "backwards is not nothing");
    }

    #[test]
    fn neutral_constants() {
        for (kind, constant, left) in [
            (BinaryKind::Add, Tensor::scalar(0.0), true),
            (BinaryKind::Sub, Tensor::f32([3], vec![0.0; 3]).unwrap(), false),
            (BinaryKind::Mul, Tensor::f32([1, 3], vec![1.0; 3]).unwrap(), true),
            (BinaryKind::Div, Tensor::scalar(1.0), false),
        ] {
            let mut graph = Graph::new();
            let x = graph.input("x", DType::F32, vec![None, Some(3)]);
            let c = graph.constant("c", constant);
            let y = graph.add("y", Binary::new(kind), &if left { [c, x] } else { [x, c] }).unwrap();
            graph.output("y", y);
            assert_eq!(names(&optimized(&graph)), [""; 0], "{kind:?}");
        }
        // It stretches: [?, 1] to [?, 3].
        let mut graph = Graph::new();
        let x = graph.input("x", DType::F32, vec![None, Some(1)]);
        let c = graph.constant("c", Tensor::f32([3], vec![0.0; 3]).unwrap());
        let y = graph.add("y", Binary::new(BinaryKind::Add), &[x, c]).unwrap();
        graph.output("y", y);
        assert_eq!(names(&optimized(&graph)), ["Add"]);
    }
}
