//! Keras 3's activation functions by name, as the `activation` argument of layers.

use serde_json::{Value as Json, json};

use super::Scope;
use super::arguments::{Argument, wrong};
use crate::error::Result;
use crate::graph::ValueId;
use crate::ops::{Binary, BinaryKind, Softmax, Unary};

/// An activation function.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Activation {
    /// The identity.
    #[default]
    Linear,
    /// An element-wise function, under Keras' name.
    Unary(&'static str, Unary),
    /// Over the last axis.
    Softmax,
    /// `x - log(sum(exp(x)))` over the last axis.
    LogSoftmax,
}

/// Keras' names. Where one function has two, the first is written.
const UNARY: &[(&str, Unary)] = &[
    ("relu", Unary::Relu),
    ("relu6", Unary::Relu6),
    // The string means slope 0.2, the layer's default is 0.3.
    ("leaky_relu", Unary::LeakyRelu { alpha: 0.2 }),
    ("elu", Unary::Elu { alpha: 1.0 }),
    ("selu", Unary::Selu),
    ("sigmoid", Unary::Sigmoid),
    ("hard_sigmoid", Unary::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 }),
    ("hard_silu", Unary::HardSwish),
    ("hard_swish", Unary::HardSwish),
    ("silu", Unary::Swish),
    ("swish", Unary::Swish),
    ("tanh", Unary::Tanh),
    ("hard_tanh", Unary::Clip { min: -1.0, max: 1.0 }),
    ("gelu", Unary::Gelu { approximate: false }),
    ("softplus", Unary::Softplus),
    ("exponential", Unary::Exp),
];

impl Activation {
    /// By Keras' name; `None` if there is none.
    pub fn named(name: &str) -> Option<Activation> {
        match name {
            "linear" => Some(Activation::Linear),
            "softmax" => Some(Activation::Softmax),
            "log_softmax" => Some(Activation::LogSoftmax),
            _ => UNARY.iter().find(|(n, _)| *n == name).map(|&(n, f)| Activation::Unary(n, f)),
        }
    }

    /// ReLU, the usual one.
    pub fn relu() -> Activation {
        Activation::Unary("relu", Unary::Relu)
    }

    /// Keras' name.
    pub fn name(&self) -> &'static str {
        match self {
            Activation::Linear => "linear",
            Activation::Unary(name, _) => name,
            Activation::Softmax => "softmax",
            Activation::LogSoftmax => "log_softmax",
        }
    }

    /// Adds it to the graph.
    pub fn lower(&self, scope: &mut Scope, x: ValueId) -> Result<ValueId> {
        match self {
            Activation::Linear => Ok(x),
            Activation::Unary(_, f) => scope.add(*f, &[x]),
            Activation::Softmax => scope.add(Softmax { axis: -1 }, &[x]),
            Activation::LogSoftmax => {
                let max = scope.reduce(crate::ops::ReduceKind::Max, &[-1], true, x)?;
                let shifted = scope.add(Binary::new(BinaryKind::Sub), &[x, max])?;
                let exp = scope.add(Unary::Exp, &[shifted])?;
                let sum = scope.reduce(crate::ops::ReduceKind::Sum, &[-1], true, exp)?;
                let log = scope.add(Unary::Log, &[sum])?;
                scope.add(Binary::new(BinaryKind::Sub), &[shifted, log])
            }
        }
    }
}

impl Argument for Activation {
    fn read(json: &Json) -> Result<Self> {
        if json.is_null() {
            return Ok(Activation::Linear);
        }
        // A function as Keras serialises it: {"class_name": "function", "config": "relu"}.
        let name = json.as_str().or_else(|| json.get("config").and_then(Json::as_str));
        match name.and_then(Activation::named) {
            Some(activation) => Ok(activation),
            None => wrong("the name of a Keras activation (relu, sigmoid, tanh, softmax ...)", json),
        }
    }
    fn write(&self) -> Json {
        json!(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_they_were_read() {
        for (name, _) in UNARY {
            assert_eq!(Activation::read(&json!(name)).unwrap().write(), json!(name));
        }
        assert_eq!(Activation::read(&Json::Null).unwrap(), Activation::Linear);
        let function = json!({"module": "builtins", "class_name": "function", "config": "tanh"});
        assert_eq!(Activation::read(&function).unwrap().name(), "tanh");
        assert!(Activation::read(&json!("relu7")).is_err());
    }
}
