//! Gradients of convolutions.

use super::tape::{Site, Tape};
use crate::error::Result;
use crate::graph::ValueId;
use crate::ops::{Conv2d, ConvTranspose2d, DepthwiseConv2d, Slice, SliceAxis};

/// Height and width of an image-like value, and of the kernel.
fn sizes(tape: &Tape, site: &Site) -> Result<([usize; 2], [usize; 2])> {
    let [_, h, w, _] = tape.kind(site.x(0)).shape.dims("[batch, height, width, channels]")?;
    let [kh, kw, _, _] = tape.kind(site.x(1)).shape.dims("a kernel of rank 4")?;
    Ok(([h, w], [kh, kw]))
}

pub(super) fn conv2d(tape: &mut Tape, op: &Conv2d, site: &Site) -> Result<Vec<Option<ValueId>>> {
    let Some(dz) = tape.before_epilogue(&op.epilogue, site)? else { return Ok(vec![None; site.wants.len()]) };
    let (image, kernel) = sizes(tape, site)?;
    let mut operands = [None; 2];
    if site.wants[0] {
        operands[0] = Some(tape.add(op.backward_input(image), &[dz, site.x(1)])?);
    }
    if site.wants[1] {
        operands[1] = Some(tape.add(op.backward_filter(kernel), &[site.x(0), dz])?);
    }
    tape.with_epilogue(&op.epilogue, site, dz, operands)
}

pub(super) fn depthwise(tape: &mut Tape, op: &DepthwiseConv2d, site: &Site) -> Result<Vec<Option<ValueId>>> {
    let Some(dz) = tape.before_epilogue(&op.epilogue, site)? else { return Ok(vec![None; site.wants.len()]) };
    let (image, kernel) = sizes(tape, site)?;
    let mut operands = [None; 2];
    if site.wants[0] {
        operands[0] = Some(tape.add(op.backward_input(image), &[dz, site.x(1)])?);
    }
    if site.wants[1] {
        operands[1] = Some(tape.add(op.backward_filter(kernel), &[site.x(0), dz])?);
    }
    tape.with_epilogue(&op.epilogue, site, dz, operands)
}

/// By the input it is a convolution, by the kernel the kernel gradient of that ([`ConvTranspose2d::backward`]).
pub(super) fn transposed(tape: &mut Tape, op: &ConvTranspose2d, site: &Site) -> Result<Vec<Option<ValueId>>> {
    let Some(dz) = tape.before_epilogue(&op.epilogue, site)? else { return Ok(vec![None; site.wants.len()]) };
    let (image, kernel) = sizes(tape, site)?;
    let backward = op.backward(image, kernel)?;
    let [_, h, w, _] = tape.kind(dz).shape.dims("[batch, height, width, channels]")?;
    let mut dy = dz;
    if backward.reached != [h, w] {
        let [rows, columns] = backward.reached.map(|n| SliceAxis::range(0, n));
        dy = tape.add(Slice { axes: vec![SliceAxis::ALL, rows, columns, SliceAxis::ALL] }, &[dz])?;
    }
    let mut operands = [None; 2];
    if site.wants[0] {
        operands[0] = Some(tape.add(backward.input, &[dy, site.x(1)])?);
    }
    if site.wants[1] {
        operands[1] = Some(tape.add(backward.filter, &[dy, site.x(0)])?);
    }
    tape.with_epilogue(&op.epilogue, site, dz, operands)
}
