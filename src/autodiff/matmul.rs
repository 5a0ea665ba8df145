//! Gradients of matrix products.

use super::tape::{Site, Tape};
use crate::error::Result;
use crate::graph::ValueId;
use crate::ops::{Epilogue, MatMul};

/// With `A` and `B` the matrices as they are multiplied, `dA = dC B'` and `dB = A' dC`; one that is stored transposed has
/// its gradient transposed too, which swaps the factors.
pub(super) fn matmul(tape: &mut Tape, op: &MatMul, site: &Site) -> Result<Vec<Option<ValueId>>> {
    let Some(dz) = tape.before_epilogue(&op.epilogue, site)? else { return Ok(vec![None; site.wants.len()]) };
    let (a, b) = (site.x(0), site.x(1));
    let [dims_a, dims_b] = [a, b].map(|v| tape.dims(v));
    let plain = |transpose_a, transpose_b| MatMul { transpose_a, transpose_b, epilogue: Epilogue::default() };
    let mut operands = [None; 2];
    if site.wants[0] {
        let gradient = if op.transpose_a {
            tape.add(plain(op.transpose_b, true), &[b, dz])?
        } else {
            tape.add(plain(false, !op.transpose_b), &[dz, b])?
        };
        operands[0] = Some(tape.sum_to(gradient, &dims_a)?);
    }
    if site.wants[1] {
        // One right operand for all: the batch is just more rows, and the sum over it part of the product.
        let (mut left, mut rows) = (a, dz);
        if dims_b.len() == 2 && !op.transpose_a {
            let flat = |dims: &[usize]| {
                let (last, outer) = dims.split_last().expect("a matrix has columns");
                [outer.iter().product(), *last]
            };
            let (from, to) = (flat(&dims_a), flat(&tape.dims(dz)));
            (left, rows) = (tape.reshape(a, &from)?, tape.reshape(dz, &to)?);
        }
        let gradient = if op.transpose_b {
            tape.add(plain(true, op.transpose_a), &[rows, left])?
        } else {
            tape.add(plain(!op.transpose_a, false), &[left, rows])?
        };
        operands[1] = Some(tape.sum_to(gradient, &dims_b)?);
    }
    tape.with_epilogue(&op.epilogue, site, dz, operands)
}
