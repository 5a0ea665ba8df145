//! ONNX files of our own: what they compute, how images lie, and what broken ones are told.

#[cfg(feature = "conformance")]
mod export;
mod hostile;
mod layout;
mod meaning;
mod picking;
mod sums;
pub(crate) mod writer;

use std::collections::BTreeMap;

use striate::formats::{ImportOptions, onnx};
use striate::graph::Graph;
use striate::{Tensor, reference};

use writer::{Elements, Model};

/// Deterministic numbers in -1..1.
fn numbers(seed: usize, n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 37 + seed * 11) % 101) as f32 / 50.0 - 1.0).collect()
}

pub(crate) fn floats(seed: usize, n: usize) -> Elements {
    Elements::F32(numbers(seed, n))
}

fn imported(model: &Model) -> Graph {
    onnx::import(&model.bytes(), &ImportOptions::default()).unwrap().graph
}

/// The outputs for these inputs.
fn run(model: &Model, inputs: &[Tensor]) -> Vec<Tensor> {
    reference::run(&imported(model), inputs).unwrap()
}

fn count(graph: &Graph, op: &str) -> usize {
    graph.nodes().iter().filter(|node| node.op.operator().name() == op).count()
}

fn assert_near(got: &Tensor, shape: &[usize], want: &[f32]) {
    assert_eq!(got.shape().as_slice(), shape);
    for (i, (a, b)) in got.as_f32().unwrap().iter().zip(want).enumerate() {
        assert!((a - b).abs() < 1e-5, "element {i}: {a}, expected {b}");
    }
}

/// A convolution written down plainly, everything in ONNX' layout: stride 1, `pad` zeros all around.
fn plain_conv(x: &[f32], [c, h, w]: [usize; 3], kernel: &[f32], [out, k]: [usize; 2], pad: usize) -> Vec<f32> {
    let (oh, ow) = (h + 2 * pad - k + 1, w + 2 * pad - k + 1);
    let mut y = Vec::new();
    for o in 0..out {
        for oy in 0..oh {
            for ox in 0..ow {
                let mut sum = 0.0;
                for i in 0..c {
                    for ky in 0..k {
                        for kx in 0..k {
                            let (Some(py), Some(px)) = ((oy + ky).checked_sub(pad), (ox + kx).checked_sub(pad)) else {
                                continue;
                            };
                            if py < h && px < w {
                                sum += x[(i * h + py) * w + px] * kernel[((o * c + i) * k + ky) * k + kx];
                            }
                        }
                    }
                }
                y.push(sum);
            }
        }
    }
    y
}

#[test]
fn files_are_recognised_and_looked_into() {
    use striate::formats::Format;
    let model = Model::new().input("x", &[1, 2]).node("Relu", &["x"], "y", &[]).output("y");
    assert_eq!(Format::recognise(&model.bytes()).unwrap(), Format::Onnx);
    let inspection = onnx::inspect(&model.bytes()).unwrap();
    assert_eq!((inspection.opset, inspection.nodes), (Some(17), 1));
    assert_eq!((inspection.operators, inspection.inputs), (vec!["Relu".to_string()], vec!["x".to_string()]));
    let none: BTreeMap<String, Tensor> = BTreeMap::new();
    assert_eq!(ImportOptions::default().constants, none);
}
