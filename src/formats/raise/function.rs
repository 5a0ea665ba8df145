//! Operations that no layer of Keras has, as a `Lambda`.

use std::sync::Arc;

use super::json::Json;
use super::{Raiser, varies};
use crate::error::{Error, Result};
use crate::graph::{Node, ValueId};
use crate::tensor::{DType, Data, Tensor};

/// Constants with more elements than this are weights, trained or not: they are stored as numbers and not as text.
const MAX_LITERAL: usize = 64;

/// A `Lambda` under construction: what it takes, then its steps.
#[derive(Default)]
pub(super) struct Function {
    inputs: Vec<String>,
    steps: Vec<Json>,
    weights: Vec<(Arc<Tensor>, bool)>,
}

impl Function {
    /// Of layers' results: value `i` is the `i`-th of them.
    pub fn of(inputs: Vec<String>) -> Self {
        Function { inputs, ..Function::default() }
    }

    /// Adds a step; what it gives. All inputs must be known by now.
    pub fn step(&mut self, op: &str, operands: &[Json], args: &[(&str, Json)]) -> Json {
        self.steps.push(Json::object(&[
            ("op", op.into()),
            ("inputs", Json::list(operands.iter().cloned())),
            ("args", Json::object(args)),
        ]));
        (self.inputs.len() + self.steps.len() - 1).into()
    }

    /// A weight, as an operand.
    pub fn weight(&mut self, value: Arc<Tensor>, trainable: bool) -> Json {
        self.weights.push((value, trainable));
        Json::object(&[("weight", (self.weights.len() - 1).into())])
    }
}

impl Raiser<'_> {
    /// A function of a node's operands, and these as the steps take them.
    pub(super) fn operands(&mut self, values: &[ValueId]) -> Result<(Function, Vec<Json>)> {
        let graph = self.graph;
        let layers = values.iter().filter(|&&v| varies(graph, v)).map(|&v| self.layer_of(v));
        let mut f = Function::of(layers.collect::<Result<_>>()?);
        let mut place = 0usize;
        let mut operands = Vec::with_capacity(values.len());
        for &value in values {
            operands.push(match self.constant(value).cloned() {
                None => {
                    place += 1;
                    Json::from(place - 1)
                }
                Some(tensor) => self.literal(&mut f, value, &tensor, values)?,
            });
        }
        Ok((f, operands))
    }

    /// A constant as an operand: a number, a few of them, or a weight.
    fn literal(
        &mut self,
        f: &mut Function,
        constant: ValueId,
        tensor: &Arc<Tensor>,
        operands: &[ValueId],
    ) -> Result<Json> {
        let others = || operands.iter().filter(|&&v| v != constant);
        let rank = others().map(|&v| self.shape(v).rank()).max().unwrap_or(0);
        let floats = match tensor.data() {
            Data::F32(_) => Arc::clone(tensor),
            Data::I32(values) => floats(tensor, values.iter().map(|&x| x as f32).collect())?,
            Data::U8(values) => floats(tensor, values.iter().map(|&x| x as f32).collect())?,
        };
        let values = floats.as_f32()?;
        if let ([x], true) = (values, tensor.shape().rank() <= rank) {
            return Ok(Json::object(&[("number", Json::number(*x))]));
        }
        if tensor.dtype() != DType::F32 {
            return Err(Error::unsupported(format!("a constant of {} in a function", tensor.kind())));
        }
        let trained = others().any(|&v| self.learned[v.index()] && self.per_channel(constant, v).is_some());
        if trained || values.len() > MAX_LITERAL {
            return Ok(f.weight(floats, trained));
        }
        let values = Json::list(values.iter().map(|&x| Json::number(x)));
        Ok(Json::object(&[("tensor", values), ("shape", Json::sizes(tensor.shape()))]))
    }

    /// Adds the layer of a function that gives `result`.
    pub(super) fn function(&mut self, name: &str, f: Function, result: Json) -> String {
        let weight = |(i, (tensor, trainable)): (usize, &(Arc<Tensor>, bool))| {
            Json::object(&[
                ("name", weight_name(i).as_str().into()),
                ("shape", Json::sizes(tensor.shape())),
                ("trainable", (*trainable).into()),
            ])
        };
        let mut config =
            vec![("inputs", f.inputs.len().into()), ("steps", Json::list(f.steps)), ("outputs", Json::list([result]))];
        if !f.weights.is_empty() {
            config.push(("weights", Json::list(f.weights.iter().enumerate().map(weight))));
        }
        let layer = self.layer_on(name, "Lambda", Json::object(&config), &f.inputs);
        for (i, (tensor, _)) in f.weights.into_iter().enumerate() {
            self.weight(&layer, &weight_name(i), tensor);
        }
        layer
    }

    /// Ends a function that gives a node's value.
    pub(super) fn finish(&mut self, node: &Node, f: Function, result: Json) {
        let trained = f.weights.iter().any(|(_, trainable)| *trainable);
        let layer = self.function(&node.name, f, result);
        self.gives(node.outputs[0], layer, &node.inputs, trained);
    }

    /// A node that is one step.
    pub(super) fn simple(&mut self, node: &Node, op: &str, args: &[(&str, Json)]) -> Result<()> {
        let (mut f, operands) = self.operands(&node.inputs)?;
        let y = f.step(op, &operands, args);
        self.finish(node, f, y);
        Ok(())
    }
}

fn floats(tensor: &Tensor, values: Vec<f32>) -> Result<Arc<Tensor>> {
    Tensor::f32(tensor.shape().clone(), values).map(Arc::new)
}

fn weight_name(i: usize) -> String {
    if i == 0 { "value".to_string() } else { format!("value_{i}") }
}
