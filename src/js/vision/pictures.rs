//! Class maps, and pictures on their way into networks and out of them.

use js_sys::{Array, Float32Array, Uint32Array};
use wasm_bindgen::prelude::*;

use super::{Js, floats, js, numbers, room, tensor};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::train::augment::{Aspect, resize};
use crate::vision::crop::{Sampling, crop_and_resize};
use crate::vision::imagenet::{Preprocessing, decode_predictions};
use crate::vision::{InputSpec, image, segmentation};

fn size(height: u32, width: u32) -> Result<[usize; 2]> {
    if height == 0 || width == 0 {
        return Err(Error::mismatch("a size is 0", "1 or more", format!("{height} x {width}")));
    }
    Ok([height as usize, width as usize])
}

/// The best class of every pixel of scores `[height, width, classes]`, brought to a size before if one is given (not 0).
#[wasm_bindgen(js_name = classMap)]
pub fn class_map(scores: &[f32], shape: &[u32], height: u32, width: u32) -> Js<Vec<u16>> {
    let map = || {
        let scores = tensor(scores, shape, "scores")?;
        let classes = scores.shape().last().copied().unwrap_or(0);
        if classes > 1 << 16 {
            return Err(Error::mismatch("too many classes", "at most 65536", classes));
        }
        if height == 0 && width == 0 {
            return segmentation::class_map(&scores);
        }
        let [height, width] = size(height, width)?;
        room(&[height, width, classes])?;
        segmentation::class_map_at(&scores, height, width)
    };
    js(map().map(|map| map.into_iter().map(|class| class as u16).collect()))
}

/// A class map at another size: the nearest pixels.
#[wasm_bindgen(js_name = resizeMap)]
pub fn resize_map(map: &[u16], height: u32, width: u32, to_height: u32, to_width: u32) -> Js<Vec<u16>> {
    let resize = || {
        let (from, to) = (size(height, width)?, size(to_height, to_width)?);
        room(&from)?;
        room(&to)?;
        segmentation::resize_map(map, from, to)
    };
    js(resize())
}

/// A picture or matte `[height, width, channels]` at another size, between the pixels.
#[wasm_bindgen(js_name = resizePlanes)]
pub fn resize_planes(values: &[f32], shape: &[u32], to_height: u32, to_width: u32, antialias: bool) -> Js<Vec<f32>> {
    let resized = || {
        let (planes, [height, width]) = (tensor(values, shape, "values")?, size(to_height, to_width)?);
        let [h, w, channels] = planes.shape().dims("[height, width, channels]")?;
        if h * w * channels == 0 {
            return Err(Error::invalid("the picture is empty"));
        }
        room(&[height, width, channels])?;
        room(&[height, w, channels])?;
        resize(&planes, height, width, "bilinear", antialias, Aspect::Stretch).map(floats)
    };
    js(resized())
}

/// Pixels of every class.
#[wasm_bindgen(js_name = classAreas)]
pub fn class_areas(map: &[u16], class_count: u32) -> Js<Vec<u32>> {
    let areas = || {
        let map: Vec<usize> = map.iter().map(|&class| class as usize).collect();
        let areas = segmentation::areas(&map, super::classes(class_count)?)?;
        Ok(areas.into_iter().map(|pixels| pixels as u32).collect())
    };
    js(areas())
}

/// Red, green and blue of the first classes in PASCAL VOC's colour map.
#[wasm_bindgen(js_name = classColours)]
pub fn class_colours(class_count: u32) -> Js<Vec<u8>> {
    let classes = js(super::classes(class_count))?;
    Ok((0..classes).flat_map(segmentation::colour).collect())
}

/// Pixels `[.., 3]` from 0 to 255 as networks of a family want them.
#[wasm_bindgen]
pub fn preprocess(pixels: &[f32], mode: &str) -> Js<Vec<f32>> {
    let apply = || {
        numbers(pixels, "pixels")?;
        if !pixels.len().is_multiple_of(3) {
            return Err(Error::mismatch("pixels are red, green and blue", "a multiple of 3", pixels.len()));
        }
        Preprocessing::from_name(mode)?.apply(&Tensor::f32([pixels.len() / 3, 3], pixels)?).map(floats)
    };
    js(apply())
}

/// An RGBA picture, resized, as networks of a family want it.
#[wasm_bindgen(js_name = preprocessPicture)]
pub fn preprocess_picture(
    rgba: &[u8],
    width: u32,
    height: u32,
    to_height: u32,
    to_width: u32,
    mode: &str,
) -> Js<Vec<f32>> {
    let apply = || -> Result<Vec<f32>> {
        let (_, [h, w]) = (size(height, width)?, size(to_height, to_width)?);
        room(&[h, w, 3])?;
        let (blue_first, mut scale, mut offset) = Preprocessing::from_name(mode)?.channels();
        if blue_first {
            // The resizer's channels are red first.
            scale.reverse();
            offset.reverse();
        }
        let mut out = vec![0.0; h * w * 3];
        image::resize_into(
            rgba,
            width as usize,
            height as usize,
            &InputSpec { size: [h, w], scale, offset },
            &mut out,
        )?;
        if blue_first {
            out.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| pixel.reverse());
        }
        Ok(out)
    };
    js(apply())
}

/// `[classes, scores]` of the best of every row of predictions, row behind row.
#[wasm_bindgen(js_name = decodePredictions)]
pub fn decode(predictions: &[f32], class_count: u32, top: u32) -> Js<Array> {
    let decode = || {
        numbers(predictions, "predictions")?;
        let classes = class_count as usize;
        if classes == 0 || !predictions.len().is_multiple_of(classes) {
            let expected = format!("rows of {classes}");
            return Err(Error::mismatch("predictions are a score for each class", expected, predictions.len()));
        }
        decode_predictions(&Tensor::f32([predictions.len() / classes, classes], predictions)?, top as usize)
    };
    let rows = js(decode())?;
    let (classes, scores): (Vec<u32>, Vec<f32>) = rows.into_iter().flatten().map(|(c, s)| (c as u32, s)).unzip();
    Ok(Array::of2(&Uint32Array::from(&classes[..]).into(), &Float32Array::from(&scores[..]).into()))
}

/// Crops of `[batch, height, width, channels]`; boxes are y1, x1, y2, x2, where 0 and 1 are the middles of the edge pixels.
#[wasm_bindgen(js_name = cropAndResize)]
pub fn crop(
    images: &[f32],
    shape: &[u32],
    boxes: &[f32],
    pictures: &[i32],
    height: u32,
    width: u32,
    nearest: bool,
    outside: f32,
) -> Js<Vec<f32>> {
    let crop = || {
        let images = tensor(images, shape, "pictures")?;
        let (boxes, of) =
            (tensor(boxes, &[boxes.len() as u32 / 4, 4], "boxes")?, Tensor::i32([pictures.len()], pictures)?);
        let [_, _, _, channels] = images.shape().dims("[batch, height, width, channels]")?;
        let to = size(height, width)?;
        room(&[pictures.len(), to[0], to[1], channels])?;
        let sampling = if nearest { Sampling::Nearest } else { Sampling::Bilinear };
        crop_and_resize(&images, &boxes, &of, to, sampling, outside).map(floats)
    };
    js(crop())
}
