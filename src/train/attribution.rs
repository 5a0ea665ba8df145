//! What a score rests on: its gradient by a layer's output, from which class activation maps are made (Selvaraju et al. 2017).

use crate::autodiff::pull_back;
use crate::error::{Error, Result};
use crate::graph::{Graph, Output};
use crate::layers::{Mode, Model};
use crate::ops::Op;
use crate::tensor::{Tensor, TensorType};

/// A graph with three outputs: what `layer` (`outer/inner` in nested models; its last call) gives, the gradient of the score of
/// `class` by that, and the model's first output. The score is the sum over all places and samples, before a softmax at the
/// end: there it tells what speaks for the class and not what speaks against the others.
///
/// `inputs` are the types of the model's inputs. Errors: no such layer or class; a layer that the output does not depend on.
pub fn attribution(model: &Model, layer: &str, class: usize, inputs: &[TensorType]) -> Result<Graph> {
    let mut graph = model.lowered(Mode::Inference, false)?.graph;
    let within = |name: &str| name.strip_prefix(layer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let last = graph.nodes().iter().rev().find(|node| within(&node.name)).and_then(|node| node.outputs.first());
    let activation = *last.ok_or_else(|| {
        Error::invalid(
            "there is no such layer, or it passes its input on: choose another, the last convolution for one",
        )
        .at(layer)
    })?;
    let output = graph.outputs().first().map(|output| output.value);
    let output = output.ok_or_else(|| Error::invalid("the model has no output"))?;
    let maker = graph.nodes().iter().find(|node| node.outputs.contains(&output));
    let score = maker.filter(|node| matches!(node.op, Op::Softmax(_))).map_or(output, |node| node.inputs[0]);
    let types = graph.infer(inputs)?;
    let kind = &types[score];
    let classes = kind.shape.last().copied().unwrap_or(0);
    if class >= classes {
        return Err(Error::mismatch("the output has no such class", format!("below {classes}"), class));
    }
    let one = |i: usize| if i % classes == class { 1.0 } else { 0.0 };
    let upstream = Tensor::f32(kind.shape.clone(), (0..kind.shape.elements()).map(one).collect::<Vec<f32>>())?;
    let upstream = graph.constant("the score", upstream);
    let gradient = pull_back(&mut graph, inputs, &[(score, upstream)], &[activation])?.pop().flatten();
    let gradient = gradient.ok_or_else(|| Error::invalid("the output does not depend on this layer").at(layer))?;
    let outputs = [("activation", activation), ("gradient", gradient), ("output", output)];
    graph.set_outputs(outputs.map(|(name, value)| Output { name: name.to_string(), value }).to_vec());
    Ok(graph)
}
