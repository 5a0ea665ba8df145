//! NanoDet (RangiLyu 2020), 80 COCO classes: no anchors; each cell of three grids says how far its box's edges are,
//! as a distribution over whole cells (Li et al. 2020, "Generalized focal loss").
//!
//! The published file counts channels first and wants blue first: [`NanoDet::head_graph`] lets it take pictures as all others
//! do.

use super::boxes::{Candidate, Rect};
use super::{DetectOptions, Detection, InputSpec, floats, select};
use crate::error::{Error, Result};
use crate::graph::{Graph, ValueId};
use crate::ops::{Slice, SliceAxis, Transpose};
use crate::tensor::{DType, Tensor};

/// Pixels of a cell, for the three grids.
const STRIDES: [usize; 3] = [8, 16, 32];
const CLASSES: usize = 80;
/// Distances that an edge may have, 0 to 10 cells.
const BINS: usize = 11;
/// Most candidates that suppression looks at.
const MOST_CANDIDATES: usize = 1000;

/// Mean and deviation of the pixels, red first.
const MEAN: [f32; 3] = [123.675, 116.28, 103.53];
const DEVIATION: [f32; 3] = [58.395, 57.12, 57.375];

#[derive(Clone, Debug)]
pub(super) struct NanoDet {
    /// `[height, width]`
    size: [usize; 2],
    /// Which outputs hold the three grids' scores, then their edges.
    outputs: Vec<usize>,
}

impl NanoDet {
    /// Recognised by a picture with channels first, and by the shapes of six outputs.
    pub(super) fn recognise(graph: &Graph) -> Option<NanoDet> {
        let [input] = graph.inputs() else { return None };
        let [None | Some(1), Some(3), Some(height), Some(width)] = input.dims[..] else { return None };
        let divides = |n: usize| n > 0 && n.is_multiple_of(STRIDES[2]);
        if input.dtype != DType::F32 || !divides(height) || !divides(width) || graph.outputs().len() != 6 {
            return None;
        }
        let types = graph.infer(&graph.default_inputs()).ok()?;
        let find = |channels: usize, stride: usize| {
            let shape = [1, height / stride * (width / stride), channels];
            graph.outputs().iter().position(|o| types[o.value].shape.as_slice() == shape)
        };
        let wanted = [CLASSES, 4 * BINS].into_iter().flat_map(|channels| STRIDES.map(|stride| (channels, stride)));
        let outputs = wanted.map(|(channels, stride)| find(channels, stride)).collect::<Option<Vec<_>>>()?;
        Some(NanoDet { size: [height, width], outputs })
    }

    pub(super) fn input(&self) -> InputSpec {
        let scale = DEVIATION.map(|deviation| 1.0 / deviation);
        InputSpec { size: self.size, scale, offset: std::array::from_fn(|c| -MEAN[c] / DEVIATION[c]) }
    }

    /// The same network behind a picture with channels last, red first; the outputs in the order that decoding wants.
    pub(super) fn head_graph(&self, graph: &Graph) -> Result<Graph> {
        let mut turned = Graph::new();
        let [height, width] = self.size;
        let picture = turned.input("picture", DType::F32, vec![Some(1), Some(height), Some(width), Some(3)]);
        let mut axes = vec![SliceAxis::ALL; 4];
        axes[3].step = -1;
        let blue_first = turned.add("blue_first", Slice { axes }, &[picture])?;
        let planes = turned.add("planes", Transpose { perm: vec![0, 3, 1, 2] }, &[blue_first])?;
        // Constants are placed when a node first wants them; operands stand before the nodes that take them.
        let mut moved: Vec<Option<ValueId>> = vec![None; graph.values().len()];
        moved[graph.inputs()[0].value.index()] = Some(planes);
        let place = |turned: &mut Graph, moved: &mut Vec<Option<ValueId>>, value: ValueId| {
            let there = &mut moved[value.index()];
            if let (None, Some(tensor)) = (&there, graph.constant_of(value)) {
                *there = Some(turned.constant(graph.values()[value.index()].name.clone(), tensor.clone()));
            }
            there.ok_or_else(|| Error::invalid("a value that nothing computes"))
        };
        for node in graph.nodes() {
            let inputs =
                node.inputs.iter().map(|&value| place(&mut turned, &mut moved, value)).collect::<Result<Vec<_>>>()?;
            let outputs = turned.push(node.name.clone(), node.op.clone(), &inputs)?;
            node.outputs.iter().zip(outputs).for_each(|(old, new)| moved[old.index()] = Some(new));
        }
        for &i in &self.outputs {
            let output = &graph.outputs()[i];
            let value = place(&mut turned, &mut moved, output.value)?;
            turned.output(output.name.clone(), value);
        }
        Ok(turned)
    }

    pub(super) fn decode(
        &self,
        outputs: &[Tensor],
        image: [usize; 2],
        options: &DetectOptions,
    ) -> Result<Vec<Detection>> {
        let [height, width] = self.size;
        let mut candidates = Vec::new();
        for (level, stride) in STRIDES.into_iter().enumerate() {
            let (rows, columns) = (height / stride, width / stride);
            let scores = floats(outputs, level, &[1, rows * columns, CLASSES])?;
            let edges = floats(outputs, level + STRIDES.len(), &[1, rows * columns, 4 * BINS])?;
            for (cell, scores) in scores.chunks_exact(CLASSES).enumerate() {
                let sure = |score: f32| score >= options.score_threshold;
                if !scores.iter().fold(false, |any, &score| any | sure(score)) {
                    continue;
                }
                let bins = edges[cell * 4 * BINS..][..4 * BINS].as_chunks::<BINS>().0;
                let distance = |side: usize| mean_distance(&bins[side]) * stride as f32;
                let centre = |at: usize| (at as f32 + 0.5) * stride as f32;
                let (x, y) = (centre(cell % columns), centre(cell / columns));
                let corners = [x - distance(0), y - distance(1), x + distance(2), y + distance(3)];
                let rect = Rect::from_corners(corners);
                let candidate = |(class, &score): (usize, &f32)| Candidate { rect, score, class };
                candidates.extend(scores.iter().enumerate().filter(|(_, score)| sure(**score)).map(candidate));
            }
        }
        let scale = [image[0] as f32 / width as f32, image[1] as f32 / height as f32];
        Ok(select(candidates, MOST_CANDIDATES, true, scale, options))
    }
}

/// The mean of 0, 1 ... under the softmax of the logits.
fn mean_distance(logits: &[f32; BINS]) -> f32 {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut total, mut moment) = (0.0, 0.0);
    for (bin, logit) in logits.iter().enumerate() {
        let share = (logit - highest).exp();
        total += share;
        moment += share * bin as f32;
    }
    moment / total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Reshape, ReshapeDim};
    use crate::reference;
    use crate::vision::Detector;

    /// A network of this kind without any weights: every output is a part of the picture's first values, in an order
    /// that is not the decoder's.
    fn network() -> Graph {
        let mut graph = Graph::new();
        let x = graph.input("input_1", DType::F32, vec![Some(1), Some(3), Some(64), Some(64)]);
        let flat = ReshapeDim::Size(3 * 64 * 64);
        let flat = graph.add("flat", Reshape { dims: vec![flat] }, &[x]).unwrap();
        for (name, cells, channels) in
            [("a", 4, 80), ("b", 64, 80), ("c", 16, 80), ("d", 64, 44), ("e", 16, 44), ("f", 4, 44)]
        {
            let part = Slice { axes: vec![SliceAxis::range(0, cells * channels)] };
            let part = graph.add(name, part, &[flat]).unwrap();
            let dims = [1, cells, channels].map(ReshapeDim::Size).to_vec();
            let value = graph.add(name, Reshape { dims }, &[part]).unwrap();
            graph.output(name, value);
        }
        graph
    }

    #[test]
    fn pictures_are_turned_and_outputs_sorted() {
        let detector = Detector::recognise(&network()).expect("six outputs of these shapes");
        assert_eq!((detector.labels().len(), detector.input().size), (80, [64, 64]));
        let graph = detector.head_graph(network()).unwrap();
        assert_eq!(graph.inputs()[0].dims, [Some(1), Some(64), Some(64), Some(3)]);
        let names: Vec<_> = graph.outputs().iter().map(|o| o.name.as_str()).collect();
        assert_eq!(names, ["b", "c", "a", "d", "e", "f"]);
        // Blue is the third number of each pixel, and the first plane that the network sees.
        let picture = Tensor::f32([1, 64, 64, 3], (0..64 * 64 * 3).map(|i| i as f32).collect::<Vec<_>>()).unwrap();
        let outputs = reference::run(&graph, &[picture]).unwrap();
        assert_eq!(outputs[2].as_f32().unwrap()[..3], [2.0, 5.0, 8.0]);
    }

    #[test]
    fn other_networks_are_none() {
        let mut graph = network();
        let outputs = graph.outputs()[..5].to_vec();
        graph.set_outputs(outputs);
        assert!(NanoDet::recognise(&graph).is_none());
    }

    #[test]
    fn distributions_become_edges() {
        let detector = NanoDet::recognise(&network()).unwrap();
        let zeros = |cells: usize, channels| Tensor::f32([1, cells, channels], vec![0.0; cells * channels]).unwrap();
        let mut outputs: Vec<Tensor> =
            [80, 44].into_iter().flat_map(|channels| [64, 16, 4].map(|cells| zeros(cells, channels))).collect();
        // In the grid of 4 x 4, row 1, column 2: a dog. Left 0 or 2 cells, each as likely; top 3; right and bottom
        // evenly 5.
        let mut scores = vec![0.0; 16 * 80];
        scores[6 * 80 + 16] = 0.75;
        let mut edges = vec![0.0; 16 * 44];
        let logits = &mut edges[6 * 44..][..22];
        logits.fill(-100.0);
        (logits[0], logits[2], logits[11 + 3]) = (4.0, 4.0, 9.0);
        outputs[1] = Tensor::f32([1, 16, 80], scores).unwrap();
        outputs[4] = Tensor::f32([1, 16, 44], edges).unwrap();
        let options = DetectOptions { score_threshold: 0.35, iou_threshold: 0.6, max_detections: 10 };
        let found = detector.decode(&outputs, [128, 64], &options).unwrap();
        let [dog] = found[..] else { panic!("{found:?}") };
        // Centre (40, 24): from 24 to 120 and from -24 to 104, twice as wide in the picture.
        let expected = Detection { class: 16, score: 0.75, x: 48.0, y: -24.0, width: 192.0, height: 128.0 };
        for (a, b) in [dog.x, dog.y, dog.width, dog.height].into_iter().zip([48.0, -24.0, 192.0, 128.0]) {
            assert!((a - b).abs() < 1e-3, "{dog:?}, expected {expected:?}");
        }
        assert_eq!((dog.class, dog.score), (16, 0.75));
        assert!(detector.decode(&outputs[..5], [128, 64], &options).is_err());
    }
}
