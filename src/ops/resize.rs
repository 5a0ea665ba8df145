//! Resizing of images by every method of TensorFlow and ONNX, with the coordinate conventions in use.
//!
//! All methods are separable and linear: each axis is a table of weights ([`Taps`]).

use super::index::for_each_index;
use super::taps::Axis;
use super::{Operator, Reference, Taps, expect_dtype, expect_inputs};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{DType, Tensor, TensorType};

/// Where output pixel `o` of `n_out` lies in an input of `n_in` pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coordinates {
    /// `(o + 0.5) * scale - 0.5` with `scale = n_in / n_out` (Keras, TF 2, ONNX default).
    HalfPixel,
    /// The same, but 0 where there is one output pixel (ONNX "pytorch_half_pixel").
    HalfPixelOrZero,
    /// The same, centred in the image where [`ResizeSize::Scales`] cut off a part of a pixel (ONNX
    /// "half_pixel_symmetric").
    HalfPixelSymmetric,
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
    /// `floor(x + 0.5)`: TensorFlow with half-pixel centres or aligned corners, ONNX `round_prefer_ceil`.
    HalfUp,
    /// `ceil(x - 0.5)`: ONNX `round_prefer_floor`.
    HalfDown,
}

impl NearestRounding {
    /// TensorFlow's rounding with these coordinates.
    pub fn of(coordinates: Coordinates) -> Self {
        if coordinates == Coordinates::Asymmetric { NearestRounding::Floor } else { NearestRounding::HalfUp }
    }
}

/// Interpolation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ResizeMode {
    /// The nearest pixel.
    Nearest(NearestRounding),
    /// Linear in both directions; coordinates are clamped to the image.
    Bilinear,
    /// The mean over what an output pixel covers, whatever the coordinates.
    Area,
    /// A weighted sum of the pixels near by.
    Sampled(Sampling),
}

/// A weighted sum of the pixels near by, with weights that are made to sum to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// The weights by distance.
    pub kernel: SamplingKernel,
    /// Along an axis that shrinks, the kernel is as much wider.
    pub antialias: bool,
    /// What counts outside the image.
    pub border: Border,
}

/// What a resize reads outside the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Border {
    /// Nothing: the weights inside share what falls outside (TF 2; ONNX `exclude_outside`).
    Exclude,
    /// The pixel at the edge (ONNX default, TF 1).
    Repeat,
}

/// Weights by distance in pixels. Lanczos, Gaussian and Mitchell-Netravali are those of TensorFlow's `ResizeMethod`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SamplingKernel {
    /// `1 - x`, radius 1: linear interpolation.
    Triangle,
    /// Cubic convolution, Keys 1981, radius 2. TF 2 has `a = -0.5`, ONNX and PyTorch -0.75.
    Cubic {
        /// Half the slope at distance 1 is `-a`.
        a: f32,
    },
    /// The same with coordinates rounded to 1/1024 pixel, as TensorFlow's bicubic kernel looks its weights up.
    TabulatedCubic {
        /// As above.
        a: f32,
    },
    /// Mitchell and Netravali 1988, radius 2.
    MitchellCubic,
    /// Standard deviation 1/2, cut off at 1.5.
    Gaussian,
    /// Radius 3.
    Lanczos3,
    /// Radius 5.
    Lanczos5,
}

impl ResizeMode {
    /// The mode of `tf.image.resize`, and of Keras' layers, that has this name. `antialias` counts for all but nearest
    /// and area. The coordinates that belong to it are [`Coordinates::HalfPixel`].
    ///
    /// Errors: another name.
    pub fn tensorflow(method: &str, antialias: bool) -> Result<ResizeMode> {
        let kernel = match method {
            "nearest" => return Ok(ResizeMode::Nearest(NearestRounding::HalfUp)),
            "area" => return Ok(ResizeMode::Area),
            "bilinear" if !antialias => return Ok(ResizeMode::Bilinear),
            "bilinear" => SamplingKernel::Triangle,
            "bicubic" if !antialias => SamplingKernel::TabulatedCubic { a: -0.5 },
            "bicubic" => SamplingKernel::Cubic { a: -0.5 },
            "lanczos3" => SamplingKernel::Lanczos3,
            "lanczos5" => SamplingKernel::Lanczos5,
            "gaussian" => SamplingKernel::Gaussian,
            "mitchellcubic" => SamplingKernel::MitchellCubic,
            _ => {
                return Err(Error::mismatch(
                    "no such interpolation",
                    "nearest, bilinear, bicubic, area, lanczos3, lanczos5, gaussian or mitchellcubic",
                    method,
                ));
            }
        };
        Ok(ResizeMode::Sampled(Sampling { kernel, antialias, border: Border::Exclude }))
    }
}

/// Output size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ResizeSize {
    /// `[height, width]`.
    Fixed([usize; 2]),
    /// `floor(input * factor)`; the coordinate scale is still `n_in / n_out`.
    Factors([f32; 2]),
    /// `floor(input * factor)`, and the coordinate scale is `1 / factor` (ONNX' `scales`).
    Scales([f32; 2]),
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
    /// The factor of [`ResizeSize::Scales`].
    fn scale(&self, axis: usize) -> Option<f64> {
        match self.size {
            ResizeSize::Scales(factors) => Some(factors[axis] as f64),
            _ => None,
        }
    }

    /// What [`Coordinates::HalfPixelSymmetric`] adds to a coordinate.
    fn shift(&self, axis: usize, input: usize, output: usize) -> f64 {
        match (self.coordinates, self.scale(axis)) {
            (Coordinates::HalfPixelSymmetric, Some(scale)) => (input as f64 - output as f64 / scale) / 2.0,
            _ => 0.0,
        }
    }

    /// The coordinate of output pixel `o`. Whole numbers and halves come out exactly.
    fn coordinate(&self, axis: usize, o: usize, input: usize, output: usize) -> f64 {
        // Numerators are whole numbers, and divided once.
        let scaled = |twice: usize| match self.scale(axis) {
            Some(scale) => twice as f64 / (2.0 * scale),
            None => (twice * input) as f64 / (2 * output) as f64,
        };
        match self.coordinates {
            Coordinates::HalfPixelOrZero if output == 1 => 0.0,
            Coordinates::HalfPixel | Coordinates::HalfPixelOrZero | Coordinates::HalfPixelSymmetric => {
                scaled(2 * o + 1) - 0.5 + self.shift(axis, input, output)
            }
            Coordinates::AlignCorners => (o * (input - 1)) as f64 / (output - 1).max(1) as f64,
            Coordinates::Asymmetric => scaled(2 * o),
        }
    }

    /// The input index that output pixel `o` takes under nearest-neighbour interpolation.
    fn nearest(&self, axis: usize, rounding: NearestRounding, o: usize, input: usize, output: usize) -> usize {
        let index = match (rounding, self.coordinates, self.size) {
            // TensorFlow's float32 arithmetic: at a tie its rounding decides, as in 2 to 41 pixels.
            (NearestRounding::HalfUp, Coordinates::HalfPixel, ResizeSize::Fixed(_) | ResizeSize::Factors(_)) => {
                ((o as f32 + 0.5) * (input as f32 / output as f32)).floor() as f64
            }
            _ => {
                let x = self.coordinate(axis, o, input, output);
                match rounding {
                    NearestRounding::Floor => x.floor(),
                    NearestRounding::Ceil => x.ceil(),
                    NearestRounding::HalfUp => (x + 0.5).floor(),
                    NearestRounding::HalfDown => (x - 0.5).ceil(),
                }
            }
        };
        index.clamp(0.0, (input - 1) as f64) as usize
    }

    /// Whether a size that stays as it is leaves every pixel as it is, under any convention.
    pub fn keeps_pixels(&self) -> bool {
        let blurs = |kernel| matches!(kernel, SamplingKernel::Gaussian | SamplingKernel::MitchellCubic);
        !matches!(self.mode, ResizeMode::Sampled(Sampling { kernel, .. }) if blurs(kernel))
            && !matches!(self.size, ResizeSize::Scales(factors) if factors != [1.0, 1.0])
    }

    /// What the output rows (axis 0) or columns (axis 1) are made of.
    pub fn taps(&self, axis: usize, input: usize, output: usize) -> Taps {
        let half_pixel = match self.coordinates {
            Coordinates::HalfPixelOrZero if output == 1 => None,
            Coordinates::HalfPixel | Coordinates::HalfPixelOrZero | Coordinates::HalfPixelSymmetric => {
                Some(self.shift(axis, input, output) as f32)
            }
            Coordinates::AlignCorners | Coordinates::Asymmetric => None,
        };
        let ratio = match (self.coordinates, self.size) {
            (Coordinates::AlignCorners, _) if output > 1 => (input - 1) as f32 / (output - 1) as f32,
            (_, ResizeSize::Scales(factors)) => 1.0 / factors[axis],
            _ => input as f32 / output as f32,
        };
        let places = Axis { input, output, ratio, half_pixel };
        places.taps(self.mode, |o| match self.mode {
            ResizeMode::Nearest(rounding) => self.nearest(axis, rounding, o, input, output),
            _ => 0,
        })
    }
}

impl Operator for Resize {
    fn name(&self) -> &'static str {
        match self.mode {
            ResizeMode::Nearest(_) => "ResizeNearest",
            ResizeMode::Bilinear => "ResizeBilinear",
            ResizeMode::Area => "ResizeArea",
            ResizeMode::Sampled(_) => "ResizeSampled",
        }
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 1)?;
        expect_dtype(inputs, 0, DType::F32)?;
        let [n, h, w, c] = inputs[0].shape.dims("[batch, height, width, channels]")?;
        let [oh, ow] = match self.size {
            ResizeSize::Fixed(size) => size,
            ResizeSize::Factors([fy, fx]) | ResizeSize::Scales([fy, fx]) => {
                [(h as f32 * fy) as usize, (w as f32 * fx) as usize]
            }
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
        let (rows, columns) = (self.taps(0, h, oh), self.taps(1, w, ow));
        let mut out = Vec::with_capacity(shape.elements());
        for_each_index(&shape, |index| {
            let &[n, oy, ox, channel] = index else { unreachable!("rank 4") };
            let ((top, down), (left, across)) = (rows.row(oy), columns.row(ox));
            let mut sum = 0.0;
            for (y, &down) in (top..).zip(down) {
                for (x_, &across) in (left..).zip(across) {
                    sum += x[((n * h + y) * w + x_) * c + channel] as f64 * down as f64 * across as f64;
                }
            }
            out.push(sum as f32);
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
    fn nearest_at_a_tie_is_tensorflows() {
        // 20.5 * 2 / 41 is 1, but not in float32: tf.image.resize takes pixel 0 (as it does 2 to 47; not 2 to 43).
        let op = |n| Resize {
            size: ResizeSize::Fixed([1, n]),
            mode: ResizeMode::tensorflow("nearest", false).unwrap(),
            coordinates: Coordinates::HalfPixel,
        };
        assert_eq!(op(41).taps(1, 2, 41).starts[20], 0);
        assert_eq!(op(43).taps(1, 2, 43).starts[21], 1);
    }

    #[test]
    fn scales_that_cut_a_pixel_off() {
        use Coordinates::*;
        // 4 pixels by 0.6 are 2, at 5/6 and 2.5 steps of 1/0.6; ONNX' own example of half_pixel_symmetric.
        let x = Tensor::f32([1, 1, 4, 1], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let scaled = |coordinates| {
            let op = Resize { size: ResizeSize::Scales([1.0, 0.6]), mode: ResizeMode::Bilinear, coordinates };
            op.reference(&[&x]).unwrap()[0].as_f32().unwrap().to_vec()
        };
        let near = |got: Vec<f32>, want: [f32; 2]| {
            assert!(got.len() == 2 && got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-5), "{got:?}");
        };
        near(scaled(HalfPixel), [1.333_333_3, 3.0]);
        near(scaled(HalfPixelSymmetric), [1.666_666_7, 3.333_333_3]);
        near(scaled(Asymmetric), [1.0, 2.666_666_7]);
        let one = Resize { size: ResizeSize::Fixed([1, 1]), mode: ResizeMode::Bilinear, coordinates: HalfPixelOrZero };
        assert_eq!(one.reference(&[&x]).unwrap()[0].as_f32().unwrap(), [1.0]);
    }

    #[test]
    fn unknown_methods_are_named() {
        let error = ResizeMode::tensorflow("cubicish", false).unwrap_err().to_string();
        assert!(error.contains("cubicish") && error.contains("mitchellcubic"), "{error}");
    }
}
