//! Layers that make images larger or smaller.

use serde_json::{Map, Value as Json};

use super::arguments::keras_layer;
use super::conv::{along_depth, insert_axis, layout, per_slice, positive, remove_axis};
use super::scope::{expect_rank, one};
use super::{Layer, Scope};
use crate::error::{Error, Result};
use crate::graph::{Dims, ValueId};
use crate::ops::{
    Coordinates, NearestRounding, Pad, PadMode, Resize as ResizeOp, ResizeMode, ResizeSize, Slice, SliceAxis,
};

/// The interpolations of Keras' layers; `tf.image.resize` has two more.
fn keras_mode(interpolation: &str, antialias: bool) -> Result<ResizeMode> {
    match interpolation {
        "bilinear" | "nearest" | "lanczos3" | "lanczos5" | "bicubic" | "area" => {
            ResizeMode::tensorflow(interpolation, antialias)
        }
        _ => Err(Error::mismatch(
            "no such `interpolation`",
            "bilinear, nearest, lanczos3, lanczos5, bicubic or area",
            interpolation,
        )),
    }
}

fn resize(size: ResizeSize, mode: ResizeMode) -> ResizeOp {
    ResizeOp { size, mode, coordinates: Coordinates::HalfPixel }
}

/// Repeats rows and columns.
fn repeat(rows: usize, columns: usize) -> ResizeOp {
    resize(ResizeSize::Factors([rows as f32, columns as f32]), ResizeMode::Nearest(NearestRounding::HalfUp))
}

/// Height and width, which must be known.
fn image_size(dims: &Dims, why: &str) -> Result<[usize; 2]> {
    match (dims[1], dims[2]) {
        (Some(height), Some(width)) => Ok([height, width]),
        _ => Err(Error::mismatch(format!("{why} needs a known image size"), "[batch, height, width, channels]", dims)),
    }
}

keras_layer! {
    /// Repeats every step `size` times.
    UpSampling1D {
        ---
        size: usize = 2,
    }
}

impl Layer for UpSampling1D {
    fn class(&self) -> &'static str {
        "UpSampling1D"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        positive("size", &[self.size])
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        expect_rank(&scope.dims(x), layout(1))?;
        let image = insert_axis(scope, 1, x)?;
        let y = scope.add(repeat(1, self.size), &[image])?;
        Ok(vec![remove_axis(scope, 1, y)?])
    }
}

keras_layer! {
    /// Makes images `size` times as large.
    UpSampling2D {
        ---
        size: [usize; 2] = [2, 2],
        interpolation: String = "nearest".to_string(),
    }
}

impl Layer for UpSampling2D {
    fn class(&self) -> &'static str {
        "UpSampling2D"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        positive("size", &self.size)?;
        keras_mode(&self.interpolation, false).map(|_| ())
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        expect_rank(&scope.dims(x), layout(2))?;
        let size = ResizeSize::Factors(self.size.map(|n| n as f32));
        Ok(vec![scope.add(resize(size, keras_mode(&self.interpolation, false)?), &[x])?])
    }
}

keras_layer! {
    /// Repeats slices, rows and columns.
    UpSampling3D {
        ---
        size: [usize; 3] = [2, 2, 2],
    }
}

impl Layer for UpSampling3D {
    fn class(&self) -> &'static str {
        "UpSampling3D"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        positive("size", &self.size)
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        expect_rank(&scope.dims(x), layout(3))?;
        let [depth, rows, columns] = self.size;
        let y = per_slice(scope, repeat(rows, columns), x)?;
        Ok(vec![along_depth(scope, repeat(depth, 1), y)?])
    }
}

keras_layer! {
    /// Makes images `height` x `width`; stretched, or with the shape they have, cropped or padded.
    Resizing {
        height: usize,
        width: usize,
        ---
        interpolation: String = "bilinear".to_string(),
        crop_to_aspect_ratio: bool = false,
        pad_to_aspect_ratio: bool = false,
        fill_mode: String = "constant".to_string(),
        fill_value: f32 = 0.0,
        antialias: bool = false,
    }
}

/// The largest window with the target's shape, from the middle of the image; positions are rounded as Keras does.
fn crop_to_shape(scope: &mut Scope, target: [usize; 2], x: ValueId) -> Result<ValueId> {
    let image = image_size(&scope.dims(x), "cropping to a shape")?;
    let shaped = shaped(image, target);
    let cut = |i: usize| {
        let kept = shaped[i].min(image[i]).max(1);
        let start = (image[i] - kept) / 2;
        SliceAxis::range(start, start + kept)
    };
    scope.add(Slice { axes: vec![SliceAxis::ALL, cut(0), cut(1), SliceAxis::ALL] }, &[x])
}

/// What the image's height would be with its width and the target's shape, and the other way round.
fn shaped(image: [usize; 2], target: [usize; 2]) -> [usize; 2] {
    let part = |a: usize, b: usize, c: usize| ((a * b) as f32 / c as f32) as usize;
    [part(image[1], target[0], target[1]), part(image[0], target[1], target[0])]
}

impl Layer for Resizing {
    fn class(&self) -> &'static str {
        "Resizing"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        positive("height", &[self.height])?;
        positive("width", &[self.width])?;
        if self.crop_to_aspect_ratio && self.pad_to_aspect_ratio {
            return Err(Error::invalid("only one of `crop_to_aspect_ratio` and `pad_to_aspect_ratio` can be true"));
        }
        if self.fill_mode != "constant" {
            return Err(Error::mismatch("no such `fill_mode`", "constant", &self.fill_mode));
        }
        keras_mode(&self.interpolation, self.antialias).map(|_| ())
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = scope.floats(one(inputs)?)?;
        expect_rank(&scope.dims(x), layout(2))?;
        let target = [self.height, self.width];
        let x = if self.crop_to_aspect_ratio {
            crop_to_shape(scope, target, x)?
        } else if self.pad_to_aspect_ratio {
            let image = image_size(&scope.dims(x), "padding to a shape")?;
            let shaped = shaped(image, target);
            // Keras pads both sides alike: of an odd number of missing pixels one stays missing.
            let pad = |i: usize| [(shaped[i].max(image[i]) - image[i]) / 2; 2];
            let pads = vec![[0, 0], pad(0), pad(1), [0, 0]];
            scope.add(Pad { pads, mode: PadMode::Constant(self.fill_value) }, &[x])?
        } else {
            x
        };
        Ok(vec![scope.add(resize(ResizeSize::Fixed(target), keras_mode(&self.interpolation, self.antialias)?), &[x])?])
    }
}

keras_layer! {
    /// The middle `height` x `width` pixels; of smaller images the largest window of that shape, enlarged.
    CenterCrop {
        height: usize,
        width: usize,
        ---
    }
}

impl Layer for CenterCrop {
    fn class(&self) -> &'static str {
        "CenterCrop"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        positive("height", &[self.height])?;
        positive("width", &[self.width])
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = scope.floats(one(inputs)?)?;
        expect_rank(&scope.dims(x), layout(2))?;
        let image = image_size(&scope.dims(x), "CenterCrop")?;
        let target = [self.height, self.width];
        if target[0] <= image[0] && target[1] <= image[1] {
            let cut = |i: usize| {
                let start = (image[i] - target[i]) / 2;
                SliceAxis::range(start, start + target[i])
            };
            return Ok(vec![scope.add(Slice { axes: vec![SliceAxis::ALL, cut(0), cut(1), SliceAxis::ALL] }, &[x])?]);
        }
        let window = crop_to_shape(scope, target, x)?;
        Ok(vec![scope.add(resize(ResizeSize::Fixed(target), ResizeMode::Bilinear), &[window])?])
    }
}

keras_layer! {
    /// `tf.image.resize` as a layer: `size` is `[height, width]`. `coordinates` are ONNX' conventions; TensorFlow 2 has
    /// `half_pixel`, TensorFlow 1 the other two.
    Resize {
        size: [usize; 2],
        ---
        method: String = "bilinear".to_string(),
        antialias: bool = false,
        preserve_aspect_ratio: bool = false,
        coordinates: String = "half_pixel".to_string(),
    }
}

/// The conventions that [`Resize`] knows.
const COORDINATES: [(&str, Coordinates); 3] = [
    ("half_pixel", Coordinates::HalfPixel),
    ("align_corners", Coordinates::AlignCorners),
    ("asymmetric", Coordinates::Asymmetric),
];

/// The name of a convention that [`Resize`] knows.
pub(crate) fn resize_coordinates(coordinates: Coordinates) -> Option<&'static str> {
    COORDINATES.iter().find(|(_, known)| *known == coordinates).map(|(name, _)| *name)
}

impl Resize {
    fn coordinates(&self) -> Result<Coordinates> {
        let found = COORDINATES.iter().find(|(name, _)| *name == self.coordinates);
        found.map(|(_, known)| *known).ok_or_else(|| {
            Error::mismatch("no such `coordinates`", "half_pixel, align_corners or asymmetric", &self.coordinates)
        })
    }
}

impl Layer for Resize {
    fn class(&self) -> &'static str {
        "Resize"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        positive("size", &self.size)?;
        self.coordinates()?;
        ResizeMode::tensorflow(&self.method, self.antialias).map(|_| ())
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = scope.floats(one(inputs)?)?;
        expect_rank(&scope.dims(x), layout(2))?;
        let mut size = self.size;
        if self.preserve_aspect_ratio {
            let image = image_size(&scope.dims(x), "keeping the aspect ratio")?;
            let scale = |i: usize| size[i] as f32 / image[i] as f32;
            let scale = scale(0).min(scale(1));
            size = image.map(|n| ((scale * n as f32).round_ties_even() as usize).max(1));
        }
        let coordinates = self.coordinates()?;
        let mode = match ResizeMode::tensorflow(&self.method, self.antialias)? {
            ResizeMode::Nearest(_) => ResizeMode::Nearest(NearestRounding::of(coordinates)),
            mode => mode,
        };
        Ok(vec![scope.add(ResizeOp { size: ResizeSize::Fixed(size), mode, coordinates }, &[x])?])
    }
}
