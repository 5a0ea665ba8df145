//! Real networks, optimised and on the CPU, against the same networks as the file has them, node by node on the
//! reference kernels: passes and fast kernels together, at full size and depth.

#![cfg(not(target_arch = "wasm32"))]

#[path = "support/vendor.rs"]
mod vendor;

use pollster::block_on;
use striate::formats::{ImportOptions, tfjs, tflite};
use striate::graph::Graph;
use striate::session::{Device, Session};
use striate::{Data, Tensor};
use vendor::vendor;

/// Smooth waves with some noise in -1..1: enough structure that no layer sees only zeros.
fn picture(shape: &[usize]) -> Tensor {
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let row = shape[2] * shape[3];
    let wave = |i: usize| ((i / row) as f32 * 0.05).sin() * ((i % row) as f32 * 0.02).cos();
    let values: Vec<f32> = (0..shape.iter().product()).map(|i| 0.8 * wave(i) + 0.2 * noise()).collect();
    Tensor::f32(shape, values).unwrap()
}

/// Runs both ways; `tolerance` is relative to each output's largest magnitude. Returns the ops that are left.
fn agree(graph: Graph, outputs: usize, tolerance: f32) -> Vec<&'static str> {
    let mut graph = graph;
    graph.set_outputs(graph.outputs()[..outputs].to_vec());
    let input = picture(&graph.default_inputs()[0].shape);
    let want = striate::reference::run(&graph, std::slice::from_ref(&input)).unwrap();
    let mut session = Session::new(graph, Device::Cpu).unwrap();
    let got = block_on(session.run(&[input])).unwrap();
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
        let (Data::F32(g), Data::F32(w)) = (got.data(), want.data()) else { panic!("output {i} is no float") };
        let largest = w.iter().fold(0f32, |m, v| m.max(v.abs()));
        let error = g.iter().zip(w).fold(0f32, |m, (g, w)| m.max((g - w).abs()));
        println!("output {i} {}: largest {largest}, error {error}", want.shape());
        assert!(largest > 0.0 && error <= tolerance * largest, "output {i}: {error} of {largest}");
    }
    session.report().placement.iter().map(|p| p.op).collect()
}

fn count(ops: &[&str], op: &str) -> usize {
    ops.iter().filter(|o| **o == op).count()
}

#[test]
fn centernet_keeps_its_meaning() {
    let (Some(json), Some(weights)) = (vendor("centernet/centernet.json"), vendor("centernet/centernet.bin")) else {
        return;
    };
    let graph = tfjs::import(&json, &weights, &ImportOptions::default()).unwrap().graph;
    // Sizes and heat map; the third output is a top-k of near ties.
    let ops = agree(graph, 2, 5e-5);
    // Written-out activations are in epilogues; one factor of 6 * 0.16662598 feeds a residual and remains.
    assert_eq!((count(&ops, "Conv2d"), count(&ops, "DepthwiseConv2d")), (63, 26), "{ops:?}");
    assert_eq!((count(&ops, "Relu6"), count(&ops, "Add"), count(&ops, "BatchNorm")), (0, 0, 0), "{ops:?}");
    assert!(count(&ops, "Mul") <= 10, "eight squeeze-and-excites, the head's, and the remaining factor: {ops:?}");
}

#[test]
fn ssd_mobilenet_keeps_its_meaning() {
    let Some(file) = vendor("ssd_mobilenetv2_oidv4/model.tflite") else { return };
    let graph = tflite::import(&file, &ImportOptions::default()).unwrap().graph;
    let ops = agree(graph, 2, 2e-5);
    assert_eq!((count(&ops, "Conv2d"), count(&ops, "DepthwiseConv2d"), count(&ops, "Concat")), (55, 17, 2));
    assert_eq!(ops.len(), 55 + 17 + 2 + count(&ops, "Reshape"), "every sum and activation is fused: {ops:?}");
}
