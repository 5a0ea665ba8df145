//! What is around networks, without an engine: boxes, heads, tracks, class maps, measures and pictures. A module of its own on
//! the web (the feature `vision`); `npm/src/vision` is its other side. All calls are synchronous.
//!
//! Sizes and numbers come from pages: each is checked before anything is allocated or indexed by it, so that nothing panics.

mod boxes;
mod heads;
mod measures;
mod people;
mod pictures;

use wasm_bindgen::JsValue;

use super::plain;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::vision::Rect;
use crate::vision::boxes::Candidate;

/// What JavaScript gets.
type Js<T> = std::result::Result<T, JsValue>;

/// Most numbers in a result: 256 MB of floats.
const MOST: usize = 1 << 26;
/// Most classes, bins and the like.
const MOST_CLASSES: u32 = 1 << 16;

fn js<T>(result: Result<T>) -> Js<T> {
    result.map_err(|error| plain::error(&error))
}

/// Refuses a result of too many numbers: the product of `sizes`.
fn room(sizes: &[usize]) -> Result<()> {
    let numbers = sizes.iter().try_fold(1usize, |n, &size| n.checked_mul(size).filter(|&n| n <= MOST));
    match numbers {
        Some(_) => Ok(()),
        None => Err(Error::resource(format!("the result would have more than {MOST} numbers"))),
    }
}

/// Refuses what is no number.
fn numbers(values: &[f32], what: &str) -> Result<()> {
    match values.iter().position(|v| v.is_nan()) {
        Some(i) => Err(Error::invalid(format!("{what}: number {i} is NaN"))),
        None => Ok(()),
    }
}

/// Refuses settings that are not above 0.
fn positive(values: &[f32], what: &str) -> Result<()> {
    match values.iter().find(|v| !(**v > 0.0 && v.is_finite())) {
        Some(value) => Err(Error::mismatch(format!("{what} must be above 0"), "finite numbers above 0", value)),
        None => Ok(()),
    }
}

/// As many classes as there can be.
fn classes(count: u32) -> Result<usize> {
    if count > MOST_CLASSES {
        return Err(Error::mismatch("too many classes", format!("at most {MOST_CLASSES}"), count));
    }
    Ok(count as usize)
}

/// A tensor of what a page gave.
fn tensor(values: &[f32], shape: &[u32], what: &str) -> Result<Tensor> {
    numbers(values, what)?;
    let shape: Vec<usize> = shape.iter().map(|&size| size as usize).collect();
    Tensor::f32(shape, values).map_err(|error| error.at(what))
}

fn floats(tensor: Tensor) -> Vec<f32> {
    match tensor.into_data() {
        crate::tensor::Data::F32(values) => values,
        _ => Vec::new(),
    }
}

/// Boxes of four numbers each, in one of the forms: 0 corners, 1 centre and size, 2 left upper corner and size.
fn rects(values: &[f32], form: u8) -> Result<Vec<Rect>> {
    let (boxes, rest) = values.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(Error::mismatch("boxes have four numbers each", "a multiple of 4", values.len()));
    }
    let read = |(i, &numbers): (usize, &[f32; 4])| {
        // Comparing edges drops NaN: look first.
        if !numbers.iter().all(|v| v.is_finite()) {
            return Err(Error::invalid(format!("box {i} has an edge that is no finite number")));
        }
        if form != 0 && (numbers[2] < 0.0 || numbers[3] < 0.0) {
            let received = format!("{} x {}", numbers[2], numbers[3]);
            return Err(Error::mismatch(
                format!("box {i} has a negative size"),
                "width and height of 0 or more",
                received,
            ));
        }
        let rect = match form {
            0 => Rect::from_corners(numbers),
            1 => Rect::from_centre(numbers),
            _ => Rect::from_xywh(numbers),
        };
        if rect.is_finite() { Ok(rect) } else { Err(Error::invalid(format!("box {i} is too large"))) }
    };
    boxes.iter().enumerate().map(read).collect()
}

/// Three columns of candidates: corners, scores, classes.
fn columns(found: &[Candidate]) -> (Vec<f32>, Vec<f32>, Vec<u32>) {
    let corners = found.iter().flat_map(|c| c.rect.corners()).collect();
    (corners, found.iter().map(|c| c.score).collect(), found.iter().map(|c| c.class as u32).collect())
}
