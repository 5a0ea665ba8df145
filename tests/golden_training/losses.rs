//! Losses: the value, the unreduced values, the gradient, and the loss of a network that ends in softmax or sigmoid.

use serde_json::Value as Json;
use striate::autodiff::pull_back;
use striate::graph::{Graph, ValueId};
use striate::ops::{Reshape, Softmax, Unary};
use striate::session::{Device, Session};
use striate::train::losses::{Loss, Reduction};
use striate::{DType, Tensor};

use crate::support::{Golden, devices, id, report};

fn golden() -> Golden {
    Golden::load(&["loss", "loss_in_model"], &["losses.safetensors"])
}

/// An input of the tensor's type with an unknown batch.
fn declare(graph: &mut Graph, name: &str, tensor: &Tensor) -> ValueId {
    let dims = tensor.shape().iter().enumerate().map(|(i, &d)| (i > 0).then_some(d)).collect::<Vec<_>>();
    graph.input(name, tensor.dtype(), dims)
}

/// The results on the reference and on every device, with the slack of the tolerances there.
fn run(devices: &[(Device, f64)], graph: &Graph, inputs: &[Tensor]) -> Vec<(&'static str, f64, Vec<Tensor>)> {
    let mut results = vec![("reference", 1.0, striate::reference::run(graph, inputs).unwrap())];
    for (device, slack) in devices {
        let mut session = Session::new(graph.clone(), device.clone()).unwrap();
        results.push((device.name(), *slack, pollster::block_on(session.run(inputs)).unwrap()));
    }
    results
}

/// Appends the gradient of a loss by a value, of the sum if it is not reduced.
fn gradient(graph: &mut Graph, inputs: &[Tensor], loss: ValueId, by: ValueId) -> ValueId {
    let types: Vec<_> = inputs.iter().map(Tensor::kind).collect();
    let kind = graph.infer(&types).unwrap()[loss].clone();
    let ones = Tensor::f32(kind.shape.clone(), vec![1.0; kind.shape.elements()]).unwrap();
    let ones = graph.constant("ones", ones);
    pull_back(graph, &types, &[(loss, ones)], &[by]).unwrap()[0].unwrap()
}

#[test]
fn losses_agree_with_keras() {
    let (golden, devices) = (golden(), devices());
    let (mut failures, mut checked) = (Vec::new(), 0);
    for case in golden.cases.iter().filter(|c| c["family"] == "loss") {
        checked += 1;
        let loss = Loss::from_config(case["op"].as_str().unwrap(), &case["config"]).unwrap();
        let mut tensors = vec![golden.tensor(&case["y_true"]).clone(), golden.tensor(&case["y_pred"]).clone()];
        if case["sample_weight"].is_object() {
            tensors.push(golden.tensor(&case["sample_weight"]).clone());
        }
        let mut graph = Graph::new();
        let names = ["y_true", "y_pred", "sample_weight"];
        let values: Vec<_> = tensors.iter().zip(names).map(|(t, name)| declare(&mut graph, name, t)).collect();
        let value = loss.build(&mut graph, values[0], values[1], values.get(2).copied()).unwrap();
        let each = Loss { reduction: Reduction::None, ..loss };
        let each = each.build(&mut graph, values[0], values[1], None).unwrap();
        let slope = gradient(&mut graph, &tensors, value, values[1]);
        graph.output("value", value);
        graph.output("each", each);
        graph.output("gradient", slope);
        for (backend, slack, outputs) in run(&devices, &graph, &tensors) {
            for (what, got) in ["value", "per_sample", "pred_grad"].iter().zip(&outputs) {
                let what_of = format!("{} {what} on the {backend}", id(case));
                failures.extend(golden.compare(&what_of, got, &case[*what], slack).err());
            }
        }
    }
    report(failures, checked, 30);
}

/// The activation that a network of the family `loss_in_model` ends with.
fn network(case: &Json, logits: &Tensor) -> (Graph, ValueId, ValueId) {
    let mut graph = Graph::new();
    let z = declare(&mut graph, "logits", logits);
    let mut y = match case["activation"].as_str().unwrap() {
        "sigmoid" => graph.add("sigmoid", Unary::Sigmoid, &[z]),
        _ => graph.add("softmax", Softmax { axis: -1 }, &[z]),
    }
    .unwrap();
    if case["tail"] == "reshape" {
        let dims: Vec<_> = [usize::MAX].iter().chain(&logits.shape()[1..]).copied().collect();
        let mut reshape = Reshape::to(&dims);
        reshape.dims[0] = striate::ops::ReshapeDim::Infer;
        y = graph.add("reshape", reshape, &[y]).unwrap();
    }
    (graph, z, y)
}

#[test]
fn a_network_that_ends_in_softmax_or_sigmoid_takes_its_loss_from_the_logits() {
    let (golden, devices) = (golden(), devices());
    let (mut failures, mut checked) = (Vec::new(), 0);
    for case in golden.cases.iter().filter(|c| c["family"] == "loss_in_model") {
        checked += 1;
        let [logits, labels] = ["logits", "y_true"].map(|key| golden.tensor(&case[key]).clone());
        let (mut graph, z, y) = network(case, &logits);
        let labels_in = declare(&mut graph, "labels", &labels);
        let loss = Loss::from_config(case["op"].as_str().unwrap(), &Json::Null).unwrap();
        let value = loss.build(&mut graph, labels_in, y, None).unwrap();
        let inputs = [logits, labels];
        let slope = gradient(&mut graph, &inputs, value, z);
        graph.output("value", value);
        graph.output("gradient", slope);
        for (backend, slack, outputs) in run(&devices, &graph, &inputs) {
            for (what, got) in ["value", "logits_grad"].iter().zip(&outputs) {
                let what_of = format!("{} {what} on the {backend}", id(case));
                failures.extend(golden.compare(&what_of, got, &case[*what], slack).err());
            }
        }
    }
    report(failures, checked, 5);
}

#[test]
fn a_fused_sigmoid_gives_its_logits_too() {
    use striate::ops::{Binary, BinaryKind};
    let (z, y) = (Tensor::f32([2, 1], vec![-40.0, 30.0]).unwrap(), Tensor::f32([2, 1], vec![1.0, 0.0]).unwrap());
    let mut graph = Graph::new();
    let a = graph.input("z", DType::F32, vec![None, Some(1)]);
    let fused = Binary { kind: BinaryKind::Add, activation: Some(Unary::Sigmoid) };
    let p = graph.add("p", fused, &[a, a]).unwrap();
    let labels = graph.input("y", DType::F32, vec![None, Some(1)]);
    let loss = Loss::from_config("binary_crossentropy", &Json::Null).unwrap();
    let value = loss.build(&mut graph, labels, p, None).unwrap();
    graph.output("value", value);
    // softplus(80) and softplus(60), nothing clipped at 16.
    let got = striate::reference::run(&graph, &[z, y]).unwrap();
    assert_eq!(got[0].as_f32().unwrap(), [70.0]);
}

#[test]
fn what_makes_no_loss_is_refused() {
    let config = |name: &str, text: &str| Loss::from_config(name, &serde_json::from_str(text).unwrap());
    assert!(config("mse", "{}").is_ok() && config("sparse_categorical_crossentropy", "null").is_ok());
    for (name, text) in [
        ("median", "{}"),
        ("mse", r#"{"delta": 1}"#),
        ("huber", r#"{"delta": "wide"}"#),
        ("mse", r#"{"reduction": "product"}"#),
        ("SparseCategoricalCrossentropy", r#"{"axis": 1}"#),
    ] {
        assert!(config(name, text).is_err(), "{name} {text}");
    }
    let mut graph = Graph::new();
    let labels = graph.input("labels", DType::I32, vec![None, None]);
    let scores = graph.input("scores", DType::F32, vec![None, Some(3)]);
    let loss = config("sparse_categorical_crossentropy", "{}").unwrap();
    assert!(loss.build(&mut graph, labels, scores, None).is_err(), "a matrix of labels for a matrix of scores");
}
