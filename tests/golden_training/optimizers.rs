//! Optimizers: ten-step trajectories of a kernel and a bias, and the learning rates of the schedules.

use pollster::block_on;
use serde_json::Value as Json;
use striate::autodiff::gradients;
use striate::graph::Graph;
use striate::layers::Regularizer;
use striate::ops::{Binary, BinaryKind, MatMul, Reduce, ReduceKind, Unary};
use striate::session::{Device, Session};
use striate::train::constraints::penalty;
use striate::train::optimizers::{Optimizer, Parameter, STEP};
use striate::{Tensor, reference};

use crate::support::{Golden, devices, id, report};

fn golden() -> Golden {
    Golden::load(&["optimizer"], &["optimizers.safetensors"])
}

fn optimizer(case: &Json) -> Optimizer {
    Optimizer::from_config(case["op"].as_str().unwrap(), &case["config"]).unwrap()
}

/// Row `step` of a recorded trajectory.
fn row(trajectory: &Tensor, step: usize) -> Tensor {
    let dims = &trajectory.shape()[1..];
    let size: usize = dims.iter().product();
    Tensor::f32(dims, &trajectory.as_f32().unwrap()[step * size..][..size]).unwrap()
}

/// Rows put together again.
fn stack(rows: &[std::sync::Arc<Tensor>]) -> Tensor {
    let dims: Vec<usize> = [rows.len()].iter().chain(rows[0].shape().iter()).copied().collect();
    Tensor::f32(dims, rows.iter().flat_map(|r| r.as_f32().unwrap()).copied().collect::<Vec<_>>()).unwrap()
}

const WEIGHTS: [&str; 2] = ["kernel", "bias"];

#[test]
fn updates_from_the_recorded_gradients_agree_with_keras() {
    let golden = golden();
    let mut failures = Vec::new();
    for case in &golden.cases {
        let optimizer = optimizer(case);
        let mut graph = Graph::new();
        let parameters = WEIGHTS.map(|name| {
            let initial = golden.tensor(&case[format!("{name}0")]).clone();
            let dims: Vec<_> = initial.shape().iter().map(|&d| Some(d)).collect();
            let gradient = graph.input(format!("{name} gradient"), initial.dtype(), dims);
            Parameter::new(graph.variable(name, initial), gradient)
        });
        optimizer.apply(&mut graph, &parameters).unwrap();
        assert_eq!(graph.values()[graph.inputs()[2].value.index()].name, STEP);
        let mut state = reference::initial(&graph);
        let mut session = Session::new(graph.clone(), Device::Cpu).unwrap();
        let mut trajectories = [(); 4].map(|_| Vec::new());
        for step in 0..case["steps"].as_u64().unwrap() as usize {
            let gradient = |name: &str| row(golden.tensor(&case[format!("{name}_grad")]), step);
            let inputs = [gradient("kernel"), gradient("bias"), optimizer.step_input(step as u64)];
            reference::run_with(&graph, &inputs, &mut state).unwrap();
            block_on(session.run(&inputs)).unwrap();
            let on_cpu = block_on(session.variables().read(&WEIGHTS)).unwrap();
            for (trajectory, weight) in trajectories.iter_mut().zip(state[..2].iter().chain(&on_cpu)) {
                trajectory.push(weight.clone());
            }
        }
        for (i, trajectory) in trajectories.iter().enumerate() {
            let name = WEIGHTS[i % 2];
            let what = format!("{} {name} on the {}", id(case), ["reference", "cpu"][i / 2]);
            failures.extend(golden.compare(&what, &stack(trajectory), &case[name], 1.0).err());
        }
    }
    report(failures, golden.cases.len(), 26);
}

/// `mean((tanh(x @ kernel + bias) - y)^2) + l2 sum(kernel^2)`, differentiated and updated by one graph.
fn problem(golden: &Golden, case: &Json, optimizer: &Optimizer) -> Graph {
    let mut graph = Graph::new();
    let [x, y] = ["x", "y"].map(|name| graph.constant(name, golden.tensor(&case[name]).clone()));
    let [kernel, bias] = WEIGHTS.map(|name| graph.variable(name, golden.tensor(&case[format!("{name}0")]).clone()));
    let mut add = |op: striate::ops::Op, inputs: &[_]| graph.add("problem", op, inputs).unwrap();
    let product = add(MatMul::default().into(), &[x, kernel]);
    let sum = add(Binary::new(BinaryKind::Add).into(), &[product, bias]);
    let output = add(Unary::Tanh.into(), &[sum]);
    let squares = add(Binary::new(BinaryKind::SquaredDifference).into(), &[output, y]);
    let mean = Reduce { kind: ReduceKind::Mean, axes: vec![], keep_dims: false };
    let mut loss = add(mean.into(), &[squares]);
    let regularizer = Regularizer { l1: 0.0, l2: case["l2"].as_f64().unwrap() as f32 };
    if let Some(penalty) = penalty(&mut graph, &regularizer, kernel).unwrap() {
        loss = graph.add("loss", Binary::new(BinaryKind::Add), &[loss, penalty]).unwrap();
    }
    let slopes = gradients(&mut graph, &[], loss, &[kernel, bias]).unwrap();
    let parameters = [kernel, bias].into_iter().zip(slopes).map(|(v, slope)| Parameter::new(v, slope.unwrap()));
    optimizer.apply(&mut graph, &parameters.collect::<Vec<_>>()).unwrap();
    graph.output("loss", loss);
    graph
}

#[test]
fn ten_steps_of_a_problem_agree_with_keras() {
    let (golden, devices) = (golden(), devices());
    let mut failures = Vec::new();
    for case in &golden.cases {
        let optimizer = optimizer(case);
        let graph = problem(&golden, case, &optimizer);
        for (device, slack) in &devices {
            let mut session = Session::new(graph.clone(), device.clone()).unwrap();
            let mut trajectories = [(); 3].map(|_| Vec::new());
            for step in 0..case["steps"].as_u64().unwrap() {
                let mut values = block_on(session.run(&[optimizer.step_input(step)])).unwrap();
                trajectories[0].push(values.remove(0).into());
                let weights = block_on(session.variables().read(&WEIGHTS)).unwrap();
                trajectories[1..].iter_mut().zip(weights).for_each(|(trajectory, weight)| trajectory.push(weight));
            }
            for (trajectory, name) in trajectories.iter().zip(["loss", "kernel", "bias"]) {
                let what = format!("{} {name} on {}", id(case), device.name());
                failures.extend(golden.compare(&what, &stack(trajectory), &case[name], *slack).err());
            }
        }
    }
    report(failures, golden.cases.len(), 26);
}

#[test]
fn learning_rates_agree_with_keras() {
    let golden = golden();
    for case in &golden.cases {
        let optimizer = optimizer(case);
        for (step, want) in case["learning_rates"].as_array().unwrap().iter().enumerate() {
            // Keras computes them in single precision.
            let (got, want) = (optimizer.learning_rate_at(step as u64), want.as_f64().unwrap());
            assert!((got - want).abs() <= 1e-6 * want + 1e-9, "{} step {step}: {got} instead of {want}", id(case));
        }
    }
}
