//! Picking elements by index or value, and suppression of boxes.

use super::Exporter;
use super::file::{Attribute, Message};
use super::forms::{is_plain, plain, position};
use super::sums::without;
use crate::error::Result;
use crate::graph::Node;
use crate::ops::{ArgMax, Gather, NonMaxSuppression, Op, SliceAxis, TopK};
use crate::tensor::{DType, Tensor};

impl Exporter<'_> {
    pub fn gather(&mut self, node: &Node, op: &Gather) -> Result<()> {
        let (x, indices) = (node.inputs[0], node.inputs[1]);
        let axis = self.kind(x).shape.axis(op.axis)?;
        let (mut order, mut tensor) = self.native(x);
        // A list of indices leaves the axes where they are.
        if self.rank(indices) != 1 && !is_plain(&order) {
            (order, tensor) = (plain(order.len()), self.plain(x));
        }
        let operands = [tensor, self.plain(indices)];
        let at = position(&order, axis) as i64;
        let y = self.with("Gather", &operands, |message| message.attribute("axis", Attribute::Int(at)));
        let order = if self.rank(indices) == 1 { order } else { plain(self.rank(node.outputs[0])) };
        self.set(node.outputs[0], order, y);
        Ok(())
    }

    pub fn top_k(&mut self, node: &Node, op: &TopK) {
        let (order, x) = self.native(node.inputs[0]);
        let at = position(&order, order.len() - 1) as i64;
        let mut message = Message::default();
        message.attribute("axis", Attribute::Int(at));
        let operands = [Some(x), Some(self.ints(&[op.k as i64]))];
        let results = self.file.node(self.label, "TopK", &operands, 2, message);
        self.set(node.outputs[0], order.clone(), results[0]);
        let indices = self.cast_to(results[1], DType::I32);
        self.set(node.outputs[1], order, indices);
    }

    pub fn arg_max(&mut self, node: &Node, op: &ArgMax) -> Result<()> {
        let axis = self.kind(node.inputs[0]).shape.axis(op.axis)?;
        let (order, x) = self.native(node.inputs[0]);
        let at = position(&order, axis) as i64;
        let y = self.with("ArgMax", &[x], |message| {
            message.attribute("axis", Attribute::Int(at));
            message.attribute("keepdims", Attribute::Int(op.keep_dims as i64));
        });
        let y = self.cast_to(y, DType::I32);
        let order = if op.keep_dims { order } else { without(&order, |a| a == axis) };
        self.set(node.outputs[0], order, y);
        Ok(())
    }

    /// The table ends with the last box in ONNX, and with rows of -1 here.
    pub fn suppress(&mut self, node: &Node, op: &NonMaxSuppression) -> Result<()> {
        let [table, scores, count] = [0, 1, 2].map(|i| node.outputs[i]);
        if op.soft_sigma > 0.0 {
            return self.cannot("a suppression that lowers scores (soft_sigma)");
        }
        if self.used[scores.index()] {
            return self.cannot("the scores that a suppression gives: gather them by its table");
        }
        let mut operands = vec![self.plain(node.inputs[0]), self.plain(node.inputs[1])];
        let most = i64::try_from(op.max_output).unwrap_or(i64::MAX);
        operands.push(self.ints(&[most]));
        operands.push(self.number(Tensor::f32([1], vec![op.iou_threshold])?));
        if op.score_threshold != f32::NEG_INFINITY {
            operands.push(self.number(Tensor::f32([1], vec![op.score_threshold])?));
        }
        let found = self.with("NonMaxSuppression", &operands, |message| {
            if op.centred {
                message.attribute("center_point_box", Attribute::Int(1));
            }
        });
        let rows = self.cast_to(found, DType::I32);
        self.set(table, plain(2), rows);
        self.trimmed[table.index()] = true;
        if self.used[count.index()] {
            let shape = self.emit("Shape", &[found]);
            let rows = self.part(shape, &[[0, 1, 0, 1]]);
            let rows = self.cast_to(rows, DType::I32);
            self.set(count, plain(1), rows);
        }
        Ok(())
    }

    /// Whether a node that reads a table of boxes does the same with a shorter one.
    pub fn check_trimmed(&mut self, node: &Node) -> Result<()> {
        if !node.inputs.iter().any(|input| self.trimmed[input.index()]) {
            return Ok(());
        }
        let fits = match &node.op {
            Op::Slice(op) => op.axes.first() == Some(&SliceAxis::ALL),
            Op::Reshape(_) => self.rank(node.outputs[0]) == 1,
            _ => false,
        };
        if !fits {
            return self.cannot("what is computed of a suppression's table, which is as long as there are boxes");
        }
        node.outputs.iter().for_each(|output| self.trimmed[output.index()] = true);
        Ok(())
    }
}
