//! Boxes: formats, overlap, and greedy non-maximum suppression.

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

    /// Width times height.
    pub fn area(&self) -> f32 {
        (self.right - self.left) * (self.bottom - self.top)
    }

    /// No edge is infinite or NaN.
    pub fn is_finite(&self) -> bool {
        self.corners().iter().all(|edge| edge.is_finite())
    }

    /// Intersection over union, 0 to 1; 0 if either has no area.
    pub fn iou(&self, other: &Rect) -> f32 {
        let width = self.right.min(other.right) - self.left.max(other.left);
        let height = self.bottom.min(other.bottom) - self.top.max(other.top);
        let both = width.max(0.0) * height.max(0.0);
        if both > 0.0 { both / (self.area() + other.area() - both) } else { 0.0 }
    }
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
