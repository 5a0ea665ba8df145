//! Resizing of images: nearest and bilinear, with the three coordinate conventions in use.

use super::{Operator, expect_dtype, expect_inputs};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{DType, TensorType};

/// Where output pixel `o` of `n_out` lies in an input of `n_in` pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coordinates {
    /// `(o + 0.5) * scale - 0.5` with `scale = n_in / n_out` (Keras, TF 2, ONNX default).
    HalfPixel,
    /// `o * (n_in - 1) / (n_out - 1)`; 0 when there is one output pixel.
    AlignCorners,
    /// `o * scale` (TF 1 default, ONNX "asymmetric").
    Asymmetric,
}

/// How a nearest-neighbour coordinate becomes an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NearestRounding {
    /// `floor(x)`.
    Floor,
    /// `ceil(x)`.
    Ceil,
    /// `floor(x + 0.5)`: TensorFlow with half-pixel centres or aligned corners.
    HalfUp,
    /// `ceil(x - 0.5)`: ONNX `round_prefer_floor`.
    HalfDown,
}

/// Interpolation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResizeMode {
    /// The nearest pixel.
    Nearest(NearestRounding),
    /// Linear in both directions; coordinates are clamped to the image.
    Bilinear,
}

/// Output size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ResizeSize {
    /// `[height, width]`.
    Fixed([usize; 2]),
    /// `floor(input * factor)`; the coordinate scale is still `n_in / n_out`.
    Factors([f32; 2]),
}

/// Resizes `[batch, height, width, channels]` to another height and width.
#[derive(Clone, Debug, PartialEq)]
pub struct Resize {
    /// Output size.
    pub size: ResizeSize,
    /// Interpolation.
    pub mode: ResizeMode,
    /// Coordinate convention.
    pub coordinates: Coordinates,
}

impl Resize {
    /// `(scale, offset)` such that output pixel `o` lies at `o * scale + offset` of the input.
    pub fn transform(&self, input: usize, output: usize) -> (f32, f32) {
        let ratio = input as f32 / output as f32;
        match self.coordinates {
            Coordinates::HalfPixel => (ratio, 0.5 * ratio - 0.5),
            Coordinates::AlignCorners if output > 1 => ((input - 1) as f32 / (output - 1) as f32, 0.0),
            Coordinates::AlignCorners => (0.0, 0.0),
            Coordinates::Asymmetric => (ratio, 0.0),
        }
    }
}

impl Operator for Resize {
    fn name(&self) -> &'static str {
        match self.mode {
            ResizeMode::Nearest(_) => "ResizeNearest",
            ResizeMode::Bilinear => "ResizeBilinear",
        }
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 1)?;
        expect_dtype(inputs, 0, DType::F32)?;
        let [n, h, w, c] = inputs[0].shape.dims("[batch, height, width, channels]")?;
        let [oh, ow] = match self.size {
            ResizeSize::Fixed(size) => size,
            ResizeSize::Factors([fy, fx]) => [(h as f32 * fy) as usize, (w as f32 * fx) as usize],
        };
        if [h, w, oh, ow].contains(&0) {
            return Err(Error::mismatch(
                "cannot resize",
                "at least 1 x 1 pixels on both sides",
                format!("{h} x {w} to {oh} x {ow}"),
            ));
        }
        Ok(vec![TensorType::f32(Shape::checked([n, oh, ow, c])?)])
    }
}
