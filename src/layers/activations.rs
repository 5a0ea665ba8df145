//! Keras 3's activation functions by name, as the `activation` argument of layers.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::arguments::{Argument, wrong};
use super::scope::known_channels;
use super::{Layer, Scope, from_config};
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::ops::{BinaryKind, LogSoftmax, MatMul, ReduceKind, Slice, SliceAxis, Softmax, TopK, Unary};
use crate::tensor::Tensor;

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
    /// The Euclidean projection of the last axis onto the probabilities (Martins and Astudillo 2016): a softmax with zeros.
    Sparsemax,
    /// The first half of the last axis times the sigmoid of the second (Dauphin et al. 2017).
    Glu,
    /// A layer without weights, for its arguments: `{"class_name": "LeakyReLU", "config": {"negative_slope": 0.1}}`.
    Object(Object),
}

/// A layer that stands for a function.
#[derive(Clone, Debug)]
pub struct Object(Arc<dyn Layer>);

impl PartialEq for Object {
    fn eq(&self, other: &Object) -> bool {
        self.0.class() == other.0.class() && self.0.config() == other.0.config()
    }
}

/// Layers that can stand for a function: their `lower` needs one input and no weights.
const OBJECTS: &[&str] = &["ReLU", "LeakyReLU", "ELU", "Softmax", "Activation"];

/// Keras' names. Where one function has two, the first is written.
const UNARY: &[(&str, Unary)] = &[
    ("relu", Unary::Relu),
    ("relu6", Unary::Relu6),
    // The string means slope 0.2, the layer's default is 0.3.
    ("leaky_relu", Unary::LeakyRelu { alpha: 0.2 }),
    ("elu", Unary::Elu { alpha: 1.0 }),
    ("selu", Unary::Selu),
    ("celu", Unary::Celu { alpha: 1.0 }),
    ("sigmoid", Unary::Sigmoid),
    ("hard_sigmoid", Unary::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 }),
    // What Keras 2 calls hard_sigmoid; its files are read so.
    ("hard_sigmoid_keras2", Unary::HardSigmoid { alpha: 0.2, beta: 0.5 }),
    ("sparse_sigmoid", Unary::HardSigmoid { alpha: 0.5, beta: 0.5 }),
    ("log_sigmoid", Unary::LogSigmoid),
    ("hard_silu", Unary::HardSwish),
    ("hard_swish", Unary::HardSwish),
    ("silu", Unary::Swish),
    ("swish", Unary::Swish),
    ("mish", Unary::Mish),
    ("tanh", Unary::Tanh),
    ("hard_tanh", Unary::Clip { min: -1.0, max: 1.0 }),
    ("tanh_shrink", Unary::TanhShrink),
    ("hard_shrink", Unary::Shrink { threshold: 0.5, bias: 0.0 }),
    ("soft_shrink", Unary::Shrink { threshold: 0.5, bias: 0.5 }),
    ("gelu", Unary::Gelu { approximate: false }),
    ("softplus", Unary::Softplus),
    ("softsign", Unary::Softsign),
    ("squareplus", Unary::Squareplus { b: 4.0 }),
    ("sparse_plus", Unary::SparsePlus),
    ("exponential", Unary::Exp),
];

impl Activation {
    /// By Keras' name; `None` if there is none.
    pub fn named(name: &str) -> Option<Activation> {
        match name {
            "linear" => Some(Activation::Linear),
            "softmax" => Some(Activation::Softmax),
            "log_softmax" => Some(Activation::LogSoftmax),
            "sparsemax" => Some(Activation::Sparsemax),
            "glu" => Some(Activation::Glu),
            _ => UNARY.iter().find(|(n, _)| *n == name).map(|&(n, f)| Activation::Unary(n, f)),
        }
    }

    /// Keras' name of a function, if it has one.
    pub(crate) fn of(function: Unary) -> Option<&'static str> {
        UNARY.iter().find(|(_, f)| *f == function).map(|(name, _)| *name)
    }

    /// ReLU, the usual one.
    pub fn relu() -> Activation {
        Activation::Unary("relu", Unary::Relu)
    }

    /// Keras' name, or its class.
    pub fn name(&self) -> &'static str {
        match self {
            Activation::Linear => "linear",
            Activation::Unary(name, _) => name,
            Activation::Softmax => "softmax",
            Activation::LogSoftmax => "log_softmax",
            Activation::Sparsemax => "sparsemax",
            Activation::Glu => "glu",
            Activation::Object(Object(layer)) => layer.class(),
        }
    }

    /// Adds it to the graph.
    pub fn lower(&self, scope: &mut Scope, x: ValueId) -> Result<ValueId> {
        match self {
            Activation::Linear => Ok(x),
            Activation::Unary(_, f) => scope.add(*f, &[x]),
            Activation::Softmax => scope.add(Softmax { axis: -1 }, &[x]),
            Activation::LogSoftmax => scope.add(LogSoftmax { axis: -1 }, &[x]),
            Activation::Sparsemax => sparsemax(scope, x),
            Activation::Glu => glu(scope, x),
            Activation::Object(Object(layer)) => Ok(layer.lower(scope, &[x])?[0]),
        }
    }
}

/// `max(x - t, 0)` with t such that the sum is 1: of the `k` largest values, as many as stay above it, the mean less `1 / k`.
fn sparsemax(scope: &mut Scope, x: ValueId) -> Result<ValueId> {
    let n = known_channels(&scope.dims(x))?;
    let sorted = scope.push(TopK { k: n }, &[x])?[0];
    // Sums of the largest so far: a product with a triangle of ones.
    let triangle = (0..n * n).map(|i| (i / n <= i % n) as u8 as f32).collect::<Vec<_>>();
    let triangle = scope.constant(Tensor::f32([n, n], triangle)?);
    let sums = scope.add(MatMul::default(), &[sorted, triangle])?;
    let ranks = scope.constant(Tensor::f32([n], (1..=n).map(|k| k as f32).collect::<Vec<_>>())?);
    let least = scope.binary(BinaryKind::Mul, sorted, ranks)?;
    let least = scope.with(BinaryKind::Add, least, 1.0)?;
    let support = scope.mask(BinaryKind::Greater, least, sums)?;
    let count = scope.reduce(ReduceKind::Sum, &[-1], true, support)?;
    let kept = scope.binary(BinaryKind::Mul, sorted, support)?;
    let total = scope.reduce(ReduceKind::Sum, &[-1], true, kept)?;
    let total = scope.with(BinaryKind::Sub, total, 1.0)?;
    let threshold = scope.binary(BinaryKind::Div, total, count)?;
    let above = scope.binary(BinaryKind::Sub, x, threshold)?;
    scope.add(Unary::Relu, &[above])
}

fn glu(scope: &mut Scope, x: ValueId) -> Result<ValueId> {
    let dims = scope.dims(x);
    let n = known_channels(&dims)?;
    if !n.is_multiple_of(2) {
        return Err(Error::mismatch("glu halves the last axis", "an even size", n));
    }
    let mut half = |from: usize| {
        let mut axes = vec![SliceAxis::ALL; dims.len()];
        axes[dims.len() - 1] = SliceAxis::range(from, from + n / 2);
        scope.add(Slice { axes }, &[x])
    };
    let (a, b) = (half(0)?, half(n / 2)?);
    let gate = scope.add(Unary::Sigmoid, &[b])?;
    scope.binary(BinaryKind::Mul, a, gate)
}

impl Argument for Activation {
    fn read(json: &Json) -> Result<Self> {
        if json.is_null() {
            return Ok(Activation::Linear);
        }
        let class = json.get("class_name").and_then(Json::as_str);
        if let (Some(class), Some(config)) = (class, json.get("config").and_then(Json::as_object))
            && OBJECTS.contains(&class)
        {
            return Ok(Activation::Object(Object(from_config(class, config, true)?.into())));
        }
        // A function as Keras serialises it: {"class_name": "function", "config": "relu"}.
        let name = json.as_str().or_else(|| json.get("config").and_then(Json::as_str));
        match name.and_then(Activation::named) {
            Some(activation) => Ok(activation),
            None => wrong("the name of a Keras activation (relu, sigmoid, tanh, softmax ...)", json),
        }
    }
    fn write(&self) -> Json {
        match self {
            Activation::Object(Object(layer)) => json!({"class_name": layer.class(), "config": layer.config()}),
            _ => json!(self.name()),
        }
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

    #[test]
    fn layers_stand_for_functions() {
        let json = json!({"class_name": "LeakyReLU", "config": {"name": "leaky", "negative_slope": 0.1}});
        let activation = Activation::read(&json).unwrap();
        assert_eq!(activation.name(), "LeakyReLU");
        assert_eq!(activation.write()["config"]["negative_slope"], json!(0.1));
        assert_eq!(Activation::read(&activation.write()).unwrap(), activation);
        assert_ne!(Activation::read(&json!({"class_name": "LeakyReLU", "config": {}})).unwrap(), activation);
        assert!(Activation::read(&json!({"class_name": "PReLU", "config": {}})).is_err(), "it has weights");
    }
}
