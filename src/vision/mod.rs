//! From pictures to networks and from their outputs to what a picture shows: resizing, boxes and their heads, class
//! maps, faces, poses, lines of text, tracks over frames, the detectors known by name, labels, and how good all of it
//! is.

pub mod anchors;
pub mod assignment;
pub mod average_precision;
pub mod boxes;
pub mod centernet;
pub mod crop;
pub mod faces;
pub mod image;
pub mod imagenet;
pub mod labels;
mod nanodet;
pub mod pose;
mod post_processed;
pub mod segmentation;
mod ssd;
pub mod suppress;
pub mod text;
pub mod track;
pub mod yolo;

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::tensor::{DType, Tensor};

pub use boxes::Rect;
pub use image::InputSpec;

/// A thing found in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Index into [`Detector::labels`].
    pub class: usize,
    /// Confidence, 0 to 1.
    pub score: f32,
    /// Left edge, in pixels of the picture. Boxes may reach a little beyond the picture.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// In pixels.
    pub width: f32,
    /// In pixels.
    pub height: f32,
}

/// What to keep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectOptions {
    /// Lowest score, 0 to 1.
    pub score_threshold: f32,
    /// Of two boxes that overlap by more than this (intersection over union), the better one stays.
    pub iou_threshold: f32,
    /// Most boxes, the best first.
    pub max_detections: usize,
}

/// A network whose outputs this crate can read as boxes.
#[derive(Clone, Debug)]
pub struct Detector(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Ssd(ssd::Ssd),
    CenterNet,
    NanoDet(nanodet::NanoDet),
    PostProcessed(post_processed::PostProcessed),
}

impl Detector {
    /// Recognises a detector by its input and outputs; `None` for any other network.
    pub fn recognise(graph: &Graph) -> Option<Detector> {
        if ssd::Ssd::matches(graph) {
            return Some(Detector(Kind::Ssd(ssd::Ssd::new())));
        }
        if centernet::matches(graph) {
            return Some(Detector(Kind::CenterNet));
        }
        if let Some(own) = nanodet::NanoDet::recognise(graph) {
            return Some(Detector(Kind::NanoDet(own)));
        }
        post_processed::PostProcessed::recognise(graph).map(|own| Detector(Kind::PostProcessed(own)))
    }

    /// A name for people.
    pub fn name(&self) -> &'static str {
        match &self.0 {
            Kind::Ssd(_) => "SSD-MobileNetV2 (Open Images, 23 classes)",
            Kind::CenterNet => "CenterNet-MobileNetV3 (COCO, 80 classes)",
            Kind::NanoDet(_) => "NanoDet (COCO, 80 classes)",
            Kind::PostProcessed(_) => "a TensorFlow Lite detector with its own post-processing",
        }
    }

    /// How the network wants its pictures.
    pub fn input(&self) -> InputSpec {
        match &self.0 {
            Kind::Ssd(_) => ssd::INPUT,
            Kind::CenterNet => centernet::INPUT,
            Kind::NanoDet(own) => own.input(),
            Kind::PostProcessed(own) => own.input(),
        }
    }

    /// The names of the classes; empty where the network does not say what they are.
    pub fn labels(&self) -> &'static [&'static str] {
        match &self.0 {
            Kind::Ssd(_) => &labels::OPEN_IMAGES_24,
            Kind::CenterNet | Kind::NanoDet(_) => &labels::COCO_80,
            Kind::PostProcessed(own) => own.labels(),
        }
    }

    /// The thresholds that suit the network.
    pub fn default_options(&self) -> DetectOptions {
        match &self.0 {
            Kind::Ssd(_) => DetectOptions { score_threshold: 0.4, iou_threshold: 0.5, max_detections: 100 },
            Kind::CenterNet => DetectOptions { score_threshold: 0.2, iou_threshold: 0.4, max_detections: 100 },
            Kind::NanoDet(_) => DetectOptions { score_threshold: 0.35, iou_threshold: 0.6, max_detections: 100 },
            Kind::PostProcessed(_) => DetectOptions { score_threshold: 0.4, iou_threshold: 0.6, max_detections: 100 },
        }
    }

    /// The network up to the outputs that [`Detector::decode`] reads, and nothing more. Best where reading outputs
    /// costs nothing (the CPU).
    pub fn head_graph(&self, graph: Graph) -> Result<Graph> {
        match &self.0 {
            Kind::Ssd(_) => keep_outputs(graph, &ssd::OUTPUTS),
            Kind::CenterNet => keep_outputs(graph, &centernet::OUTPUTS),
            Kind::NanoDet(own) => own.head_graph(&graph),
            Kind::PostProcessed(own) => Ok(own.head_graph(graph)),
        }
    }

    /// As [`Detector::head_graph`], with the first steps of decoding appended where they shrink what has to be read
    /// back (CenterNet: 0.4 MB in place of 5.5 MB). Best on a GPU.
    pub fn extend_graph(&self, graph: Graph) -> Result<Graph> {
        let graph = self.head_graph(graph)?;
        match &self.0 {
            Kind::Ssd(_) | Kind::NanoDet(_) | Kind::PostProcessed(_) => Ok(graph),
            Kind::CenterNet => centernet::extend(graph),
        }
    }

    /// The boxes in the outputs of [`Detector::head_graph`] or [`Detector::extend_graph`], best first, in pixels of a
    /// picture of `[width, height]`.
    pub fn decode(&self, outputs: &[Tensor], image: [usize; 2], options: &DetectOptions) -> Result<Vec<Detection>> {
        if image.contains(&0) {
            return Err(Error::invalid(format!("a picture of {} x {} pixels", image[0], image[1])));
        }
        match &self.0 {
            Kind::Ssd(ssd) => ssd.decode(outputs, image, options),
            Kind::CenterNet => centernet::decode(outputs, image, options),
            Kind::NanoDet(own) => own.decode(outputs, image, options),
            Kind::PostProcessed(own) => own.decode(outputs, image, options),
        }
    }
}

/// Whether the graph has one float input of this size and outputs of these names.
fn has_signature(graph: &Graph, [h, w]: [usize; 2], outputs: &[&str]) -> bool {
    let [input] = graph.inputs() else { return false };
    input.dtype == DType::F32
        && matches!(input.dims[..], [None | Some(1), y, x, Some(3)] if y.is_none_or(|y| y == h) && x.is_none_or(|x| x == w))
        && outputs.iter().all(|name| graph.outputs().iter().any(|o| o.name == *name))
}

/// Makes these the outputs, in this order.
fn keep_outputs(mut graph: Graph, names: &[&str]) -> Result<Graph> {
    let find = |name: &&str| {
        let output = graph.outputs().iter().find(|o| o.name == *name);
        output.cloned().ok_or_else(|| Error::invalid(format!("the network has no output {name:?}")))
    };
    let outputs = names.iter().map(find).collect::<Result<Vec<_>>>()?;
    graph.set_outputs(outputs);
    Ok(graph)
}

/// The floats of an output, if it has this shape.
fn floats<'a>(outputs: &'a [Tensor], index: usize, shape: &[usize]) -> Result<&'a [f32]> {
    let output = outputs.get(index).ok_or_else(|| Error::mismatch("an output is missing", index + 1, outputs.len()))?;
    if output.shape().as_slice() != shape {
        return Err(Error::mismatch(format!("output {index}"), format!("{shape:?}"), output.shape()));
    }
    output.as_f32()
}

/// Turns candidates into detections: the best `most`, overlaps removed, edges scaled by factors of x and y.
/// Candidates that are no numbers are left out.
pub fn select(
    mut candidates: Vec<boxes::Candidate>,
    most: usize,
    per_class: bool,
    [sx, sy]: [f32; 2],
    options: &DetectOptions,
) -> Vec<Detection> {
    candidates.retain(|c| c.score.is_finite() && c.rect.is_finite());
    boxes::sort(&mut candidates);
    candidates.truncate(most);
    let kept = boxes::non_max_suppression(&candidates, per_class, options.iou_threshold, options.max_detections);
    let detection = |i: usize| {
        let boxes::Candidate { rect, score, class } = candidates[i];
        let [x, y, width, height] = rect.xywh();
        Detection { class, score, x: x * sx, y: y * sy, width: width * sx, height: height * sy }
    };
    kept.into_iter().map(detection).collect()
}
