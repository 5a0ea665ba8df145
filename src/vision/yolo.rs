//! The heads of YOLO networks: grids of raw numbers become boxes in pixels.
//!
//! Versions 2 to 7 shift and scale anchors; what differs between them is a [`AnchorHead`]'s settings. Version 8 and later
//! have no anchors: every cell says how far the four edges are, as a distribution over distances ([`FreeHead`]).

use super::Rect;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// How a size follows from an anchor's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizeRule {
    /// `anchor * exp(t)`: versions 2 to 4.
    Exponential,
    /// `anchor * (2 sigmoid(t))^2`: version 5 and 7.
    Squared,
}

/// How class scores follow from logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassRule {
    /// Each by itself: version 3 and later.
    Sigmoid,
    /// One of them: version 2.
    Softmax,
}

/// A head with anchors: `[batch, rows, columns, anchors * (5 + classes)]`; for each anchor tx, ty, tw, th, objectness and
/// the classes' logits.
#[derive(Clone, Debug, PartialEq)]
pub struct AnchorHead {
    /// `[width, height]` in pixels. (Version 2 lists them in cells: multiply by the stride.)
    pub anchors: Vec<[f32; 2]>,
    /// Pixels per cell.
    pub stride: f32,
    /// Number of classes.
    pub classes: usize,
    /// How far a centre reaches: `sigmoid(t) * reach - (reach - 1) / 2` cells. 1, in version 4 a little more, in version 5
    /// and 7 it is 2.
    pub reach: f32,
    /// Sizes.
    pub sizes: SizeRule,
    /// Classes.
    pub scores: ClassRule,
}

/// What a head says, anchor by anchor, column by column, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// In pixels of the network's input; `[batch * boxes]`.
    pub rects: Vec<Rect>,
    /// Whether there is anything at all; 1 where the head does not say.
    pub objectness: Vec<f32>,
    /// `[batch * boxes * classes]`.
    pub classes: Vec<f32>,
    /// Boxes of one picture.
    pub boxes: usize,
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

fn softmax(logits: &[f32]) -> impl Iterator<Item = f32> {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|&x| (x - highest).exp()).sum();
    logits.iter().map(move |&x| (x - highest).exp() / sum)
}

impl AnchorHead {
    /// Version 2; anchors in pixels.
    pub fn v2(anchors: Vec<[f32; 2]>, stride: f32, classes: usize) -> AnchorHead {
        AnchorHead { scores: ClassRule::Softmax, ..AnchorHead::v3(anchors, stride, classes) }
    }

    /// Version 3.
    pub fn v3(anchors: Vec<[f32; 2]>, stride: f32, classes: usize) -> AnchorHead {
        let (sizes, scores) = (SizeRule::Exponential, ClassRule::Sigmoid);
        AnchorHead { anchors, stride, classes, reach: 1.0, sizes, scores }
    }

    /// Version 5 and 7.
    pub fn v5(anchors: Vec<[f32; 2]>, stride: f32, classes: usize) -> AnchorHead {
        AnchorHead { reach: 2.0, sizes: SizeRule::Squared, ..AnchorHead::v3(anchors, stride, classes) }
    }

    /// Decodes the raw output of the head.
    pub fn decode(&self, raw: &Tensor) -> Result<Decoded> {
        let [batch, rows, columns, channels] = raw.shape().dims("[batch, rows, columns, channels]")?;
        let size = 5 + self.classes;
        if channels != self.anchors.len() * size || channels == 0 {
            let expected = format!("{} anchors of {size} numbers", self.anchors.len());
            return Err(Error::mismatch("the head's channels do not fit its anchors", expected, channels));
        }
        let boxes = rows * columns * self.anchors.len();
        let mut out = Decoded { rects: Vec::new(), objectness: Vec::new(), classes: Vec::new(), boxes };
        for (i, code) in raw.as_f32()?.chunks_exact(size).enumerate().take(batch * boxes) {
            let (cell, [width, height]) = (i / self.anchors.len(), self.anchors[i % self.anchors.len()]);
            let (column, row) = (cell % columns, cell / columns % rows);
            let centre =
                |t: f32, cell: usize| (sigmoid(t) * self.reach - (self.reach - 1.0) / 2.0 + cell as f32) * self.stride;
            let extent = |t: f32, anchor: f32| match self.sizes {
                SizeRule::Exponential => anchor * t.exp(),
                SizeRule::Squared => anchor * (2.0 * sigmoid(t)).powi(2),
            };
            let (x, y) = (centre(code[0], column), centre(code[1], row));
            out.rects.push(Rect::from_centre([x, y, extent(code[2], width), extent(code[3], height)]));
            out.objectness.push(sigmoid(code[4]));
            match self.scores {
                ClassRule::Sigmoid => out.classes.extend(code[5..].iter().map(|&x| sigmoid(x))),
                ClassRule::Softmax => out.classes.extend(softmax(&code[5..])),
            }
        }
        Ok(out)
    }
}

/// A head without anchors (version 8 and later): `[batch, rows, columns, 4 * bins + classes]`; for the left, upper, right and
/// lower edge the logits of distances of 0, 1 .. `bins - 1` cells from the cell's middle, then the classes' logits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FreeHead {
    /// Pixels per cell.
    pub stride: f32,
    /// Distances; 16 in the published networks. With 1 the four numbers are the distances themselves.
    pub bins: usize,
    /// Number of classes.
    pub classes: usize,
}

impl FreeHead {
    /// Decodes the raw output of the head.
    pub fn decode(&self, raw: &Tensor) -> Result<Decoded> {
        let [batch, rows, columns, channels] = raw.shape().dims("[batch, rows, columns, channels]")?;
        if self.bins == 0 || channels != 4 * self.bins + self.classes {
            let expected = format!("4 x {} + {}", self.bins, self.classes);
            return Err(Error::mismatch("the head's channels do not fit its bins and classes", expected, channels));
        }
        let boxes = rows * columns;
        let mut out = Decoded { rects: Vec::new(), objectness: vec![1.0; batch * boxes], classes: Vec::new(), boxes };
        for (i, code) in raw.as_f32()?.chunks_exact(channels).enumerate().take(batch * boxes) {
            let (x, y) = ((i % columns) as f32 + 0.5, (i / columns % rows) as f32 + 0.5);
            let distance = |edge: usize| match &code[edge * self.bins..][..self.bins] {
                [one] => *one,
                bins => softmax(bins).enumerate().map(|(bin, share)| bin as f32 * share).sum(),
            };
            let [left, top, right, bottom] = [0, 1, 2, 3].map(distance);
            let corners = [x - left, y - top, x + right, y + bottom].map(|v| v * self.stride);
            out.rects.push(Rect::from_corners(corners));
            out.classes.extend(code[4 * self.bins..].iter().map(|&x| sigmoid(x)));
        }
        Ok(out)
    }
}

impl Decoded {
    /// What passes `threshold` in picture `image`: objectness times class score, every class of every box.
    pub fn candidates(&self, image: usize, threshold: f32) -> Vec<super::boxes::Candidate> {
        let classes = self.classes.len().checked_div(self.rects.len()).unwrap_or(0);
        let mut found = Vec::new();
        for i in image * self.boxes..((image + 1) * self.boxes).min(self.rects.len()) {
            let scores = self.classes[i * classes..][..classes].iter().map(|score| score * self.objectness[i]);
            let passed = scores.enumerate().filter(|(_, score)| *score > threshold);
            found.extend(passed.map(|(class, score)| super::boxes::Candidate { rect: self.rects[i], score, class }));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(rect: Rect, corners: [f32; 4]) {
        let close = rect.corners().iter().zip(corners).all(|(a, b)| (a - b).abs() < 1e-3);
        assert!(close, "{rect:?} instead of {corners:?}");
    }

    #[test]
    fn anchors_are_shifted_and_scaled() {
        // One row of two cells; the second is centred at (24, 8), its anchor doubled in width.
        let mut raw = vec![0.0; 14];
        raw[7 + 2] = 2f32.ln();
        raw[7 + 4] = 3f32.ln();
        raw[7 + 5] = 1.0;
        let raw = Tensor::f32([1, 1, 2, 7], raw).unwrap();
        let v3 = AnchorHead::v3(vec![[8.0, 4.0]], 16.0, 2);
        let decoded = v3.decode(&raw).unwrap();
        near(decoded.rects[0], [4.0, 6.0, 12.0, 10.0]);
        near(decoded.rects[1], [16.0, 6.0, 32.0, 10.0]);
        assert!((decoded.objectness[1] - 0.75).abs() < 1e-6 && decoded.objectness[0] == 0.5);
        assert!((decoded.classes[2] - 0.731_059).abs() < 1e-5 && decoded.classes[3] == 0.5);
        // Softmax of 1 and 0 is the sigmoid of 1.
        let v2 = AnchorHead::v2(vec![[8.0, 4.0]], 16.0, 2).decode(&raw).unwrap();
        assert!((v2.classes[2] - 0.731_059).abs() < 1e-5 && (v2.classes[3] - 0.268_941).abs() < 1e-5);
        let candidates = decoded.candidates(0, 0.3);
        assert_eq!(candidates.iter().map(|c| c.class).collect::<Vec<_>>(), [0, 1]);
        assert!((candidates[0].score - 0.75 * 0.731_059).abs() < 1e-5);
        assert!(v3.decode(&Tensor::f32([1, 1, 1, 8], vec![0.0; 8]).unwrap()).is_err());
    }

    #[test]
    fn version_five_reaches_into_the_neighbours() {
        // sigmoid(ln 3) = 0.75: 2 * 0.75 - 0.5 = 1 cell; (2 * 0.75)^2 = 2.25 anchors.
        let t = 3f32.ln();
        let raw = Tensor::f32([1, 1, 1, 6], vec![t, 0.0, t, 0.0, 0.0, 0.0]).unwrap();
        let decoded = AnchorHead::v5(vec![[8.0, 4.0]], 16.0, 1).decode(&raw).unwrap();
        near(decoded.rects[0], [16.0 - 9.0, 6.0, 16.0 + 9.0, 10.0]);
    }

    #[test]
    fn distances_are_expected_values() {
        // All bins alike: 1.5 cells; one bin far above: that one.
        let mut raw = vec![0.0; 4 * 4 + 1];
        raw[3] = 50.0;
        let raw = Tensor::f32([1, 1, 1, 17], raw).unwrap();
        let decoded = FreeHead { stride: 8.0, bins: 4, classes: 1 }.decode(&raw).unwrap();
        near(decoded.rects[0], [4.0 - 24.0, 4.0 - 12.0, 4.0 + 12.0, 4.0 + 12.0]);
        assert_eq!(decoded.classes, [0.5]);
        assert_eq!(decoded.candidates(0, 0.4).len(), 1);
        let plain = FreeHead { stride: 8.0, bins: 1, classes: 0 };
        let raw = Tensor::f32([1, 1, 1, 4], vec![0.5, 0.25, 1.0, 2.0]).unwrap();
        near(plain.decode(&raw).unwrap().rects[0], [0.0, 2.0, 12.0, 20.0]);
    }
}
