//! Detectors that bring their own end: TensorFlow Lite files whose last operator is `TFLite_Detection_PostProcess`. Decoding
//! and suppression are operations of their graphs; four outputs hold boxes, classes, scores and their number.

use super::boxes::{Candidate, Rect};
use super::{DetectOptions, Detection, InputSpec, floats, labels, select};
use crate::error::Result;
use crate::graph::Graph;
use crate::ops::{Cast, Op};
use crate::tensor::{DType, Tensor};

#[derive(Clone, Debug)]
pub(super) struct PostProcessed {
    input: InputSpec,
    /// Most boxes.
    rows: usize,
    /// 0 if the graph does not say.
    classes: usize,
}

impl PostProcessed {
    /// Recognised by one picture going in, by the shapes of what comes out, and by the suppression between.
    pub(super) fn recognise(graph: &Graph) -> Option<PostProcessed> {
        let [input] = graph.inputs() else { return None };
        let [None | Some(1), Some(height), Some(width), Some(3)] = input.dims[..] else { return None };
        if graph.outputs().len() != 4 || !graph.nodes().iter().any(|n| matches!(n.op, Op::NonMaxSuppression(_))) {
            return None;
        }
        let types = graph.infer(&graph.default_inputs()).ok()?;
        let shapes = graph.outputs().iter().map(|o| &types[o.value]).collect::<Vec<_>>();
        let rows = *shapes[1].shape.get(1)?;
        let wanted: [&[usize]; 4] = [&[1, rows, 4], &[1, rows], &[1, rows], &[1]];
        if !shapes.iter().zip(wanted).all(|(t, shape)| t.dtype == DType::F32 && t.shape.as_slice() == shape) {
            return None;
        }
        // Bytes as they are, or what was customary for floats.
        let (scale, offset) = match input.dtype {
            DType::U8 if only_cast(graph) => (1.0, 0.0),
            DType::F32 => (1.0 / 127.5, -1.0),
            _ => return None,
        };
        let classes = graph.nodes().iter().find_map(|node| match node.op {
            Op::TopK(_) if types[node.inputs[0]].shape.rank() == 3 => types[node.inputs[0]].shape.last().copied(),
            Op::NonMaxSuppression(_) => types[node.inputs[1]].shape.get(1).copied(),
            _ => None,
        });
        let input = InputSpec { size: [height, width], scale: [scale; 3], offset: [offset; 3] };
        Some(PostProcessed { input, rows, classes: classes.unwrap_or(0) })
    }

    pub(super) fn input(&self) -> InputSpec {
        self.input
    }

    pub(super) fn labels(&self) -> &'static [&'static str] {
        match self.classes {
            80 => &labels::COCO_80,
            90 => &labels::COCO_90,
            _ => &[],
        }
    }

    /// The graph, taking floats from 0 to 255 where it took bytes.
    pub(super) fn head_graph(&self, mut graph: Graph) -> Graph {
        if graph.inputs()[0].dtype == DType::U8 {
            graph.set_input_dtype(0, DType::F32);
        }
        graph
    }

    pub(super) fn decode(
        &self,
        outputs: &[Tensor],
        image: [usize; 2],
        options: &DetectOptions,
    ) -> Result<Vec<Detection>> {
        let boxes = floats(outputs, 0, &[1, self.rows, 4])?.as_chunks::<4>().0;
        let (classes, scores) = (floats(outputs, 1, &[1, self.rows])?, floats(outputs, 2, &[1, self.rows])?);
        let count = floats(outputs, 3, &[1])?[0].max(0.0) as usize;
        let found = boxes.iter().zip(classes).zip(scores).take(count);
        let candidates = found.filter(|(_, score)| **score >= options.score_threshold).map(
            |((&[top, left, bottom, right], &class), &score)| Candidate {
                rect: Rect::from_corners([left, top, right, bottom]),
                score,
                class: class.max(0.0) as usize,
            },
        );
        Ok(select(candidates.collect(), self.rows, true, image.map(|n| n as f32), options))
    }
}

/// Whether nothing is done with the input but to make floats of it.
fn only_cast(graph: &Graph) -> bool {
    let input = graph.inputs()[0].value;
    let mut readers = graph.nodes().iter().filter(|node| node.inputs.contains(&input));
    readers.all(|node| node.op == Op::Cast(Cast { to: DType::F32 })) && graph.outputs().iter().all(|o| o.value != input)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::ValueId;
    use crate::ops::{Binary, BinaryKind, Gather, NonMaxSuppression, Reshape, Slice, SliceAxis};
    use crate::reference;
    use crate::vision::Detector;

    /// Three boxes, of which the second covers the first; the first bytes of the picture are their scores.
    fn network() -> Graph {
        let mut graph = Graph::new();
        let x = graph.input("image", DType::U8, vec![Some(1), Some(2), Some(4), Some(3)]);
        let add = |graph: &mut Graph, op: Op, inputs: &[ValueId]| graph.add("node", op, inputs).unwrap();
        let x = add(&mut graph, Cast { to: DType::F32 }.into(), &[x]);
        let x = add(&mut graph, Reshape::to(&[1, 1, 24]).into(), &[x]);
        let axes = vec![SliceAxis::ALL, SliceAxis::ALL, SliceAxis::range(0, 3)];
        let x = add(&mut graph, Slice { axes }.into(), &[x]);
        let scale = graph.constant("scale", Tensor::scalar(1.0 / 250.0));
        let scores = add(&mut graph, Binary::new(BinaryKind::Mul).into(), &[x, scale]);
        let corners = [[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.5, 0.4], [0.5, 0.25, 1.0, 0.75]].concat();
        let boxes = graph.constant("boxes", Tensor::f32([1, 3, 4], corners).unwrap());
        let op = NonMaxSuppression {
            max_output: 3,
            iou_threshold: 0.5,
            score_threshold: 0.0,
            soft_sigma: 0.0,
            centred: false,
        };
        let found = graph.push("nms", op, &[boxes, scores]).unwrap();
        let axes = vec![SliceAxis::ALL, SliceAxis::range(2, 3)];
        let column = add(&mut graph, Slice { axes }.into(), &[found[0]]);
        let zero = graph.constant("zero", Tensor::i32([1, 1], vec![0]).unwrap());
        let column = add(&mut graph, Binary::new(BinaryKind::Maximum).into(), &[column, zero]);
        let column = add(&mut graph, Reshape::to(&[3]).into(), &[column]);
        let boxes = add(&mut graph, Gather { axis: 1 }.into(), &[boxes, column]);
        let scores = add(&mut graph, Reshape::to(&[1, 3]).into(), &[found[1]]);
        let classes = graph.constant("classes", Tensor::f32([1, 3], vec![0.0; 3]).unwrap());
        let count = add(&mut graph, Cast { to: DType::F32 }.into(), &[found[2]]);
        let outputs = [("boxes", boxes), ("classes", classes), ("scores", scores), ("count", count)];
        outputs.into_iter().for_each(|(name, value)| graph.output(name, value));
        graph
    }

    #[test]
    fn recognised_fed_with_floats_and_read() {
        let detector = Detector::recognise(&network()).unwrap();
        assert_eq!(detector.input(), InputSpec { size: [2, 4], scale: [1.0; 3], offset: [0.0; 3] });
        let graph = detector.head_graph(network()).unwrap();
        let mut pixels = vec![0.0; 24];
        pixels[..3].copy_from_slice(&[200.0, 225.0, 125.0]);
        let outputs = reference::run(&graph, &[Tensor::f32([1, 2, 4, 3], pixels).unwrap()]).unwrap();
        let options = DetectOptions { score_threshold: 0.2, ..detector.default_options() };
        let found = detector.decode(&outputs, [200, 100], &options).unwrap();
        let [best, other] = found[..] else { panic!("{found:?}") };
        assert!((best.score - 0.9).abs() < 1e-6 && (other.score - 0.5).abs() < 1e-6);
        // y 0.5 to 1 of 100 pixels, x 0.25 to 0.75 of 200.
        assert_eq!([other.x, other.y, other.width, other.height], [50.0, 50.0, 100.0, 50.0]);
        assert_eq!(
            detector.decode(&outputs, [200, 100], &DetectOptions { score_threshold: 0.6, ..options }).unwrap().len(),
            1
        );
        assert!(detector.decode(&outputs[..3], [200, 100], &options).is_err());
    }

    #[test]
    fn other_networks_are_not_recognised() {
        let mut graph = network();
        let outputs = graph.outputs()[..3].to_vec();
        graph.set_outputs(outputs);
        assert!(Detector::recognise(&graph).is_none());
    }
}
