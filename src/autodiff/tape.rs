//! Appending nodes whose types are known, and the arithmetic that many gradients share.

use crate::error::Result;
use crate::graph::{Graph, Node, Types, ValueId};
use crate::ops::{
    Binary, BinaryKind, Cast, Epilogue, Op, Pad, PadMode, Reduce, ReduceKind, Reshape, Saved, Unary, UnaryBackward,
};
use crate::tensor::{DType, Tensor, TensorType};

/// A graph that grows, with the types of all its values.
pub(super) struct Tape<'a> {
    pub(super) graph: &'a mut Graph,
    types: Vec<TensorType>,
    /// The node that is being differentiated; what is appended carries its name.
    pub(super) name: String,
}

/// A node to be differentiated.
pub(super) struct Site {
    pub(super) node: Node,
    /// Which inputs' gradients are needed.
    pub(super) wants: Vec<bool>,
    /// The gradients of its outputs; at least one is there.
    pub(super) upstream: Vec<Option<ValueId>>,
}

impl Site {
    /// Its only output.
    pub(super) fn y(&self) -> ValueId {
        self.node.outputs[0]
    }

    /// Its input of this position.
    pub(super) fn x(&self, i: usize) -> ValueId {
        self.node.inputs[i]
    }
}

impl<'a> Tape<'a> {
    pub(super) fn new(graph: &'a mut Graph, types: &Types) -> Self {
        let types = graph.value_ids().map(|v| types[v].clone()).collect();
        Tape { graph, types, name: String::new() }
    }

    /// A value's type.
    pub(super) fn kind(&self, value: ValueId) -> &TensorType {
        &self.types[value.index()]
    }

    /// A value's dimensions.
    pub(super) fn dims(&self, value: ValueId) -> Vec<usize> {
        self.types[value.index()].shape.to_vec()
    }

    /// Appends a node.
    pub(super) fn push(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        self.append(op.into(), inputs)
    }

    fn append(&mut self, op: Op, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let operands: Vec<TensorType> = inputs.iter().map(|v| self.kind(*v).clone()).collect();
        let types = op.operator().infer(&operands)?;
        let values = self.graph.push(format!("{}/gradient", self.name), op, inputs)?;
        self.types.extend(types);
        Ok(values)
    }

    /// Appends a node with one output.
    pub(super) fn add(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId> {
        Ok(self.append(op.into(), inputs)?[0])
    }

    /// Appends a constant.
    pub(super) fn constant(&mut self, tensor: Tensor) -> ValueId {
        self.types.push(tensor.kind());
        self.graph.constant(format!("{}/gradient", self.name), tensor)
    }

    /// Appends a number.
    pub(super) fn scalar(&mut self, value: f32) -> ValueId {
        self.constant(Tensor::scalar(value))
    }

    /// Appends arithmetic of two values.
    pub(super) fn binary(&mut self, kind: BinaryKind, a: ValueId, b: ValueId) -> Result<ValueId> {
        self.add(Binary::new(kind), &[a, b])
    }

    /// The product of two values.
    pub(super) fn mul(&mut self, a: ValueId, b: ValueId) -> Result<ValueId> {
        self.binary(BinaryKind::Mul, a, b)
    }

    /// The difference of two values.
    pub(super) fn sub(&mut self, a: ValueId, b: ValueId) -> Result<ValueId> {
        self.binary(BinaryKind::Sub, a, b)
    }

    /// A value times a number.
    pub(super) fn scaled(&mut self, value: ValueId, factor: f32) -> Result<ValueId> {
        if factor == 1.0 {
            return Ok(value);
        }
        let factor = self.scalar(factor);
        self.mul(value, factor)
    }

    /// 1.0 where a comparison holds, 0.0 elsewhere.
    pub(super) fn mask(&mut self, kind: BinaryKind, a: ValueId, b: ValueId) -> Result<ValueId> {
        let mask = self.binary(kind, a, b)?;
        self.add(Cast { to: DType::F32 }, &[mask])
    }

    /// The same elements in this shape.
    pub(super) fn reshape(&mut self, value: ValueId, dims: &[usize]) -> Result<ValueId> {
        if self.dims(value) == dims { Ok(value) } else { self.add(Reshape::to(dims), &[value]) }
    }

    /// The sum over some axes, which stay with size 1.
    pub(super) fn sum(&mut self, value: ValueId, axes: &[usize]) -> Result<ValueId> {
        if axes.is_empty() {
            return Ok(value);
        }
        let axes = axes.iter().map(|&axis| axis as isize).collect();
        self.add(Reduce { kind: ReduceKind::Sum, axes, keep_dims: true }, &[value])
    }

    /// Undoes a broadcast: sums over what was stretched from `dims`.
    pub(super) fn sum_to(&mut self, value: ValueId, dims: &[usize]) -> Result<ValueId> {
        let from = self.dims(value);
        let missing = from.len() - dims.len();
        let stretched = |axis: &usize| from[*axis] != 1 && (*axis < missing || dims[*axis - missing] == 1);
        let axes: Vec<usize> = (0..from.len()).filter(stretched).collect();
        let sum = self.sum(value, &axes)?;
        self.reshape(sum, dims)
    }

    /// Broadcasts to `dims`, dimension by dimension of the same rank. (The edge of one element, repeated.)
    pub(super) fn expand(&mut self, value: ValueId, dims: &[usize]) -> Result<ValueId> {
        let from = self.dims(value);
        if from == dims {
            return Ok(value);
        }
        if dims.contains(&0) {
            return Ok(self.constant(Tensor::zeros(&TensorType::f32(dims))));
        }
        let pads = from.iter().zip(dims).map(|(&n, &to)| [0, to - n]).collect();
        self.add(Pad { pads, mode: PadMode::Edge }, &[value])
    }

    /// The sum of all parts of a gradient, which takes their place.
    pub(super) fn total(&mut self, parts: &mut Vec<ValueId>) -> Result<Option<ValueId>> {
        let Some((&first, rest)) = parts.split_first() else { return Ok(None) };
        let mut sum = first;
        for &part in rest {
            sum = self.binary(BinaryKind::Add, sum, part)?;
        }
        *parts = vec![sum];
        Ok(Some(sum))
    }

    /// The gradient behind a function: `dy` times its derivative. `y` is the function's result; `again` computes its
    /// operand if that is needed. `None` if the function is flat.
    pub(super) fn behind(
        &mut self,
        function: Unary,
        y: ValueId,
        dy: ValueId,
        again: &mut dyn FnMut(&mut Tape) -> Result<ValueId>,
    ) -> Result<Option<ValueId>> {
        let saved = match function.saved() {
            None => return Ok(None),
            Some(_) if function == Unary::Neg => return Ok(Some(self.add(Unary::Neg, &[dy])?)),
            Some(Saved::Output) => y,
            Some(Saved::Input) => again(self)?,
        };
        Ok(Some(self.add(UnaryBackward { of: function }, &[saved, dy])?))
    }

    /// The gradient of a layer's sum, before its epilogue; `None` if the activation is flat. An operand that the
    /// activation's derivative needs and that a fused layer has not stored is computed once more.
    pub(super) fn before_epilogue(&mut self, epilogue: &Epilogue, site: &Site) -> Result<Option<ValueId>> {
        let (Some(dy), y) = (site.upstream[0], site.y()) else { return Ok(None) };
        let Some(function) = epilogue.activation else { return Ok(Some(dy)) };
        let mut plain = site.node.op.clone();
        if let Some(epilogue) = plain.epilogue_mut() {
            epilogue.activation = None;
        }
        self.behind(function, y, dy, &mut |tape| tape.append(plain.clone(), &site.node.inputs).map(|v| v[0]))
    }

    /// Completes a layer's gradients, those by its two operands, with those by its bias and its residual.
    pub(super) fn with_epilogue(
        &mut self,
        epilogue: &Epilogue,
        site: &Site,
        dz: ValueId,
        operands: [Option<ValueId>; 2],
    ) -> Result<Vec<Option<ValueId>>> {
        let mut gradients = operands.to_vec();
        if let Some(i) = epilogue.bias_index() {
            let bias = if site.wants[i] { Some(self.sum_to(dz, &self.dims(site.x(i)))?) } else { None };
            gradients.push(bias);
        }
        gradients.extend(epilogue.residual.then_some(Some(dz)));
        Ok(gradients)
    }
}
