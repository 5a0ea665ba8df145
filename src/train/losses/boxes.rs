//! Losses of boxes by their overlap: `1 - IoU` and its refinements that have a gradient where boxes do not touch.
//!
//! A box is `[..., 4]`, the corner with the smaller coordinates first (`y1, x1, y2, x2` or `x1, y1, x2, y2`: all of these
//! are the same for both).

use std::f32::consts::PI;

use super::EPSILON;
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::ops::{BinaryKind, Slice, SliceAxis, Unary};
use crate::tensor::DType;
use crate::train::expr::{Expr, Operand};

/// A measure of overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoxOverlap {
    /// Intersection over union.
    IoU,
    /// Less the empty part of the smallest box around both; Rezatofighi et al. 2019.
    GIoU,
    /// Less the squared distance of the centres through the squared diagonal around both; Zheng et al. 2020.
    DIoU,
    /// The same, less a term for different aspect ratios; Zheng et al. 2020.
    CIoU,
}

/// A box as four columns: start and end along the two axes.
#[derive(Clone, Copy)]
struct Sides {
    start: [ValueId; 2],
    end: [ValueId; 2],
}

pub(super) fn build(expr: &mut Expr, kind: BoxOverlap, y_true: &Operand, y_pred: &Operand) -> Result<Operand> {
    for boxes in [y_true, y_pred] {
        if boxes.last() != Some(4) {
            return Err(Error::mismatch(
                "a loss of boxes needs four coordinates",
                "[..., 4]",
                format!("{:?}", boxes.dims),
            ));
        }
    }
    let (t, p) = (sides(expr, y_true)?, sides(expr, y_pred)?);
    let zero = expr.scalar(0.0);
    let mut inner = [zero; 2];
    let mut outer = [zero; 2];
    for axis in 0..2 {
        let (start, end) = (expr.maximum(p.start[axis], t.start[axis])?, expr.minimum(p.end[axis], t.end[axis])?);
        let length = expr.sub(end, start)?;
        inner[axis] = expr.at_least(length, 0.0)?;
        let (start, end) = (expr.minimum(p.start[axis], t.start[axis])?, expr.maximum(p.end[axis], t.end[axis])?);
        outer[axis] = expr.sub(end, start)?;
    }
    let both = expr.mul(inner[0], inner[1])?;
    let (size_t, size_p) = (lengths(expr, t)?, lengths(expr, p)?);
    let (area_t, area_p) = (expr.mul(size_t[0], size_t[1])?, expr.mul(size_p[0], size_p[1])?);
    let sum = expr.add(area_t, area_p)?;
    let union = expr.sub(sum, both)?;
    let iou = ratio(expr, both, union)?;
    let overlap = match kind {
        BoxOverlap::IoU => iou,
        BoxOverlap::GIoU => {
            let around = expr.mul(outer[0], outer[1])?;
            let empty = expr.sub(around, union)?;
            let penalty = ratio(expr, empty, around)?;
            expr.sub(iou, penalty)?
        }
        BoxOverlap::DIoU | BoxOverlap::CIoU => {
            let diagonal = squared_length(expr, outer)?;
            let mut apart = [zero; 2];
            for axis in 0..2 {
                let (sum_t, sum_p) = (expr.add(t.start[axis], t.end[axis])?, expr.add(p.start[axis], p.end[axis])?);
                let difference = expr.sub(sum_p, sum_t)?;
                apart[axis] = expr.scale(difference, 0.5)?;
            }
            let distance = squared_length(expr, apart)?;
            let penalty = ratio(expr, distance, diagonal)?;
            let value = expr.sub(iou, penalty)?;
            if kind == BoxOverlap::CIoU { shape_penalty(expr, value, iou, size_t, size_p)? } else { value }
        }
    };
    let value = expr.complement(overlap)?;
    let value = Operand {
        value,
        dtype: DType::F32,
        dims: y_pred.dims[..y_pred.rank() - 1].iter().copied().chain([Some(1)]).collect(),
    };
    expr.squeeze(&value, value.rank() - 1)
}

/// `overlap - alpha v` with `v = 4 / pi^2 (atan(w / h) - atan(w' / h'))^2` and `alpha = v / (1 - iou + v)`.
///
/// The paper holds `alpha` constant in the gradient; here it is part of the formula.
fn shape_penalty(
    expr: &mut Expr,
    overlap: ValueId,
    iou: ValueId,
    size_t: [ValueId; 2],
    size_p: [ValueId; 2],
) -> Result<ValueId> {
    let (angle_t, angle_p) = (angle(expr, size_t)?, angle(expr, size_p)?);
    let squares = expr.binary(BinaryKind::SquaredDifference, angle_p, angle_t)?;
    let v = expr.scale(squares, 4.0 / (PI * PI))?;
    let rest = expr.complement(iou)?;
    let below = expr.add(rest, v)?;
    let alpha = ratio(expr, v, below)?;
    let penalty = expr.mul(alpha, v)?;
    expr.sub(overlap, penalty)
}

/// `atan(a / b)` for lengths that are not negative.
///
/// With `q = min / max` in `[0, 1]`, halved once to `q / (1 + sqrt(1 + q^2))` below 0.4143, where nine odd terms of the
/// series are exact to 1e-8.
fn angle(expr: &mut Expr, [a, b]: [ValueId; 2]) -> Result<ValueId> {
    let (low, high) = (expr.minimum(a, b)?, expr.maximum(a, b)?);
    let q = ratio(expr, low, high)?;
    let square = expr.unary(Unary::Square, q)?;
    let hypotenuse = expr.offset(square, 1.0)?;
    let hypotenuse = expr.unary(Unary::Sqrt, hypotenuse)?;
    let below = expr.offset(hypotenuse, 1.0)?;
    let r = expr.div(q, below)?;
    let square = expr.unary(Unary::Square, r)?;
    // r (1 - r^2 / 3 + r^4 / 5 - ...), innermost first.
    let mut series = expr.scalar(1.0 / 17.0);
    for (n, odd) in (0..8).rev().map(|n| (n, 2 * n + 1)) {
        let product = expr.mul(series, square)?;
        let sign = if n % 2 == 0 { 1.0 } else { -1.0 };
        series = expr.offset(product, sign / odd as f32)?;
    }
    let half = expr.mul(r, series)?;
    let small = expr.scale(half, 2.0)?;
    // pi / 2 - atan(b / a) where a is the longer one.
    let longer = expr.test(BinaryKind::Greater, a, b)?;
    let twice = expr.scale(small, -2.0)?;
    let change = expr.offset(twice, PI / 2.0)?;
    let change = expr.mul(longer, change)?;
    expr.add(small, change)
}

fn sides(expr: &mut Expr, boxes: &Operand) -> Result<Sides> {
    let mut column = |i: usize| {
        let mut axes = vec![SliceAxis::ALL; boxes.rank()];
        axes[boxes.rank() - 1] = SliceAxis::range(i, i + 1);
        expr.op(Slice { axes }.into(), &[boxes.value])
    };
    Ok(Sides { start: [column(0)?, column(1)?], end: [column(2)?, column(3)?] })
}

fn lengths(expr: &mut Expr, sides: Sides) -> Result<[ValueId; 2]> {
    let mut length = |axis: usize| {
        let length = expr.sub(sides.end[axis], sides.start[axis])?;
        expr.at_least(length, 0.0)
    };
    Ok([length(0)?, length(1)?])
}

fn squared_length(expr: &mut Expr, [a, b]: [ValueId; 2]) -> Result<ValueId> {
    let (a, b) = (expr.unary(Unary::Square, a)?, expr.unary(Unary::Square, b)?);
    expr.add(a, b)
}

/// `a / b` for a `b` that is not negative, 0 where both are.
fn ratio(expr: &mut Expr, a: ValueId, b: ValueId) -> Result<ValueId> {
    let b = expr.at_least(b, EPSILON)?;
    expr.div(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autodiff::gradients;
    use crate::graph::Graph;
    use crate::tensor::{Tensor, TensorType};
    use crate::train::losses::{Loss, LossFunction, Reduction};

    /// The losses of rows of boxes, and the gradient of their sum by the predictions.
    fn run(kind: BoxOverlap, t: &[[f32; 4]], p: &[[f32; 4]]) -> (Vec<f32>, Vec<f32>) {
        let tensor = |rows: &[[f32; 4]]| Tensor::f32([rows.len(), 4], rows.concat()).unwrap();
        let mut graph = Graph::new();
        let [y_true, y_pred] = ["t", "p"].map(|name| graph.input(name, DType::F32, vec![None, Some(4)]));
        let each = Loss { function: LossFunction::Boxes(kind), reduction: Reduction::None };
        let values = each.build(&mut graph, y_true, y_pred, None).unwrap();
        let sum = Loss { reduction: Reduction::Sum, ..each }.build(&mut graph, y_true, y_pred, None).unwrap();
        let kinds = [TensorType::f32([t.len(), 4]), TensorType::f32([p.len(), 4])];
        let slope = gradients(&mut graph, &kinds, sum, &[y_pred]).unwrap()[0].unwrap();
        graph.output("values", values);
        graph.output("slope", slope);
        let results = crate::reference::run(&graph, &[tensor(t), tensor(p)]).unwrap();
        (results[0].as_f32().unwrap().to_vec(), results[1].as_f32().unwrap().to_vec())
    }

    fn near(got: &[f32], want: &[f64]) {
        assert_eq!(got.len(), want.len());
        got.iter().zip(want).for_each(|(a, b)| assert!((*a as f64 - b).abs() < 2e-6, "{got:?} instead of {want:?}"));
    }

    const T: [[f32; 4]; 3] = [[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 3.0, 2.0]];
    /// Half over the first, apart from the second, the third itself.
    const P: [[f32; 4]; 3] = [[0.0, 1.0, 2.0, 3.0], [2.0, 0.0, 3.0, 4.0], [1.0, 1.0, 3.0, 2.0]];

    #[test]
    fn overlaps_by_hand() {
        near(&run(BoxOverlap::IoU, &T, &P).0, &[1.0 - 1.0 / 3.0, 1.0, 0.0]);
        // The smallest boxes around both are filled, and have 12 with 7 of it empty.
        near(&run(BoxOverlap::GIoU, &T, &P).0, &[1.0 - 1.0 / 3.0, 1.0 + 7.0 / 12.0, 0.0]);
        // Centres apart by 1 and by (2, 1.5), diagonals of 13 and 25, squared.
        let distance = [1.0 - 1.0 / 3.0 + 1.0 / 13.0, 1.0 + 6.25 / 25.0];
        near(&run(BoxOverlap::DIoU, &T, &P).0, &[distance[0], distance[1], 0.0]);
        // Equal shapes in the first pair; 1:1 against 1:4 in the second.
        let v = 4.0 / std::f64::consts::PI.powi(2) * (1f64.atan() - 0.25f64.atan()).powi(2);
        near(&run(BoxOverlap::CIoU, &T, &P).0, &[distance[0], distance[1] + v * v / (1.0 + v), 0.0]);
    }

    #[test]
    fn boxes_apart_are_drawn_together_by_all_but_the_plain_one() {
        assert_eq!(run(BoxOverlap::IoU, &T[1..2], &P[1..2]).1, [0.0; 4]);
        for kind in [BoxOverlap::GIoU, BoxOverlap::DIoU, BoxOverlap::CIoU] {
            let (_, slope) = run(kind, &T[1..2], &P[1..2]);
            assert!(slope.iter().all(|g| g.is_finite()) && slope[0] > 0.0, "{kind:?}: {slope:?}");
            // Against a difference quotient.
            let moved = |d: f32| run(kind, &T[1..2], &[[2.0 + d, 0.0, 3.0, 4.0]]).0[0];
            let quotient = (moved(0.01) - moved(-0.01)) / 0.02;
            assert!((slope[0] - quotient).abs() < 1e-3, "{kind:?}: {} by differences {quotient}", slope[0]);
        }
    }

    #[test]
    fn the_angle_is_the_arc_tangent() {
        let sizes = [(1.0f32, 3.0f32), (3.0, 1.0), (1.0, 1.0), (0.0, 2.0), (2.0, 0.0), (0.3, 0.31), (7.0, 0.01)];
        let mut graph = Graph::new();
        let column =
            |f: &dyn Fn(&(f32, f32)) -> f32| Tensor::f32([sizes.len()], sizes.iter().map(f).collect::<Vec<_>>());
        let [a, b] = [column(&|s| s.0), column(&|s| s.1)].map(|t| graph.constant("size", t.unwrap()));
        let y = angle(&mut Expr::new(&mut graph, "angle"), [a, b]).unwrap();
        graph.output("y", y);
        let got = crate::reference::run(&graph, &[]).unwrap();
        near(got[0].as_f32().unwrap(), &sizes.map(|(a, b)| (a as f64).atan2(b as f64)));
    }
}
