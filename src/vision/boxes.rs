//! Boxes: formats, overlap, and greedy non-maximum suppression.

use crate::ops::suppress;

/// An axis-parallel rectangle with `left <= right` and `top <= bottom`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    left: f32,
    top: f32,
    right: f32,
    bottom: f32,
}

impl Rect {
    /// From two opposite corners, in any order.
    pub fn from_corners([x1, y1, x2, y2]: [f32; 4]) -> Rect {
        Rect { left: x1.min(x2), top: y1.min(y2), right: x1.max(x2), bottom: y1.max(y2) }
    }

    /// From the left upper corner and the size.
    pub fn from_xywh([x, y, width, height]: [f32; 4]) -> Rect {
        Rect::from_corners([x, y, x + width, y + height])
    }

    /// From the centre and the size.
    pub fn from_centre([cx, cy, width, height]: [f32; 4]) -> Rect {
        Rect::from_corners([cx - width / 2.0, cy - height / 2.0, cx + width / 2.0, cy + height / 2.0])
    }

    /// `[left, top, right, bottom]`.
    pub fn corners(&self) -> [f32; 4] {
        [self.left, self.top, self.right, self.bottom]
    }

    /// `[left, top, width, height]`.
    pub fn xywh(&self) -> [f32; 4] {
        [self.left, self.top, self.right - self.left, self.bottom - self.top]
    }

    /// `[centre x, centre y, width, height]`.
    pub fn centre(&self) -> [f32; 4] {
        let [x, y, width, height] = self.xywh();
        [x + width / 2.0, y + height / 2.0, width, height]
    }

    /// Width times height.
    pub fn area(&self) -> f32 {
        suppress::area(self.corners())
    }

    /// No edge is infinite or NaN.
    pub fn is_finite(&self) -> bool {
        self.corners().iter().all(|edge| edge.is_finite())
    }

    /// Intersection over union, 0 to 1; 0 if either has no area.
    pub fn iou(&self, other: &Rect) -> f32 {
        suppress::overlap(self.corners(), other.corners())
    }

    /// Generalised intersection over union (Rezatofighi et al. 2019), -1 to 1: less the further apart the boxes are.
    pub fn giou(&self, other: &Rect) -> f32 {
        let hull = Rect {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        };
        let either = self.area() + other.area() - suppress::intersection(self.corners(), other.corners());
        if hull.area() > 0.0 { self.iou(other) - (hull.area() - either) / hull.area() } else { 0.0 }
    }

    /// [`Rect::iou`] in double precision: thresholds are met exactly or not.
    pub fn precise_iou(&self, other: &Rect) -> f64 {
        let ([l1, t1, r1, b1], [l2, t2, r2, b2]) = (self.corners().map(f64::from), other.corners().map(f64::from));
        let both = (r1.min(r2) - l1.max(l2)).max(0.0) * (b1.min(b2) - t1.max(t2)).max(0.0);
        let area = |l: f64, t: f64, r: f64, b: f64| (r - l) * (b - t);
        if both > 0.0 { both / (area(l1, t1, r1, b1) + area(l2, t2, r2, b2) - both) } else { 0.0 }
    }
}

/// The overlap of every box of `a` with every one of `b`, row by row.
pub fn iou_matrix(a: &[Rect], b: &[Rect]) -> Vec<f32> {
    a.iter().flat_map(|a| b.iter().map(|b| a.precise_iou(b) as f32)).collect()
}

/// Indices of values from the largest to the smallest; equal ones keep their order.
pub fn best_first(values: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    order
}

/// A box that may become a detection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Where.
    pub rect: Rect,
    /// How sure.
    pub score: f32,
    /// What.
    pub class: usize,
}

/// Best first; equal scores keep their order.
pub fn sort(candidates: &mut [Candidate]) {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
}

/// Greedy non-maximum suppression of candidates that stand best first ([`sort`]): each is kept unless it overlaps one
/// that was kept, of its own class if `per_class`, by more than `threshold`. At most `most` indices, in order.
pub fn non_max_suppression(candidates: &[Candidate], per_class: bool, threshold: f32, most: usize) -> Vec<usize> {
    let mut kept: Vec<usize> = Vec::new();
    for (i, candidate) in candidates.iter().enumerate() {
        if kept.len() == most {
            break;
        }
        let covers = |&k: &usize| {
            let better = &candidates[k];
            (!per_class || better.class == candidate.class) && better.rect.iou(&candidate.rect) > threshold
        };
        if !kept.iter().any(covers) {
            kept.push(i);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(corners: [f32; 4], score: f32, class: usize) -> Candidate {
        Candidate { rect: Rect::from_corners(corners), score, class }
    }

    #[test]
    fn overlap() {
        let unit = Rect::from_corners([0.0, 0.0, 1.0, 1.0]);
        // Half covered: 0.5 / 1.5.
        assert!((unit.iou(&Rect::from_corners([0.5, 0.0, 1.5, 1.0])) - 1.0 / 3.0).abs() < 1e-7);
        assert_eq!(unit.iou(&unit), 1.0);
        assert_eq!(unit.iou(&Rect::from_corners([1.0, 0.0, 2.0, 1.0])), 0.0);
        assert_eq!(unit.iou(&Rect::from_corners([0.5, 0.5, 0.5, 0.9])), 0.0);
        // Corners in any order.
        assert_eq!(Rect::from_corners([1.0, 1.0, 0.0, 0.0]), unit);
        assert_eq!(Rect::from_centre([0.5, 0.5, 1.0, 1.0]), unit);
        assert_eq!(Rect::from_xywh([0.0, 0.0, 1.0, 1.0]).xywh(), [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(Rect::from_xywh([2.0, 0.0, 4.0, 1.0]).centre(), [4.0, 0.5, 4.0, 1.0]);
    }

    #[test]
    fn generalised_overlap_knows_distance() {
        let unit = Rect::from_corners([0.0, 0.0, 1.0, 1.0]);
        assert_eq!(unit.giou(&unit), 1.0);
        // Two of a hull of four: nothing shared, half of the hull empty.
        assert_eq!(unit.giou(&Rect::from_corners([3.0, 0.0, 4.0, 1.0])), -0.5);
        // Diagonal neighbours: 2 of 4.
        assert_eq!(unit.giou(&Rect::from_corners([1.0, 1.0, 2.0, 2.0])), -0.5);
        // A point in the middle of nothing but itself.
        let point = Rect::from_corners([0.5, 0.5, 0.5, 0.5]);
        assert_eq!((point.giou(&point), unit.giou(&point)), (0.0, 0.0));
        let matrix = iou_matrix(&[unit, point], &[unit, Rect::from_corners([0.0, 0.0, 1.0, 0.5])]);
        assert_eq!(matrix, [1.0, 0.5, 0.0, 0.0]);
        assert_eq!(best_first(&[0.1, 0.5, 0.1, 0.7]), [3, 1, 0, 2]);
    }

    #[test]
    fn suppression_per_class_and_across() {
        let mut all = [
            candidate([0.0, 0.0, 10.0, 10.0], 0.5, 0),
            candidate([0.0, 0.0, 10.0, 9.0], 0.9, 1),
            candidate([20.0, 0.0, 30.0, 10.0], 0.3, 0),
            candidate([0.0, 1.0, 10.0, 10.0], 0.4, 0),
        ];
        sort(&mut all);
        assert_eq!(all.map(|c| c.score), [0.9, 0.5, 0.4, 0.3]);
        assert_eq!(non_max_suppression(&all, true, 0.5, 10), [0, 1, 3]);
        assert_eq!(non_max_suppression(&all, false, 0.5, 10), [0, 3]);
        assert_eq!(non_max_suppression(&all, false, 0.5, 1), [0]);
        assert_eq!(non_max_suppression(&all, false, 0.5, 0), [0usize; 0]);
    }

    #[test]
    fn only_more_than_the_threshold_suppresses_and_ties_keep_their_order() {
        // 5 of 15: exactly a third; 2 of 4: exactly a half.
        let halves = [candidate([0.0, 0.0, 2.0, 2.0], 0.5, 0), candidate([0.0, 0.0, 2.0, 1.0], 0.5, 0)];
        assert_eq!(non_max_suppression(&halves, true, 0.5, 10), [0, 1]);
        assert_eq!(non_max_suppression(&halves, true, 0.499, 10), [0]);
        let mut sorted = halves;
        sort(&mut sorted);
        assert_eq!(sorted, halves);
    }
}
