//! Gradients of reductions.

use super::tape::{Site, Tape};
use crate::error::Result;
use crate::graph::ValueId;
use crate::ops::{BinaryKind, Reduce, ReduceKind};

pub(super) fn reduce(tape: &mut Tape, op: &Reduce, site: &Site) -> Result<Vec<Option<ValueId>>> {
    let Some(dy) = site.upstream[0] else { return Ok(vec![None]) };
    let x = site.x(0);
    let (dims, mask) = (tape.dims(x), op.mask(&tape.kind(x).shape)?);
    let axes: Vec<usize> = (0..dims.len()).filter(|&axis| mask[axis]).collect();
    let count: usize = axes.iter().map(|&axis| dims[axis]).product();
    let kept: Vec<usize> = dims.iter().zip(&mask).map(|(&n, &reduced)| if reduced { 1 } else { n }).collect();
    let dy = tape.reshape(dy, &kept)?;
    let dx = match op.kind {
        ReduceKind::Sum => tape.expand(dy, &dims)?,
        // Scaled while it is small.
        ReduceKind::Mean => {
            let dy = tape.scaled(dy, 1.0 / count as f32)?;
            tape.expand(dy, &dims)?
        }
        // Ties share equally (Keras).
        ReduceKind::Max | ReduceKind::Min => {
            let y = tape.reshape(site.y(), &kept)?;
            let mask = tape.mask(BinaryKind::Equal, x, y)?;
            let ties = tape.sum(mask, &axes)?;
            let share = tape.binary(BinaryKind::Div, dy, ties)?;
            tape.mul(mask, share)?
        }
        // The product of the others: the product of all that are not zero, by the element, if no other is zero.
        ReduceKind::Prod => {
            let zero = tape.scalar(0.0);
            let is_zero = tape.mask(BinaryKind::Equal, x, zero)?;
            let filled = tape.binary(BinaryKind::Add, x, is_zero)?;
            let over = axes.iter().map(|&axis| axis as isize).collect();
            let product = tape.add(Reduce { kind: ReduceKind::Prod, axes: over, keep_dims: true }, &[filled])?;
            let others = tape.binary(BinaryKind::Div, product, filled)?;
            let zeros = tape.sum(is_zero, &axes)?;
            let alone = tape.mask(BinaryKind::Equal, zeros, is_zero)?;
            let slope = tape.mul(others, alone)?;
            tape.mul(slope, dy)?
        }
    };
    Ok(vec![Some(dx)])
}
