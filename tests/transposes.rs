//! Transpositions that are left in networks of files once the passes went over them. Every one moves a whole value through
//! memory for nothing but another order of its axes, so each that stays has its reason here.

#![cfg(not(target_arch = "wasm32"))]

#[path = "support/vendor.rs"]
mod vendor;

use serde_json::json;
use striate::formats::{Format, ImportOptions, onnx, tfjs, tflite};
use striate::graph::Graph;
use striate::ops::Op;
use striate::{passes, zoo};
use vendor::vendor;

/// The permutations of all transpositions of the graph that a session runs.
fn left(graph: &Graph) -> Vec<Vec<usize>> {
    let graph = passes::optimize(graph).unwrap();
    let perm = |op: &Op| if let Op::Transpose(op) = op { Some(op.perm.clone()) } else { None };
    graph.nodes().iter().filter_map(|node| perm(&node.op)).collect()
}

fn check(name: &str, graph: &Graph, want: &[&[usize]]) {
    assert_eq!(left(graph), want, "{name}");
}

/// A picture that the network declares channels first is turned once, at the input; a picture that it gives, at the output.
const IN: &[usize] = &[0, 2, 3, 1];
const OUT: &[usize] = &[0, 3, 1, 2];

/// A folder of `vendor/`, the network's files in it, and the permutations that are left.
type Case = (&'static str, &'static [&'static str], &'static [&'static [usize]]);

#[test]
fn published_networks() {
    let all: [Case; 7] = [
        // Converted from channels first by onnx-tf, with a transposition on each side of every window: 83 in the file.
        ("nanodet", &["nanodet.json", "nanodet.bin"], &[IN]),
        ("centernet", &["centernet.json", "centernet.bin"], &[]),
        ("posenet", &["posenet.json", "posenet.bin"], &[]),
        ("selfie_segmentation", &["selfie_segmentation.tflite"], &[]),
        // The importer was told that pictures come channels last; the detector's map has one channel.
        ("pp-ocrv4-det", &["model.onnx"], &[]),
        // The painted picture is declared channels first.
        ("multistyle26", &["multistyle26.onnx"], &[OUT]),
        ("ssd_mobilenetv2_oidv4", &["model.tflite"], &[]),
    ];
    for (folder, files, want) in all {
        let Some(parts) = files.iter().map(|file| vendor(&format!("{folder}/{file}"))).collect::<Option<Vec<_>>>()
        else {
            continue;
        };
        let options = ImportOptions { channels_last: true, ..ImportOptions::default() };
        let imported = match Format::recognise(&parts[0]).unwrap() {
            Format::TfjsJson => tfjs::import(&parts[0], &parts[1], &options),
            Format::Tflite => tflite::import(&parts[0], &options),
            Format::Onnx => onnx::import(&parts[0], &options),
        };
        check(folder, &imported.unwrap().graph, want);
    }
}

/// Networks of layers, written as ONNX has them, channels first inside, and read back: pictures are channels last, as they were.
#[test]
fn networks_of_the_zoo_there_and_back() {
    for name in ["AlexNet", "GoogLeNet", "SEResNet50", "MobileNetV3Small", "DenseNet121", "Xception", "UNet"] {
        let options = match name {
            "UNet" => json!({ "inputShape": [64, 64, 3] }),
            _ => json!({}),
        };
        let graph = zoo::build(name, &options).unwrap().graph().unwrap();
        let file = onnx::export(&graph, &Default::default()).unwrap();
        check(name, &onnx::import(&file, &ImportOptions::default()).unwrap().graph, &[]);
    }
}
