//! The graph of a training step: forward, losses, gradients, updates; and that of an evaluation.

use super::compile::{Compile, of_logits};
use crate::autodiff;
use crate::error::{Error, Result};
use crate::graph::{Graph, Output, ValueId};
use crate::layers::{Lowered, Mode, Model};
use crate::ops::{Op, Unary};
use crate::tensor::{DType, TensorType};
use crate::train::constraints::penalty;
use crate::train::expr::{Expr, Operand};
use crate::train::losses::{Loss, LossFunction, Reduction};
use crate::train::optimizers::Parameter;

/// Types of a batch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct BatchTypes {
    pub x: Vec<TensorType>,
    /// Labels, one for each output with a loss or metrics.
    pub y: Vec<Option<TensorType>>,
    pub weights: Vec<Option<TensorType>>,
}

impl BatchTypes {
    /// In the order of the graph's inputs, without the optimizer's.
    pub fn flat(&self) -> Vec<TensorType> {
        let given = |list: &[Option<TensorType>]| list.iter().flatten().cloned().collect::<Vec<_>>();
        [self.x.clone(), given(&self.y), given(&self.weights)].concat()
    }
}

/// A graph over the model's variables. Outputs: the whole loss, each output's own, then the predictions that metrics
/// want.
pub(super) struct StepGraph {
    pub graph: Graph,
    /// Number of loss outputs, the sum first.
    pub losses: usize,
    /// Which model output each prediction is of.
    pub predictions: Vec<usize>,
}

pub(super) fn build(model: &Model, compile: &Compile, types: &BatchTypes, mode: Mode) -> Result<StepGraph> {
    let mut lowered = model.lowered(mode, true)?;
    let declared = lowered.graph.inputs().iter().map(|i| i.dims.clone()).collect::<Vec<_>>();
    for (i, (dims, kind)) in declared.iter().zip(&types.x).enumerate() {
        let fits = dims.len() == kind.shape.rank()
            && dims.iter().zip(kind.shape.iter()).all(|(d, n)| d.is_none_or(|d| d == *n));
        if !fits {
            let name = model.inputs()[i].0.to_string();
            let wanted = crate::graph::Dims(dims.clone());
            return Err(Error::mismatch("the batch does not fit the model's input", wanted, &kind.shape).at(name));
        }
    }
    let kinds = lowered.graph.infer(&types.x)?;
    let predictions: Vec<TensorType> = lowered.outputs.iter().map(|v| kinds[*v].clone()).collect();
    let graph = &mut lowered.graph;
    let open = |kind: &TensorType| kind.shape.iter().copied().map(Some).collect::<Vec<_>>();
    let mut declare = |prefix: &str, list: &[Option<TensorType>]| -> Vec<Option<Operand>> {
        let one = |(i, kind): (usize, &Option<TensorType>)| {
            let kind = kind.as_ref()?;
            let value = graph.input(format!("{prefix}{i}"), kind.dtype, open(kind));
            Some(Operand { value, dtype: kind.dtype, dims: open(kind) })
        };
        list.iter().enumerate().map(one).collect()
    };
    let labels = declare("y", &types.y);
    let weights = declare("sample_weight", &types.weights);

    let mut own = Vec::new();
    let mut total: Option<ValueId> = None;
    let mut add = |graph: &mut Graph, term: ValueId| -> Result<()> {
        total = Some(match total {
            None => term,
            Some(sum) => Expr::new(graph, "loss").add(sum, term)?,
        });
        Ok(())
    };
    for (i, target) in compile.targets.iter().enumerate() {
        let Some(named) = &target.loss else { continue };
        let name = model.outputs()[i].0.to_string();
        let label = labels.get(i).and_then(Option::as_ref);
        let label = label
            .ok_or_else(|| Error::invalid("the output has a loss, but the batch has no labels for it").at(&name))?;
        let value = lowered.outputs[i];
        let prediction = Operand { value, dtype: predictions[i].dtype, dims: open(&predictions[i]) };
        let loss = named.loss(&label.dims, &prediction.dims).map_err(|e| e.at(&name))?;
        let (loss, prediction) = before_activation(graph, loss, prediction);
        check(&loss, label, &prediction).map_err(|e| e.at(&name))?;
        let weight = weights.get(i).and_then(Option::as_ref);
        let value = loss.build_typed(graph, label, &prediction, weight).map_err(|e| e.at(&name))?;
        own.push(value);
        let weighted =
            if target.weight == 1.0 { value } else { Expr::new(graph, "loss").scale(value, target.weight)? };
        add(graph, weighted)?;
    }
    for (weight, value) in model.weights().iter().zip(&lowered.weights) {
        if let (Some(regularizer), Some(value), true) = (weight.regularizer(), value, model.is_trainable(weight))
            && let Some(term) = penalty(graph, &regularizer, *value).map_err(|e| e.at(&weight.name))?
        {
            add(graph, term)?;
        }
    }
    for (regularizer, value) in &lowered.activities {
        if let Some(term) = penalty(graph, regularizer, *value)? {
            add(graph, term)?;
        }
    }
    let total = total.ok_or_else(|| Error::invalid("no output has a loss"))?;
    if mode == Mode::Training {
        update(model, compile, types, &mut lowered, total)?;
    }
    let wants = |i: &usize| {
        let target = &compile.targets[*i];
        !(target.metrics.is_empty() && target.weighted_metrics.is_empty())
    };
    let wanted: Vec<usize> = (0..compile.targets.len()).filter(wants).collect();
    let losses: Vec<ValueId> = [&[total], &own[..]].concat();
    let values = losses.iter().copied().chain(wanted.iter().map(|&i| lowered.outputs[i]));
    let outputs = values.map(|value| Output { name: String::new(), value }).collect();
    lowered.graph.set_outputs(outputs);
    Ok(StepGraph { graph: lowered.graph, losses: losses.len(), predictions: wanted })
}

/// Adds gradients, the optimizer's updates and those of moving statistics.
fn update(model: &Model, compile: &Compile, types: &BatchTypes, lowered: &mut Lowered, loss: ValueId) -> Result<()> {
    let trained: Vec<(ValueId, &crate::layers::Weight)> = model
        .weights()
        .iter()
        .zip(&lowered.weights)
        .filter(|(weight, _)| model.is_trainable(weight))
        .filter_map(|(weight, value)| Some(((*value)?, weight)))
        .collect();
    let values: Vec<ValueId> = trained.iter().map(|(value, _)| *value).collect();
    let gradients = autodiff::gradients(&mut lowered.graph, &types.flat(), loss, &values)?;
    let parameter = |((variable, weight), gradient): (&(ValueId, &crate::layers::Weight), Option<ValueId>)| {
        Some(Parameter { constraint: weight.constraint().cloned(), ..Parameter::new(*variable, gradient?) })
    };
    let parameters: Vec<Parameter> = trained.iter().zip(gradients).filter_map(parameter).collect();
    // 0, or NaN if the loss is not finite: then nothing is updated.
    let broken = Expr::new(&mut lowered.graph, "loss").scale(loss, 0.0)?;
    if !parameters.is_empty() {
        compile.optimizer.apply_with(&mut lowered.graph, &parameters, Some(broken))?;
    }
    for (weight, value) in &lowered.updates {
        if let Some(variable) = lowered.weights[*weight] {
            lowered.graph.assign(variable, *value)?;
        }
    }
    guard(&mut lowered.graph, broken)
}

/// Leaves all variables as they were if the loss is not finite. Updates that are one op see to it themselves.
fn guard(graph: &mut Graph, broken: ValueId) -> Result<()> {
    for variable in graph.variables().to_vec() {
        let Some(new) = variable.update else { continue };
        if graph.producer(new).is_some_and(|(_, node)| matches!(node.op, Op::OptimizerStep(_))) {
            continue;
        }
        let shape = variable.initial.shape().clone();
        let value = Expr::new(graph, "loss").unless(broken, variable.value, new, &shape)?;
        graph.reassign(variable.value, value)?;
    }
    Ok(())
}

/// A loss of probabilities that a softmax or sigmoid just made is taken from what that was made of (Keras does the same
/// in a compiled model): nothing saturates.
fn before_activation(graph: &Graph, loss: Loss, prediction: Operand) -> (Loss, Operand) {
    let Some((_, node)) = graph.producer(prediction.value) else { return (loss, prediction) };
    let sigmoid = match &node.op {
        Op::Softmax(softmax) if softmax.axis == -1 => false,
        Op::Unary(Unary::Sigmoid) => true,
        _ => return (loss, prediction),
    };
    match of_logits(&loss, sigmoid) {
        Some(loss) => (loss, Operand { value: node.inputs[0], ..prediction }),
        None => (loss, prediction),
    }
}

/// What is wrong with labels for a loss, in words.
fn check(loss: &Loss, label: &Operand, prediction: &Operand) -> Result<()> {
    if loss.reduction == Reduction::None {
        return Err(Error::invalid("a loss without reduction cannot be trained"));
    }
    if matches!(loss.function, LossFunction::SparseCategoricalCrossentropy { .. }) {
        let (have, want) = (label.rank(), prediction.rank());
        if have + 1 != want && !(have == want && label.last() == Some(1)) {
            return Err(Error::mismatch(
                "sparse labels are class indices, one for each row of predictions",
                format!("{} dimensions", want - 1),
                crate::graph::Dims(label.dims.clone()),
            ));
        }
    } else if label.dtype != DType::F32 && label.rank() + 1 == prediction.rank() && prediction.last() != Some(1) {
        return Err(Error::mismatch(
            "the labels lack the predictions' last dimension; class indices need a sparse loss",
            crate::graph::Dims(prediction.dims.clone()),
            crate::graph::Dims(label.dims.clone()),
        ));
    }
    Ok(())
}
