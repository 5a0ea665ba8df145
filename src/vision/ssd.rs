//! SSD-MobileNetV2 300, 23 Open Images classes: the detector inside MediaPipe's Objectron package.
//!
//! Anchors and box coding are those of the TensorFlow object detection API's `ssd_anchor_generator` and
//! `faster_rcnn_box_coder` (scales 10, 10, 5, 5).

use super::anchors::{Anchor, BoxCoder, SsdAnchors};
use super::boxes::Candidate;
use super::{DetectOptions, Detection, InputSpec, floats, has_signature, select};
use crate::error::Result;
use crate::graph::Graph;
use crate::tensor::Tensor;

pub(super) const INPUT: InputSpec = InputSpec { size: [300, 300], scale: [1.0 / 127.5; 3], offset: [-1.0; 3] };
pub(super) const OUTPUTS: [&str; 2] = ["raw_outputs/box_encodings", "raw_outputs/class_predictions"];

const ANCHORS: usize = 1917;
const CLASSES: usize = 24;
/// Most candidates that suppression looks at: it is quadratic, and thresholds near 0 let everything through.
const MOST_CANDIDATES: usize = 1000;

#[derive(Clone, Debug)]
pub(super) struct Ssd {
    anchors: Vec<Anchor>,
}

impl Ssd {
    pub(super) fn matches(graph: &Graph) -> bool {
        has_signature(graph, INPUT.size, &OUTPUTS)
    }

    pub(super) fn new() -> Ssd {
        Ssd { anchors: SsdAnchors::default().boxes() }
    }

    pub(super) fn decode(
        &self,
        outputs: &[Tensor],
        image: [usize; 2],
        options: &DetectOptions,
    ) -> Result<Vec<Detection>> {
        let boxes = floats(outputs, 0, &[1, ANCHORS, 4])?;
        let logits = floats(outputs, 1, &[1, ANCHORS, CLASSES])?;
        // Compared before the sigmoid: few pass.
        let threshold = (options.score_threshold / (1.0 - options.score_threshold)).ln();
        let mut candidates = Vec::new();
        for ((anchor, code), logits) in self.anchors.iter().zip(boxes.as_chunks().0).zip(logits.chunks_exact(CLASSES)) {
            // Class 0 is the background.
            for (class, &logit) in logits.iter().enumerate().skip(1) {
                if logit >= threshold {
                    let score = 1.0 / (1.0 + (-logit).exp());
                    candidates.push(Candidate { rect: BoxCoder::SSD.decode(*code, *anchor), score, class });
                }
            }
        }
        Ok(select(candidates, MOST_CANDIDATES, true, image.map(|n| n as f32), options))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_box_among_background() {
        let (mut boxes, mut logits) = (vec![0.0; ANCHORS * 4], vec![-9.0; ANCHORS * CLASSES]);
        // The last anchor, shifted right by a tenth of its width and halved in height, is a dog at 0.75.
        boxes[(ANCHORS - 1) * 4..].copy_from_slice(&[0.0, 1.0, 5.0 * 0.5f32.ln(), 0.0]);
        logits[(ANCHORS - 1) * CLASSES] = 20.0;
        logits[(ANCHORS - 1) * CLASSES + 20] = 3f32.ln();
        let outputs =
            [Tensor::f32([1, ANCHORS, 4], boxes).unwrap(), Tensor::f32([1, ANCHORS, CLASSES], logits).unwrap()];
        let options = DetectOptions { score_threshold: 0.4, iou_threshold: 0.5, max_detections: 10 };
        let found = Ssd::new().decode(&outputs, [200, 100], &options).unwrap();
        let [dog] = found[..] else { panic!("{found:?}") };
        assert_eq!(dog.class, 20);
        let side = 0.95f32.sqrt();
        let expected =
            [0.75, 200.0 * (0.5 + side / 10.0 - side / 2.0), 100.0 * (0.5 - side / 4.0), 200.0 * side, 50.0 * side];
        for (a, b) in [dog.score, dog.x, dog.y, dog.width, dog.height].iter().zip(expected) {
            assert!((a - b).abs() < 1e-3, "{dog:?}, expected {expected:?}");
        }
        assert!(Ssd::new().decode(&outputs[..1], [200, 100], &options).is_err());
        let none = DetectOptions { score_threshold: 1.0, ..options };
        assert!(Ssd::new().decode(&outputs, [200, 100], &none).unwrap().is_empty());
    }
}
