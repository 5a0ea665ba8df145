//! Gradients of functions of one value and arithmetic of two.

use super::tape::{Site, Tape};
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::ops::{Binary, BinaryKind, Unary};

pub(super) fn unary(tape: &mut Tape, op: Unary, site: &Site) -> Result<Vec<Option<ValueId>>> {
    let Some(dy) = site.upstream[0] else { return Ok(vec![None]) };
    Ok(vec![tape.behind(op, site.y(), dy, &mut |_| Ok(site.x(0)))?])
}

pub(super) fn binary(tape: &mut Tape, op: &Binary, site: &Site) -> Result<Vec<Option<ValueId>>> {
    let Some(dy) = site.upstream[0] else { return Ok(vec![None; 2]) };
    // The result before the activation.
    let mut y = site.y();
    let dy = match op.activation {
        None => dy,
        Some(function) => {
            let (kind, inputs) = (op.kind, &site.node.inputs);
            let Some(dz) = tape.behind(function, y, dy, &mut |tape| tape.add(Binary::new(kind), inputs))? else {
                return Ok(vec![None; 2]);
            };
            // A quotient and a power are differentiated by their results.
            if matches!(kind, BinaryKind::Div | BinaryKind::Pow) && site.wants[1] {
                y = tape.add(Binary::new(kind), inputs)?;
            }
            dz
        }
    };
    let (a, b) = (site.x(0), site.x(1));
    let (mut da, mut db) = (None, None);
    match op.kind {
        BinaryKind::Add => (da, db) = (Some(dy), Some(dy)),
        BinaryKind::Sub => {
            da = Some(dy);
            if site.wants[1] {
                db = Some(tape.add(Unary::Neg, &[dy])?);
            }
        }
        BinaryKind::Mul => {
            if site.wants[0] {
                da = Some(tape.mul(dy, b)?);
            }
            if site.wants[1] {
                db = Some(tape.mul(dy, a)?);
            }
        }
        BinaryKind::Div => {
            let quotient = tape.binary(BinaryKind::Div, dy, b)?;
            da = Some(quotient);
            if site.wants[1] {
                let product = tape.mul(quotient, y)?;
                db = Some(tape.add(Unary::Neg, &[product])?);
            }
        }
        // A tie goes to the first operand (TensorFlow).
        BinaryKind::Maximum | BinaryKind::Minimum => {
            let first = if op.kind == BinaryKind::Maximum { BinaryKind::GreaterEqual } else { BinaryKind::LessEqual };
            let mask = tape.mask(first, a, b)?;
            let taken = tape.mul(dy, mask)?;
            da = Some(taken);
            if site.wants[1] {
                db = Some(tape.sub(dy, taken)?);
            }
        }
        BinaryKind::Pow => {
            if site.wants[0] {
                // b a^(b - 1)
                let one = tape.scalar(1.0);
                let less = tape.sub(b, one)?;
                let power = tape.binary(BinaryKind::Pow, a, less)?;
                let slope = tape.mul(power, b)?;
                da = Some(tape.mul(dy, slope)?);
            }
            if site.wants[1] {
                // y ln a; 0 where there is no logarithm (TensorFlow).
                let zero = tape.scalar(0.0);
                let positive = tape.mask(BinaryKind::Greater, a, zero)?;
                let one = tape.scalar(1.0);
                let other = tape.sub(one, positive)?;
                let kept = tape.mul(a, positive)?;
                let safe = tape.binary(BinaryKind::Add, kept, other)?;
                let logarithm = tape.add(Unary::Log, &[safe])?;
                let slope = tape.mul(logarithm, y)?;
                db = Some(tape.mul(dy, slope)?);
            }
        }
        BinaryKind::SquaredDifference => {
            let difference = tape.sub(a, b)?;
            let twice = tape.scaled(difference, 2.0)?;
            let product = tape.mul(dy, twice)?;
            da = Some(product);
            if site.wants[1] {
                db = Some(tape.add(Unary::Neg, &[product])?);
            }
        }
        BinaryKind::FloorMod => {
            // a - b floor(a / b)
            da = Some(dy);
            if site.wants[1] {
                let quotient = tape.binary(BinaryKind::FloorDiv, a, b)?;
                let product = tape.mul(dy, quotient)?;
                db = Some(tape.add(Unary::Neg, &[product])?);
            }
        }
        // Flat.
        BinaryKind::FloorDiv => {}
        BinaryKind::Equal
        | BinaryKind::NotEqual
        | BinaryKind::Less
        | BinaryKind::LessEqual
        | BinaryKind::Greater
        | BinaryKind::GreaterEqual => return Err(Error::invalid("a comparison's result is no float")),
    }
    let mut shaped = |gradient: Option<ValueId>, i: usize| match gradient {
        Some(gradient) if site.wants[i] => Ok::<_, Error>(Some(tape.sum_to(gradient, &tape.dims(site.x(i)))?)),
        _ => Ok(None),
    };
    Ok(vec![shaped(da, 0)?, shaped(db, 1)?])
}
