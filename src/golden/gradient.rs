//! Gradients of layers and networks for a given upstream gradient.

use serde_json::Value as Json;

use super::Backend;
use super::set::{Check, Outcome, Set};
use crate::autodiff;
use crate::error::{Error, Result};
use crate::graph::{Output, ValueId};
use crate::layers::{Mode, Model};
use crate::tensor::{Tensor, TensorType};

/// Compares the gradients of `sum(outputs * upstream)` by inputs and weights, where the case has them. `roles` renames
/// weights from the case's names to the layer's.
pub(super) fn run(
    set: &Set,
    case: &Json,
    backend: &Backend,
    model: &Model,
    mode: Mode,
    inputs: &[Tensor],
    roles: &[(&str, &str)],
    outcome: &mut Outcome,
) -> Result<()> {
    if !case["upstream"].is_array() {
        return Ok(());
    }
    let mut lowered = model.lowered(mode, true)?;
    let graph = &mut lowered.graph;
    // What is compared: its name, its value, the case's entry.
    let mut wanted: Vec<(String, ValueId, &Json)> = Vec::new();
    for (i, entry) in case["input_grads"].as_array().into_iter().flatten().enumerate().filter(|(_, e)| e.is_object()) {
        wanted.push((format!("gradient of input {i}"), lowered.inputs[i], entry));
    }
    for (name, entry) in case["weight_grads"].as_object().into_iter().flatten().filter(|(_, e)| e.is_object()) {
        let ours = roles.iter().find(|(theirs, _)| theirs == name).map_or(name.as_str(), |(_, ours)| ours);
        let path = if name.contains('/') { ours.to_string() } else { format!("layer/{ours}") };
        let position = model.weights().iter().position(|w| w.name == path);
        let value = position.and_then(|i| lowered.weights[i]);
        let value = value.ok_or_else(|| Error::invalid(format!("no weight {path}")))?;
        wanted.push((format!("gradient of {name}"), value, entry));
    }
    let mut upstream = Vec::new();
    for (&value, tensor) in lowered.outputs.iter().zip(set.list(&case["upstream"])?) {
        upstream.push((value, graph.constant("upstream", tensor)));
    }
    let kinds: Vec<TensorType> = inputs.iter().map(Tensor::kind).collect();
    let values: Vec<ValueId> = wanted.iter().map(|(_, value, _)| *value).collect();
    let gradients = autodiff::pull_back(graph, &kinds, &upstream, &values)?;
    let outputs = gradients.iter().flatten().map(|&value| Output { name: String::new(), value }).collect();
    graph.set_outputs(outputs);
    let mut results = backend.run(graph, inputs)?.into_iter();
    for ((what, _, entry), gradient) in wanted.iter().zip(&gradients) {
        // The outputs do not depend on it: nothing flows back.
        let got = match gradient {
            Some(_) => results.next().ok_or_else(|| Error::invalid("a gradient is missing"))?,
            None => Tensor::zeros(&set.tensor(entry)?.kind()),
        };
        outcome.compare(Check::Gradient, set, backend, what, &got, entry)?;
    }
    Ok(())
}
