//! Non-maximum suppression on the host, number for number as TensorFlow's: hard, soft (Bodla et al. 2017), and of many
//! classes and pictures at once.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::Rect;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Which boxes stay (`tf.image.non_max_suppression` and `..._with_scores`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suppression {
    /// Most boxes.
    pub max_output: usize,
    /// A box that overlaps a better one by more than this (intersection over union) goes.
    pub iou_threshold: f32,
    /// Scores must be above this.
    pub score_threshold: f32,
    /// Above 0 overlaps of any size lower scores by `exp(-iou^2 / (2 sigma))` instead.
    pub soft_sigma: f32,
}

impl Default for Suppression {
    fn default() -> Self {
        Suppression { max_output: usize::MAX, iou_threshold: 0.5, score_threshold: f32::NEG_INFINITY, soft_sigma: 0.0 }
    }
}

/// A box that waits for its turn.
#[derive(Clone, Copy, PartialEq)]
struct Waiting {
    score: f32,
    index: usize,
    /// Kept boxes whose overlap is in the score already.
    seen: usize,
}

impl Eq for Waiting {}

impl Ord for Waiting {
    /// The greatest is the best: the highest score, of equals the lowest index.
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.index.cmp(&self.index))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Suppression {
    /// Indices of the boxes that stay, best first, with their scores (lowered ones, if suppression is soft). Boxes and
    /// scores beyond the shorter list, and scores that are NaN, are left out.
    pub fn run(&self, rects: &[Rect], scores: &[f32]) -> Vec<(usize, f32)> {
        let passes = |&(_, &score): &(usize, &f32)| score > self.score_threshold;
        let waiting = scores.iter().enumerate().take(rects.len()).filter(passes);
        let mut queue: BinaryHeap<Waiting> = waiting.map(|(index, &score)| Waiting { score, index, seen: 0 }).collect();
        let mut kept: Vec<(usize, f32)> = Vec::new();
        let soft = self.soft_sigma > 0.0;
        while kept.len() < self.max_output {
            let Some(mut next) = queue.pop() else { break };
            let before = next.score;
            let mut covered = false;
            for &(other, _) in kept[next.seen..].iter().rev() {
                let overlap = rects[next.index].iou(&rects[other]);
                if soft {
                    next.score *= (-0.5 / self.soft_sigma * overlap * overlap).exp();
                    if next.score <= self.score_threshold {
                        break;
                    }
                } else if overlap > self.iou_threshold {
                    covered = true;
                    break;
                }
            }
            next.seen = kept.len();
            if covered {
                continue;
            }
            if next.score == before {
                kept.push((next.index, next.score));
            } else if next.score > self.score_threshold {
                queue.push(next);
            }
        }
        kept
    }
}

/// Suppression per class over a batch (`tf.image.combined_non_max_suppression`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Combined {
    /// For each class; `max_output` is the most boxes of one.
    pub each: Suppression,
    /// Most boxes of a picture.
    pub max_total: usize,
    /// Results have room for `max_output` boxes of every class, if that is less than `max_total`.
    pub pad_per_class: bool,
    /// Corners are cut off to 0..1.
    pub clip: bool,
}

/// Boxes of a batch, best first, 0 where there are fewer.
#[derive(Clone, Debug, PartialEq)]
pub struct CombinedBoxes {
    /// `[batch, boxes, 4]`, corners in the order they came.
    pub boxes: Tensor,
    /// `[batch, boxes]`.
    pub scores: Tensor,
    /// `[batch, boxes]`, as floats.
    pub classes: Tensor,
    /// `[batch]`: how many there are, int32.
    pub valid: Tensor,
}

impl Combined {
    /// `boxes` is `[batch, n, q, 4]` with two opposite corners, `scores` `[batch, n, classes]`; `q` is 1 or as many as
    /// classes.
    pub fn run(&self, boxes: &Tensor, scores: &Tensor) -> Result<CombinedBoxes> {
        let [batch, n, q, four] = boxes.shape().dims("[batch, boxes, 1 or classes, 4]")?;
        let [images, rows, classes] = scores.shape().dims("[batch, boxes, classes]")?;
        if four != 4 || (images, rows) != (batch, n) || (q != 1 && q != classes) {
            return Err(Error::mismatch("boxes and scores do not belong together", boxes.shape(), scores.shape()));
        }
        let (corners, points) = (boxes.as_f32()?.as_chunks::<4>().0, scores.as_f32()?);
        let all = self.each.max_output.saturating_mul(classes);
        let room = if self.pad_per_class { self.max_total.min(all) } else { self.max_total };
        let shape = crate::shape::Shape::checked([batch, room, 4])?;
        let (mut out, mut values) = (vec![0.0; shape.elements()], vec![0.0; batch * room]);
        let (mut kinds, mut valid) = (vec![0.0; batch * room], Vec::with_capacity(batch));
        for image in 0..batch {
            let mut found: Vec<(usize, usize, f32)> = Vec::new();
            for class in 0..classes {
                let at = |i: usize| (image * n + i) * q + class.min(q - 1);
                let rects: Vec<Rect> = (0..n).map(|i| Rect::from_corners(corners[at(i)])).collect();
                let own: Vec<f32> = (0..n).map(|i| points[(image * n + i) * classes + class]).collect();
                found.extend(self.each.run(&rects, &own).into_iter().map(|(i, score)| (at(i), class, score)));
            }
            found.sort_by(|a, b| b.2.total_cmp(&a.2));
            found.truncate(room);
            valid.push(found.len() as i32);
            for (slot, (at, class, score)) in found.into_iter().enumerate() {
                let slot = image * room + slot;
                let place = |edge: f32| if self.clip { edge.clamp(0.0, 1.0) } else { edge };
                out[slot * 4..][..4].copy_from_slice(&corners[at].map(place));
                (values[slot], kinds[slot]) = (score, class as f32);
            }
        }
        Ok(CombinedBoxes {
            boxes: Tensor::f32(shape, out)?,
            scores: Tensor::f32([batch, room], values)?,
            classes: Tensor::f32([batch, room], kinds)?,
            valid: Tensor::i32([batch], valid)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxes(corners: &[[f32; 4]]) -> Vec<Rect> {
        corners.iter().map(|&c| Rect::from_corners(c)).collect()
    }

    #[test]
    fn soft_suppression_lowers_scores_and_puts_boxes_back() {
        // The second overlaps the first by a half: 0.8 * exp(-0.25) = 0.623 falls behind the third.
        let rects = boxes(&[[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.0], [5.0, 5.0, 6.0, 6.0]]);
        let soft = Suppression { iou_threshold: 1.0, soft_sigma: 0.5, ..Suppression::default() };
        let kept = soft.run(&rects, &[0.9, 0.8, 0.7]);
        assert_eq!(kept.iter().map(|k| k.0).collect::<Vec<_>>(), [0, 2, 1]);
        assert!((kept[2].1 - 0.8 * (-0.25f32).exp()).abs() < 1e-6);
        // Below the score threshold it is gone. The threshold of overlaps is for hard suppression.
        let strict = Suppression { score_threshold: 0.65, ..soft };
        assert_eq!(strict.run(&rects, &[0.9, 0.8, 0.7]).len(), 2);
        assert_eq!(Suppression { iou_threshold: 0.4, ..soft }.run(&rects, &[0.9, 0.8, 0.7]), kept);
        let hard = Suppression { iou_threshold: 0.4, soft_sigma: 0.0, ..soft };
        assert_eq!(hard.run(&rects, &[0.9, 0.8, 0.7]), [(0, 0.9), (2, 0.7)]);
        assert_eq!(Suppression::default().run(&rects, &[0.9, f32::NAN, 0.7]).len(), 2);
    }

    #[test]
    fn classes_share_boxes_and_room() {
        let combined = Combined {
            each: Suppression { max_output: 1, ..Suppression::default() },
            max_total: 3,
            pad_per_class: true,
            clip: true,
        };
        let corners = Tensor::f32([1, 2, 1, 4], vec![0.0, 0.0, 1.5, 1.0, -1.0, 0.0, 0.5, 0.5]).unwrap();
        let scores = Tensor::f32([1, 2, 2], vec![0.9, 0.1, 0.2, 0.3]).unwrap();
        let found = combined.run(&corners, &scores).unwrap();
        // One of each class: room for two, not for three.
        assert_eq!(found.scores, Tensor::f32([1, 2], vec![0.9, 0.3]).unwrap());
        assert_eq!(found.classes.as_f32().unwrap(), [0.0, 1.0]);
        assert_eq!(found.boxes.as_f32().unwrap(), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.5, 0.5]);
        assert_eq!(found.valid.as_i32().unwrap(), [2]);
        assert!(combined.run(&corners, &Tensor::f32([1, 1, 4], vec![0.0; 4]).unwrap()).is_err());
    }
}
