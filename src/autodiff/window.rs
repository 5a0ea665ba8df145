//! Gradients of pooling and resizing.

use super::tape::{Site, Tape};
use crate::error::Result;
use crate::graph::ValueId;
use crate::ops::{AvgPool2dBackward, MaxPool2dBackward, Pool2d, PoolKind, Resize, ResizeBackward};

/// Height and width of the operand.
fn image(tape: &Tape, site: &Site) -> Result<[usize; 2]> {
    let [_, h, w, _] = tape.kind(site.x(0)).shape.dims("[batch, height, width, channels]")?;
    Ok([h, w])
}

pub(super) fn pool(tape: &mut Tape, op: &Pool2d, site: &Site) -> Result<Vec<Option<ValueId>>> {
    let Some(dy) = site.upstream[0] else { return Ok(vec![None]) };
    let Pool2d { kernel, strides, dilations, padding, .. } = *op;
    let dx = match op.kind {
        PoolKind::Max => tape.add(MaxPool2dBackward { kernel, strides, dilations, padding }, &[site.x(0), dy])?,
        PoolKind::Average { include_padding } => {
            let input = image(tape, site)?;
            tape.add(AvgPool2dBackward { kernel, strides, dilations, padding, include_padding, input }, &[dy])?
        }
    };
    Ok(vec![Some(dx)])
}

pub(super) fn resize(tape: &mut Tape, op: &Resize, site: &Site) -> Result<Vec<Option<ValueId>>> {
    let Some(dy) = site.upstream[0] else { return Ok(vec![None]) };
    let input = image(tape, site)?;
    Ok(vec![Some(tape.add(ResizeBackward { forward: op.clone(), input }, &[dy])?)])
}
