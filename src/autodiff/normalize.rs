//! Gradients of softmax and of batch normalisation.

use super::tape::{Site, Tape};
use crate::error::Result;
use crate::graph::ValueId;
use crate::ops::{BatchNorm, BatchNormBackward, BinaryKind, Op, Unary};

/// `y (dy - sum(y dy))`.
pub(super) fn softmax(tape: &mut Tape, axis: isize, site: &Site) -> Result<Vec<Option<ValueId>>> {
    let Some(dy) = site.upstream[0] else { return Ok(vec![None]) };
    let axis = tape.kind(dy).shape.axis(axis)?;
    let product = tape.mul(site.y(), dy)?;
    let sum = tape.sum(product, &[axis])?;
    let rest = tape.sub(dy, sum)?;
    Ok(vec![Some(tape.mul(site.y(), rest)?)])
}

/// `dy - exp(y) sum(dy)`.
pub(super) fn log_softmax(tape: &mut Tape, axis: isize, site: &Site) -> Result<Vec<Option<ValueId>>> {
    let Some(dy) = site.upstream[0] else { return Ok(vec![None]) };
    let axis = tape.kind(dy).shape.axis(axis)?;
    let sum = tape.sum(dy, &[axis])?;
    let probability = tape.add(Unary::Exp, &[site.y()])?;
    let product = tape.mul(probability, sum)?;
    Ok(vec![Some(tape.sub(dy, product)?)])
}

/// Whether a batch normalisation's statistics are those of its own operand: then the gradient goes through them too, and
/// one op does it all.
fn is_training(tape: &Tape, site: &Site) -> bool {
    match [3, 4].map(|i| tape.graph.producer(site.x(i))) {
        [Some((first, node)), Some((second, _))] => {
            first == second
                && matches!(node.op, Op::BatchNormStatistics(_))
                && node.inputs[0] == site.x(0)
                && node.outputs[..] == site.node.inputs[3..5]
        }
        _ => false,
    }
}

/// With the statistics given, `y = (x - mean) r gamma + beta` where `r = 1 / sqrt(variance + epsilon)`.
pub(super) fn batch_norm(tape: &mut Tape, op: &BatchNorm, site: &Site) -> Result<Vec<Option<ValueId>>> {
    let (Some(dy), &[x, gamma, beta, mean, variance]) = (site.upstream[0], &site.node.inputs[..]) else {
        return Ok(vec![None; 5]);
    };
    let wants = |i: usize| site.wants[i];
    let channels = tape.dims(beta);
    let epsilon = tape.scalar(op.epsilon);
    let sum = tape.binary(BinaryKind::Add, variance, epsilon)?;
    let root = tape.add(Unary::Rsqrt, &[sum])?;
    if is_training(tape, site) {
        let results = tape.push(BatchNormBackward, &[x, dy, mean, root, gamma])?;
        return Ok(results.into_iter().map(Some).chain([None; 2]).collect());
    }
    let scale = tape.mul(root, gamma)?;
    let mut gradients = vec![None; 5];
    if wants(0) {
        gradients[0] = Some(tape.mul(dy, scale)?);
    }
    if wants(2) || wants(3) {
        let total = tape.sum_to(dy, &channels)?;
        gradients[2] = Some(total);
        if wants(3) {
            let product = tape.mul(total, scale)?;
            gradients[3] = Some(tape.add(Unary::Neg, &[product])?);
        }
    }
    if wants(1) || wants(4) {
        let centred = tape.sub(x, mean)?;
        let product = tape.mul(dy, centred)?;
        let total = tape.sum_to(product, &channels)?;
        let by_gamma = tape.mul(total, root)?;
        gradients[1] = Some(by_gamma);
        if wants(4) {
            // r has the derivative -r^3 / 2.
            let square = tape.add(Unary::Square, &[root])?;
            let slope = tape.mul(square, gamma)?;
            let slope = tape.scaled(slope, -0.5)?;
            gradients[4] = Some(tape.mul(by_gamma, slope)?);
        }
    }
    Ok(gradients)
}

/// The mean over n rows has the derivative 1 / n, the variance 2 (x - mean) / n.
pub(super) fn statistics(tape: &mut Tape, site: &Site) -> Result<Vec<Option<ValueId>>> {
    let (x, dims) = (site.x(0), tape.dims(site.x(0)));
    let rows: usize = dims[..dims.len() - 1].iter().product();
    let mut parts = Vec::new();
    if let Some(dvariance) = site.upstream[1] {
        let centred = tape.sub(x, site.node.outputs[0])?;
        let slope = tape.scaled(dvariance, 2.0 / rows as f32)?;
        parts.push(tape.mul(centred, slope)?);
    }
    if let Some(dmean) = site.upstream[0] {
        let each = tape.scaled(dmean, 1.0 / rows as f32)?;
        let wide: Vec<usize> = dims.iter().enumerate().map(|(i, &n)| if i + 1 < dims.len() { 1 } else { n }).collect();
        let each = tape.reshape(each, &wide)?;
        // A sum broadcasts by itself.
        parts.push(if parts.is_empty() { tape.expand(each, &dims)? } else { each });
    }
    Ok(vec![tape.total(&mut parts)?])
}
