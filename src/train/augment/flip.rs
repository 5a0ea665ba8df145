//! Mirrors and quarter turns.

use super::{Frame, rearrange};
use crate::error::Result;
use crate::tensor::Tensor;

/// Left becomes right.
pub fn flip_left_right(picture: &Tensor) -> Result<Tensor> {
    let Frame { height, width, .. } = Frame::of(picture)?;
    rearrange(picture, height, width, 0.0, &|y, x| Some((y, width - 1 - x)))
}

/// Top becomes bottom.
pub fn flip_up_down(picture: &Tensor) -> Result<Tensor> {
    let Frame { height, width, .. } = Frame::of(picture)?;
    rearrange(picture, height, width, 0.0, &|y, x| Some((height - 1 - y, x)))
}

/// Rows become columns.
pub fn transpose(picture: &Tensor) -> Result<Tensor> {
    let Frame { height, width, .. } = Frame::of(picture)?;
    rearrange(picture, width, height, 0.0, &|y, x| Some((x, y)))
}

/// `k` quarter turns, counter-clockwise.
pub fn rot90(picture: &Tensor, k: isize) -> Result<Tensor> {
    let Frame { height, width, .. } = Frame::of(picture)?;
    match k.rem_euclid(4) {
        1 => rearrange(picture, width, height, 0.0, &|y, x| Some((x, width - 1 - y))),
        2 => rearrange(picture, height, width, 0.0, &|y, x| Some((height - 1 - y, width - 1 - x))),
        3 => rearrange(picture, width, height, 0.0, &|y, x| Some((height - 1 - x, y))),
        _ => Ok(picture.clone()),
    }
}
