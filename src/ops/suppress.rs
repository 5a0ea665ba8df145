//! Non-maximum suppression: of boxes that cover the same thing, the best one.

use super::{Operator, Reference, expect_dtype, expect_inputs};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{DType, Tensor, TensorType};

/// Greedy suppression of boxes `[batch, n, 4]` by scores `[batch, classes, n]`, for every class by itself.
///
/// The best box stays, of equal scores the first; what overlaps it too much goes, or loses score; and again, until nothing is
/// left. How many boxes stay is not known before, so there is room for `max_output` of every class. Outputs: rows
/// `[batch * classes * min(max_output, n), 3]` of batch, class, box (int32), pictures and classes ascending, the best boxes
/// first, and -1 after the last; their scores, 0 after the last; and their number `[1]` (int32).
#[derive(Clone, Debug, PartialEq)]
pub struct NonMaxSuppression {
    /// Most boxes of one class in one picture.
    pub max_output: usize,
    /// A box that overlaps a better one by more than this (intersection over union) goes. Unused if `soft_sigma` is above 0.
    pub iou_threshold: f32,
    /// Scores must be above this; negative infinity lets all of them take part.
    pub score_threshold: f32,
    /// Above 0 (Bodla et al. 2017): an overlap multiplies the score by `exp(-iou^2 / (2 soft_sigma))` instead.
    pub soft_sigma: f32,
    /// Boxes are a centre and a size, not two opposite corners (in any order).
    pub centred: bool,
}

impl NonMaxSuppression {
    /// The exponent of the square of an overlap; 0 where suppression is hard.
    pub fn decay(&self) -> f32 {
        if self.soft_sigma > 0.0 { -0.5 / self.soft_sigma } else { 0.0 }
    }

    /// Most boxes of a class among `n`.
    pub fn limit(&self, n: usize) -> usize {
        self.max_output.min(n)
    }

    /// `[x1, y1, x2, y2]` with the lower corner first.
    pub fn corners(&self, code: [f32; 4]) -> [f32; 4] {
        let [a, b, c, d] = code;
        let [x1, y1, x2, y2] = if self.centred { [a - c / 2.0, b - d / 2.0, a + c / 2.0, b + d / 2.0] } else { code };
        [x1.min(x2), y1.min(y2), x1.max(x2), y1.max(y2)]
    }
}

/// The area of a box with its lower corner first.
pub(crate) fn area(r: [f32; 4]) -> f32 {
    (r[2] - r[0]) * (r[3] - r[1])
}

/// The area that two boxes share.
pub(crate) fn intersection(a: [f32; 4], b: [f32; 4]) -> f32 {
    let [width, height] = [0, 1].map(|i| (a[i + 2].min(b[i + 2]) - a[i].max(b[i])).max(0.0));
    width * height
}

/// Intersection over union of boxes with their lower corners first, 0 where they only touch. In single precision, as everywhere
/// else: whether an overlap is above a threshold must not depend on who computes it.
pub(crate) fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
    let both = intersection(a, b);
    if both > 0.0 { both / (area(a) + area(b) - both) } else { 0.0 }
}

/// `(pictures, boxes, classes)`.
pub(crate) fn sizes(boxes: &Shape, scores: &Shape) -> Result<(usize, usize, usize)> {
    let [batch, n, four] = boxes.dims("[batch, boxes, 4]")?;
    let [images, classes, columns] = scores.dims("[batch, classes, boxes]")?;
    if four != 4 || images != batch || columns != n {
        return Err(Error::mismatch("boxes and scores do not belong together", boxes, scores));
    }
    Ok((batch, n, classes))
}

impl Operator for NonMaxSuppression {
    fn name(&self) -> &'static str {
        "NonMaxSuppression"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 2)?;
        expect_dtype(inputs, 0, DType::F32)?;
        expect_dtype(inputs, 1, DType::F32)?;
        if self.iou_threshold.is_nan() || self.score_threshold.is_nan() || self.soft_sigma.is_nan() {
            return Err(Error::invalid("a threshold that is not a number"));
        }
        let (batch, n, classes) = sizes(&inputs[0].shape, &inputs[1].shape)?;
        let rows = batch.checked_mul(classes).and_then(|lines| lines.checked_mul(self.limit(n)));
        let rows = rows.ok_or_else(|| Error::resource("too many boxes might stay"))?;
        let table = Shape::checked([rows, 3])?;
        Ok(vec![TensorType::i32(table), TensorType::f32([rows]), TensorType::i32([1])])
    }

    fn outputs(&self) -> usize {
        3
    }

    fn flops(&self, inputs: &[TensorType], _: &[TensorType]) -> u64 {
        // Some twenty for an overlap of every box that stays with every other.
        let n = inputs[0].shape.get(1).copied().unwrap_or(0);
        20 * inputs[1].shape.elements() as u64 * self.limit(n) as u64
    }
}

impl Reference for NonMaxSuppression {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let rows = self.output_shape(inputs)?[0];
        let (batch, n, classes) = sizes(inputs[0].shape(), inputs[1].shape())?;
        let (boxes, scores) = (inputs[0].as_f32()?.as_chunks::<4>().0, inputs[1].as_f32()?);
        let (mut table, mut kept) = (Vec::new(), Vec::new());
        for line in 0..batch * classes {
            let boxes: Vec<[f32; 4]> = boxes[line / classes * n..][..n].iter().map(|&b| self.corners(b)).collect();
            let mut left = scores[line * n..][..n].to_vec();
            for _ in 0..self.limit(n) {
                let above = (0..n).filter(|&i| left[i] > self.score_threshold);
                let Some(best) = above.reduce(|best, i| if left[i] > left[best] { i } else { best }) else { break };
                table.extend([line / classes, line % classes, best].map(|v| v as i32));
                kept.push(left[best]);
                for i in 0..n {
                    let iou = overlap(boxes[best], boxes[i]);
                    if self.soft_sigma > 0.0 {
                        left[i] *= (self.decay() * iou * iou).exp();
                    } else if iou > self.iou_threshold {
                        left[i] = f32::NEG_INFINITY;
                    }
                }
                left[best] = f32::NEG_INFINITY;
            }
        }
        let count = kept.len() as i32;
        table.resize(rows * 3, -1);
        kept.resize(rows, 0.0);
        Ok(vec![Tensor::i32([rows, 3], table)?, Tensor::f32([rows], kept)?, Tensor::i32([1], vec![count])?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_class_by_hand() {
        // The second overlaps the first by a half, the third by a third; the fourth is a line.
        let boxes = [[0.0, 0.0, 2.0, 2.0], [2.0, 1.0, 0.0, 0.0], [1.0, 0.0, 3.0, 2.0], [0.0, 0.0, 2.0, 0.0]];
        let boxes = Tensor::f32([1, 4, 4], boxes.concat()).unwrap();
        let scores = Tensor::f32([1, 1, 4], vec![0.9, 0.8, 0.7, 0.6]).unwrap();
        let op = |iou_threshold, score_threshold| NonMaxSuppression {
            max_output: 3,
            iou_threshold,
            score_threshold,
            soft_sigma: 0.0,
            centred: false,
        };
        let run = |op: NonMaxSuppression| {
            let results = op.reference(&[&boxes, &scores]).unwrap();
            let rows = results[0].as_i32().unwrap().chunks(3).map(|row| row[2]).collect::<Vec<_>>();
            (rows, results[2].as_i32().unwrap()[0])
        };
        assert_eq!(run(op(0.5, 0.0)), (vec![0, 1, 2], 3));
        assert_eq!(run(op(0.4, 0.0)), (vec![0, 2, 3], 3));
        assert_eq!(run(op(0.2, 0.0)), (vec![0, 3, -1], 2));
        assert_eq!(run(op(0.4, 0.65)), (vec![0, 2, -1], 2));
        let soft = NonMaxSuppression { soft_sigma: 0.5, ..op(0.0, 0.0) };
        let results = soft.reference(&[&boxes, &scores]).unwrap();
        // 0.7 exp(-1/9) is above 0.6 and that above 0.8 exp(-1/4).
        assert_eq!(results[0].as_i32().unwrap(), [0, 0, 0, 0, 0, 2, 0, 0, 3]);
        assert!((results[1].as_f32().unwrap()[1] - 0.7 * (-1.0f32 / 9.0).exp()).abs() < 1e-6);
    }
}
