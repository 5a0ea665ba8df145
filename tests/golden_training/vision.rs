//! Pictures: `tf.image` and Keras' preprocessing layers with fixed parameters.

use serde_json::Value as Json;
use striate::train::augment::{
    Affine, Aspect, FillMode, Interpolation, Warp, add_clipped, adjust_brightness, adjust_contrast, adjust_gamma,
    adjust_hue, adjust_saturation, center_crop, central_crop, convert_dtype, crop, crop_or_pad, flip_left_right,
    flip_up_down, hsv_to_rgb, pad, per_image_standardization, rescale, resize, resize_with_pad, rgb_to_grayscale,
    rgb_to_hsv, rot90, transpose, warp,
};
use striate::vision::Rect;
use striate::vision::average_precision::{Found, Truth, Voc, coco, voc};
use striate::{DType, Result, Tensor};

use crate::support::{Golden, id, report};

struct Config<'a>(&'a Json);

impl Config<'_> {
    fn float(&self, key: &str, default: f64) -> f32 {
        self.0[key].as_f64().unwrap_or(default) as f32
    }
    fn size(&self, key: &str) -> usize {
        self.0[key].as_u64().unwrap() as usize
    }
    fn flag(&self, key: &str) -> bool {
        self.0[key].as_bool().unwrap_or(false)
    }
    fn text(&self, key: &str, default: &'static str) -> String {
        self.0[key].as_str().unwrap_or(default).to_string()
    }
    /// A number or a list of them.
    fn list(&self, key: &str, default: f64) -> Vec<f32> {
        match &self.0[key] {
            Json::Array(list) => list.iter().map(|v| v.as_f64().unwrap() as f32).collect(),
            one => vec![one.as_f64().unwrap_or(default) as f32],
        }
    }
    /// A factor whose two bounds are one.
    fn factor(&self, key: &str) -> Option<f32> {
        self.0[key].as_array().map(|bounds| bounds[0].as_f64().unwrap() as f32)
    }
    fn warp(&self) -> Warp {
        Warp {
            fill_mode: FillMode::from_name(&self.text("fill_mode", "reflect")).unwrap(),
            fill_value: self.float("fill_value", 0.0),
            interpolation: match self.text("interpolation", "bilinear").as_str() {
                "nearest" => Interpolation::Nearest,
                _ => Interpolation::Bilinear,
            },
        }
    }
}

/// What the case asks for; `None` for what is tested elsewhere.
fn apply(case: &Json, image: &Tensor) -> Option<Result<Tensor>> {
    let c = Config(&case["config"]);
    let [height, width] = [image.shape()[1], image.shape()[2]];
    Some(match case["op"].as_str().unwrap() {
        "flip_left_right" => flip_left_right(image),
        "flip_up_down" => flip_up_down(image),
        "transpose" => transpose(image),
        "rot90" => rot90(image, case["config"]["k"].as_i64().unwrap() as isize),
        "rgb_to_grayscale" => rgb_to_grayscale(image),
        "rgb_to_hsv" => rgb_to_hsv(image),
        "hsv_to_rgb" => hsv_to_rgb(image),
        "adjust_brightness" => adjust_brightness(image, c.float("delta", 0.0)),
        "adjust_contrast" => adjust_contrast(image, c.float("contrast_factor", 1.0)),
        "adjust_saturation" => adjust_saturation(image, c.float("saturation_factor", 1.0)),
        "adjust_hue" => adjust_hue(image, c.float("delta", 0.0)),
        "adjust_gamma" => adjust_gamma(image, c.float("gamma", 1.0), c.float("gain", 1.0)),
        "per_image_standardization" => per_image_standardization(image),
        "central_crop" => central_crop(image, case["config"]["central_fraction"].as_f64().unwrap()),
        "resize_with_pad" => {
            let (height, width) = (c.size("target_height"), c.size("target_width"));
            resize_with_pad(image, height, width, &c.text("method", "bilinear"), c.flag("antialias"))
        }
        "resize_with_crop_or_pad" => crop_or_pad(image, c.size("target_height"), c.size("target_width")),
        "crop_to_bounding_box" => {
            let [top, left, h, w] =
                ["offset_height", "offset_width", "target_height", "target_width"].map(|k| c.size(k));
            crop(image, top, left, h, w)
        }
        "pad_to_bounding_box" => {
            let [top, left, h, w] =
                ["offset_height", "offset_width", "target_height", "target_width"].map(|k| c.size(k));
            pad(image, top, left, h, w, 0.0)
        }
        "convert_image_dtype" => {
            let dtype = if case["config"]["dtype"] == "uint8" { DType::U8 } else { DType::F32 };
            convert_dtype(image, dtype)
        }
        "RandomTranslation" => {
            let [down, right] = ["height_factor", "width_factor"].map(|key| c.factor(key).unwrap());
            warp(image, &Affine::translation(down * height as f32, right * width as f32), &c.warp())
        }
        "RandomRotation" => warp(image, &Affine::rotation(c.factor("factor").unwrap(), height, width), &c.warp()),
        "RandomZoom" => {
            let vertical = 1.0 + c.factor("height_factor").unwrap();
            let horizontal = c.factor("width_factor").map_or(vertical, |f| 1.0 + f);
            warp(image, &Affine::zoom(vertical, horizontal, height, width), &c.warp())
        }
        "RandomBrightness" => {
            let range = match c.list("value_range", 0.0)[..] {
                [low, high] => [low, high],
                _ => [0.0, 255.0],
            };
            add_clipped(image, c.factor("factor").unwrap() * (range[1] - range[0]), range)
        }
        "CenterCrop" => center_crop(image, c.size("height"), c.size("width")),
        "Rescaling" => rescale(image, &c.list("scale", 1.0), &c.list("offset", 0.0)),
        "Resizing" => {
            let aspect = match (c.flag("crop_to_aspect_ratio"), c.flag("pad_to_aspect_ratio")) {
                (true, _) => Aspect::Crop,
                (_, true) => Aspect::Pad(c.float("fill_value", 0.0)),
                _ => Aspect::Stretch,
            };
            let method = c.text("interpolation", "bilinear");
            resize(image, c.size("height"), c.size("width"), &method, c.flag("antialias"), aspect)
        }
        _ => return None,
    })
}

#[test]
fn pictures_agree_with_tensorflow() {
    let golden = Golden::load(&["vision"], &["vision.safetensors"]);
    let (mut failures, mut checked) = (Vec::new(), 0);
    for case in &golden.cases {
        if !case["inputs"]["image"].is_object() {
            continue;
        }
        let Some(got) = apply(case, golden.tensor(&case["inputs"]["image"])) else { continue };
        checked += 1;
        let want = &case["outputs"]["out"];
        match got {
            Ok(got) => failures.extend(golden.compare(id(case), &got, want, 1.0).err()),
            Err(error) => failures.push(format!("{}: {error}", id(case))),
        }
    }
    report(failures, checked, 34);
}

/// Boxes `y1, x1, y2, x2`.
fn rects(tensor: &Tensor) -> Vec<Rect> {
    tensor.as_f32().unwrap().chunks(4).map(|b| Rect::from_corners([b[1], b[0], b[3], b[2]])).collect()
}

#[test]
fn average_precision_agrees_with_coco_and_voc() {
    let golden = Golden::load(&["vision"], &["vision.safetensors"]);
    let (mut failures, mut checked) = (Vec::new(), 0);
    for case in golden.cases.iter().filter(|c| c["op"] == "mean_average_precision") {
        checked += 1;
        let input = |key: &str| golden.tensor(&case["inputs"][key]);
        let numbers = |key: &str| input(key).as_i32().unwrap().iter().map(|&n| n as usize).collect::<Vec<_>>();
        let classes = case["config"]["classes"].as_u64().unwrap() as usize;
        let truths: Vec<Truth> = rects(input("gt_boxes"))
            .into_iter()
            .zip(numbers("gt_image").into_iter().zip(numbers("gt_class")))
            .map(|(rect, (image, class))| Truth { image, class, rect })
            .collect();
        let scores = input("dt_scores").as_f32().unwrap();
        let found: Vec<Found> = rects(input("dt_boxes"))
            .into_iter()
            .zip(scores)
            .zip(numbers("dt_image").into_iter().zip(numbers("dt_class")))
            .map(|((rect, &score), (image, class))| Found { image, class, score, rect })
            .collect();
        let coco = coco(&truths, &found, classes);
        for (key, got) in [
            ("coco_stats", coco.stats.to_vec()),
            ("coco_ap_per_class", coco.per_class),
            ("voc11_per_class", voc(&truths, &found, classes, 0.5, Voc::ElevenPoints)),
            ("voc_all_point_per_class", voc(&truths, &found, classes, 0.5, Voc::Area)),
        ] {
            let got: Vec<f32> = got.into_iter().map(|v| v as f32).collect();
            let got = Tensor::f32([got.len()], got).unwrap();
            failures.extend(golden.compare(&format!("{} {key}", id(case)), &got, &case["outputs"][key], 1.0).err());
        }
    }
    report(failures, checked, 2);
}
