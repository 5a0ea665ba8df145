//! Gradients of moves: each element's gradient goes back to where it came from.

use super::tape::{Site, Tape};
use crate::error::Result;
use crate::graph::ValueId;
use crate::ops::{BinaryKind, Concat, Pad, PadMode, Slice, SliceAxis, Transpose};

pub(super) fn concat(tape: &mut Tape, op: &Concat, site: &Site) -> Result<Vec<Option<ValueId>>> {
    let Some(dy) = site.upstream[0] else { return Ok(vec![None; site.wants.len()]) };
    let axis = tape.kind(dy).shape.axis(op.axis)?;
    let mut start = 0;
    let mut gradients = Vec::with_capacity(site.wants.len());
    for (i, &wanted) in site.wants.iter().enumerate() {
        let end = start + tape.dims(site.x(i))[axis];
        gradients.push(if wanted { Some(part(tape, dy, axis, SliceAxis::range(start, end))?) } else { None });
        start = end;
    }
    Ok(gradients)
}

/// A slice along one axis.
fn part(tape: &mut Tape, value: ValueId, axis: usize, range: SliceAxis) -> Result<ValueId> {
    let mut axes = vec![SliceAxis::ALL; tape.dims(value).len()];
    axes[axis] = range;
    tape.add(Slice { axes }, &[value])
}

/// Zeros before and after along one axis.
fn surrounded(tape: &mut Tape, value: ValueId, axis: usize, pads: [usize; 2]) -> Result<ValueId> {
    if pads == [0, 0] {
        return Ok(value);
    }
    let mut all = vec![[0, 0]; tape.dims(value).len()];
    all[axis] = pads;
    tape.add(Pad { pads: all, mode: PadMode::Constant(0.0) }, &[value])
}

const BACKWARDS: SliceAxis = SliceAxis { start: None, end: None, step: -1 };

pub(super) fn slice(tape: &mut Tape, op: &Slice, site: &Site) -> Result<Vec<Option<ValueId>>> {
    let Some(mut dy) = site.upstream[0] else { return Ok(vec![None]) };
    let dims = tape.dims(site.x(0));
    for (axis, (slice, &n)) in op.axes.iter().zip(&dims).enumerate() {
        let (mut first, count) = slice.resolve(n)?;
        let step = slice.step.unsigned_abs();
        if count == 0 {
            // Nothing was taken: a slice of no elements, padded to all zeros.
            dy = surrounded(tape, dy, axis, [n, 0])?;
            continue;
        }
        if slice.step < 0 && count > 1 {
            dy = part(tape, dy, axis, BACKWARDS)?;
            first -= (count - 1) * step;
        }
        if step > 1 && count > 1 {
            // Zeros between: a dimension of its own, padded, and merged again.
            let now = tape.dims(dy);
            let split: Vec<usize> = [&now[..=axis], &[1], &now[axis + 1..]].concat();
            dy = tape.reshape(dy, &split)?;
            dy = surrounded(tape, dy, axis + 1, [0, step - 1])?;
            let merged: Vec<usize> = [&now[..axis], &[count * step], &now[axis + 1..]].concat();
            dy = tape.reshape(dy, &merged)?;
            dy = part(tape, dy, axis, SliceAxis::range(0, (count - 1) * step + 1))?;
        }
        let taken = tape.dims(dy)[axis];
        dy = surrounded(tape, dy, axis, [first, n - first - taken])?;
    }
    Ok(vec![Some(dy)])
}

pub(super) fn pad(tape: &mut Tape, op: &Pad, site: &Site) -> Result<Vec<Option<ValueId>>> {
    let Some(mut dy) = site.upstream[0] else { return Ok(vec![None]) };
    let dims = tape.dims(site.x(0));
    for (axis, (&[before, after], &n)) in op.pads.iter().zip(&dims).enumerate() {
        if before + after == 0 {
            continue;
        }
        let mut sum = part(tape, dy, axis, SliceAxis::range(before, before + n))?;
        // Each border, as what it adds to which place inside.
        for (range, is_before) in [(0..before, true), (before + n..before + n + after, false)] {
            let width = range.len();
            if width == 0 || matches!(op.mode, PadMode::Constant(_)) {
                continue;
            }
            let mut border = part(tape, dy, axis, SliceAxis::range(range.start, range.end))?;
            let start = match op.mode {
                PadMode::Edge => {
                    border = tape.sum(border, &[axis])?;
                    if is_before { 0 } else { n - 1 }
                }
                // A mirror turns around.
                _ => {
                    border = part(tape, border, axis, BACKWARDS)?;
                    let apart = (op.mode == PadMode::Reflect) as usize;
                    if is_before { apart } else { n - width - apart }
                }
            };
            let width = tape.dims(border)[axis];
            let placed = surrounded(tape, border, axis, [start, n - start - width])?;
            sum = tape.binary(BinaryKind::Add, sum, placed)?;
        }
        dy = sum;
    }
    Ok(vec![Some(dy)])
}

pub(super) fn reshape(tape: &mut Tape, site: &Site) -> Result<Vec<Option<ValueId>>> {
    let Some(dy) = site.upstream[0] else { return Ok(vec![None]) };
    let dims = tape.dims(site.x(0));
    Ok(vec![Some(tape.reshape(dy, &dims)?)])
}

pub(super) fn transpose(tape: &mut Tape, op: &Transpose, site: &Site) -> Result<Vec<Option<ValueId>>> {
    let Some(dy) = site.upstream[0] else { return Ok(vec![None]) };
    let mut perm = vec![0; op.perm.len()];
    op.perm.iter().enumerate().for_each(|(i, &axis)| perm[axis] = i);
    Ok(vec![Some(tape.add(Transpose { perm }, &[dy])?)])
}
