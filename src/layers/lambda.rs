//! `Lambda`: a function written with the graph's own operations, as a layer.
//!
//! JavaScript calls the user's function once and records what it does. The recording is the layer's configuration, so
//! such models are saved, loaded and trained like all others, and both backends run them:
//!
//! ```json
//! { "inputs": 1,
//!   "steps": [
//!     { "op": "mean", "inputs": [0], "args": { "axis": [1, 2], "keepDims": true } },
//!     { "op": "subtract", "inputs": [0, 1] },
//!     { "op": "multiply", "inputs": [2, { "number": 0.5 }] } ],
//!   "outputs": [3] }
//! ```
//!
//! A whole number refers to a value: the layer's `inputs` come first (0 is the first input), then the results of the steps
//! in their order (with `n` inputs, `n` is the first step's). A step may use inputs and earlier steps. `{"number": x}` is
//! a number; `{"tensor": [...], "shape": [...]}` a constant of floats in row-major order, without a `shape` a vector.
//! At most [`MAX_STEPS`] steps.
//!
//! Functions that were made of a model file may have weights: `"weights": [{ "name": "value", "shape": [32], "trainable": true }]`
//! in the configuration, and `{"weight": 0}` where a step takes the first of them.
//!
//! The operations and their arguments (defaults in brackets; axes may be negative, and exclude nothing: the batch is axis
//! 0) are listed in [`super::lambda_ops`].

use serde_json::{Map, Value as Json, json};

use super::arguments::{Argument, Arguments, wrong};
use super::lambda_ops::{self, Operand};
use super::{Initializer, Layer, Scope, WeightSpec};
use crate::error::{Error, Result};
use crate::graph::{Dims, ValueId};
use crate::tensor::Tensor;

/// Steps of one function, at most.
pub const MAX_STEPS: usize = 4096;

/// What a step takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Ref {
    /// An input, or the result of a step, counted after the inputs.
    Value(usize),
    /// A number.
    Number(f32),
    /// A constant.
    Tensor(Tensor),
    /// A weight, by its place among the function's.
    Weight(usize),
}

/// A weight of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// Its role.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Training changes it.
    pub trainable: bool,
}

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The operation's name.
    pub op: String,
    /// What it takes.
    pub inputs: Vec<Ref>,
    /// Its arguments.
    pub args: Map<String, Json>,
}

/// A function of tensors as a layer; see the module's page.
#[derive(Clone, Debug, PartialEq)]
pub struct Lambda {
    /// How many tensors it takes.
    pub inputs: usize,
    /// The calls, in order.
    pub steps: Vec<Step>,
    /// What it returns.
    pub outputs: Vec<Ref>,
    /// Its weights; functions of JavaScript have none.
    pub weights: Vec<Learned>,
}

impl Argument for Ref {
    fn read(json: &Json) -> Result<Self> {
        if let Some(number) = json.get("number") {
            return f32::read(number).map(Ref::Number);
        }
        if let Some(index) = json.get("weight") {
            return usize::read(index).map(Ref::Weight);
        }
        if let Some(values) = json.get("tensor") {
            let values = Vec::<f32>::read(values)?;
            let shape = json.get("shape").map_or(Ok(vec![values.len()]), Vec::<usize>::read)?;
            let shape = crate::shape::Shape::checked(shape)?;
            return Tensor::f32(shape, values).map(Ref::Tensor);
        }
        match json.as_u64() {
            Some(_) => usize::read(json).map(Ref::Value),
            None => wrong("a value's number, {\"number\": x} or {\"tensor\": [...]}", json),
        }
    }

    fn write(&self) -> Json {
        match self {
            Ref::Value(index) => json!(index),
            Ref::Number(number) => json!({"number": number.write()}),
            Ref::Weight(index) => json!({"weight": index}),
            Ref::Tensor(tensor) => {
                let values: Json = tensor.as_f32().unwrap_or_default().iter().map(f32::write).collect();
                json!({"tensor": values, "shape": **tensor.shape()})
            }
        }
    }
}

impl Argument for Learned {
    fn read(json: &Json) -> Result<Self> {
        let (Some(name), Some(shape)) = (json.get("name"), json.get("shape")) else {
            return wrong("a weight: {\"name\": ..., \"shape\": [...]}", json);
        };
        let shape = crate::shape::Shape::checked(Vec::<usize>::read(shape)?)?.to_vec();
        let trainable = json.get("trainable").and_then(Json::as_bool).unwrap_or(true);
        Ok(Learned { name: String::read(name)?, shape, trainable })
    }

    fn write(&self) -> Json {
        json!({"name": self.name, "shape": self.shape, "trainable": self.trainable})
    }
}

impl Argument for Step {
    fn read(json: &Json) -> Result<Self> {
        let (Some(op), Some(inputs)) = (json.get("op").and_then(Json::as_str), json.get("inputs")) else {
            return wrong("a step: {\"op\": ..., \"inputs\": [...]}", json);
        };
        let args = json.get("args").and_then(Json::as_object).cloned().unwrap_or_default();
        Ok(Step { op: op.to_string(), inputs: Vec::read(inputs)?, args })
    }

    fn write(&self) -> Json {
        let inputs: Json = self.inputs.iter().map(Ref::write).collect();
        json!({"op": self.op, "inputs": inputs, "args": self.args})
    }
}

impl Lambda {
    pub(super) fn read(arguments: &mut Arguments) -> Result<Self> {
        let Some(steps) = arguments.optional("steps", None)? else {
            // Keras' own Lambda layers have a function instead.
            return Err(Error::unsupported("a Lambda layer of Python code cannot be read: its `steps` are missing"));
        };
        let inputs = arguments.optional("inputs", 1)?;
        let weights = arguments.optional("weights", Vec::new())?;
        Ok(Lambda { inputs, steps, outputs: arguments.required("outputs")?, weights })
    }
}

impl Layer for Lambda {
    fn class(&self) -> &'static str {
        "Lambda"
    }

    fn config(&self) -> Map<String, Json> {
        let mut map = Map::new();
        map.insert("inputs".into(), self.inputs.into());
        map.insert("steps".into(), self.steps.iter().map(Step::write).collect());
        map.insert("outputs".into(), self.outputs.iter().map(Ref::write).collect());
        if !self.weights.is_empty() {
            map.insert("weights".into(), self.weights.write());
        }
        map
    }

    fn check(&self) -> Result<()> {
        if self.steps.len() > MAX_STEPS {
            return Err(Error::mismatch("the function is too long", format!("{MAX_STEPS} steps"), self.steps.len()));
        }
        let known = |refs: &[Ref], count: usize| {
            let stray = refs.iter().find_map(|r| match *r {
                Ref::Value(i) if i >= count => Some((i, count)),
                Ref::Weight(i) if i >= self.weights.len() => Some((i, self.weights.len())),
                _ => None,
            });
            stray.map_or(Ok(()), |(i, count)| {
                Err(Error::mismatch("there is no such value yet", format!("less than {count}"), i))
            })
        };
        for (i, step) in self.steps.iter().enumerate() {
            known(&step.inputs, self.inputs + i).map_err(|e| at(i, step, e))?;
        }
        if self.outputs.is_empty() {
            return Err(Error::mismatch("the function returns nothing", "an output or more", 0));
        }
        known(&self.outputs, self.inputs + self.steps.len())
    }

    fn weights(&self, _: &[Dims]) -> Result<Vec<WeightSpec>> {
        let spec = |w: &Learned| WeightSpec {
            trainable: w.trainable,
            ..WeightSpec::new(&w.name, w.shape.clone(), &Initializer::Zeros)
        };
        Ok(self.weights.iter().map(spec).collect())
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        if inputs.len() != self.inputs {
            return Err(Error::mismatch("the function takes other inputs", self.inputs, inputs.len()));
        }
        let mut values = inputs.to_vec();
        let operand = |values: &[ValueId], r: &Ref, scope: &mut Scope| match r {
            Ref::Value(i) => values.get(*i).map(|&v| Operand::Value(v)).ok_or_else(|| Error::invalid("no such value")),
            Ref::Number(number) => Ok(Operand::Number(*number)),
            Ref::Tensor(tensor) => Ok(Operand::Value(scope.constant(tensor.clone()))),
            Ref::Weight(i) => scope.weight(&self.weights[*i].name).map(Operand::Value),
        };
        for (i, step) in self.steps.iter().enumerate() {
            let operands = step.inputs.iter().map(|r| operand(&values, r, scope)).collect::<Result<Vec<_>>>()?;
            let value = lambda_ops::call(scope, &step.op, &step.args, &operands).map_err(|e| at(i, step, e))?;
            values.push(value);
        }
        let output = |r: &Ref| Ok(operand(&values, r, scope)?.value(scope));
        self.outputs.iter().map(output).collect()
    }
}

/// Names the step.
fn at(index: usize, step: &Step, error: Error) -> Error {
    let message = format!("step {index}, {}: {}", step.op, error.message());
    match (error.expected(), error.received()) {
        (Some(expected), Some(received)) => Error::mismatch(message, expected, received),
        _ => Error::new(error.kind(), message),
    }
}
