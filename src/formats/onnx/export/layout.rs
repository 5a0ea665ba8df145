//! Moving elements: concatenation, slices, padding, transposition. All work in the order that their operand has.

use super::Exporter;
use super::file::{Attribute, TensorId};
use super::forms::{Order, is_plain, plain, position};
use crate::error::Result;
use crate::graph::Node;
use crate::ops::{Concat, Pad, PadMode, Slice, SliceAxis, Transpose};
use crate::tensor::{DType, Tensor};

/// One axis of a slice: start, end, axis, step.
type Range = [i64; 4];

impl Exporter<'_> {
    pub fn concat(&mut self, node: &Node, op: &Concat) -> Result<()> {
        let shape = &self.kind(node.inputs[0]).shape;
        let (rank, axis) = (shape.rank(), shape.axis(op.axis)?);
        let mut order: Order = plain(rank);
        for &input in &node.inputs {
            if is_plain(&order) && self.varies(input) {
                order = self.native(input).0;
            }
        }
        let parts: Vec<TensorId> = node.inputs.iter().map(|&input| self.form(input, &order)).collect();
        let y = self.join(&parts, position(&order, axis));
        self.set(node.outputs[0], order, y);
        Ok(())
    }

    pub fn join(&mut self, parts: &[TensorId], axis: usize) -> TensorId {
        self.with("Concat", parts, |message| message.attribute("axis", Attribute::Int(axis as i64)))
    }

    pub fn slice(&mut self, node: &Node, op: &Slice) {
        let (order, x) = self.native(node.inputs[0]);
        let range = |(axis, range): (usize, &SliceAxis)| {
            let backwards = range.step < 0;
            let (start, end) = if backwards { (i64::MAX, i64::MIN) } else { (0, i64::MAX) };
            let bound = |bound: Option<isize>, natural: i64| bound.map_or(natural, |i| i as i64);
            let (start, end) = (bound(range.start, start), bound(range.end, end));
            (*range != SliceAxis::ALL).then(|| [start, end, position(&order, axis) as i64, range.step as i64])
        };
        let ranges: Vec<Range> = op.axes.iter().enumerate().filter_map(range).collect();
        if ranges.is_empty() {
            return self.alias(node.outputs[0], node.inputs[0]);
        }
        let y = self.part(x, &ranges);
        self.set(node.outputs[0], order, y);
    }

    pub fn part(&mut self, x: TensorId, ranges: &[Range]) -> TensorId {
        let [starts, ends, axes, steps] =
            [0, 1, 2, 3].map(|i| ranges.iter().map(|range| range[i]).collect::<Vec<i64>>());
        let mut operands = vec![x, self.ints(&starts), self.ints(&ends), self.ints(&axes)];
        if steps.iter().any(|&step| step != 1) {
            operands.push(self.ints(&steps));
        }
        self.emit("Slice", &operands)
    }

    pub fn pad(&mut self, node: &Node, op: &Pad) -> Result<()> {
        if op.pads.iter().all(|pads| *pads == [0, 0]) {
            self.alias(node.outputs[0], node.inputs[0]);
            return Ok(());
        }
        let (order, x) = self.native(node.inputs[0]);
        let pads: Vec<[i64; 2]> = order.iter().map(|&axis| op.pads[axis].map(|n| n as i64)).collect();
        let mode = match op.mode {
            PadMode::Constant(_) => "constant",
            PadMode::Reflect => "reflect",
            PadMode::Edge => "edge",
            PadMode::Symmetric => {
                let y = self.mirror(x, &pads);
                self.set(node.outputs[0], order, y);
                return Ok(());
            }
        };
        let list: Vec<i64> = [0, 1].into_iter().flat_map(|end| pads.iter().map(move |pads| pads[end])).collect();
        let mut operands = vec![x, self.ints(&list)];
        if let PadMode::Constant(value) = op.mode {
            operands.push(match self.kind(node.inputs[0]).dtype {
                DType::F32 => self.scalar(value),
                DType::I32 => self.number(Tensor::i32([], vec![value as i32])?),
                DType::U8 => self.number(Tensor::u8([], vec![value as u8])?),
            });
        }
        let y = self.with("Pad", &operands, |message| message.attribute("mode", Attribute::Text(mode)));
        self.set(node.outputs[0], order, y);
        Ok(())
    }

    /// The mirror image with the edge, which is no mode of ONNX: made of pieces that run backwards.
    fn mirror(&mut self, x: TensorId, pads: &[[i64; 2]]) -> TensorId {
        let mut y = x;
        for (axis, &[before, after]) in pads.iter().enumerate() {
            let mut parts = Vec::with_capacity(3);
            if before > 0 {
                parts.push(self.part(y, &[[before - 1, i64::MIN, axis as i64, -1]]));
            }
            parts.push(y);
            if after > 0 {
                parts.push(self.part(y, &[[-1, -1 - after, axis as i64, -1]]));
            }
            if parts.len() > 1 {
                y = self.join(&parts, axis);
            }
        }
        y
    }

    /// The same tensor, its axes known by other numbers.
    pub fn transpose(&mut self, node: &Node, op: &Transpose) {
        self.native(node.inputs[0]);
        let renumber = |order: &Order| order.iter().map(|&axis| position(&op.perm, axis)).collect();
        let forms = self.forms[node.inputs[0].index()].iter().map(|(order, tensor)| (renumber(order), *tensor));
        self.forms[node.outputs[0].index()] = forms.collect();
    }
}
