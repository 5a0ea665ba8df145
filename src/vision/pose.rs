//! Where the parts of a body are: PoseNet's heat maps and MoveNet's list.

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The parts, in the order of the networks (that of COCO).
pub const PARTS: [&str; 17] = [
    "nose",
    "leftEye",
    "rightEye",
    "leftEar",
    "rightEar",
    "leftShoulder",
    "rightShoulder",
    "leftElbow",
    "rightElbow",
    "leftWrist",
    "rightWrist",
    "leftHip",
    "rightHip",
    "leftKnee",
    "rightKnee",
    "leftAnkle",
    "rightAnkle",
];

/// Pairs of [`PARTS`] that bones join.
pub const BONES: [[usize; 2]; 12] =
    [[5, 6], [5, 7], [7, 9], [6, 8], [8, 10], [5, 11], [6, 12], [11, 12], [11, 13], [13, 15], [12, 14], [14, 16]];

/// A part of a body in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Keypoint {
    /// Confidence, 0 to 1.
    pub score: f32,
    /// In pixels of the picture, from the left.
    pub x: f32,
    /// From the top.
    pub y: f32,
}

/// One person's parts from PoseNet (Papandreou et al. 2018): for each part the highest cell of its map of logits `[1,
/// rows, columns, parts]`, shifted by `offsets` `[1, rows, columns, 2 * parts]` (all y, then all x, in pixels of the
/// network's input of `[height, width]`). `image` is the picture's `[width, height]`, stretched to that input.
pub fn single_pose(heat: &Tensor, offsets: &Tensor, input: [usize; 2], image: [usize; 2]) -> Result<Vec<Keypoint>> {
    let [batch, rows, columns, parts] = heat.shape().dims("[1, rows, columns, parts]")?;
    if batch != 1 || offsets.shape().as_slice() != [1, rows, columns, 2 * parts] || rows < 2 || columns < 2 {
        let expected = format!("[1, {rows}, {columns}, {}]", 2 * parts);
        return Err(Error::mismatch("offsets that fit the heat map of one picture", expected, offsets.shape()));
    }
    if input.contains(&0) {
        return Err(Error::invalid("a network's input without pixels"));
    }
    let (heat, offsets) = (heat.as_f32()?, offsets.as_f32()?);
    // Cells lie on the corners: the first and the last on the input's edges.
    let stride = [(input[0] - 1) as f32 / (rows - 1) as f32, (input[1] - 1) as f32 / (columns - 1) as f32];
    let scale = [image[0] as f32 / input[1] as f32, image[1] as f32 / input[0] as f32];
    let part = |part: usize| {
        let logit = |cell: usize| heat[cell * parts + part];
        let best = (1..rows * columns).fold(0, |best, cell| if logit(cell) > logit(best) { cell } else { best });
        let shift = &offsets[best * 2 * parts..][..2 * parts];
        Keypoint {
            score: 1.0 / (1.0 + (-logit(best)).exp()),
            x: ((best % columns) as f32 * stride[1] + shift[parts + part]) * scale[0],
            y: ((best / columns) as f32 * stride[0] + shift[part]) * scale[1],
        }
    };
    Ok((0..parts).map(part).collect())
}

/// One person's parts from MoveNet's output `[1, 1, parts, 3]`: y, x and score, parts of the whole. `image` is
/// `[width, height]`.
pub fn listed_pose(output: &Tensor, image: [usize; 2]) -> Result<Vec<Keypoint>> {
    let [1, 1, _, 3] = output.shape().dims("[1, 1, parts, 3]")? else {
        return Err(Error::mismatch("the pose of one person", "[1, 1, parts, 3]", output.shape()));
    };
    let keypoint = |&[y, x, score]: &[f32; 3]| Keypoint { score, x: x * image[0] as f32, y: y * image[1] as f32 };
    Ok(output.as_f32()?.as_chunks::<3>().0.iter().map(keypoint).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_cell_and_its_offset() {
        // Two parts on a grid of 2 x 3 cells, 16 pixels apart: an input of 17 x 33.
        let mut heat = vec![-5.0; 2 * 3 * 2];
        let mut offsets = vec![0.0; 2 * 3 * 4];
        heat[5 * 2] = 0.0;
        offsets[5 * 4..][..4].copy_from_slice(&[-1.0, 9.0, -2.0, 9.0]);
        heat[2 + 1] = 3f32.ln();
        offsets[4..8].copy_from_slice(&[9.0, 3.0, 9.0, 4.0]);
        let heat = Tensor::f32([1, 2, 3, 2], heat).unwrap();
        let offsets = Tensor::f32([1, 2, 3, 4], offsets).unwrap();
        let pose = single_pose(&heat, &offsets, [17, 33], [66, 17]).unwrap();
        assert_eq!(pose[0], Keypoint { score: 0.5, x: 60.0, y: 15.0 });
        assert!((pose[1].score - 0.75).abs() < 1e-6);
        assert_eq!((pose[1].x, pose[1].y), (40.0, 3.0));
        assert!(single_pose(&heat, &heat, [17, 33], [66, 17]).is_err());
        assert!(single_pose(&heat, &offsets, [0, 33], [66, 17]).is_err());
    }

    #[test]
    fn lists_are_parts_of_the_whole() {
        let output = Tensor::f32([1, 1, 2, 3], vec![0.5, 0.25, 0.9, 1.0, 0.0, 0.1]).unwrap();
        let pose = listed_pose(&output, [200, 100]).unwrap();
        assert_eq!(pose[0], Keypoint { score: 0.9, x: 50.0, y: 50.0 });
        assert_eq!(pose[1], Keypoint { score: 0.1, x: 0.0, y: 100.0 });
        assert!(listed_pose(&Tensor::f32([1, 2, 3], vec![0.0; 6]).unwrap(), [1, 1]).is_err());
    }
}
