//! The boxes that detectors start from, and how they code the difference: SSD's and RetinaNet's.

use super::Rect;
use crate::error::{Error, Result};

/// `[centre y, centre x, height, width]`.
pub type Anchor = [f32; 4];

/// SSD's anchors (TensorFlow's `ssd_anchor_generator`), as shares of the picture, which is square.
#[derive(Clone, Debug, PartialEq)]
pub struct SsdAnchors {
    /// Side of the square grids, from the finest.
    pub grids: Vec<usize>,
    /// Size of the boxes on the first and the last grid; evenly spaced between.
    pub scales: [f32; 2],
    /// Width over height.
    pub ratios: Vec<f32>,
    /// The first grid has three boxes only: a square of 0.1, and ratios of 2 and a half.
    pub reduce_lowest: bool,
    /// A further square whose size lies between this grid's and the next one's (1 after the last).
    pub between: bool,
}

impl Default for SsdAnchors {
    /// Those of SSD300 on MobileNet: 1917 boxes.
    fn default() -> Self {
        SsdAnchors {
            grids: vec![19, 10, 5, 3, 2, 1],
            scales: [0.2, 0.95],
            ratios: vec![1.0, 2.0, 0.5, 3.0, 0.3333],
            reduce_lowest: true,
            between: true,
        }
    }
}

impl SsdAnchors {
    /// Every box: grid by grid, row by row, column by column, ratio by ratio.
    pub fn boxes(&self) -> Vec<Anchor> {
        let steps = self.grids.len().saturating_sub(1).max(1) as f32;
        let [first, last] = self.scales;
        let scale = |i: usize| if i < self.grids.len() { first + (last - first) * i as f32 / steps } else { 1.0 };
        let mut anchors = Vec::new();
        for (i, &grid) in self.grids.iter().enumerate() {
            let s = scale(i);
            let mut shapes: Vec<(f32, f32)> = if i == 0 && self.reduce_lowest {
                vec![(1.0, 0.1), (2.0, s), (0.5, s)]
            } else {
                self.ratios.iter().map(|&ratio| (ratio, s)).collect()
            };
            if self.between && !(i == 0 && self.reduce_lowest) {
                shapes.push((1.0, (s * scale(i + 1)).sqrt()));
            }
            for cell in 0..grid * grid {
                let [y, x] = [cell / grid, cell % grid].map(|i| (i as f32 + 0.5) / grid as f32);
                anchors.extend(shapes.iter().map(|&(ratio, s)| [y, x, s / ratio.sqrt(), s * ratio.sqrt()]));
            }
        }
        anchors
    }
}

/// RetinaNet's anchors (Lin et al. 2017), in pixels: on every level of a pyramid all pairs of sizes and ratios.
#[derive(Clone, Debug, PartialEq)]
pub struct PyramidAnchors {
    /// Pixels per cell of each level.
    pub strides: Vec<usize>,
    /// Side of the base box, in strides.
    pub base: f32,
    /// Factors of the base box.
    pub scales: Vec<f32>,
    /// Width over height; the area stays.
    pub ratios: Vec<f32>,
}

impl Default for PyramidAnchors {
    /// Levels 3 to 7, boxes of 32 to 813 pixels, three ratios.
    fn default() -> Self {
        PyramidAnchors {
            strides: vec![8, 16, 32, 64, 128],
            base: 4.0,
            scales: [0.0, 1.0, 2.0].map(|octave: f32| (octave / 3.0).exp2()).to_vec(),
            ratios: vec![0.5, 1.0, 2.0],
        }
    }
}

impl PyramidAnchors {
    /// Every box over a picture of `[height, width]`: level by level, row by row, column by column, scale by scale, ratio by
    /// ratio. Grids are rounded up.
    pub fn boxes(&self, [height, width]: [usize; 2]) -> Vec<Anchor> {
        let mut anchors = Vec::new();
        for &stride in self.strides.iter().filter(|&&stride| stride > 0) {
            let (rows, columns) = (height.div_ceil(stride), width.div_ceil(stride));
            for cell in 0..rows * columns {
                let [y, x] = [cell / columns, cell % columns].map(|i| (i as f32 + 0.5) * stride as f32);
                for &scale in &self.scales {
                    let side = self.base * stride as f32 * scale;
                    anchors.extend(self.ratios.iter().map(|r| [y, x, side / r.sqrt(), side * r.sqrt()]));
                }
            }
        }
        anchors
    }
}

/// How a box is told by an anchor (`faster_rcnn_box_coder`): offsets of the centre in sizes of the anchor and logarithms of
/// the sizes' ratios, each times a scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoxCoder {
    /// Of centre y, centre x, height, width. SSD has 10, 10, 5, 5; RetinaNet ones.
    pub scales: [f32; 4],
}

impl BoxCoder {
    /// SSD's.
    pub const SSD: BoxCoder = BoxCoder { scales: [10.0, 10.0, 5.0, 5.0] };

    /// The box that `[ty, tx, th, tw]` stands for.
    pub fn decode(&self, code: [f32; 4], [ay, ax, ah, aw]: Anchor) -> Rect {
        let [y, x, h, w] = std::array::from_fn(|i| code[i] / self.scales[i]);
        Rect::from_centre([x * aw + ax, y * ah + ay, w.exp() * aw, h.exp() * ah])
    }

    /// The code of a box. Errors: a box or an anchor without an area.
    pub fn encode(&self, rect: &Rect, [ay, ax, ah, aw]: Anchor) -> Result<[f32; 4]> {
        let [x, y, width, height] = rect.centre();
        if [width, height, ah, aw].iter().any(|side| !(*side > 0.0 && side.is_finite())) {
            return Err(Error::invalid("a box or an anchor without an area"));
        }
        let code = [(y - ay) / ah, (x - ax) / aw, (height / ah).ln(), (width / aw).ln()];
        Ok(std::array::from_fn(|i| code[i] * self.scales[i]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssd_follows_the_generator() {
        let anchors = SsdAnchors::default().boxes();
        assert_eq!(anchors.len(), 19 * 19 * 3 + (100 + 25 + 9 + 4 + 1) * 6);
        // First cell of the 19 x 19 grid: the small square, then twice as wide as high.
        assert_eq!(anchors[0], [0.5 / 19.0, 0.5 / 19.0, 0.1, 0.1]);
        assert!(
            (anchors[1][3] / anchors[1][2] - 2.0).abs() < 1e-6 && (anchors[1][2] * anchors[1][3] - 0.04).abs() < 1e-6
        );
        // The last cell is the whole picture; its last anchor has the scale between 0.95 and 1.
        let last = anchors[anchors.len() - 1];
        assert_eq!(last[..2], [0.5, 0.5]);
        assert!((last[2] - 0.95f32.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn pyramids_have_nine_boxes_a_cell() {
        let anchors = PyramidAnchors::default().boxes([64, 100]);
        // 8 x 13, 4 x 7, 2 x 4, 1 x 2, 1 x 1 cells.
        assert_eq!(anchors.len(), 9 * (104 + 28 + 8 + 2 + 1));
        let [y, x, h, w] = anchors[0];
        assert_eq!((y, x), (4.0, 4.0));
        // 32 pixels a side, half as wide as high.
        assert!((h * w - 1024.0).abs() < 0.1 && (w / h - 0.5).abs() < 1e-5);
        assert!((anchors[4][2] - 32.0 * 2f32.powf(1.0 / 3.0)).abs() < 1e-3);
    }

    #[test]
    fn codes_there_and_back() {
        let anchor = [0.5, 0.4, 0.2, 0.1];
        // A tenth of the width to the right, half as high.
        let rect = BoxCoder::SSD.decode([0.0, 1.0, 5.0 * 0.5f32.ln(), 0.0], anchor);
        let near = |a: [f32; 4], b: [f32; 4]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(near(rect.centre(), [0.41, 0.5, 0.1, 0.1]), "{rect:?}");
        assert!(near(BoxCoder::SSD.encode(&rect, anchor).unwrap(), [0.0, 1.0, 5.0 * 0.5f32.ln(), 0.0]));
        assert!(BoxCoder::SSD.encode(&Rect::from_corners([0.0; 4]), anchor).is_err());
    }
}
