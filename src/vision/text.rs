//! Lines of text from a map of probabilities: "Real-time scene text detection with differentiable binarization" (Liao
//! et al. 2020), with upright boxes round connected pixels.

use super::boxes::{Candidate, Rect};
use super::{DetectOptions, Detection, select};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// What counts as text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TextOptions {
    /// Lowest probability of a pixel.
    pub pixel_threshold: f32,
    /// Lowest mean probability of a line's pixels.
    pub score_threshold: f32,
    /// Smallest height and width of a line's shrunken kernel, in cells of the map.
    pub smallest: usize,
    /// The map shows lines shrunken; a box grows on each side by this times its area over its perimeter.
    pub growth: f32,
    /// Most boxes, the best first.
    pub max_detections: usize,
}

impl Default for TextOptions {
    fn default() -> Self {
        TextOptions { pixel_threshold: 0.3, score_threshold: 0.5, smallest: 3, growth: 1.6, max_detections: 1000 }
    }
}

/// Boxes round the lines of text in a map `[1, rows, columns, 1]` (or `[1, 1, rows, columns]`) of probabilities, best
/// first, in pixels of a picture of `[width, height]` that was stretched to the map. Their `class` is 0.
pub fn lines(map: &Tensor, image: [usize; 2], options: &TextOptions) -> Result<Vec<Detection>> {
    let [rows, columns] = match *map.shape().as_slice() {
        [1, rows, columns, 1] | [1, 1, rows, columns] if rows * columns > 0 => [rows, columns],
        _ => return Err(Error::mismatch("a map of text", "[1, rows, columns, 1]", map.shape())),
    };
    let values = map.as_f32()?;
    let mut left: Vec<bool> = values.iter().map(|&p| p > options.pixel_threshold).collect();
    let mut candidates = Vec::new();
    let mut open = Vec::new();
    for first in 0..left.len() {
        if !std::mem::take(&mut left[first]) {
            continue;
        }
        // All pixels that touch, corners included.
        let (mut sum, mut count) = (0.0f64, 0usize);
        let (mut low, mut high) = ([usize::MAX; 2], [0; 2]);
        open.push(first);
        while let Some(at) = open.pop() {
            let [y, x] = [at / columns, at % columns];
            sum += values[at] as f64;
            count += 1;
            low = [low[0].min(y), low[1].min(x)];
            high = [high[0].max(y + 1), high[1].max(x + 1)];
            for y in y.saturating_sub(1)..(y + 2).min(rows) {
                for x in x.saturating_sub(1)..(x + 2).min(columns) {
                    if std::mem::take(&mut left[y * columns + x]) {
                        open.push(y * columns + x);
                    }
                }
            }
        }
        let [height, width] = [high[0] - low[0], high[1] - low[1]];
        let score = (sum / count as f64) as f32;
        if height.min(width) < options.smallest || score < options.score_threshold {
            continue;
        }
        let grown = options.growth * (height * width) as f32 / (2 * (height + width)) as f32;
        let clipped = |at: f32, size: usize| at.clamp(0.0, size as f32);
        let rect = Rect::from_corners([
            clipped(low[1] as f32 - grown, columns),
            clipped(low[0] as f32 - grown, rows),
            clipped(high[1] as f32 + grown, columns),
            clipped(high[0] as f32 + grown, rows),
        ]);
        candidates.push(Candidate { rect, score, class: 0 });
    }
    let scale = [image[0] as f32 / columns as f32, image[1] as f32 / rows as f32];
    // Parts that do not touch are lines of their own: nothing is suppressed.
    let keep = DetectOptions { score_threshold: 0.0, iou_threshold: 1.0, max_detections: options.max_detections };
    Ok(select(candidates, usize::MAX, false, scale, &keep))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_touch_are_one_line() {
        let (rows, columns) = (16, 32);
        let mut map = vec![0.0f32; rows * columns];
        let mut fill = |ys: std::ops::Range<usize>, xs: std::ops::Range<usize>, p: f32| {
            ys.for_each(|y| xs.clone().for_each(|x| map[y * columns + x] = p));
        };
        // Two blocks that share a corner; a faint line; one too thin.
        fill(2..5, 4..10, 0.9);
        fill(5..8, 10..16, 0.8);
        fill(10..14, 20..30, 0.4);
        fill(14..15, 2..12, 0.9);
        let map = Tensor::f32([1, rows, columns, 1], map).unwrap();
        let found = lines(&map, [64, 16], &TextOptions { growth: 0.0, ..TextOptions::default() }).unwrap();
        let [line] = found[..] else { panic!("{found:?}") };
        assert_eq!([line.x, line.y, line.width, line.height], [8.0, 2.0, 24.0, 6.0]);
        assert!((line.score - 0.85).abs() < 1e-6);
        let all = lines(&map, [64, 16], &TextOptions { score_threshold: 0.3, smallest: 1, ..TextOptions::default() })
            .unwrap();
        assert_eq!(all.len(), 3);
        // 12 x 6 cells grow by 1.6 * 72 / 36 = 3.2 on each side, up to the edge.
        let line = all.iter().find(|d| (d.score - 0.85).abs() < 1e-6).unwrap();
        let expected = [1.6, 0.0, 36.8, 11.2];
        for (a, b) in [line.x, line.y, line.width, line.height].into_iter().zip(expected) {
            assert!((a - b).abs() < 1e-4, "{line:?}, expected {expected:?}");
        }
    }

    #[test]
    fn only_maps_are_read() {
        assert!(lines(&Tensor::f32([1, 2, 2, 3], vec![0.0; 12]).unwrap(), [2, 2], &TextOptions::default()).is_err());
        assert!(
            lines(&Tensor::f32([1, 1, 0, 5], Vec::<f32>::new()).unwrap(), [2, 2], &TextOptions::default()).is_err()
        );
        let planes = Tensor::f32([1, 1, 4, 4], vec![0.9; 16]).unwrap();
        assert_eq!(lines(&planes, [4, 4], &TextOptions::default()).unwrap().len(), 1);
    }
}
