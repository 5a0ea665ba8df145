//! Reshaping: to sizes where they are known, and to those of the moment where they are open.

use super::Exporter;
use super::file::{Attribute, TensorId};
use super::forms::{Order, channels_first, plain, position};
use crate::error::Result;
use crate::graph::{Node, ValueId};
use crate::ops::{Reshape, ReshapeDim};

impl Exporter<'_> {
    /// A form in which the elements follow each other as they do in the plain one: axes of one element do not count.
    fn flat(&mut self, value: ValueId) -> (Order, TensorId) {
        self.native(value);
        let dims = self.dims(value);
        let follows = |order: &Order| {
            let long: Vec<usize> = order.iter().copied().filter(|&axis| dims[axis] != Some(1)).collect();
            long.is_sorted()
        };
        if let Some(form) = self.forms[value.index()].iter().find(|(order, _)| follows(order)) {
            return form.clone();
        }
        (plain(dims.len()), self.plain(value))
    }

    pub fn reshape(&mut self, node: &Node, op: &Reshape) -> Result<()> {
        let (x, y) = (node.inputs[0], node.outputs[0]);
        let (from, to) = (self.dims(x), self.dims(y));
        if from == to && to.iter().filter(|dim| dim.is_none()).count() <= 1 {
            self.alias(y, x);
            return Ok(());
        }
        let (source, tensor) = self.flat(x);
        // An image of one pixel is channels first as well as last.
        let pixel = to.len() == 4 && to[1..3] == [Some(1); 2];
        let order = if pixel { channels_first(4) } else { plain(to.len()) };
        let sizes: Vec<Option<usize>> = order.iter().map(|&axis| to[axis]).collect();
        let (open, empty) = (sizes.iter().filter(|size| size.is_none()).count(), sizes.contains(&Some(0)));
        let literal = |size: &Option<usize>| size.map_or(-1, |n| n as i64);
        let target = if open == 0 || open == 1 && !empty {
            self.ints(&sizes.iter().map(literal).collect::<Vec<_>>())
        } else {
            let mut shape = None;
            let mut parts = Vec::with_capacity(sizes.len());
            for (size, &axis) in sizes.iter().zip(&order) {
                let part = match (size, op.dims.get(axis)) {
                    (None, Some(ReshapeDim::Copy(from))) => {
                        let shape = *shape.get_or_insert_with(|| self.emit("Shape", &[tensor]));
                        let at = position(&source, *from) as i64;
                        self.part(shape, &[[at, at + 1, 0, 1]])
                    }
                    (None, _) if empty => return self.cannot("a shape of no elements with open dimensions"),
                    (size, _) => self.ints(&[literal(size)]),
                };
                parts.push(part);
            }
            self.join(&parts, 0)
        };
        let made = self.with("Reshape", &[tensor, target], |message| {
            if empty {
                message.attribute("allowzero", Attribute::Int(1));
            }
        });
        self.set(y, order, made);
        Ok(())
    }
}
