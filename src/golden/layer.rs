//! Single layers: built from Keras' class and configuration, run, compared.

use serde_json::{Map, Value as Json, json};

use super::set::{Check, Outcome, Set};
use super::{Backend, gradient};
use crate::error::{Error, Result};
use crate::layers::{self, Layer, Mode, Model, ModelBuilder};
use crate::tensor::Tensor;

/// What a case calls weights, and what the layer does.
pub(super) type Roles = &'static [(&'static str, &'static str)];

/// TensorFlow functions that are a layer here: its class, the roles of its weights, and names of arguments that differ.
fn function(op: &str) -> Option<(&'static str, Roles)> {
    Some(match op {
        "tf.nn.conv2d" => ("Conv2D", &[("filters", "kernel")]),
        "tf.nn.depthwise_conv2d" => ("DepthwiseConv2D", &[("filter", "kernel")]),
        "tf.image.resize" => ("Resize", &[]),
        _ => return None,
    })
}

/// The layer of a case, and what the case calls its weights.
pub(super) fn layer(op: &str, config: &Json) -> Result<(Box<dyn Layer>, Roles)> {
    let empty = Map::new();
    let mut config = config.as_object().unwrap_or(&empty).clone();
    let (class, roles) = match function(op) {
        None => (op, &[][..]),
        Some((class, roles)) => {
            if op.starts_with("tf.nn.") {
                config.insert("use_bias".into(), false.into());
                for (theirs, ours) in [("channel_multiplier", "depth_multiplier"), ("dilations", "dilation_rate")] {
                    if let Some(value) = config.remove(theirs) {
                        config.insert(ours.into(), value);
                    }
                }
            }
            (class, roles)
        }
    };
    Ok((layers::from_config(class, &config, false)?, roles))
}

/// A model of this one layer for inputs of these shapes, the batch left open; with explicit padding in front of it where
/// a TensorFlow function has it.
pub(super) fn model(op: &str, config: &Json, inputs: &[Tensor]) -> Result<Model> {
    let mut net = ModelBuilder::new("case");
    let mut config = config.clone();
    let padding = config["padding"].as_array().filter(|_| op == "tf.nn.conv2d").cloned();
    let mut tensors = Vec::new();
    for (i, input) in inputs.iter().enumerate() {
        let dims: Vec<Option<usize>> = input.shape().iter().enumerate().map(|(a, &n)| (a > 0).then_some(n)).collect();
        tensors.push(net.input_of(&format!("in{i}"), input.dtype(), &dims)?);
    }
    if let Some(padding) = padding {
        config["padding"] = "valid".into();
        let pad = layers::from_config(
            "ZeroPadding2D",
            json!({"padding": padding}).as_object().unwrap_or(&Map::new()),
            false,
        )?;
        tensors = net.apply("pad", pad, &tensors)?;
    }
    let outputs = net.apply("layer", layer(op, &config)?.0, &tensors)?;
    let mut model = net.build(&outputs)?;
    if config["trainable"].as_bool() == Some(false) {
        model.set_trainable("layer", false)?;
    }
    Ok(model)
}

pub(super) fn run(set: &Set, case: &Json, backend: &Backend, outcome: &mut Outcome) -> Result<()> {
    let op = case["op"].as_str().ok_or_else(|| Error::invalid("a case without an op"))?;
    let inputs = set.list(&case["inputs"])?;
    let mut model = model(op, &case["config"], &inputs)?;
    let roles = function(op).map_or(&[][..], |(_, roles)| roles);
    for (role, entry) in case["weights"].as_object().into_iter().flatten() {
        let ours = roles.iter().find(|(theirs, _)| theirs == role).map_or(role.as_str(), |(_, ours)| ours);
        model.set_weight(&format!("layer/{ours}"), set.tensor(entry)?.clone())?;
    }
    let training = case["training"].as_bool() == Some(true);
    let mode = if training { Mode::Training } else { Mode::Inference };
    let mut lowered = model.lowered(mode, false)?;
    let state: Vec<(String, &Json)> =
        case["state_after"].as_object().into_iter().flatten().map(|(role, entry)| (role.clone(), entry)).collect();
    for (role, _) in &state {
        let position = model.weights().iter().position(|w| w.name == format!("layer/{role}"));
        let position = position.ok_or_else(|| Error::invalid(format!("no weight {role}")))?;
        let updated = lowered.updates.iter().find(|(weight, _)| *weight == position).map(|(_, value)| *value);
        // A frozen layer leaves its state as it is.
        match updated.or(lowered.weights[position]) {
            Some(value) => lowered.graph.output(role.clone(), value),
            None => outcome.fail(format!("{role} is not in the graph")),
        }
    }
    let results = backend.run(&lowered.graph, &inputs)?;
    let wanted = case["outputs"].as_array().into_iter().flatten();
    for (i, (got, entry)) in results.iter().zip(wanted).enumerate() {
        outcome.compare(Check::Forward, set, backend, &format!("output {i}"), got, entry)?;
    }
    let states = results.iter().skip(lowered.outputs.len());
    for (got, (role, entry)) in states.zip(&state) {
        outcome.compare(Check::Forward, set, backend, role, got, entry)?;
    }
    gradient::run(set, case, backend, &model, mode, &inputs, roles, outcome)
}
