//! Training: losses, optimizers, metrics, and whole runs of a compiled model.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::set::{Check, Outcome, Set};
use super::{Backend, block_on, network};
use crate::autodiff;
use crate::error::{Error, Result};
use crate::graph::{Graph, ValueId};
use crate::layers::Regularizer;
use crate::ops::{Binary, BinaryKind, MatMul, Op, Reduce, ReduceKind, Reshape, ReshapeDim, Softmax, Unary};
use crate::session::Session;
use crate::tensor::{Tensor, TensorType};
use crate::train::constraints::penalty;
use crate::train::losses::{Loss, Reduction};
use crate::train::metrics::Metric;
use crate::train::optimizers::{Optimizer, Parameter};
use crate::train::{Batch, Compile, Trainer};

fn op(case: &Json) -> Result<&str> {
    case["op"].as_str().ok_or_else(|| Error::invalid("a case without an op"))
}

/// An input of the tensor's type with an open batch.
fn declare(graph: &mut Graph, name: &str, tensor: &Tensor) -> ValueId {
    let dims = tensor.shape().iter().enumerate().map(|(i, &d)| (i > 0).then_some(d)).collect::<Vec<_>>();
    graph.input(name, tensor.dtype(), dims)
}

/// Appends the gradient of a loss by a value, of the sum if the loss is not reduced.
fn gradient(graph: &mut Graph, inputs: &[Tensor], loss: ValueId, by: ValueId) -> Result<ValueId> {
    let types: Vec<TensorType> = inputs.iter().map(Tensor::kind).collect();
    let kind = graph.infer(&types)?[loss].clone();
    let ones = Tensor::f32(kind.shape.clone(), vec![1.0; kind.shape.elements()])?;
    let ones = graph.constant("ones", ones);
    let found = autodiff::pull_back(graph, &types, &[(loss, ones)], &[by])?[0];
    found.ok_or_else(|| Error::invalid("the loss does not depend on the predictions"))
}

/// Compares results with the case's entries of these names; those that end in `grad` are gradients.
fn compare_all(
    set: &Set,
    case: &Json,
    backend: &Backend,
    names: &[&str],
    results: &[Tensor],
    outcome: &mut Outcome,
) -> Result<()> {
    for (name, got) in names.iter().zip(results) {
        let check = if name.ends_with("grad") { Check::Gradient } else { Check::Forward };
        outcome.compare(check, set, backend, name, got, &case[*name])?;
    }
    Ok(())
}

pub(super) fn run_loss(set: &Set, case: &Json, backend: &Backend, outcome: &mut Outcome) -> Result<()> {
    let loss = Loss::from_config(op(case)?, &case["config"])?;
    let names = ["y_true", "y_pred", "sample_weight"].into_iter().filter(|name| case[*name].is_object());
    let mut graph = Graph::new();
    let (mut inputs, mut values) = (Vec::new(), Vec::new());
    for name in names {
        let tensor = set.tensor(&case[name])?.clone();
        values.push(declare(&mut graph, name, &tensor));
        inputs.push(tensor);
    }
    let value = loss.build(&mut graph, values[0], values[1], values.get(2).copied())?;
    let each = Loss { reduction: Reduction::None, ..loss };
    let each = each.build(&mut graph, values[0], values[1], None)?;
    let slope = gradient(&mut graph, &inputs, value, values[1])?;
    let names = ["value", "per_sample", "pred_grad"];
    for (name, value) in names.iter().zip([value, each, slope]) {
        graph.output(*name, value);
    }
    compare_all(set, case, backend, &names, &backend.run(&graph, &inputs)?, outcome)
}

pub(super) fn run_loss_in_model(set: &Set, case: &Json, backend: &Backend, outcome: &mut Outcome) -> Result<()> {
    let (logits, labels) = (set.tensor(&case["logits"])?.clone(), set.tensor(&case["y_true"])?.clone());
    let mut graph = Graph::new();
    let z = declare(&mut graph, "logits", &logits);
    let mut y = match case["activation"].as_str() {
        Some("sigmoid") => graph.add("sigmoid", Unary::Sigmoid, &[z])?,
        _ => graph.add("softmax", Softmax { axis: -1 }, &[z])?,
    };
    if case["tail"] == json!("reshape") {
        let rest = logits.shape()[1..].iter().map(|&d| ReshapeDim::Size(d));
        let dims = std::iter::once(ReshapeDim::Infer).chain(rest).collect();
        y = graph.add("reshape", Reshape { dims }, &[y])?;
    }
    let target = declare(&mut graph, "labels", &labels);
    let value = Loss::from_config(op(case)?, &Json::Null)?.build(&mut graph, target, y, None)?;
    let inputs = [logits, labels];
    let slope = gradient(&mut graph, &inputs, value, z)?;
    graph.output("value", value);
    graph.output("gradient", slope);
    compare_all(set, case, backend, &["value", "logits_grad"], &backend.run(&graph, &inputs)?, outcome)
}

/// Metrics run on the host, the same whatever the backend.
pub(super) fn run_metric(set: &Set, case: &Json, backend: &Backend, outcome: &mut Outcome) -> Result<()> {
    let mut metric = Metric::from_config(op(case)?, &case["config"])?;
    for (i, update) in case["updates"].as_array().into_iter().flatten().enumerate() {
        let weight =
            if update["sample_weight"].is_object() { Some(set.tensor(&update["sample_weight"])?) } else { None };
        metric.update(set.tensor(&update["y_true"])?, set.tensor(&update["y_pred"])?, weight)?;
        outcome.compare(Check::Forward, set, backend, &format!("batch {i}"), &metric.result(), &update["result"])?;
    }
    if case["confusion"].is_object() {
        let counts = metric.confusion().ok_or_else(|| Error::invalid("the metric has no confusion matrix"))?;
        outcome.compare(Check::Forward, set, backend, "the confusion matrix", &counts, &case["confusion"])?;
    }
    Ok(())
}

/// Rows put together.
fn stack(rows: &[Arc<Tensor>]) -> Result<Tensor> {
    let first = rows.first().ok_or_else(|| Error::invalid("no steps"))?;
    let dims: Vec<usize> = [rows.len()].iter().chain(first.shape().iter()).copied().collect();
    let mut values = Vec::new();
    for row in rows {
        values.extend_from_slice(row.as_f32()?);
    }
    Tensor::f32(dims, values)
}

const WEIGHTS: [&str; 2] = ["kernel", "bias"];

/// `mean((tanh(x kernel + bias) - y)^2) + l2 sum(kernel^2)`, differentiated and updated by one graph.
fn problem(set: &Set, case: &Json, optimizer: &Optimizer) -> Result<Graph> {
    let mut graph = Graph::new();
    let x = graph.constant("x", set.tensor(&case["x"])?.clone());
    let y = graph.constant("y", set.tensor(&case["y"])?.clone());
    let kernel = graph.variable("kernel", set.tensor(&case["kernel0"])?.clone());
    let bias = graph.variable("bias", set.tensor(&case["bias0"])?.clone());
    let mut add = |op: Op, inputs: &[ValueId]| graph.add("problem", op, inputs);
    let product = add(MatMul::default().into(), &[x, kernel])?;
    let sum = add(Binary::new(BinaryKind::Add).into(), &[product, bias])?;
    let output = add(Unary::Tanh.into(), &[sum])?;
    let squares = add(Binary::new(BinaryKind::SquaredDifference).into(), &[output, y])?;
    let mut loss = add(Reduce { kind: ReduceKind::Mean, axes: vec![], keep_dims: false }.into(), &[squares])?;
    let regularizer = Regularizer { l1: 0.0, l2: case["l2"].as_f64().unwrap_or(0.0) as f32 };
    if let Some(penalty) = penalty(&mut graph, &regularizer, kernel)? {
        loss = graph.add("loss", Binary::new(BinaryKind::Add), &[loss, penalty])?;
    }
    let slopes = autodiff::gradients(&mut graph, &[], loss, &[kernel, bias])?;
    let parameters = [kernel, bias].into_iter().zip(slopes).filter_map(|(v, slope)| Some(Parameter::new(v, slope?)));
    optimizer.apply(&mut graph, &parameters.collect::<Vec<_>>())?;
    graph.output("loss", loss);
    Ok(graph)
}

pub(super) fn run_optimizer(set: &Set, case: &Json, backend: &Backend, outcome: &mut Outcome) -> Result<()> {
    let optimizer = Optimizer::from_config(op(case)?, &case["config"])?;
    for (step, want) in case["learning_rates"].as_array().into_iter().flatten().enumerate() {
        let want = want.as_f64().unwrap_or(f64::NAN);
        // Keras computes them in single precision.
        outcome.expect(
            &format!("the learning rate of step {step}"),
            optimizer.learning_rate_at(step as u64),
            want,
            1e-6 * want + 1e-9,
        );
    }
    let graph = problem(set, case, &optimizer)?;
    let mut state = crate::reference::initial(&graph);
    let mut session = match backend {
        Backend::Reference | Backend::Optimized => None,
        Backend::Device(device) => Some(Session::new(graph.clone(), device.clone())?),
    };
    let mut trajectories: [Vec<Arc<Tensor>>; 3] = Default::default();
    for step in 0..case["steps"].as_u64().unwrap_or(0) {
        let input = [optimizer.step_input(step)];
        let (mut outputs, weights) = match &mut session {
            None => (crate::reference::run_with(&graph, &input, &mut state)?, state[..2].to_vec()),
            Some(session) => (block_on(session.run(&input))?, block_on(session.variables().read(&WEIGHTS))?),
        };
        trajectories[0].push(outputs.swap_remove(0).into());
        trajectories[1..].iter_mut().zip(weights).for_each(|(trajectory, weight)| trajectory.push(weight));
    }
    for (trajectory, name) in trajectories.iter().zip(["loss", "kernel", "bias"]) {
        outcome.compare(Check::Forward, set, backend, name, &stack(trajectory)?, &case[name])?;
    }
    Ok(())
}

/// Fit-like runs of a compiled model, layers frozen and thawed between the phases.
pub(super) fn run_training(set: &Set, case: &Json, backend: &Backend, outcome: &mut Outcome) -> Result<()> {
    let Backend::Device(device) = backend else {
        outcome.skipped = Some("a model is trained on a device".into());
        return Ok(());
    };
    let mut model = network::model(&case["graph"], &case["graph_outputs"], outcome)?;
    for (name, entry) in case["weights"].as_object().into_iter().flatten() {
        model.set_weight(name, set.tensor(entry)?.clone())?;
    }
    let x = set.tensor(&case["x"])?.clone();
    let y = set.list(&case["y"])?;
    let batches = x.shape().first().copied().unwrap_or(0);
    let mut trainer: Option<Trainer> = None;
    let mut losses: Vec<f32> = Vec::new();
    let mut step = 0;
    let layers: Vec<String> = model.layer_names().map(str::to_string).collect();
    let mut held = Some(model);
    for (number, phase) in case["phases"].as_array().into_iter().flatten().enumerate() {
        let optimizer = &phase["optimizer"];
        let arguments = json!({
            "optimizer": {"class_name": optimizer["class"], "config": optimizer["config"]},
            "loss": case["loss"],
            "loss_weights": case["loss_weights"],
        });
        let current = match (trainer.take(), held.take()) {
            (Some(mut trainer), _) => {
                let compile = Compile::from_json(&arguments, trainer.model())?;
                trainer.recompile(compile);
                trainer
            }
            (None, Some(model)) => {
                let compile = Compile::from_json(&arguments, &model)?;
                Trainer::new(model, compile, device.clone())?
            }
            (None, None) => return Err(Error::invalid("no model")),
        };
        let current = trainer.insert(current);
        let frozen = |name: &str| {
            let prefixes = phase["freeze"].as_array().into_iter().flatten().filter_map(Json::as_str);
            prefixes.into_iter().any(|prefix| name.starts_with(prefix))
        };
        for name in &layers {
            current.set_trainable(name, !frozen(name))?;
        }
        for _ in 0..phase["steps"].as_u64().unwrap_or(0) {
            let at = step % batches.max(1);
            let labels = y.iter().map(|y| slice(y, at).map(Some)).collect::<Result<_>>()?;
            let batch = Batch { x: vec![slice(&x, at)?], y: labels, sample_weights: Vec::new() };
            current.reset_logs();
            let logs = block_on(current.train_on_batch(&batch, true))?.unwrap_or_default();
            for (_, value) in logs {
                losses.push(value.as_f32()?[0]);
            }
            step += 1;
            if step == 1 {
                weights(set, &case["after_step_1"], backend, current, "after step 1", outcome)?;
            }
        }
        let after = &case["after_phase"][number];
        weights(set, after, backend, current, &format!("after phase {}", number + 1), outcome)?;
    }
    let columns = case["loss_columns"].as_array().map_or(1, Vec::len);
    let got = Tensor::f32([losses.len() / columns.max(1), columns], losses)?;
    outcome.compare(Check::Forward, set, backend, "losses", &got, &case["losses"])?;
    if let Some(mut trainer) = trainer {
        let results = block_on(trainer.predict(&[slice(&x, 0)?]))?;
        let entries = case["predictions"].as_array().cloned().unwrap_or_else(|| vec![case["predictions"].clone()]);
        for (got, entry) in results.iter().zip(&entries) {
            outcome.compare(Check::Forward, set, backend, "predictions", got, entry)?;
        }
    }
    Ok(())
}

/// Compares the weights that a device holds with the case's entries by name.
fn weights(
    set: &Set,
    entries: &Json,
    backend: &Backend,
    trainer: &mut Trainer,
    when: &str,
    outcome: &mut Outcome,
) -> Result<()> {
    block_on(trainer.sync())?;
    for (name, entry) in entries.as_object().into_iter().flatten() {
        let got = trainer.model().weight(name)?;
        outcome.compare(Check::Forward, set, backend, &format!("{name} {when}"), &got, entry)?;
    }
    Ok(())
}

/// Entry `i` along the first axis.
fn slice(tensor: &Tensor, i: usize) -> Result<Tensor> {
    let rest = &tensor.shape()[1..];
    let n: usize = rest.iter().product();
    let range = i * n..(i + 1) * n;
    let data = match tensor.data() {
        crate::Data::F32(v) => crate::Data::F32(v[range].to_vec()),
        crate::Data::I32(v) => crate::Data::I32(v[range].to_vec()),
        crate::Data::U8(v) => crate::Data::U8(v[range].to_vec()),
    };
    Tensor::new(rest, data)
}
