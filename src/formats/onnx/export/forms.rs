//! The order in which the axes of values stand in the file.
//!
//! Images are channels first in ONNX and channels last here. A value has the order that its maker gave it, and further ones
//! where somebody needs them: a transposition is written for each order of a value that is asked for, and none otherwise. A
//! [`Transpose`](crate::ops::Transpose) of the graph therefore costs nothing until it meets somebody who cares.

use std::sync::Arc;

use super::Exporter;
use super::file::{Attribute, Message, TensorId};
use crate::error::{Error, Result};
use crate::graph::{Source, ValueId};
use crate::tensor::{Tensor, TensorType};

/// Which axis of the value each axis of the tensor is.
pub type Order = Vec<usize>;

/// Every axis where it is.
pub fn plain(rank: usize) -> Order {
    (0..rank).collect()
}

/// Channels before the spatial axes.
pub fn channels_first(rank: usize) -> Order {
    [0].into_iter().chain((rank > 1).then(|| rank - 1)).chain(1..rank.saturating_sub(1)).take(rank).collect()
}

pub fn is_plain(order: &[usize]) -> bool {
    order.iter().enumerate().all(|(i, &axis)| i == axis)
}

/// Where the tensor has an axis of the value.
pub fn position(order: &[usize], axis: usize) -> usize {
    order.iter().position(|&a| a == axis).unwrap_or(axis)
}

impl Exporter<'_> {
    /// Type of a value under the first guess.
    pub fn kind(&self, value: ValueId) -> &TensorType {
        &self.types[0][value]
    }

    pub fn rank(&self, value: ValueId) -> usize {
        self.kind(value).shape.rank()
    }

    /// Dimensions of a value; `None` is open.
    pub fn dims(&self, value: ValueId) -> Vec<Option<usize>> {
        let [a, b] = [0, 1].map(|guess| &self.types[guess][value].shape);
        let mut dims: Vec<_> = a.iter().zip(b.iter()).map(|(a, b)| (a == b).then_some(*a)).collect();
        if self.trimmed[value.index()]
            && let Some(rows) = dims.first_mut()
        {
            *rows = None;
        }
        dims
    }

    /// The numbers of a value that is the same for every run.
    pub fn fixed(&self, value: ValueId) -> Option<&Arc<Tensor>> {
        match &self.graph.values()[value.index()].source {
            Source::Constant(tensor) => Some(tensor),
            Source::Variable(i) => Some(&self.graph.variables()[*i].initial),
            _ => None,
        }
    }

    fn name(&self, value: ValueId) -> String {
        let name = &self.graph.values()[value.index()].name;
        if name.is_empty() { "constant".to_string() } else { name.clone() }
    }

    /// Gives a value a tensor of the file, in this order.
    pub fn set(&mut self, value: ValueId, order: Order, tensor: TensorId) {
        let graph = self.graph;
        self.file.name(tensor, self.mark, &graph.values()[value.index()].name);
        self.forms[value.index()].push((order, tensor));
    }

    /// Has a value be another one.
    pub fn alias(&mut self, value: ValueId, of: ValueId) {
        self.native(of);
        self.forms[value.index()] = self.forms[of.index()].clone();
    }

    /// The order that a value has by itself, and its tensor.
    pub fn native(&mut self, value: ValueId) -> (Order, TensorId) {
        match self.forms[value.index()].first() {
            Some(form) => form.clone(),
            None => {
                let order = plain(self.rank(value));
                let tensor = self.form(value, &order);
                (order, tensor)
            }
        }
    }

    /// A value with its axes in this order.
    pub fn form(&mut self, value: ValueId, order: &[usize]) -> TensorId {
        let forms = &self.forms[value.index()];
        if let Some((_, tensor)) = forms.iter().find(|(known, _)| known == order) {
            return *tensor;
        }
        let made = match (forms.first().cloned(), self.fixed(value)) {
            // Every value has one or the other: nodes come after their operands.
            (None, Some(tensor)) => {
                let (tensor, name) = (tensor.clone(), self.name(value));
                let dims = order.iter().map(|&axis| tensor.shape()[axis]).collect();
                self.file.constant(&name, tensor, order.to_vec(), dims)
            }
            (Some((known, tensor)), _) => {
                let perm: Vec<i64> = order.iter().map(|&axis| position(&known, axis) as i64).collect();
                self.with("Transpose", &[tensor], |a| a.attribute("perm", Attribute::Ints(&perm)))
            }
            (None, None) => unreachable!("a value without a source"),
        };
        self.forms[value.index()].push((order.to_vec(), made));
        made
    }

    pub fn plain(&mut self, value: ValueId) -> TensorId {
        self.form(value, &plain(self.rank(value)))
    }

    /// A value as an image, channels first.
    pub fn image(&mut self, value: ValueId) -> TensorId {
        self.form(value, &channels_first(4))
    }

    /// A value with its axes in this order, then in another shape of as many elements.
    pub fn reshaped(&mut self, value: ValueId, order: &[usize], dims: &[usize]) -> TensorId {
        if let Some(tensor) = self.fixed(value) {
            let (tensor, name) = (tensor.clone(), self.name(value));
            return self.file.constant(&name, tensor, order.to_vec(), dims.to_vec());
        }
        let tensor = self.form(value, order);
        let dims = self.ints(&dims.iter().map(|&n| n as i64).collect::<Vec<_>>());
        self.emit("Reshape", &[tensor, dims])
    }

    /// A value to be broadcast with one whose axes stand in this order.
    pub fn spread(&mut self, value: ValueId, order: &[usize]) -> TensorId {
        let rank = self.rank(value);
        let new = order.len() - rank;
        let own: Order = order.iter().filter(|&&axis| axis >= new).map(|&axis| axis - new).collect();
        // Axes of one element between its own; those before are there by themselves.
        let first = order.iter().position(|&axis| axis >= new).unwrap_or(order.len());
        let between: Vec<i64> =
            (first..order.len()).filter(|&at| order[at] < new).map(|at| (at - first) as i64).collect();
        if between.is_empty() {
            return self.form(value, &own);
        }
        if let Some(tensor) = self.fixed(value) {
            let shape = tensor.shape().clone();
            if shape.elements() == 1 {
                return self.form(value, &plain(rank));
            }
            let dim = |&axis: &usize| if axis < new { 1 } else { shape[axis - new] };
            let dims: Vec<usize> = order[first..].iter().map(dim).collect();
            return self.reshaped(value, &own, &dims);
        }
        let (tensor, axes) = (self.form(value, &own), self.ints(&between));
        self.emit("Unsqueeze", &[tensor, axes])
    }

    /// Whole numbers as an operand; the same ones are written once.
    pub fn ints(&mut self, list: &[i64]) -> TensorId {
        if let Some(known) = self.lists.get(list) {
            return *known;
        }
        let text: Vec<String> = list.iter().take(4).map(|n| n.to_string()).collect();
        let made = self.file.ints(&format!("ints_{}", text.join("_")), list);
        self.lists.insert(list.to_vec(), made);
        made
    }

    /// A number as an operand; the same ones are written once.
    pub fn scalar(&mut self, x: f32) -> TensorId {
        if let Some(known) = self.scalars.get(&x.to_bits()) {
            return *known;
        }
        let made = self.number(Tensor::scalar(x));
        self.scalars.insert(x.to_bits(), made);
        made
    }

    /// A small tensor as an operand.
    pub fn number(&mut self, tensor: Tensor) -> TensorId {
        let (dims, order) = (tensor.shape().to_vec(), plain(tensor.shape().rank()));
        self.file.constant("number", tensor.into(), order, dims)
    }

    /// A node with one result.
    pub fn emit(&mut self, op: &'static str, inputs: &[TensorId]) -> TensorId {
        self.with(op, inputs, |_| {})
    }

    /// A node with one result and attributes.
    pub fn with(&mut self, op: &'static str, inputs: &[TensorId], attributes: impl FnOnce(&mut Message)) -> TensorId {
        let mut message = Message::default();
        attributes(&mut message);
        let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
        self.file.node(self.label, op, &inputs, 1, message)[0]
    }

    pub fn cannot<T>(&self, what: &str) -> Result<T> {
        Err(Error::unsupported(format!("ONNX cannot say {what}")))
    }
}
