//! Variables: what a run finds, what it leaves behind, who shares it, and what a lost GPU does to it. Every test runs on
//! the CPU and, where there is an adapter, on the GPU.
#![cfg(not(target_arch = "wasm32"))]

use std::sync::Arc;

use pollster::block_on;
use striate::graph::Graph;
use striate::ops::{Binary, BinaryKind, MatMul, Reduce, ReduceKind, Reshape, Unary};
use striate::session::{Device, Session, Variables};
use striate::{DType, Tensor, reference};

/// The CPU, and a GPU or a loud report that there is none. With `STRIATE_REQUIRE_GPU` set that is a failure.
fn devices() -> Vec<Device> {
    #[cfg_attr(not(feature = "webgpu"), allow(unused_mut))]
    let mut devices = vec![Device::Cpu];
    #[cfg(feature = "webgpu")]
    {
        use striate::backend::gpu::{Gpu, GpuOptions};
        match block_on(Gpu::new(GpuOptions { allow_software: true, ..Default::default() })) {
            Ok(gpu) => devices.push(Device::Gpu(gpu)),
            Err(error) => {
                eprintln!("\n*** NOT TESTED: variables on the GPU, for there is no adapter: {error}\n");
                assert!(std::env::var_os("STRIATE_REQUIRE_GPU").is_none(), "STRIATE_REQUIRE_GPU is set");
            }
        }
    }
    devices
}

fn tensor(values: &[f32]) -> Tensor {
    Tensor::f32([values.len()], values).unwrap()
}

/// Runs a graph a few times on every device and on the interpreter: outputs and variables must be the same every time.
fn agrees(graph: &Graph, inputs: &[Tensor]) {
    for device in devices() {
        let mut session = Session::new(graph.clone(), device).unwrap();
        let names = session.variables().names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut variables = reference::initial(graph);
        for step in 0..4 {
            let want = reference::run_with(graph, inputs, &mut variables).unwrap();
            let got = block_on(session.run(inputs)).unwrap();
            assert_eq!(got, want, "outputs of step {step} on {}\n{graph}", session.device().name());
            let left = block_on(session.variables().read(&names)).unwrap();
            assert_eq!(left, variables, "variables after step {step} on {}\n{graph}", session.device().name());
        }
    }
}

fn add() -> Binary {
    Binary::new(BinaryKind::Add)
}

#[test]
fn a_run_sees_the_old_values_only() {
    let mut graph = Graph::new();
    let x = graph.input("x", DType::F32, [Some(5)]);
    let sum = graph.variable("sum", tensor(&[0.0; 5]));
    let count = graph.variable("count", Tensor::i32([1], vec![7]).unwrap());
    let constant = graph.variable("constant", tensor(&[2.0; 5]));
    let one = graph.constant("one", Tensor::i32([1], vec![1]).unwrap());
    let next = graph.add("next", add(), &[sum, x]).unwrap();
    let later = graph.add("later", Binary::new(BinaryKind::Mul), &[sum, constant]).unwrap();
    let counted = graph.add("counted", add(), &[count, one]).unwrap();
    graph.assign(sum, next).unwrap();
    graph.assign(count, counted).unwrap();
    // The new value, the old one, both under other shapes, and what was made of the old one after the new one was made.
    let flat = graph.add("flat", Reshape::to(&[5, 1]), &[sum]).unwrap();
    let flat_next = graph.add("flat_next", Reshape::to(&[1, 5]), &[next]).unwrap();
    for (i, value) in [next, sum, later, count, flat, flat_next, constant].into_iter().enumerate() {
        graph.output(format!("y{i}"), value);
    }
    agrees(&graph, &[tensor(&[1.0, -2.0, 3.0, 0.5, 0.0])]);
}

#[test]
fn variables_change_places() {
    let mut graph = Graph::new();
    let x = graph.input("x", DType::F32, [Some(3)]);
    let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(|name| {
        let start = name.as_bytes()[0] as f32;
        graph.variable(name, tensor(&[start, start + 0.25, start + 0.5]))
    });
    let fixed = graph.constant("fixed", tensor(&[9.0, 8.0, 7.0]));
    // A swap, an input, a constant, a value for two, and one that is its own.
    graph.assign(a, b).unwrap();
    graph.assign(b, a).unwrap();
    graph.assign(c, x).unwrap();
    graph.assign(d, fixed).unwrap();
    graph.assign(e, e).unwrap();
    let y = graph.add("y", Unary::Neg, &[c]).unwrap();
    let [f, g] = ["f", "g"].map(|name| graph.variable(name, tensor(&[0.0; 3])));
    graph.assign(f, y).unwrap();
    graph.assign(g, y).unwrap();
    let z = graph.add("z", add(), &[f, d]).unwrap();
    graph.output("z", z);
    agrees(&graph, &[tensor(&[1.0, 2.0, 3.0])]);
}

#[test]
fn a_chain_of_updates() {
    // v1 = v0 + x, v2 = v1 (old), v3 = v2 (old) * 2 read through a reshape: a delay line.
    let mut graph = Graph::new();
    let x = graph.input("x", DType::F32, [Some(4)]);
    let [v1, v2, v3] = ["v1", "v2", "v3"].map(|name| graph.variable(name, tensor(&[1.0, 2.0, 3.0, 4.0])));
    let next = graph.add("next", add(), &[v1, x]).unwrap();
    graph.assign(v1, next).unwrap();
    graph.assign(v2, v1).unwrap();
    let square = graph.add("square", Reshape::to(&[2, 2]), &[v2]).unwrap();
    let twice = graph.add("twice", add(), &[square, square]).unwrap();
    let flat = graph.add("flat", Reshape::to(&[4]), &[twice]).unwrap();
    graph.assign(v3, flat).unwrap();
    graph.output("v3", v3);
    agrees(&graph, &[tensor(&[0.5, 0.25, -1.0, 2.0])]);
}

/// `w -= 0.5 * mean over the batch of x`, and the loss `sum(x w)`.
fn step() -> Graph {
    let mut graph = Graph::new();
    let x = graph.input("x", DType::F32, vec![None, Some(2)]);
    let w = graph.variable("w", Tensor::f32([2, 1], vec![1.0, 2.0]).unwrap());
    let y = graph.add("y", MatMul::default(), &[x, w]).unwrap();
    let loss = graph.add("loss", Reduce { kind: ReduceKind::Sum, axes: vec![], keep_dims: false }, &[y]).unwrap();
    let gradient = Reduce { kind: ReduceKind::Mean, axes: vec![0], keep_dims: false };
    let gradient = graph.add("gradient", gradient, &[x]).unwrap();
    let gradient = graph.add("column", Reshape::to(&[2, 1]), &[gradient]).unwrap();
    let half = graph.constant("half", Tensor::scalar(0.5));
    let delta = graph.add("delta", Binary::new(BinaryKind::Mul), &[gradient, half]).unwrap();
    let next = graph.add("next", Binary::new(BinaryKind::Sub), &[w, delta]).unwrap();
    graph.assign(w, next).unwrap();
    graph.output("loss", loss);
    graph
}

/// Only `x w`.
fn prediction() -> Graph {
    let mut graph = Graph::new();
    let x = graph.input("x", DType::F32, vec![None, Some(2)]);
    let w = graph.variable("w", Tensor::f32([2, 1], vec![0.0; 2]).unwrap());
    let y = graph.add("y", MatMul::default(), &[x, w]).unwrap();
    graph.output("y", y);
    graph
}

fn batch(rows: usize) -> Tensor {
    Tensor::f32([rows, 2], (0..rows).flat_map(|_| [1.0, 2.0]).collect::<Vec<_>>()).unwrap()
}

#[test]
fn executables_and_sessions_share_them() {
    for device in devices() {
        let variables = Variables::new(device);
        let mut training = Session::with_variables(step(), variables.clone()).unwrap();
        let mut predicting = Session::with_variables(prediction(), variables.clone()).unwrap();
        assert_eq!(variables.names(), ["w"]);
        assert_eq!((variables.bytes(), training.report().variable_bytes), (8, 8));
        // w = [1, 2] - n [0.5, 1]; a last batch of another size goes on where the others stopped.
        let losses = [(3, 3.0 * 5.0), (3, 3.0 * 2.5), (2, 0.0), (3, 3.0 * -2.5)];
        for (rows, loss) in losses {
            assert_eq!(block_on(training.run(&[batch(rows)])).unwrap()[0], Tensor::scalar(loss));
        }
        let y = block_on(predicting.run(&[batch(1)])).unwrap();
        assert_eq!(y[0], Tensor::f32([1, 1], vec![-5.0]).unwrap(), "w is [-1, -2]");
        // The host's own value, then a step whose result nobody waits for.
        variables.write("w", Arc::new(Tensor::f32([2, 1], vec![4.0, 4.0]).unwrap())).unwrap();
        block_on(training.start(&[batch(2)])).unwrap();
        let w = block_on(variables.read(&["w"])).unwrap();
        assert_eq!(*w[0], Tensor::f32([2, 1], vec![3.5, 3.0]).unwrap());
        assert_eq!(block_on(training.read(&[0])).unwrap()[0], Tensor::scalar(24.0), "the loss of that step");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut graph = Graph::new();
    let x = graph.input("x", DType::F32, [Some(3)]);
    let v = graph.variable("v", tensor(&[0.0; 2]));
    assert!(graph.assign(x, v).is_err(), "an input is no variable");
    graph.assign(v, x).unwrap();
    assert_eq!(graph.assign(v, v).unwrap_err().layer(), Some("v"));
    let error = graph.infer(&[tensor(&[0.0; 3]).kind()]).unwrap_err();
    assert_eq!((error.layer(), error.expected()), (Some("v"), Some("float32 [2]")));

    let mut twins = Graph::new();
    for _ in 0..2 {
        let v = twins.variable("twin", tensor(&[0.0; 2]));
        twins.output("y", v);
    }
    assert_eq!(Session::new(twins, Device::Cpu).err().unwrap().layer(), Some("twin"));

    let variables = Variables::new(Device::Cpu);
    variables.add("w", Arc::new(tensor(&[0.0; 3]))).unwrap();
    assert_eq!(Session::with_variables(prediction(), variables.clone()).err().unwrap().layer(), Some("w"));
    assert!(variables.write("w", Arc::new(tensor(&[0.0; 4]))).is_err());
    assert!(variables.write("x", Arc::new(tensor(&[0.0; 3]))).is_err());
    assert!(block_on(variables.read(&["x"])).is_err());
    variables.retain(&mut |name| name != "w");
    assert!(Session::with_variables(prediction(), variables).is_ok());
}

#[cfg(feature = "webgpu")]
#[test]
fn a_lost_gpu_gives_back_the_last_host_copy() {
    for device in devices() {
        let Device::Gpu(gpu) = &device else { continue };
        let variables = Variables::new(device.clone());
        let mut training = Session::with_variables(step(), variables.clone()).unwrap();
        let mut predicting = Session::with_variables(prediction(), variables.clone()).unwrap();
        block_on(training.run(&[batch(2)])).unwrap();
        block_on(predicting.run(&[batch(2)])).unwrap();
        let saved = block_on(variables.read(&["w"])).unwrap();
        block_on(training.run(&[batch(2)])).unwrap();
        gpu.destroy();
        assert!(block_on(variables.read(&["w"])).is_err(), "what the second run did is gone");
        // From [0.5, 1] again, and both sessions meet on one new device.
        assert_eq!(block_on(predicting.run(&[batch(1)])).unwrap()[0], Tensor::f32([1, 1], vec![2.5]).unwrap());
        assert_eq!(block_on(training.run(&[batch(2)])).unwrap()[0], Tensor::scalar(5.0));
        assert_eq!(block_on(predicting.run(&[batch(1)])).unwrap()[0], Tensor::f32([1, 1], vec![0.0]).unwrap());
        assert_eq!((variables.losses(), training.report().losses, predicting.report().losses), (1, 1, 1));
        assert_eq!(*saved[0], Tensor::f32([2, 1], vec![0.5, 1.0]).unwrap());
    }
}
