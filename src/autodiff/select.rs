//! Gradients of picks, as products with a matrix of ones and zeros that says what was picked. It has an element for every
//! pair of a pick and a place along the axis: right for a few hundred of each, dear for a large dictionary.

use super::tape::{Site, Tape};
use crate::error::Result;
use crate::graph::ValueId;
use crate::ops::{BinaryKind, Gather, MatMul};
use crate::tensor::Tensor;

/// The numbers `0..n`, in this shape.
fn numbers(tape: &mut Tape, n: usize, dims: &[usize]) -> Result<ValueId> {
    let numbers: Vec<i32> = (0..n as i32).collect();
    Ok(tape.constant(Tensor::i32(dims, numbers)?))
}

pub(super) fn gather(tape: &mut Tape, op: &Gather, site: &Site) -> Result<Vec<Option<ValueId>>> {
    let (Some(dy), true) = (site.upstream[0], site.wants[0]) else { return Ok(vec![None; 2]) };
    let dims = tape.dims(site.x(0));
    let axis = tape.kind(site.x(0)).shape.axis(op.axis)?;
    let (n, picks) = (dims[axis], tape.kind(site.x(1)).shape.elements());
    let (outer, inner) = (dims[..axis].iter().product(), dims[axis + 1..].iter().product());
    let indices = tape.reshape(site.x(1), &[1, picks])?;
    let places = numbers(tape, n, &[n, 1])?;
    let picked = tape.mask(BinaryKind::Equal, places, indices)?;
    let dy = tape.reshape(dy, &[outer, picks, inner])?;
    let dx = tape.add(MatMul::default(), &[picked, dy])?;
    Ok(vec![Some(tape.reshape(dx, &dims)?), None])
}

pub(super) fn top_k(tape: &mut Tape, site: &Site) -> Result<Vec<Option<ValueId>>> {
    let Some(dy) = site.upstream[0] else { return Ok(vec![None]) };
    let (dims, kept) = (tape.dims(site.x(0)), tape.dims(dy));
    let (n, k) = (dims.last().copied().unwrap_or(1), kept.last().copied().unwrap_or(1));
    let lines: usize = dims[..dims.len() - 1].iter().product();
    let indices = tape.reshape(site.node.outputs[1], &[lines, k, 1])?;
    let places = numbers(tape, n, &[n])?;
    let picked = tape.mask(BinaryKind::Equal, indices, places)?;
    let dy = tape.reshape(dy, &[lines, 1, k])?;
    let dx = tape.add(MatMul::default(), &[dy, picked])?;
    Ok(vec![Some(tape.reshape(dx, &dims)?)])
}
