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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{ModelBuilder, from_config};
    use crate::reference;
    use crate::tensor::DType;

    #[test]
    fn behind_a_dense_layer_the_gradient_is_its_weights() {
        let mut net = ModelBuilder::new("net").seed(5);
        let mut x = vec![net.input_of("x", DType::F32, &[None, Some(1), Some(2), Some(3)]).unwrap()];
        let chain = [
            ("maps", "Conv2D", serde_json::json!({"filters": 2, "kernel_size": 1})),
            ("drop", "Dropout", serde_json::json!({"rate": 0.5})),
            ("flat", "Flatten", serde_json::json!({})),
            ("out", "Dense", serde_json::json!({"units": 3, "activation": "softmax"})),
        ];
        for (name, class, config) in chain {
            x = net.apply(name, from_config(class, config.as_object().unwrap(), false).unwrap(), &x).unwrap();
        }
        let model = net.build(&x).unwrap();
        let picture = Tensor::f32([1, 1, 2, 3], vec![0.1, -0.4, 0.7, 1.0, 0.3, -0.2]).unwrap();
        let types = [picture.kind()];
        let found = reference::run(&attribution(&model, "maps", 2, &types).unwrap(), &[picture]).unwrap();
        let kernel = model.weight("out/kernel").unwrap();
        let column: Vec<f32> = kernel.as_f32().unwrap().iter().skip(2).step_by(3).copied().collect();
        assert_eq!(found[1].shape()[..], [1, 1, 2, 2]);
        let gradient = found[1].as_f32().unwrap();
        assert!(gradient.iter().zip(&column).all(|(a, b)| (a - b).abs() < 1e-6), "{gradient:?}, expected {column:?}");
        assert!((found[2].as_f32().unwrap().iter().sum::<f32>() - 1.0).abs() < 1e-6, "the output is that of the model");
        for (layer, class) in [("map", 0), ("drop", 0), ("x", 0), ("maps", 3)] {
            assert!(attribution(&model, layer, class, &types).is_err(), "{layer}, {class}");
        }
    }
}
