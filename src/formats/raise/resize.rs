//! Resizing.

use super::Raiser;
use super::json::Json;
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::layers::resize_coordinates;
use crate::ops::{NearestRounding, Resize, ResizeMode, ResizeSize};

/// TensorFlow's names; those with antialiasing have it as a second argument.
const METHODS: [&str; 8] =
    ["nearest", "bilinear", "bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic"];

/// Rows or columns of a picture.
const MAX_SIZE: usize = 1 << 16;

/// The name of a mode, and whether it is antialiased.
fn method(mode: ResizeMode) -> Option<(&'static str, bool)> {
    METHODS.iter().find_map(|&name| {
        let found =
            [false, true].into_iter().find(|&smooth| ResizeMode::tensorflow(name, smooth).ok() == Some(mode))?;
        Some((name, found))
    })
}

impl Raiser<'_> {
    pub(super) fn resize(&mut self, node: &Node, op: &Resize) -> Result<()> {
        let (x, y) = (node.inputs[0], node.outputs[0]);
        let (from, to) = (self.dims(x), self.dims(y));
        let name = match op.mode {
            // How a tie is rounded matters at some sizes only: these are compared below.
            ResizeMode::Nearest(_) => Some(("nearest", false)),
            mode => method(mode),
        };
        let (Some((method, antialias)), Some(coordinates)) = (name, resize_coordinates(op.coordinates)) else {
            return Err(Error::unsupported("no layer resizes in this way"));
        };
        let image = [0, 1].map(|axis| self.shape(x)[axis + 1]);
        let result = [0, 1].map(|axis| self.shape(y)[axis + 1]);
        // Rows and columns are compared one by one.
        if image.iter().chain(&result).any(|&n| n > MAX_SIZE) {
            return Err(Error::resource("a picture too large to be resized in training"));
        }
        let same = |other: &Resize| {
            [0, 1]
                .iter()
                .all(|&axis| other.taps(axis, image[axis], result[axis]) == op.taps(axis, image[axis], result[axis]))
        };
        let whole = [0, 1].map(|axis| result[axis] / image[axis].max(1));
        // Of pictures of any size.
        let multiple = [0, 1].iter().all(|&guess| {
            let [image, result] = [x, y].map(|v| &self.types[guess][v].shape);
            [0, 1].iter().all(|&axis| whole[axis] * image[axis + 1] == result[axis + 1])
        });
        let factor = ResizeSize::Factors(whole.map(|n| n as f32));
        let mode = ResizeMode::tensorflow(method, antialias)?;
        let by_factor = Resize { size: factor, mode, coordinates: crate::ops::Coordinates::HalfPixel };
        let (class, config): (&str, Vec<(&str, Json)>) = if multiple && !antialias && same(&by_factor) {
            ("UpSampling2D", vec![("size", Json::sizes(&whole)), ("interpolation", method.into())])
        } else {
            let ([Some(height), Some(width)], [Some(_), Some(_)]) = ([to[1], to[2]], [from[1], from[2]]) else {
                return Err(Error::unsupported("a resize by a part of a picture whose size is open"));
            };
            let nearest = NearestRounding::of(op.coordinates);
            let mode = if method == "nearest" { ResizeMode::Nearest(nearest) } else { mode };
            let fixed = Resize { size: ResizeSize::Fixed([height, width]), mode, coordinates: op.coordinates };
            if !same(&fixed) {
                return Err(Error::unsupported("no layer resizes in this way"));
            }
            let size = Json::sizes(&[height, width]);
            let config = vec![("size", size), ("method", method.into()), ("antialias", antialias.into())];
            ("Resize", [config, vec![("coordinates", coordinates.into())]].concat())
        };
        let layer = self.layer(&node.name, class, &config, &[x])?;
        self.gives(y, layer, &[x], false);
        Ok(())
    }
}
