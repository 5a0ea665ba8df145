//! Reductions over axes.

use super::tensor::Element;
use super::values::{Handle, Order, Rule, axis_of, needs_shapes, position};
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::ops::{Binary, BinaryKind, Cast, Pad, PadMode, Reduce, ReduceKind, Slice, SliceAxis, Unary};
use crate::tensor::DType;

impl Rule<'_, '_> {
    /// Sums of everything up to an element: the value is added to itself, shifted by 1, 2, 4 and so on.
    pub fn cumulative_sum(&mut self) -> Result<Handle> {
        let (x, axis) = (self.input(0)?, self.input(1)?);
        let axis = self.only(axis, "axis")? as i64;
        let axis = self.axis(x, axis)?;
        let element = self.element(x);
        if element.small_range().is_some() || element == Element::Bool {
            return Err(Error::unsupported("a cumulative sum of small integers"));
        }
        let [n, other] = self.dims(x)[axis];
        if n != other {
            return Err(needs_shapes("the axis of a cumulative sum"));
        }
        let (order, mut id) = self.stored(x)?;
        let (at, rank, reverse) = (position(&order, axis), order.len(), self.flag("reverse")?);
        let shifted = |rule: &mut Self, id: ValueId, by: usize| {
            let (mut axes, mut pads) = (vec![SliceAxis::ALL; rank], vec![[0; 2]; rank]);
            axes[at] = if reverse { SliceAxis::range(by, n) } else { SliceAxis::range(0, n - by) };
            pads[at][reverse as usize] = by;
            let kept = rule.push(&format!("kept{by}"), Slice { axes }, &[id])?;
            rule.push(&format!("shifted{by}"), Pad { pads, mode: PadMode::Constant(0.0) }, &[kept])
        };
        if self.flag("exclusive")? && n > 0 {
            id = shifted(self, id, 1)?;
        }
        let mut by = 1;
        while by < n {
            let before = shifted(self, id, by)?;
            id = self.push(&format!("sum{by}"), Binary::new(BinaryKind::Add), &[id, before])?;
            by *= 2;
        }
        Ok(self.made(element, order, id))
    }

    /// `ReduceSum`, `ReduceMean`, `ReduceL2` and the others.
    pub fn reduce(&mut self) -> Result<Handle> {
        let x = self.input(0)?;
        let rank = self.rank(x);
        let axes = self.axes(1)?.unwrap_or_default();
        if axes.is_empty() && self.flag("noop_with_empty_axes")? {
            return Ok(x);
        }
        let axes = match axes.is_empty() {
            true => (0..rank).collect(),
            false => axes.iter().map(|&axis| axis_of(axis, rank)).collect::<Result<Vec<_>>>()?,
        };
        let keep = self.int("keepdims", 1)? != 0;
        let element = self.element(x);
        let (order, mut id) = self.stored(x)?;
        if element == Element::Bool {
            id = self.push("number", Cast { to: DType::F32 }, &[id])?;
        }
        let places: Vec<isize> = axes.iter().map(|&axis| position(&order, axis) as isize).collect();
        let reduce = |kind, keep_dims| Reduce { kind, axes: places.clone(), keep_dims };
        // A scalar has nothing to reduce, and no axes stands for all of them.
        let sum = |rule: &mut Self, part: &str, id: ValueId| match rank {
            0 => Ok(id),
            _ => rule.push(part, reduce(ReduceKind::Sum, keep), &[id]),
        };
        let result = match self.node.op {
            "ReduceL1" => {
                let id = self.push("abs", Unary::Abs, &[id])?;
                sum(self, "", id)?
            }
            "ReduceL2" => {
                let id = self.push("square", Unary::Square, &[id])?;
                let id = sum(self, "sum", id)?;
                self.push("", Unary::Sqrt, &[id])?
            }
            "ReduceSumSquare" => {
                let id = self.push("square", Unary::Square, &[id])?;
                sum(self, "", id)?
            }
            "ReduceLogSum" => {
                let id = sum(self, "sum", id)?;
                self.push("", Unary::Log, &[id])?
            }
            "ReduceLogSumExp" => self.log_sum_exp(id, &reduce(ReduceKind::Max, true), keep)?,
            _ if rank == 0 => id,
            "ReduceSum" => sum(self, "", id)?,
            "ReduceMean" => self.push("", reduce(ReduceKind::Mean, keep), &[id])?,
            "ReduceMax" => self.push("", reduce(ReduceKind::Max, keep), &[id])?,
            "ReduceMin" => self.push("", reduce(ReduceKind::Min, keep), &[id])?,
            "ReduceProd" => self.push("", reduce(ReduceKind::Prod, keep), &[id])?,
            other => return Err(Error::unsupported(format!("the reduction {other}"))),
        };
        let result = match element {
            Element::Bool => self.push("cast", Cast { to: DType::U8 }, &[result])?,
            _ => result,
        };
        let order = if keep { order } else { without(&order, &axes) };
        Ok(self.made(element, order, result))
    }

    /// `log(sum(exp(x)))` without overflow: the largest is taken out first.
    fn log_sum_exp(&mut self, id: ValueId, largest: &Reduce, keep: bool) -> Result<ValueId> {
        let max = self.push("max", largest.clone(), &[id])?;
        let shifted = self.push("shifted", Binary::new(BinaryKind::Sub), &[id, max])?;
        let powers = self.push("exp", Unary::Exp, &[shifted])?;
        let kept = Reduce { kind: ReduceKind::Sum, ..largest.clone() };
        let sum = self.push("sum", kept, &[powers])?;
        let log = self.push("log", Unary::Log, &[sum])?;
        let result = self.push(if keep { "" } else { "kept" }, Binary::new(BinaryKind::Add), &[log, max])?;
        if keep {
            return Ok(result);
        }
        // Dropping axes of size 1 is a sum of one element.
        self.push("", Reduce { kind: ReduceKind::Sum, axes: largest.axes.clone(), keep_dims: false }, &[result])
    }
}

/// An order without some axes.
fn without(order: &[usize], axes: &[usize]) -> Order {
    let kept = order.iter().filter(|axis| !axes.contains(axis));
    kept.map(|&axis| axis - axes.iter().filter(|&&gone| gone < axis).count()).collect()
}
