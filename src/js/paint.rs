//! Pictures painted on the GPU: what the page asks for, and what it is given.

use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;

use super::convert;
use crate::backend::gpu::{Hue, Painter, Painting, Rectangle};
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::session::{Picture, Session};
use crate::tensor::Tensor;

/// What a network is run on: tensors for its inputs, or an `ImageBitmap`.
pub enum Source {
    Tensors(Vec<Tensor>),
    Bitmap(web_sys::ImageBitmap, [f64; 12]),
}

impl Source {
    /// `place` is how a picture goes in: `[height, width, x, y, width, height, scale of red, green and blue, offset of red, green and
    /// blue]`, the rectangle being the part of it that the network sees.
    pub fn new(graph: &Graph, given: JsValue, place: &[f64]) -> Result<Source> {
        match given.dyn_into::<web_sys::ImageBitmap>() {
            Ok(bitmap) => {
                let place = place.try_into().map_err(|_| Error::mismatch("how a picture goes in", 12, place.len()))?;
                Ok(Source::Bitmap(bitmap, place))
            }
            Err(tensors) => Ok(Source::Tensors(convert::tensors(graph, &Array::from(&tensors))?)),
        }
    }

    fn picture(&self) -> Picture<'_> {
        match self {
            Source::Tensors(tensors) => Picture::Tensors(tensors),
            Source::Bitmap(bitmap, [height, width, x, y, w, h, colours @ ..]) => {
                let [a, b, c, d, e, f] = colours.map(|v| v as f32);
                let (size, part) = ([*height as usize, *width as usize], Some(rectangle([*x, *y, *w, *h])));
                Picture::Bitmap { bitmap, size, part, normalise: [[a, b, c], [d, e, f]] }
            }
        }
    }
}

/// What is to be painted, in numbers: `[output, height, width, x, y, width, height, channels first?, hue, channel, low, high]`, the
/// rectangle being the part of the picture that the maps are of; a hue is 0 to 3, as [`Hue`] names them.
pub struct Recipe {
    output: usize,
    painting: Painting,
}

impl Recipe {
    pub fn new(numbers: &[f64], palette: Vec<u32>) -> Result<Recipe> {
        let &[output, height, width, x, y, w, h, channels_first, hue, channel, low, high] = numbers else {
            return Err(Error::mismatch("how a picture is painted", 12, numbers.len()));
        };
        let (channel, range) = (channel as usize, [low as f32, high as f32]);
        let hue = match hue as u32 {
            0 => Hue::Class(range[0]),
            1 => Hue::Index,
            2 => Hue::Level(channel, range),
            _ => Hue::Share(channel, range),
        };
        let (size, view, channels_first) =
            ([height as usize, width as usize], rectangle([x, y, w, h]), channels_first != 0.0);
        Ok(Recipe { output: output as usize, painting: Painting { size, view, channels_first, hue, palette } })
    }

    /// Runs the network and paints: `{ device, pixels, pitch }`, where the picture is in a buffer, or `{ data }`, its bytes, if they
    /// are to be read.
    pub async fn paint(&self, session: &mut Session, source: &Source, read: bool) -> Result<JsValue> {
        let painter = session.paint(&source.picture(), self.output, &self.painting).await?;
        if read {
            let data = Uint8Array::from(&painter.read().await?[..]);
            return convert::object(&[("data", data.into())]);
        }
        handles(painter).unwrap_or_else(|| Err(Error::invalid("nothing is painted")))
    }
}

/// The browser's own objects.
fn handles(painter: &Painter) -> Option<Result<JsValue>> {
    let (device, pixels, pitch) = painter.pixels()?;
    let (device, pixels) = (device.as_webgpu()?, pixels.as_webgpu()?);
    let [device, pixels] = [device.as_ref(), pixels.as_ref()].map(JsValue::clone);
    Some(convert::object(&[("device", device), ("pixels", pixels), ("pitch", pitch.into())]))
}

fn rectangle(numbers: [f64; 4]) -> Rectangle {
    let [x, y, width, height] = numbers.map(|v| v as f32);
    Rectangle { x, y, width, height }
}
