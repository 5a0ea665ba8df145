//! Quantised TensorFlow Lite files, and the operators of detectors: small files with results by hand.

use striate::backend::cpu::{Executable, InputMut};
use striate::formats::{ImportOptions, tflite};
use striate::graph::Graph;
use striate::ops::{Op, Unary};
use striate::passes::optimize;
use striate::{Data, Error, Tensor, reference};

use crate::flatbuffer::{self, Field, Table};
use crate::hostile::survives;

/// Element types by their numbers in the schema.
const FLOAT: i8 = 0;
const INT32: i8 = 2;
const UINT8: i8 = 3;
const INT8: i8 = 9;

/// Operators.
const CONCATENATION: i8 = 2;
const CONV_2D: i8 = 3;
const FULLY_CONNECTED: i8 = 9;
const L2_NORMALIZATION: i8 = 11;
const RESHAPE: i8 = 22;
const CUSTOM: i8 = 32;
const BATCH_TO_SPACE_ND: i8 = 37;
const SPACE_TO_BATCH_ND: i8 = 38;
const CAST: i8 = 53;
const GATHER_ND: i8 = 107;
const QUANTIZE: i8 = 114;
const NON_MAX_SUPPRESSION_V4: i8 = 120;
const NON_MAX_SUPPRESSION_V5: i8 = 121;

/// A file under construction.
#[derive(Default)]
struct File {
    tensors: Vec<Table>,
    buffers: Vec<Table>,
    codes: Vec<Table>,
    operators: Vec<Table>,
}

/// Scales, zero points, axis.
type Scales<'a> = (&'a [f32], &'a [i64], i32);

impl File {
    fn tensor(&mut self, name: &str, shape: &[i32], kind: i8, scales: Option<Scales>, data: &[u8]) -> i32 {
        if self.buffers.is_empty() {
            self.buffers.push(vec![]);
        }
        let buffer = if data.is_empty() {
            0
        } else {
            self.buffers.push(vec![(0, Field::Bytes(data.to_vec()))]);
            self.buffers.len() as i32 - 1
        };
        let mut table = vec![
            (0, Field::Ints(shape.to_vec())),
            (1, Field::I8(kind)),
            (2, Field::I32(buffer)),
            (3, Field::Text(name.to_string())),
        ];
        if let Some((scales, zeros, axis)) = scales {
            let bits = scales.iter().map(|s| s.to_bits() as i32).collect();
            let quantisation = vec![(2, Field::Ints(bits)), (3, Field::Longs(zeros.to_vec())), (6, Field::I32(axis))];
            table.push((4, Field::Table(quantisation)));
        }
        self.tensors.push(table);
        self.tensors.len() as i32 - 1
    }

    fn floats(&mut self, name: &str, shape: &[i32], values: &[f32]) -> i32 {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensor(name, shape, FLOAT, None, &bytes)
    }

    fn ints(&mut self, name: &str, shape: &[i32], scales: Option<Scales>, values: &[i32]) -> i32 {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensor(name, shape, INT32, scales, &bytes)
    }

    fn operator(&mut self, code: i8, inputs: &[i32], outputs: &[i32], options: Table) {
        self.codes.push(vec![(0, Field::I8(code)), (3, Field::I32(code as i32))]);
        self.operators.push(vec![
            (0, Field::I32(self.codes.len() as i32 - 1)),
            (1, Field::Ints(inputs.to_vec())),
            (2, Field::Ints(outputs.to_vec())),
            (4, Field::Table(options)),
        ]);
    }

    fn custom(&mut self, name: &str, inputs: &[i32], outputs: &[i32], options: Vec<u8>) {
        self.operator(CUSTOM, inputs, outputs, vec![]);
        self.codes.last_mut().unwrap().push((1, Field::Text(name.to_string())));
        self.operators.last_mut().unwrap().push((5, Field::Bytes(options)));
    }

    fn write(self, inputs: &[i32], outputs: &[i32]) -> Vec<u8> {
        let subgraph: Table = vec![
            (0, Field::Tables(self.tensors)),
            (1, Field::Ints(inputs.to_vec())),
            (2, Field::Ints(outputs.to_vec())),
            (3, Field::Tables(self.operators)),
        ];
        let model: Table = vec![
            (0, Field::I32(3)),
            (1, Field::Tables(self.codes)),
            (2, Field::Tables(vec![subgraph])),
            (4, Field::Tables(self.buffers)),
        ];
        flatbuffer::write(&model, b"TFL3")
    }
}

fn import(file: &[u8]) -> Result<Graph, Error> {
    tflite::import(file, &ImportOptions::default()).map(|imported| imported.graph)
}

/// The outputs on the CPU, which must be those of the interpreter.
fn run(file: &[u8], inputs: &[Tensor]) -> Vec<Tensor> {
    let graph = import(file).unwrap();
    let expected = reference::run(&graph, inputs).unwrap();
    let graph = optimize(&graph).unwrap();
    let types: Vec<_> = inputs.iter().map(Tensor::kind).collect();
    let mut executable = Executable::compile(&graph, &types).unwrap();
    for (i, input) in inputs.iter().enumerate() {
        match (executable.input_mut(i), input.data()) {
            (InputMut::F32(to), Data::F32(from)) => to.copy_from_slice(from),
            (InputMut::U8(to), Data::U8(from)) => to.copy_from_slice(from),
            _ => panic!("inputs are floats or bytes"),
        }
    }
    executable.run().unwrap();
    let got: Vec<Tensor> = (0..expected.len()).map(|i| executable.output(i).to_tensor()).collect();
    for (got, want) in got.iter().zip(&expected) {
        assert_eq!(got.kind(), want.kind());
        match (got.data(), want.data()) {
            (Data::F32(a), Data::F32(b)) => {
                assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5), "{a:?} instead of {b:?}");
            }
            (a, b) => assert_eq!(a, b),
        }
    }
    got
}

fn near(tensor: &Tensor, expected: &[f32]) {
    let got = tensor.as_f32().unwrap();
    let close = got.len() == expected.len() && got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5);
    assert!(close, "{got:?} instead of {expected:?}");
}

/// One pixel, one channel: `2 x + 1`, held in bytes from 0 to 6.
fn clamped(activation: i8, top: f32) -> Vec<u8> {
    let mut file = File::default();
    let x = file.tensor("x", &[1, 1, 4, 1], UINT8, Some((&[0.5], &[128], 0)), &[]);
    let kernel = file.tensor("kernel", &[1, 1, 1, 1], UINT8, Some((&[0.1], &[100], 0)), &[120]);
    let bias = file.ints("bias", &[1], Some((&[0.05], &[0], 0)), &[20]);
    let y = file.tensor("y", &[1, 1, 4, 1], UINT8, Some((&[top / 255.0], &[0], 0)), &[]);
    let options = vec![(0, Field::I8(1)), (1, Field::I32(1)), (2, Field::I32(1)), (3, Field::I8(activation))];
    file.operator(CONV_2D, &[x, kernel, bias], &[y], options);
    file.write(&[x], &[y])
}

#[test]
fn activations_are_clamped_to_what_their_integers_express() {
    // 4, -14, 0.5, 2.5.
    let bytes = || [Tensor::u8([1, 1, 4, 1], vec![136, 100, 129, 133]).unwrap()];
    near(&run(&clamped(0, 6.0), &bytes())[0], &[6.0, 0.0, 2.0, 6.0]);
    // The narrower of RELU6 and the range wins, as one activation.
    near(&run(&clamped(3, 3.0), &bytes())[0], &[3.0, 0.0, 2.0, 3.0]);
    near(&run(&clamped(3, 51.0), &bytes())[0], &[6.0, 0.0, 2.0, 6.0]);
    let graph = import(&clamped(3, 3.0)).unwrap();
    let clips = graph.nodes().iter().filter(|n| matches!(n.op, Op::Unary(_))).count();
    assert_eq!(clips, 0, "the activation is part of the convolution: {graph}");
}

#[test]
fn weights_by_channel_and_float_activations() {
    let mut file = File::default();
    let x = file.tensor("x", &[1, 2], FLOAT, None, &[]);
    let scales: Scales = (&[1.0, 0.5], &[0, 0], 0);
    let kernel = file.tensor("kernel", &[2, 2], INT8, Some(scales), &[1, 2, 254, 100]);
    let y = file.tensor("y", &[1, 2], FLOAT, None, &[]);
    file.operator(FULLY_CONNECTED, &[x, kernel, -1], &[y], vec![]);
    let file = file.write(&[x], &[y]);
    // [1, 2] and [-2, 100] / 2.
    near(&run(&file, &[Tensor::f32([1, 2], vec![10.0, 1.0]).unwrap()])[0], &[12.0, 40.0]);
}

#[test]
fn only_what_can_leave_its_range_is_clamped() {
    let (one, other): (Scales, Scales) = ((&[0.1], &[0], 0), (&[0.01], &[-128], 0));
    let mut file = File::default();
    let x = file.tensor("x", &[1, 4], FLOAT, None, &[]);
    let q = file.tensor("q", &[1, 4], INT8, Some(one), &[]);
    let shape = file.ints("shape", &[2], None, &[2, 2]);
    let moved = file.tensor("moved", &[2, 2], INT8, Some(one), &[]);
    let twice = file.tensor("twice", &[4, 2], INT8, Some(other), &[]);
    file.operator(QUANTIZE, &[x], &[q], vec![]);
    file.operator(RESHAPE, &[q, shape], &[moved], vec![]);
    file.operator(CONCATENATION, &[moved, moved], &[twice], vec![(0, Field::I32(0))]);
    let file = file.write(&[x], &[moved, twice]);
    let clips: Vec<_> = import(&file)
        .unwrap()
        .nodes()
        .iter()
        .filter_map(|n| match n.op {
            Op::Unary(Unary::Clip { .. }) => Some(n.name.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(clips, ["q/range", "twice"]);
    let outputs = run(&file, &[Tensor::f32([1, 4], vec![-50.0, -1.0, 1.0, 50.0]).unwrap()]);
    // -12.8 to 12.7, then 0 to 2.55.
    near(&outputs[0], &[-12.8, -1.0, 1.0, 12.7]);
    near(&outputs[1], &[0.0, 0.0, 1.0, 2.55, 0.0, 0.0, 1.0, 2.55]);
}

#[test]
fn scales_that_make_no_sense_are_errors() {
    for (scales, zeros) in
        [(&[0.0][..], &[0][..]), (&[f32::NAN], &[0]), (&[1.0, 1.0], &[0, 0]), (&[1.0, 1.0], &[0, 0, 0])]
    {
        let mut file = File::default();
        let x = file.tensor("x", &[1, 4], FLOAT, None, &[]);
        let y = file.tensor("y", &[1, 4], INT8, Some((scales, zeros, 0)), &[]);
        file.operator(QUANTIZE, &[x], &[y], vec![]);
        assert!(import(&file.write(&[x], &[y])).is_err(), "{scales:?}");
    }
    survives(2000, 7, &clamped(0, 6.0), |file| import(file).is_ok());
    survives(3000, 8, &detector(false, 2), |file| import(file).is_ok());
}

/// A flexbuffer map of numbers, everything four bytes wide.
fn map(entries: &[(&str, f32)]) -> Vec<u8> {
    let mut entries = entries.to_vec();
    entries.sort_by_key(|(key, _)| *key);
    let (mut bytes, mut places) = (Vec::new(), Vec::new());
    for (key, _) in &entries {
        places.push(bytes.len());
        bytes.extend(key.bytes().chain([0]));
    }
    let put = |bytes: &mut Vec<u8>, n: usize| bytes.extend((n as u32).to_le_bytes());
    put(&mut bytes, entries.len());
    let keys = bytes.len();
    for place in places {
        let at = bytes.len();
        put(&mut bytes, at - place);
    }
    let at = bytes.len();
    put(&mut bytes, at - keys);
    put(&mut bytes, 4);
    put(&mut bytes, entries.len());
    let values = bytes.len();
    entries.iter().for_each(|(_, v)| bytes.extend(v.to_le_bytes()));
    // Floats of four bytes; then the root, a map of such.
    bytes.extend(entries.iter().map(|_| 3 << 2 | 2));
    let root = bytes.len();
    put(&mut bytes, root - values);
    bytes.extend([9 << 2 | 2, 4]);
    bytes
}

/// Three anchors, the second nearly the first; a background and two classes.
fn detector(regular: bool, each: usize) -> Vec<u8> {
    let mut file = File::default();
    let codes = file.tensor("codes", &[1, 3, 4], FLOAT, None, &[]);
    let scores = file.tensor("scores", &[1, 3, 3], FLOAT, None, &[]);
    let anchors = [[0.5, 0.5, 0.4, 0.4], [0.51, 0.5, 0.4, 0.4], [0.1, 0.1, 0.2, 0.2]].concat();
    let anchors = file.floats("anchors", &[3, 4], &anchors);
    let options = map(&[
        ("max_detections", 4.0),
        ("max_classes_per_detection", each as f32),
        ("detections_per_class", 5.0),
        ("use_regular_nms", regular as u8 as f32),
        ("num_classes", 2.0),
        ("nms_score_threshold", 0.25),
        ("nms_iou_threshold", 0.5),
        ("y_scale", 10.0),
        ("x_scale", 10.0),
        ("h_scale", 5.0),
        ("w_scale", 5.0),
    ]);
    let outputs = ["boxes", "classes", "scores", "count"].map(|name| file.tensor(name, &[], FLOAT, None, &[]));
    file.custom("TFLite_Detection_PostProcess", &[codes, scores, anchors], &outputs, options);
    file.write(&[codes, scores], &outputs)
}

#[test]
fn detections_are_decoded_and_suppressed() {
    // The third box is moved down by its height and doubled in width.
    let mut codes = vec![0.0; 12];
    (codes[8], codes[11]) = (10.0, 5.0 * 2f32.ln());
    let codes = Tensor::f32([1, 3, 4], codes).unwrap();
    let scores = Tensor::f32([1, 3, 3], vec![0.0, 0.9, 0.1, 0.0, 0.2, 0.8, 0.9, 0.25, 0.0]).unwrap();
    let inputs = || [codes.clone(), scores.clone()];
    let (first, second, third) = ([0.3, 0.3, 0.7, 0.7], [0.31, 0.3, 0.71, 0.7], [0.2, -0.1, 0.4, 0.3]);
    let none = [0.0; 4];
    let found = run(&detector(false, 1), &inputs());
    near(&found[0], &[first, third, none, none].concat());
    near(&found[1], &[0.0, 0.0, 0.0, 0.0]);
    near(&found[2], &[0.9, 0.25, 0.0, 0.0]);
    near(&found[3], &[2.0]);
    assert_eq!((found[0].shape().as_slice(), found[1].shape().as_slice()), (&[1, 4, 4][..], &[1, 4][..]));
    // Both classes of every box.
    let both = run(&detector(false, 2), &inputs());
    near(&both[0], &[first, first, third, third, none, none, none, none].concat());
    near(&both[1], &[0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    near(&both[2], &[0.9, 0.1, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0]);
    near(&both[3], &[4.0]);
    // Every class by itself: the second box is of another class.
    let each = run(&detector(true, 1), &inputs());
    near(&each[0], &[first, second, third, none].concat());
    near(&each[1], &[0.0, 1.0, 0.0, 0.0]);
    near(&each[2], &[0.9, 0.8, 0.25, 0.0]);
    near(&each[3], &[3.0]);
}

#[test]
fn suppression_fills_up_with_zeros() {
    for (code, soft) in [(NON_MAX_SUPPRESSION_V4, false), (NON_MAX_SUPPRESSION_V5, true)] {
        let mut file = File::default();
        let boxes = file.tensor("boxes", &[3, 4], FLOAT, None, &[]);
        let scores = file.tensor("scores", &[3], FLOAT, None, &[]);
        let most = file.ints("most", &[], None, &[5]);
        let [iou, score, sigma] =
            [("iou", 0.4), ("score", 0.1), ("sigma", 0.5)].map(|(n, v)| file.floats(n, &[], &[v]));
        let indices = file.tensor("indices", &[5], INT32, None, &[]);
        let kept = file.tensor("kept", &[5], FLOAT, None, &[]);
        let count = file.tensor("count", &[], INT32, None, &[]);
        let mut inputs = vec![boxes, scores, most, iou, score];
        inputs.extend(soft.then_some(sigma));
        let outputs = if soft { vec![indices, kept, count] } else { vec![indices, count] };
        file.operator(code, &inputs, &outputs, vec![]);
        let file = file.write(&[boxes, scores], &outputs);
        let corners = [[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.0], [5.0, 5.0, 6.0, 6.0]].concat();
        let inputs = [Tensor::f32([3, 4], corners).unwrap(), Tensor::f32([3], vec![0.9, 0.8, 0.7]).unwrap()];
        let found = run(&file, &inputs);
        if soft {
            assert_eq!(found[0].as_i32().unwrap(), [0, 2, 1, 0, 0]);
            near(&found[1], &[0.9, 0.7, 0.8 * (-0.25f32).exp(), 0.0, 0.0]);
            assert_eq!(found[2].as_i32().unwrap(), [3]);
        } else {
            assert_eq!(found[0].as_i32().unwrap(), [0, 2, 0, 0, 0]);
            assert_eq!(found[1].as_i32().unwrap(), [2]);
        }
    }
}

#[test]
fn slices_at_coordinates_casts_and_unit_lengths() {
    let mut file = File::default();
    let x = file.tensor("x", &[2, 3, 2], FLOAT, None, &[]);
    let at = file.tensor("at", &[2, 2], FLOAT, None, &[]);
    let whole = file.tensor("whole", &[2, 2], INT32, None, &[]);
    let picked = file.tensor("picked", &[2, 2], FLOAT, None, &[]);
    let unit = file.tensor("unit", &[2, 2], FLOAT, None, &[]);
    file.operator(CAST, &[at], &[whole], vec![]);
    file.operator(GATHER_ND, &[x, whole], &[picked], vec![]);
    file.operator(L2_NORMALIZATION, &[picked], &[unit], vec![]);
    let file = file.write(&[x, at], &[picked, unit]);
    let x = Tensor::f32([2, 3, 2], (0..12).map(|i| i as f32).collect::<Vec<_>>()).unwrap();
    // Row (1, 0), row (0, 2): fractions are cut off.
    let found = run(&file, &[x, Tensor::f32([2, 2], vec![1.9, 0.2, 0.0, 2.5]).unwrap()]);
    near(&found[0], &[6.0, 7.0, 4.0, 5.0]);
    let (a, b) = (85f32.sqrt(), 41f32.sqrt());
    near(&found[1], &[6.0 / a, 7.0 / a, 4.0 / b, 5.0 / b]);
}

#[test]
fn space_goes_into_the_batch_and_back() {
    let mut file = File::default();
    let x = file.tensor("x", &[1, 3, 4, 1], FLOAT, None, &[]);
    let blocks = file.ints("blocks", &[2], None, &[2, 2]);
    let pads = file.ints("pads", &[2, 2], None, &[1, 0, 0, 0]);
    let crops = file.ints("crops", &[2, 2], None, &[1, 0, 0, 1]);
    let batch = file.tensor("batch", &[4, 2, 2, 1], FLOAT, None, &[]);
    let back = file.tensor("back", &[1, 3, 3, 1], FLOAT, None, &[]);
    file.operator(SPACE_TO_BATCH_ND, &[x, blocks, pads], &[batch], vec![]);
    file.operator(BATCH_TO_SPACE_ND, &[batch, blocks, crops], &[back], vec![]);
    let file = file.write(&[x], &[batch, back]);
    let x = Tensor::f32([1, 3, 4, 1], (1..13).map(|i| i as f32).collect::<Vec<_>>()).unwrap();
    let found = run(&file, &[x]);
    // A row of zeros above; then the four positions of the blocks, each a picture.
    near(&found[0], &[0.0, 0.0, 5.0, 7.0, 0.0, 0.0, 6.0, 8.0, 1.0, 3.0, 9.0, 11.0, 2.0, 4.0, 10.0, 12.0]);
    near(&found[1], &[1.0, 2.0, 3.0, 5.0, 6.0, 7.0, 9.0, 10.0, 11.0]);
    assert_eq!(found[0].shape().as_slice(), [4, 2, 2, 1]);
}
