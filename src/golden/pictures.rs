//! Pictures: `tf.image`, and Keras' preprocessing layers whose parameters leave nothing to chance.

use serde_json::Value as Json;

use super::vision::{Inputs, Named};
use super::{Backend, layer};
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};
use crate::train::Config;
use crate::train::augment::{
    Affine, Aspect, FillMode, Interpolation, Warp, add_clipped, adjust_brightness, adjust_contrast, adjust_gamma,
    adjust_hue, adjust_saturation, center_crop, central_crop, convert_dtype, crop, crop_or_pad, flip_left_right,
    flip_up_down, hsv_to_rgb, pad, per_image_standardization, rescale, resize, resize_with_pad, rgb_to_grayscale,
    rgb_to_hsv, rot90, scale_contrast, transpose, warp,
};

/// Layers that are operations of a graph, too.
const LAYERS: &[&str] = &["CenterCrop", "Rescaling", "Resizing", "Normalization"];

/// The results of a case, on the host and, of what is a layer, on the backend; `None` for other operations.
pub(super) fn run(op: &str, config: &Json, inputs: &Inputs, backend: &Backend) -> Result<Option<Vec<Named>>> {
    let image = inputs.get("image")?;
    let mut settings = Config::new(op, config)?;
    settings.take("seed");
    let mut results = Vec::new();
    if let Some(result) = host(op, &mut settings, config["dtype"].as_str(), image)? {
        settings.finish()?;
        results.push(("out", result));
    }
    if LAYERS.contains(&op) {
        let model = layer::model(op, config, std::slice::from_ref(image))?;
        results.extend(backend.run(&model.graph()?, std::slice::from_ref(image))?.into_iter().map(|out| ("out", out)));
    }
    Ok(if results.is_empty() { None } else { Some(results) })
}

/// `dtype` is the element type that is asked for, which settings leave out.
fn host(op: &str, c: &mut Config, dtype: Option<&str>, image: &Tensor) -> Result<Option<Tensor>> {
    let [.., height, width, _] = image.shape()[..] else {
        return Err(Error::mismatch("not a picture", "[.., height, width, channels]", image.shape()));
    };
    let size = |c: &mut Config, key: &str| c.count(key)?.ok_or_else(|| Error::invalid(format!("{key} is missing")));
    let float = |c: &mut Config, key: &str, default: f64| Ok::<_, Error>(c.float(key, default)? as f32);
    Ok(Some(match op {
        "flip_left_right" => flip_left_right(image)?,
        "flip_up_down" => flip_up_down(image)?,
        "transpose" => transpose(image)?,
        "rot90" => rot90(image, c.integer("k")?.unwrap_or(1) as isize)?,
        "rgb_to_grayscale" => rgb_to_grayscale(image)?,
        "rgb_to_hsv" => rgb_to_hsv(image)?,
        "hsv_to_rgb" => hsv_to_rgb(image)?,
        "adjust_brightness" => adjust_brightness(image, float(c, "delta", 0.0)?)?,
        "adjust_contrast" => adjust_contrast(image, float(c, "contrast_factor", 1.0)?)?,
        "adjust_saturation" => adjust_saturation(image, float(c, "saturation_factor", 1.0)?)?,
        "adjust_hue" => adjust_hue(image, float(c, "delta", 0.0)?)?,
        "adjust_gamma" => adjust_gamma(image, float(c, "gamma", 1.0)?, float(c, "gain", 1.0)?)?,
        "per_image_standardization" => per_image_standardization(image)?,
        "central_crop" => central_crop(image, c.float("central_fraction", 1.0)?)?,
        "resize_with_pad" => {
            let [height, width] = [size(c, "target_height")?, size(c, "target_width")?];
            let method = c.text("method")?.unwrap_or("bilinear".into());
            resize_with_pad(image, height, width, &method, c.flag("antialias", false)?)?
        }
        "resize_with_crop_or_pad" => crop_or_pad(image, size(c, "target_height")?, size(c, "target_width")?)?,
        "crop_to_bounding_box" | "pad_to_bounding_box" => {
            let [top, left] = [size(c, "offset_height")?, size(c, "offset_width")?];
            let [height, width] = [size(c, "target_height")?, size(c, "target_width")?];
            if op == "crop_to_bounding_box" {
                crop(image, top, left, height, width)?
            } else {
                pad(image, top, left, height, width, 0.0)?
            }
        }
        "convert_image_dtype" => {
            c.flag("saturate", false)?;
            match dtype {
                Some("uint8") => convert_dtype(image, DType::U8)?,
                Some("float32") => convert_dtype(image, DType::F32)?,
                other => return Err(Error::invalid(format!("no such dtype: {other:?}"))),
            }
        }
        "RandomTranslation" => {
            let [down, right] = [fixed(c, "height_factor")?, fixed(c, "width_factor")?].map(|f| f.unwrap_or(0.0));
            warp(image, &Affine::translation(down * height as f32, right * width as f32), &how(c)?)?
        }
        "RandomRotation" => {
            let turns = fixed(c, "factor")?.unwrap_or(0.0);
            warp(image, &Affine::rotation(turns, height, width), &how(c)?)?
        }
        "RandomZoom" => {
            let vertical = 1.0 + fixed(c, "height_factor")?.unwrap_or(0.0);
            let horizontal = fixed(c, "width_factor")?.map_or(vertical, |f| 1.0 + f);
            warp(image, &Affine::zoom(vertical, horizontal, height, width), &how(c)?)?
        }
        "RandomBrightness" => {
            let (factor, range) = (fixed(c, "factor")?.unwrap_or(0.0), range(c)?);
            add_clipped(image, factor * (range[1] - range[0]), range)?
        }
        "RandomContrast" => {
            // 1 - lower to 1 + upper: only 0 and 0 are the same.
            let factor = fixed(c, "factor")?.unwrap_or(0.0);
            if factor != 0.0 {
                return Err(Error::unsupported("a contrast that is drawn at random"));
            }
            scale_contrast(image, 1.0, range(c)?)?
        }
        "CenterCrop" => center_crop(image, size(c, "height")?, size(c, "width")?)?,
        "Rescaling" => {
            let list = |list: Option<Vec<f64>>, default: f32| {
                list.map_or(vec![default], |list| list.into_iter().map(|v| v as f32).collect())
            };
            let (scale, offset) = (list(c.numbers("scale")?, 1.0), list(c.numbers("offset")?, 0.0));
            rescale(image, &scale, &offset)?
        }
        "Resizing" => {
            let [height, width] = [size(c, "height")?, size(c, "width")?];
            let fill = float(c, "fill_value", 0.0)?;
            let aspect = match (c.flag("crop_to_aspect_ratio", false)?, c.flag("pad_to_aspect_ratio", false)?) {
                (true, _) => Aspect::Crop,
                (_, true) => Aspect::Pad(fill),
                _ => Aspect::Stretch,
            };
            let method = c.text("interpolation")?.unwrap_or("bilinear".into());
            c.take("fill_mode");
            resize(image, height, width, &method, c.flag("antialias", false)?, aspect)?
        }
        _ => return Ok(None),
    }))
}

/// A factor whose two bounds are one.
fn fixed(config: &mut Config, key: &str) -> Result<Option<f32>> {
    match config.numbers(key)?.as_deref() {
        None => Ok(None),
        Some(&[0.0]) => Ok(Some(0.0)),
        Some(&[low, high]) if low == high => Ok(Some(low as f32)),
        Some(_) => Err(Error::unsupported(format!("a {key} that is drawn at random"))),
    }
}

fn range(config: &mut Config) -> Result<[f32; 2]> {
    match config.numbers("value_range")?.as_deref() {
        None => Ok([0.0, 255.0]),
        Some(&[low, high]) => Ok([low as f32, high as f32]),
        Some(_) => Err(Error::invalid("value_range must be a pair")),
    }
}

fn how(config: &mut Config) -> Result<Warp> {
    let interpolation = match config.text("interpolation")?.as_deref() {
        None | Some("bilinear") => Interpolation::Bilinear,
        Some("nearest") => Interpolation::Nearest,
        Some(other) => return Err(Error::invalid(format!("no such interpolation: {other}"))),
    };
    let fill_mode = FillMode::from_name(&config.text("fill_mode")?.unwrap_or("reflect".into()))?;
    Ok(Warp { fill_mode, fill_value: config.float("fill_value", 0.0)? as f32, interpolation })
}
