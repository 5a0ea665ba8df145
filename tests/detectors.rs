//! The two detectors end to end on the CPU: real weights, real photos, and the boxes that TensorFlow Lite and
//! TensorFlow.js find. Needs the files of `cargo xtask models` in `vendor/`.

#![cfg(not(target_arch = "wasm32"))]

#[path = "support/vendor.rs"]
mod vendor;

use std::path::Path;

use serde_json::Value;
use striate::backend::cpu::{Executable, InputMut};
use striate::formats::{ImportOptions, Imported, tfjs, tflite};
use striate::graph::Graph;
use striate::passes;
use striate::vision::{Detection, Detector, Rect, image};
use striate::{Tensor, View};
use vendor::vendor;

fn data(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// RGBA pixels, width and height.
fn photo(name: &str) -> (Vec<u8>, [usize; 2]) {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(data(&format!("images/{name}"))));
    decoder.set_transformations(png::Transformations::normalize_to_color8() | png::Transformations::ALPHA);
    let mut reader = decoder.read_info().unwrap();
    let mut rgba = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut rgba).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgba);
    (rgba, [info.width as usize, info.height as usize])
}

/// The network compiled, with what reads its outputs.
struct Network {
    executable: Executable,
    outputs: usize,
    detector: Detector,
}

impl Network {
    fn new(graph: Graph, prepare: impl Fn(&Detector, Graph) -> striate::Result<Graph>) -> Network {
        let detector = Detector::recognise(&graph).expect("a known detector");
        let graph = prepare(&detector, graph).unwrap();
        let executable = Executable::compile(&graph, &graph.default_inputs()).unwrap();
        Network { executable, outputs: graph.outputs().len(), detector }
    }

    /// The raw outputs and the boxes.
    fn run(&mut self, photo: &str) -> (Vec<Tensor>, Vec<Detection>) {
        let (rgba, size) = self::photo(photo);
        let InputMut::F32(input) = self.executable.input_mut(0) else { panic!("a float input") };
        image::resize_into(&rgba, size[0], size[1], &self.detector.input(), input).unwrap();
        self.executable.run().unwrap();
        let outputs: Vec<Tensor> = (0..self.outputs).map(|i| tensor(&self.executable, i)).collect();
        let boxes = self.detector.decode(&outputs, size, &self.detector.default_options()).unwrap();
        (outputs, boxes)
    }
}

fn tensor(executable: &Executable, i: usize) -> Tensor {
    let view = executable.output(i);
    match view.data {
        View::F32(v) => Tensor::f32(view.shape.clone(), v),
        View::I32(v) => Tensor::i32(view.shape.clone(), v),
        View::U8(v) => Tensor::u8(view.shape.clone(), v),
    }
    .unwrap()
}

/// Same classes in the same order, boxes and scores as another engine found them.
fn compare(name: &str, labels: &[&str], found: &[Detection], expected: &Value) {
    let expected = expected["detections"].as_array().unwrap();
    let names: Vec<_> = found.iter().map(|d| labels[d.class]).collect();
    let wanted: Vec<_> = expected.iter().map(|d| d["label"].as_str().unwrap()).collect();
    assert_eq!(names, wanted, "{name}");
    for (found, expected) in found.iter().zip(expected) {
        let corners: Vec<f32> = serde_json::from_value(expected["box_xyxy_px"].clone()).unwrap();
        let score = expected["score"].as_f64().unwrap() as f32;
        let rect = Rect::from_xywh([found.x, found.y, found.width, found.height]);
        let iou = rect.iou(&Rect::from_corners(corners.try_into().unwrap()));
        println!("{name}: {} {:.4} (expected {score}), IoU {iou:.4}", labels[found.class], found.score);
        // The expected values are rounded to 0.1 pixel and 4 digits.
        assert!(iou >= 0.99, "{name}: {found:?} has an IoU of {iou} with {expected}");
        assert!((found.score - score).abs() < 0.002, "{name}: {found:?} differs from {expected}");
    }
}

fn sum(tensor: &Tensor) -> f64 {
    tensor.as_f32().unwrap().iter().map(|&x| x as f64).sum()
}

fn largest(tensor: &Tensor) -> f32 {
    tensor.as_f32().unwrap().iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

fn close(what: &str, value: f64, expected: &Value, tolerance: f64) {
    let expected = expected.as_f64().unwrap();
    assert!((value - expected).abs() <= tolerance * expected.abs().max(1.0), "{what}: {value}, expected {expected}");
}

const PHOTOS: [&str; 3] = ["astronaut.png", "chelsea.png", "coffee.png"];

#[test]
fn ssd_finds_what_tensorflow_lite_finds() {
    let Some(file) = vendor("ssd_mobilenetv2_oidv4/model.tflite") else { return };
    let Imported { graph, .. } = tflite::import(&file, &ImportOptions::default()).unwrap();
    let mut network = Network::new(graph, |d, g| passes::optimize(&d.extend_graph(g)?));
    let labels = vendor("ssd_mobilenetv2_oidv4/labels.txt").unwrap();
    let labels = String::from_utf8(labels).unwrap();
    assert_eq!(labels.lines().collect::<Vec<_>>(), network.detector.labels());

    let expected: Value = serde_json::from_slice(&data("expected/ssd_mobilenetv2_oidv4.json")).unwrap();
    for photo in PHOTOS {
        let expected = &expected["results"][photo];
        let (outputs, boxes) = network.run(photo);
        compare(photo, network.detector.labels(), &boxes, expected);
        close("sum of the box codes", sum(&outputs[0]), &expected["box_encodings_sum"], 1e-5);
        // The background class is left out of the largest logit.
        let logits = outputs[1].as_f32().unwrap().chunks_exact(24).flat_map(|row| &row[1..]);
        let largest = logits.copied().fold(f32::NEG_INFINITY, f32::max);
        close("largest logit", largest as f64, &expected["class_logit_max"], 1e-4);
    }
}

#[test]
fn centernet_finds_what_tensorflow_js_finds() {
    let Some(json) = vendor("centernet/centernet.json") else { return };
    let weights = vendor("centernet/centernet.bin").unwrap();
    let files = tfjs::weight_files(&json).unwrap();
    assert_eq!(files.iter().map(|f| f.bytes).sum::<usize>(), weights.len());
    assert_eq!(files[0].path, "centernet.bin");
    let Imported { graph, .. } = tfjs::import(&json, &weights, &ImportOptions::default()).unwrap();

    let expected: Value = serde_json::from_slice(&data("expected/centernet_mb3.json")).unwrap();
    // The file's own arithmetic first: its heads are held to five digits. Optimised it is a little more exact than the
    // file, whose half-precision weights hold the 1/6 of hard-swish to three digits.
    let mut heads = Network::new(graph.clone(), |d, g| d.head_graph(g));
    let mut extended = Network::new(graph, |d, g| passes::optimize(&d.extend_graph(g)?));
    for photo in PHOTOS {
        let expected = &expected["results"][photo];
        let (outputs, boxes) = heads.run(photo);
        compare(photo, heads.detector.labels(), &boxes, expected);
        close("largest keypoint", largest(&outputs[0]) as f64, &expected["keypoints_max"], 1e-5);
        close("sum of the keypoints", sum(&outputs[0]), &expected["keypoints_sum"], 1e-5);
        close("sum of the sizes", sum(&outputs[1]), &expected["wh_sum"], 1e-5);
        compare(photo, extended.detector.labels(), &extended.run(photo).1, expected);
    }
}

/// The model carries its own decoding too (top-k, gather, integer arithmetic): it has to say the same.
#[test]
fn centernet_decodes_itself_alike() {
    let Some(json) = vendor("centernet/centernet.json") else { return };
    let weights = vendor("centernet/centernet.bin").unwrap();
    let options = ImportOptions { outputs: Some(vec!["tower_0/detections".into()]), ..ImportOptions::default() };
    let Imported { graph, .. } = tfjs::import(&json, &weights, &options).unwrap();
    assert!(Detector::recognise(&graph).is_none());
    let graph = passes::optimize(&graph).unwrap();
    let mut executable = Executable::compile(&graph, &graph.default_inputs()).unwrap();

    let expected: Value = serde_json::from_slice(&data("expected/centernet_mb3.json")).unwrap();
    let (rgba, [w, h]) = photo("coffee.png");
    let spec = image::InputSpec { size: [512, 512], scale: [1.0; 3], offset: [0.0; 3] };
    let InputMut::F32(input) = executable.input_mut(0) else { panic!("a float input") };
    image::resize_into(&rgba, w, h, &spec, input).unwrap();
    executable.run().unwrap();
    let rows = tensor(&executable, 0);
    let rows = rows.as_f32().unwrap().chunks_exact(6);
    for (row, expected) in rows.zip(expected["results"]["coffee.png"]["raw_top5"].as_array().unwrap()) {
        for (a, b) in row.iter().zip(expected.as_array().unwrap()) {
            assert!((*a as f64 - b.as_f64().unwrap()).abs() < 0.25, "{row:?}, expected {expected}");
        }
    }
}
