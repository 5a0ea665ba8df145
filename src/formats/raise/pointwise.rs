//! Products, normalisation, and functions of elements.

use std::sync::Arc;

use super::function::Function;
use super::json::Json;
use super::{Raiser, unsupported, varies};
use crate::error::{Error, Result};
use crate::graph::{Node, ValueId};
use crate::layers::{Activation, operation_of_binary, operation_of_unary};
use crate::ops::{BatchNorm, Binary, BinaryKind, MatMul, Reduce, ReduceKind, Unary};
use crate::tensor::Tensor;

/// The layer of a function, if Keras has one.
pub(super) fn layer(function: Unary) -> Option<(&'static str, Json)> {
    Some(match function {
        Unary::Relu => ("ReLU", Json::object(&[])),
        Unary::Clip { min: 0.0, max } if max.is_finite() => ("ReLU", Json::object(&[("max_value", Json::number(max))])),
        Unary::LeakyRelu { alpha } if alpha >= 0.0 => {
            ("LeakyReLU", Json::object(&[("negative_slope", Json::number(alpha))]))
        }
        Unary::Elu { alpha } => ("ELU", Json::object(&[("alpha", Json::number(alpha))])),
        _ => ("Activation", Json::object(&[("activation", Activation::of(function)?.into())])),
    })
}

/// The steps of a function that no layer has.
pub(super) fn steps(f: &mut Function, function: Unary, x: Json) -> Result<Json> {
    let literal = |x: f32| Json::object(&[("number", Json::number(x))]);
    let clip = |f: &mut Function, x: Json, min: f32, max: f32| {
        f.step("clip", &[x], &[("min", Json::number(min)), ("max", Json::number(max))])
    };
    Ok(match function {
        Unary::Clip { min, max } => clip(f, x, min, max),
        Unary::LeakyRelu { alpha } => f.step("leakyRelu", &[x], &[("alpha", Json::number(alpha))]),
        Unary::HardSigmoid { alpha, beta } => {
            let x = f.step("multiply", &[x, literal(alpha)], &[]);
            let x = f.step("add", &[x, literal(beta)], &[]);
            clip(f, x, 0.0, 1.0)
        }
        // Quantised networks are trained as if nothing were rounded (Bengio et al. 2013).
        Unary::Round => {
            let rounded = f.step("round", std::slice::from_ref(&x), &[]);
            let error = f.step("subtract", &[rounded, x.clone()], &[]);
            let error = f.step("stopGradient", &[error], &[]);
            f.step("add", &[x, error], &[])
        }
        _ => match operation_of_unary(function) {
            Some(name) => f.step(name, &[x], &[]),
            None => return Err(Error::unsupported(format!("no layer computes {function:?}"))),
        },
    })
}

impl Raiser<'_> {
    /// `x kernel`: a dense layer, if the kernel is constant.
    pub(super) fn product(&mut self, node: &Node, op: &MatMul) -> Result<()> {
        let (x, kernel) = (node.inputs[0], self.constant(node.inputs[1]).cloned());
        if let Some(kernel) = kernel.filter(|kernel| kernel.shape().rank() == 2)
            && varies(self.graph, x)
            && !op.transpose_a
            && self.shape(x).rank() >= 2
        {
            let kernel = if op.transpose_b { Arc::new(transposed(&kernel)?) } else { kernel };
            let units = kernel.shape()[1];
            let (x, tail) = (self.layer_of(x)?, self.tail(node, &op.epilogue)?);
            return self.weighted(node, "Dense", vec![("units", units.into())], x, kernel, tail);
        }
        if op.epilogue != Default::default() {
            return Err(unsupported(node));
        }
        let args = [("transposeA", op.transpose_a.into()), ("transposeB", op.transpose_b.into())];
        self.simple(node, "matMul", &args)
    }

    pub(super) fn batch_norm(&mut self, node: &Node, op: &BatchNorm) -> Result<()> {
        let layer =
            self.layer(&node.name, "BatchNormalization", &[("epsilon", Json::number(op.epsilon))], &node.inputs[..1])?;
        for (role, &value) in ["gamma", "beta", "moving_mean", "moving_variance"].iter().zip(&node.inputs[1..]) {
            let value = self.constant(value).cloned();
            let value = value.ok_or_else(|| Error::unsupported(format!("a {role} that is not constant")))?;
            self.weight(&layer, role, value);
        }
        self.gives(node.outputs[0], layer, &node.inputs[..1], true);
        Ok(())
    }

    pub(super) fn unary(&mut self, node: &Node, function: Unary) -> Result<()> {
        if let Some((class, config)) = layer(function) {
            let x = self.layer_of(node.inputs[0])?;
            let layer = self.layer_on(&node.name, class, config, &[x]);
            self.gives(node.outputs[0], layer, &node.inputs, false);
            return Ok(());
        }
        let (mut f, operands) = self.operands(&node.inputs)?;
        let y = steps(&mut f, function, operands[0].clone())?;
        self.finish(node, f, y);
        Ok(())
    }

    pub(super) fn binary(&mut self, node: &Node, op: &Binary) -> Result<()> {
        let merging = match op.kind {
            BinaryKind::Add => Some("Add"),
            BinaryKind::Sub => Some("Subtract"),
            BinaryKind::Mul => Some("Multiply"),
            BinaryKind::Maximum => Some("Maximum"),
            BinaryKind::Minimum => Some("Minimum"),
            _ => None,
        };
        let [a, b] = node.inputs[..] else { return Err(unsupported(node)) };
        let both = varies(self.graph, a) && varies(self.graph, b);
        match merging.filter(|_| both && self.types[0][a] == self.types[0][b]) {
            Some(class) => {
                let layer = self.layer(&node.name, class, &[], &[a, b])?;
                self.gives(node.outputs[0], layer, &[a, b], false);
            }
            None => {
                let name = operation_of_binary(op.kind).ok_or_else(|| unsupported(node))?;
                self.simple(node, name, &[])?;
            }
        }
        if let Some(function) = op.activation {
            let of = self.layer_of(node.outputs[0])?;
            let layer = self.activation(&node.name, function, of)?;
            self.made[node.outputs[0].index()] = Some(layer);
        }
        Ok(())
    }

    pub(super) fn reduce(&mut self, node: &Node, op: &Reduce) -> Result<()> {
        let x = node.inputs[0];
        let mask = op.mask(self.shape(x))?;
        if mask.first() == Some(&true) {
            return Err(mixes());
        }
        let axes: Vec<usize> = (0..mask.len()).filter(|&axis| mask[axis]).collect();
        let global = match op.kind {
            ReduceKind::Mean if axes == [1, 2] && mask.len() == 4 => Some("GlobalAveragePooling2D"),
            ReduceKind::Max if axes == [1, 2] && mask.len() == 4 => Some("GlobalMaxPooling2D"),
            _ => None,
        };
        if let Some(class) = global {
            let layer = self.layer(&node.name, class, &[("keepdims", op.keep_dims.into())], &[x])?;
            self.gives(node.outputs[0], layer, &[x], false);
            return Ok(());
        }
        let name = match op.kind {
            ReduceKind::Sum => "sum",
            ReduceKind::Mean => "mean",
            ReduceKind::Max => "max",
            ReduceKind::Min => "min",
            ReduceKind::Prod => "prod",
        };
        self.simple(node, name, &[("axis", Json::sizes(&axes)), ("keepDims", op.keep_dims.into())])
    }

    pub(super) fn softmax(&mut self, node: &Node, axis: isize) -> Result<()> {
        let layer = self.layer(&node.name, "Softmax", &[("axis", axis.into())], &node.inputs)?;
        self.gives(node.outputs[0], layer, &node.inputs, false);
        Ok(())
    }

    /// Whether axis 0 of the two is the same batch.
    pub(super) fn keeps_batch(&self, x: ValueId, y: ValueId) -> bool {
        [0, 1].iter().all(|&guess| {
            let (a, b) = (&self.types[guess][x].shape, &self.types[guess][y].shape);
            a.first() == b.first()
        })
    }
}

/// The error of what takes samples of a batch together.
pub(super) fn mixes() -> Error {
    Error::unsupported(
        "the samples of a batch are mixed, or the batch is given up: for training each must stand for itself",
    )
}

fn transposed(matrix: &Tensor) -> Result<Tensor> {
    let (values, [rows, columns]) = (matrix.as_f32()?, matrix.shape().dims("a matrix")?);
    let turned = (0..rows * columns).map(|i| values[i % rows * columns + i / rows]).collect::<Vec<_>>();
    Tensor::f32([columns, rows], turned)
}
