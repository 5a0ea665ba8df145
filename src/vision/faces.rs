//! Faces by the tiny face detector of face-api.js: a network with the head of YOLOv2, five anchors, nothing but faces.

use super::boxes::Candidate;
use super::image::{InputSpec, resize_into};
use super::yolo::AnchorHead;
use super::{DetectOptions, Detection, select};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Width and height in cells.
const ANCHORS: [[f32; 2]; 5] =
    [[1.603231, 2.094468], [6.041143, 7.080126], [2.882459, 3.518061], [4.266906, 5.178857], [9.041765, 10.66308]];
/// Pixels of a cell.
const STRIDE: usize = 32;
/// Most candidates that suppression looks at.
const MOST_CANDIDATES: usize = 1000;

/// Thresholds that suit the network.
pub const DEFAULT_OPTIONS: DetectOptions =
    DetectOptions { score_threshold: 0.3, iou_threshold: 0.4, max_detections: 100 };

/// A picture (`rgba`, `[width, height]`) as the network wants it: in the left upper corner of a square, the rest
/// black, as `[1, size, size, 3]` with pixels 0 to 255.
pub fn input(rgba: &[u8], [width, height]: [usize; 2], size: usize) -> Result<Tensor> {
    let side = width.max(height);
    let bytes = side.checked_mul(side).and_then(|n| n.checked_mul(4)).filter(|&n| n <= isize::MAX as usize);
    let (Some(bytes), Some(wanted)) = (bytes, width.checked_mul(height).and_then(|n| n.checked_mul(4))) else {
        return Err(Error::resource(format!("a picture of {width} x {height} pixels is too large")));
    };
    if rgba.len() != wanted || wanted == 0 {
        let what = format!("an RGBA picture of {width} x {height} pixels");
        return Err(Error::mismatch(what, format!("{wanted} bytes"), rgba.len()));
    }
    let mut square = vec![0u8; bytes];
    for (line, row) in square.chunks_exact_mut(side * 4).zip(rgba.chunks_exact(width * 4)) {
        line[..width * 4].copy_from_slice(row);
    }
    let mut out = vec![0.0; size * size * 3];
    resize_into(&square, side, side, &InputSpec { size: [size; 2], scale: [1.0; 3], offset: [0.0; 3] }, &mut out)?;
    Tensor::f32([1, size, size, 3], out)
}

/// The faces in the network's output `[1, n, n, 25]`, best first, in pixels of a picture of `[width, height]` that
/// went in as [`input`] lays it out.
pub fn decode(head: &Tensor, image: [usize; 2], options: &DetectOptions) -> Result<Vec<Detection>> {
    let [batch, rows, columns, _] = head.shape().dims("[1, rows, columns, 25]")?;
    if batch != 1 || rows != columns || rows == 0 {
        return Err(Error::mismatch(
            "faces are read from the square map of one picture",
            "[1, n, n, 25]",
            head.shape(),
        ));
    }
    let anchors = ANCHORS.map(|anchor| anchor.map(|cells| cells * STRIDE as f32)).to_vec();
    let decoded = AnchorHead::v2(anchors, STRIDE as f32, 0).decode(head)?;
    let found = decoded.rects.iter().zip(&decoded.objectness).filter(|(_, score)| **score >= options.score_threshold);
    let candidates = found.map(|(&rect, &score)| Candidate { rect, score, class: 0 }).collect();
    let scale = image[0].max(image[1]) as f32 / (rows * STRIDE) as f32;
    Ok(select(candidates, MOST_CANDIDATES, false, [scale; 2], options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_becomes_a_face_in_the_picture() {
        let mut head = vec![-10.0f32; 13 * 13 * 25];
        // Row 4, column 6, third anchor: at the middle of the cell, twice as wide as the anchor.
        head[(4 * 13 + 6) * 25 + 10..][..5].copy_from_slice(&[0.0, 0.0, 2f32.ln(), 0.0, 3f32.ln()]);
        let head = Tensor::f32([1, 13, 13, 25], head).unwrap();
        let found = decode(&head, [832, 400], &DEFAULT_OPTIONS).unwrap();
        let [face] = found[..] else { panic!("{found:?}") };
        let (width, height) = (2.0 * 2.882459 * 64.0, 3.518061 * 64.0);
        let expected = [0.75, 6.5 * 64.0 - width / 2.0, 4.5 * 64.0 - height / 2.0, width, height];
        for (a, b) in [face.score, face.x, face.y, face.width, face.height].into_iter().zip(expected) {
            assert!((a - b).abs() < 1e-2, "{face:?}, expected {expected:?}");
        }
        assert!(decode(&Tensor::f32([1, 2, 3, 25], vec![0.0; 150]).unwrap(), [8, 8], &DEFAULT_OPTIONS).is_err());
        assert!(decode(&Tensor::f32([1, 1, 1, 24], vec![0.0; 24]).unwrap(), [8, 8], &DEFAULT_OPTIONS).is_err());
    }

    #[test]
    fn pictures_lie_in_the_corner_of_a_black_square() {
        let rgba = [[10, 20, 30, 255], [40, 50, 60, 255]].concat();
        let square = input(&rgba, [2, 1], 2).unwrap();
        assert_eq!(square.as_f32().unwrap(), [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert!(input(&rgba, [2, 2], 2).is_err() && input(&[], [0, 0], 2).is_err());
        assert!(input(&rgba, [usize::MAX, 1], 2).is_err());
    }
}
