//! Products, reductions and normalisation.

use super::Exporter;
use super::file::Attribute;
use super::forms::{Order, channels_first, plain, position};
use crate::error::Result;
use crate::graph::Node;
use crate::ops::{BatchNorm, MatMul, Reduce, ReduceKind};

/// The order of what is left when these axes go.
pub fn without(order: &[usize], gone: impl Fn(usize) -> bool) -> Order {
    let kept = |&axis: &usize| (!gone(axis)).then(|| (0..axis).filter(|&before| !gone(before)).count());
    order.iter().filter_map(kept).collect()
}

impl Exporter<'_> {
    pub fn matmul(&mut self, node: &Node, op: &MatMul) {
        let [a, b] = [node.inputs[0], node.inputs[1]];
        let (rank, bias) = (self.rank(node.outputs[0]), op.epilogue.bias_index().map(|i| node.inputs[i]));
        let y = if self.rank(a) == 2 && self.rank(b) == 2 {
            let mut operands = vec![self.plain(a), self.plain(b)];
            operands.extend(bias.map(|bias| self.plain(bias)));
            self.with("Gemm", &operands, |message| {
                if op.transpose_a {
                    message.attribute("transA", Attribute::Int(1));
                }
                if op.transpose_b {
                    message.attribute("transB", Attribute::Int(1));
                }
            })
        } else {
            let operands = [(a, op.transpose_a), (b, op.transpose_b)].map(|(value, transposed)| {
                let rank = self.rank(value);
                let mut order = plain(rank);
                if transposed {
                    order.swap(rank - 2, rank - 1);
                }
                self.form(value, &order)
            });
            let y = self.emit("MatMul", &operands);
            match bias.map(|bias| self.plain(bias)) {
                Some(bias) => self.emit("Add", &[y, bias]),
                None => y,
            }
        };
        let y = self.finish(node, &op.epilogue, y, &plain(rank));
        self.set(node.outputs[0], plain(rank), y);
    }

    pub fn reduce(&mut self, node: &Node, op: &Reduce) -> Result<()> {
        let x = node.inputs[0];
        let mask = op.mask(&self.kind(x).shape)?;
        if mask.iter().all(|reduced| !reduced) {
            self.alias(node.outputs[0], x);
            return Ok(());
        }
        let (order, tensor) = self.native(x);
        let axes: Vec<i64> = (0..order.len()).filter(|&at| mask[order[at]]).map(|at| at as i64).collect();
        let kept = if op.keep_dims { order.clone() } else { without(&order, |axis| mask[axis]) };
        if op.kind == ReduceKind::Mean && op.keep_dims && order == channels_first(4) && axes == [2, 3] {
            let y = self.emit("GlobalAveragePool", &[tensor]);
            self.set(node.outputs[0], kept, y);
            return Ok(());
        }
        let name = match op.kind {
            ReduceKind::Sum => "ReduceSum",
            ReduceKind::Mean => "ReduceMean",
            ReduceKind::Max => "ReduceMax",
            ReduceKind::Min => "ReduceMin",
            ReduceKind::Prod => "ReduceProd",
        };
        // Version 18 made the axes of all of them an operand, as 13 had those of sums.
        let mut operands = vec![tensor];
        let operand = self.opset >= 18 || op.kind == ReduceKind::Sum;
        if operand {
            operands.push(self.ints(&axes));
        }
        let y = self.with(name, &operands, |message| {
            if !operand {
                message.attribute("axes", Attribute::Ints(&axes));
            }
            message.attribute("keepdims", Attribute::Int(op.keep_dims as i64));
        });
        self.set(node.outputs[0], kept, y);
        Ok(())
    }

    /// What works along one axis and changes no shape.
    pub fn along(&mut self, node: &Node, name: &'static str, axis: isize) -> Result<()> {
        let axis = self.kind(node.inputs[0]).shape.axis(axis)?;
        let (order, x) = self.native(node.inputs[0]);
        let at = position(&order, axis) as i64;
        let y = self.with(name, &[x], |message| message.attribute("axis", Attribute::Int(at)));
        self.set(node.outputs[0], order, y);
        Ok(())
    }

    pub fn batch_norm(&mut self, node: &Node, op: &BatchNorm) {
        let rank = self.rank(node.inputs[0]);
        let order = channels_first(rank);
        let mut operands = vec![self.form(node.inputs[0], &order)];
        operands.extend([1, 2, 3, 4].map(|i| self.plain(node.inputs[i])));
        // A batch of one, where there is none.
        if rank == 1 {
            let batch = self.ints(&[0]);
            operands[0] = self.emit("Unsqueeze", &[operands[0], batch]);
        }
        let epsilon = Attribute::Float(op.epsilon);
        let mut y = self.with("BatchNormalization", &operands, |message| message.attribute("epsilon", epsilon));
        if rank == 1 {
            let batch = self.ints(&[0]);
            y = self.emit("Squeeze", &[y, batch]);
        }
        self.set(node.outputs[0], order, y);
    }
}
