//! Resizing of images: nearest and bilinear, with the three coordinate conventions in use.

use super::index::for_each_index;
use super::{Operator, Reference, expect_dtype, expect_inputs};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{DType, Tensor, TensorType};

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

    /// The exact coordinate of output pixel `o` as a fraction `(numerator, denominator)`.
    fn coordinate(&self, o: usize, input: usize, output: usize) -> (i64, i64) {
        let [o, input, output] = [o, input, output].map(|v| v as i64);
        match self.coordinates {
            Coordinates::HalfPixel => ((2 * o + 1) * input - output, 2 * output),
            Coordinates::AlignCorners => (o * (input - 1), (output - 1).max(1)),
            Coordinates::Asymmetric => (o * input, output),
        }
    }

    /// The input index that output pixel `o` takes under nearest-neighbour interpolation, in exact arithmetic.
    pub fn nearest(&self, rounding: NearestRounding, o: usize, input: usize, output: usize) -> usize {
        let (a, b) = self.coordinate(o, input, output);
        let index = match rounding {
            NearestRounding::Floor => a.div_euclid(b),
            NearestRounding::Ceil => -(-a).div_euclid(b),
            NearestRounding::HalfUp => (2 * a + b).div_euclid(2 * b),
            NearestRounding::HalfDown => -(b - 2 * a).div_euclid(2 * b),
        };
        index.clamp(0, input as i64 - 1) as usize
    }

    /// The two input indices that output pixel `o` lies between and the weight of the second.
    pub fn neighbours(&self, o: usize, input: usize, output: usize) -> (usize, usize, f64) {
        let (a, b) = self.coordinate(o, input, output);
        let position = (a as f64 / b as f64).clamp(0.0, (input - 1) as f64);
        let low = position as usize;
        (low, (low + 1).min(input - 1), position - low as f64)
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

impl Reference for Resize {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let x = inputs[0].as_f32()?;
        let [_, h, w, c] = inputs[0].shape().dims("[batch, height, width, channels]")?;
        let [_, oh, ow, _] = shape.dims("[batch, height, width, channels]")?;
        let mut out = Vec::with_capacity(shape.elements());
        for_each_index(&shape, |index| {
            let &[n, oy, ox, channel] = index else { unreachable!("rank 4") };
            let pixel = |y: usize, x_: usize| x[((n * h + y) * w + x_) * c + channel] as f64;
            out.push(match self.mode {
                ResizeMode::Nearest(rounding) => {
                    pixel(self.nearest(rounding, oy, h, oh), self.nearest(rounding, ox, w, ow)) as f32
                }
                ResizeMode::Bilinear => {
                    let ((y0, y1, fy), (x0, x1, fx)) = (self.neighbours(oy, h, oh), self.neighbours(ox, w, ow));
                    let top = pixel(y0, x0) * (1.0 - fx) + pixel(y0, x1) * fx;
                    let bottom = pixel(y1, x0) * (1.0 - fx) + pixel(y1, x1) * fx;
                    (top * (1.0 - fy) + bottom * fy) as f32
                }
            });
        });
        Ok(vec![Tensor::f32(shape, out)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(coordinates: Coordinates, mode: ResizeMode, x: &[f32], n: usize) -> Vec<f32> {
        let x = Tensor::f32([1, 1, x.len(), 1], x).unwrap();
        let op = Resize { size: ResizeSize::Fixed([1, n]), mode, coordinates };
        op.reference(&[&x]).unwrap()[0].as_f32().unwrap().to_vec()
    }

    #[test]
    fn bilinear_by_hand() {
        use Coordinates::*;
        let linear = |coordinates, n| row(coordinates, ResizeMode::Bilinear, &[0.0, 4.0], n);
        assert_eq!(linear(HalfPixel, 4), [0.0, 1.0, 3.0, 4.0]);
        assert_eq!(linear(AlignCorners, 5), [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(linear(AlignCorners, 1), [0.0]);
        assert_eq!(linear(Asymmetric, 4), [0.0, 2.0, 4.0, 4.0]);
    }

    #[test]
    fn nearest_rounds_as_named() {
        use Coordinates::*;
        let nearest = |coordinates, rounding, n| row(coordinates, ResizeMode::Nearest(rounding), &[0.0, 1.0, 2.0], n);
        // Aligned corners to 5 pixels: coordinates 0, 0.5, 1, 1.5, 2.
        assert_eq!(nearest(AlignCorners, NearestRounding::Floor, 5), [0.0, 0.0, 1.0, 1.0, 2.0]);
        assert_eq!(nearest(AlignCorners, NearestRounding::Ceil, 5), [0.0, 1.0, 1.0, 2.0, 2.0]);
        assert_eq!(nearest(AlignCorners, NearestRounding::HalfUp, 5), [0.0, 1.0, 1.0, 2.0, 2.0]);
        assert_eq!(nearest(AlignCorners, NearestRounding::HalfDown, 5), [0.0, 0.0, 1.0, 1.0, 2.0]);
        // Asymmetric to 4: 0, 0.75, 1.5, 2.25.
        assert_eq!(nearest(Asymmetric, NearestRounding::Floor, 4), [0.0, 0.0, 1.0, 2.0]);
        // Half pixel to 6: -0.25, 0.25, 0.75, 1.25, 1.75, 2.25.
        assert_eq!(nearest(HalfPixel, NearestRounding::HalfDown, 6), [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]);
    }

    #[test]
    fn the_transform_says_the_same_as_the_exact_coordinate() {
        for coordinates in [Coordinates::HalfPixel, Coordinates::AlignCorners, Coordinates::Asymmetric] {
            let op = Resize { size: ResizeSize::Fixed([1, 1]), mode: ResizeMode::Bilinear, coordinates };
            for (input, output) in [(7, 5), (5, 13), (4, 8), (3, 1), (1, 4)] {
                let (scale, offset) = op.transform(input, output);
                for o in 0..output {
                    let (a, b) = op.coordinate(o, input, output);
                    assert!((o as f32 * scale + offset - a as f32 / b as f32).abs() < 1e-5);
                }
            }
        }
    }
}
