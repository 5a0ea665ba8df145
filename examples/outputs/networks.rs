//! The networks: where their files are, how each is asked, and what its answer is held to.

use std::path::Path;

use serde_json::Value as Json;
use striate::Tensor;
use striate::formats::{ImportOptions, Imported, keras, onnx, tfjs, tflite};
use striate::graph::{Graph, Output};
use striate::passes;
use striate::vision::boxes::best_first;
use striate::vision::{Detection, Detector, Rect, faces, image, pose, text};

use super::picture::Picture;
use super::runner::{Runner, Verdict};

/// Holds a network's answer to what is expected of a picture, under its name.
type Check = fn(&mut Runner, &Picture, &str, &Json) -> Result<Verdict, String>;

/// One network.
pub struct Network {
    pub name: &'static str,
    /// Its file in the folder of expected values, and the part of it.
    pub expected: &'static str,
    pub key: &'static str,
    /// Its files in `vendor/`.
    pub files: &'static [&'static str],
    pub verdict: Check,
}

const fn network(
    name: &'static str,
    expected: &'static str,
    key: &'static str,
    files: &'static [&'static str],
    verdict: Check,
) -> Network {
    Network { name, expected, key, files, verdict }
}

/// All of them. Those without files are expected but not carried.
pub const ALL: &[Network] = &[
    network(
        "ssd_mobilenetv2_oidv4",
        "ssd_mobilenetv2_oidv4.json",
        "",
        &["ssd_mobilenetv2_oidv4/model.tflite"],
        detection,
    ),
    network("centernet", "centernet_mb3.json", "", &["centernet/centernet.json", "centernet/centernet.bin"], detection),
    network("nanodet", "nanodet_g.json", "", &["nanodet/nanodet.json", "nanodet/nanodet.bin"], detection),
    network("efficientnet-lite0", "efficientnet_lite0.json", "", &["efficientnet-lite0/model.safetensors"], classes),
    network(
        "efficientnet-lite0 map",
        "efficientnet_lite0_cam.json",
        "",
        &["efficientnet-lite0/model.safetensors"],
        activation_map,
    ),
    network("squeezenet", "squeezenet_v1_1.json", "", &["squeezenet/model.safetensors"], classes),
    network("mobilenetv2", "mobilenetv2_bottleneck.json", "", &["mobilenetv2/model.safetensors"], features),
    network(
        "selfie_segmentation",
        "selfie_segmentation.json",
        "",
        &["selfie_segmentation/selfie_segmentation.tflite"],
        person,
    ),
    network("posenet", "pose.json", "posenet", &["posenet/posenet.json", "posenet/posenet.bin"], keypoints),
    network("tiny_face_detector", "tiny_face_detector.json", "", &["tiny_face_detector/model.safetensors"], face),
    network("pp-ocrv4-det", "ppocr_text_detection.json", "", &["pp-ocrv4-det/model.onnx"], lines),
    network(
        "esrgan-slim-x2",
        "super_resolution.json",
        "upscalerjs-default-model-1.0.0 models x2",
        &["esrgan-slim-x2/model.json", "esrgan-slim-x2/group1-shard1of1.bin"],
        doubled,
    ),
    network(
        "realesr-animevideov3",
        "super_resolution.json",
        "realesr-animevideov3 (SRVGGNetCompact) x4",
        &["realesr-animevideov3/model.safetensors"],
        quadrupled,
    ),
    network("multistyle26", "style_transfer.json", "multistyle26", &["multistyle26/multistyle26.onnx"], style),
    network("movenet", "pose.json", "movenet_lightning", &[], not_carried),
    network("arbitrary style", "style_transfer.json", "arbitrary", &[], not_carried),
    network("hed", "hed_edges.json", "", &[], not_carried),
    network("ssdlite_pedestrian", "ssdlite_pedestrian.json", "", &[], not_carried),
    network("esrgan-slim-x3", "super_resolution.json", "upscalerjs-esrgan-slim-1.0.0 models/x3 x3", &[], not_carried),
    network("esrgan-slim-x4", "super_resolution.json", "upscalerjs-esrgan-slim-1.0.0 models/x4 x4", &[], not_carried),
    network(
        "esrgan-medium-x2",
        "super_resolution.json",
        "upscalerjs-esrgan-medium-1.0.0 models/x2 x2",
        &[],
        not_carried,
    ),
    network(
        "esrgan-medium-x4",
        "super_resolution.json",
        "upscalerjs-esrgan-medium-1.0.0 models/x4 x4",
        &[],
        not_carried,
    ),
];

fn not_carried(_: &mut Runner, _: &Picture, _: &str, _: &Json) -> Result<Verdict, String> {
    Err("no file of this network is in vendor/".into())
}

fn text_of(error: striate::Error) -> String {
    error.to_string()
}

/// The network ready to run, or none if its files are not there.
pub fn load(network: &Network) -> Result<Option<(Graph, Option<Detector>)>, String> {
    let vendor = Path::new(env!("CARGO_MANIFEST_DIR")).join("vendor");
    let files: Option<Vec<Vec<u8>>> = network.files.iter().map(|file| std::fs::read(vendor.join(file)).ok()).collect();
    let Some(files) = files.filter(|files| !files.is_empty()) else { return Ok(None) };
    let mut options = ImportOptions { channels_last: true, ..ImportOptions::default() };
    if network.name == "multistyle26" {
        options.input_shapes.insert("image".into(), vec![1, 3, 256, 256]);
    }
    let mut graph = match (network.files[0].rsplit_once('.').map(|(_, ext)| ext), files.as_slice()) {
        (Some("tflite"), [file]) => tflite::import(file, &options).map(|Imported { graph, .. }| graph),
        (Some("onnx"), [file]) => onnx::import(file, &options).map(|Imported { graph, .. }| graph),
        (Some("safetensors"), [file]) => keras::load(file.clone()).and_then(|model| model.graph()),
        (_, [json, weights]) if network.name.starts_with("esrgan") => {
            let file = keras::open_tfjs(json, weights.clone()).map_err(text_of)?;
            keras::model(&file, keras::NO_CUSTOM_LAYERS).and_then(|model| model.graph())
        }
        (_, [json, weights]) => tfjs::import(json, weights, &options).map(|Imported { graph, .. }| graph),
        _ => return Err("files of no known format".into()),
    }
    .map_err(text_of)?;
    let detector = Detector::recognise(&graph);
    if let Some(detector) = &detector {
        graph = detector.extend_graph(graph).map_err(text_of)?;
    }
    if network.name == "efficientnet-lite0 map" {
        let value = graph.find("top_activation").ok_or("the network has no top_activation")?;
        graph.set_outputs(vec![Output { name: "map".into(), value }]);
    }
    passes::optimize(&graph).map(|graph| Some((graph, detector))).map_err(text_of)
}

fn number(value: &Json) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn list(value: &Json) -> &[Json] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn floats(outputs: &[Tensor], index: usize) -> Result<&[f32], String> {
    outputs.get(index).ok_or("an output is missing")?.as_f32().map_err(text_of)
}

fn input(picture: &Picture, height: usize, width: usize, window: [f64; 4]) -> Result<Tensor, String> {
    Tensor::f32([1, height, width, 3], picture.bilinear(height, width, window)).map_err(text_of)
}

fn scaled(picture: &Picture, height: usize, width: usize, scale: f32, offset: f32) -> Result<Tensor, String> {
    let pixels = picture.bilinear(height, width, picture.whole());
    let values = pixels.iter().map(|pixel| pixel * scale + offset).collect::<Vec<_>>();
    Tensor::f32([1, height, width, 3], values).map_err(text_of)
}

/// The label, score and box of everything found, with the best of what is expected.
fn same_boxes(verdict: &mut Verdict, found: &[Detection], labels: &[&str], want: &Json) {
    let label = |d: &Detection| labels.get(d.class).copied().unwrap_or("face");
    verdict.check(found.len() == list(want).len(), || {
        let names: Vec<_> = found.iter().map(|d| format!("{} {:.3}", label(d), d.score)).collect();
        format!("{} boxes instead of {}: {}", found.len(), list(want).len(), names.join(", "))
    });
    let mut worst = (1.0f32, 0.0f64);
    for want in list(want) {
        let edges: Vec<f32> = list(&want["box_xyxy_px"]).iter().map(|edge| number(edge) as f32).collect();
        let Ok(corners) = <[f32; 4]>::try_from(edges) else { return verdict.wrong.push("a box without edges".into()) };
        let name = want["label"].as_str().unwrap_or("face");
        let overlap = |d: &Detection| Rect::from_xywh([d.x, d.y, d.width, d.height]).iou(&Rect::from_corners(corners));
        let same = found.iter().filter(|d| label(d) == name);
        let Some(best) = same.max_by(|x, y| overlap(x).total_cmp(&overlap(y))) else {
            verdict.wrong.push(format!("no {name} {:.3}", number(&want["score"])));
            continue;
        };
        worst = (worst.0.min(overlap(best)), worst.1.max((best.score as f64 - number(&want["score"])).abs()));
    }
    // The expected values are rounded to 0.1 pixel and 4 digits.
    verdict.check(worst.0 >= 0.98, || format!("an overlap is only {:.3}", worst.0));
    verdict.check(worst.1 <= 2e-3, || format!("a score is off by {:.4}", worst.1));
    let first = found.first().map_or("nothing".into(), |d| format!("{} {:.4}", label(d), d.score));
    verdict.found =
        format!("{} found, first {first}; overlap {:.3}, score off by {:.4}", found.len(), worst.0, worst.1);
}

fn detection(runner: &mut Runner, picture: &Picture, _: &str, want: &Json) -> Result<Verdict, String> {
    let detector = runner.detector.clone().ok_or("no known detector")?;
    let spec = detector.input();
    let mut values = vec![0.0; spec.size[0] * spec.size[1] * 3];
    image::resize_into(&picture.rgba(), picture.width, picture.height, &spec, &mut values).map_err(text_of)?;
    let input = Tensor::f32([1, spec.size[0], spec.size[1], 3], values).map_err(text_of)?;
    let outputs = runner.run(&[input])?;
    let size = [picture.width, picture.height];
    let found = detector.decode(&outputs, size, &detector.default_options()).map_err(text_of)?;
    let mut verdict = Verdict::default();
    same_boxes(&mut verdict, &found, detector.labels(), &want["detections"]);
    Ok(verdict)
}

fn classes(runner: &mut Runner, picture: &Picture, _: &str, want: &Json) -> Result<Verdict, String> {
    let mut verdict = Verdict::default();
    let windows = [("center_square", picture.centre_square()), ("stretch", picture.whole())];
    let size = runner.graph.inputs()[0].dims[1].ok_or("a network of no fixed size")?;
    for (name, window) in windows {
        let own = if want["top5"].is_null() { &want[name] } else { want };
        if own.is_null() || (want["top5"].is_array() && name == "stretch") {
            continue;
        }
        let outputs = runner.run(&[input(picture, size, size, window)?])?;
        let probabilities = floats(&outputs, 0)?;
        let order = best_first(probabilities);
        let mut worst = 0f64;
        for (rank, want) in list(&own["top5"]).iter().enumerate() {
            let class = want["index"].as_u64().unwrap_or(u64::MAX) as usize;
            let got = probabilities.get(class).copied().unwrap_or(f32::NAN) as f64;
            worst = worst.max((got - number(&want["prob"])).abs());
            verdict.check(rank > 0 || order.first() == Some(&class), || format!("{name}: class {} is first", order[0]));
            verdict.near(&format!("{name}, {}", want["label"]), got, number(&want["prob"]), 2e-4);
        }
        let first = &own["top5"][0];
        verdict.found += &format!("{name}: {} {:.5}, off by {worst:.0e}; ", first["label"], probabilities[order[0]]);
    }
    verdict.check(!verdict.found.is_empty(), || "nothing is expected".into());
    Ok(verdict)
}

/// The classes of each cell: the dense layer applied to the map before it is averaged.
fn activation_map(runner: &mut Runner, picture: &Picture, _: &str, want: &Json) -> Result<Verdict, String> {
    let vendor = Path::new(env!("CARGO_MANIFEST_DIR")).join("vendor/efficientnet-lite0/model.safetensors");
    let model = keras::load(std::fs::read(vendor).map_err(|e| e.to_string())?).map_err(text_of)?;
    let (kernel, bias) =
        (model.weight("predictions/kernel").map_err(text_of)?, model.weight("predictions/bias").map_err(text_of)?);
    let (kernel, bias) = (kernel.as_f32().map_err(text_of)?, bias.as_f32().map_err(text_of)?);
    let outputs = runner.run(&[input(picture, 224, 224, picture.centre_square())?])?;
    let (map, classes) = (floats(&outputs, 0)?, bias.len());
    let top = want["top1"]["index"].as_u64().unwrap_or(0) as usize;
    let mut verdict = Verdict::default();
    let (mut worst, mut same, mut cells) = (0f64, 0, 0);
    for (cell, features) in map.chunks_exact(kernel.len() / classes).enumerate() {
        let score = |class: usize| {
            features.iter().enumerate().map(|(i, f)| (f * kernel[i * classes + class]) as f64).sum::<f64>()
        };
        let want_score = number(&want["cam_top1"][cell / 7][cell % 7]);
        worst = worst.max((score(top) + bias[top] as f64 - want_score).abs());
        let scores: Vec<f32> = (0..classes).map(|class| (score(class) + bias[class] as f64) as f32).collect();
        same += (Some(best_first(&scores)[0] as u64) == want["argmax_cells"][cell / 7][cell % 7].as_u64()) as usize;
        cells += 1;
    }
    verdict.check(cells == 49 && same == cells, || format!("{same} of {cells} cells have the expected class"));
    verdict.near("a cell's score is off", worst, 0.0, 5e-3);
    verdict.found = format!("{same} of {cells} cells alike, scores off by {worst:.0e}");
    Ok(verdict)
}

fn features(runner: &mut Runner, picture: &Picture, _: &str, want: &Json) -> Result<Verdict, String> {
    let outputs = runner.run(&[input(picture, 224, 224, picture.centre_square())?])?;
    let values = floats(&outputs, 0)?;
    let mut verdict = Verdict::default();
    let length = values.iter().map(|&v| (v as f64).powi(2)).sum::<f64>().sqrt();
    verdict.near("length", length, number(&want["l2"]), 2e-3);
    for (i, (got, want)) in values.iter().zip(list(&want["first8"])).enumerate() {
        verdict.near(&format!("feature {i}"), *got as f64, number(want), 1e-3);
    }
    let nonzero = values.iter().filter(|&&v| v > 0.0).count();
    verdict.near("features above zero", nonzero as f64, number(&want["nonzero"]), 1.0);
    verdict.check(values.len() == 1280, || format!("{} features", values.len()));
    verdict.found = format!("length {length:.4}, {nonzero} above zero");
    Ok(verdict)
}

fn person(runner: &mut Runner, picture: &Picture, _: &str, want: &Json) -> Result<Verdict, String> {
    let outputs = runner.run(&[scaled(picture, 256, 256, 1.0 / 255.0, 0.0)?])?;
    let mask = floats(&outputs, 0)?;
    let mut verdict = Verdict::default();
    let over = mask.iter().filter(|&&p| p > 0.5).count() as f64 / mask.len() as f64;
    // The expected values are another file's of the same network: up to 3e-4 in the mean, 0.07 in a pixel.
    verdict.near("part over 0.5", over, number(&want["fraction_over_0.5"]), 2e-3);
    let mean = mask.iter().map(|&p| p as f64).sum::<f64>() / mask.len() as f64;
    verdict.near("mean", mean, number(&want["mean"]), 1e-3);
    let cell = |y: usize, x: usize| {
        (0..256).map(|i| mask[(y * 16 + i / 16) * 256 + x * 16 + i % 16] as f64).sum::<f64>() / 256.0
    };
    let mut worst = 0f64;
    for (y, row) in list(&want["grid16_mean"]).iter().enumerate() {
        for (x, want) in list(row).iter().enumerate() {
            worst = worst.max((cell(y, x) - number(want)).abs());
        }
    }
    verdict.near("a cell's mean is off", worst, 0.0, 0.01);
    verdict.found = format!(
        "{:.2} % person (expected {:.2} %), cells off by {worst:.4}",
        100.0 * over,
        100.0 * number(&want["fraction_over_0.5"])
    );
    Ok(verdict)
}

fn keypoints(runner: &mut Runner, picture: &Picture, _: &str, want: &Json) -> Result<Verdict, String> {
    let names: Vec<String> = runner.graph.outputs().iter().map(|o| o.name.clone()).collect();
    let outputs = runner.run(&[scaled(picture, 385, 385, 1.0 / 127.5, -1.0)?])?;
    let find = |part: &str| {
        names.iter().position(|name| name.contains(part)).and_then(|i| outputs.get(i)).ok_or("an output is missing")
    };
    let (heat, offsets) = (find("heatmap")?, find("offset")?);
    let pose = pose::single_pose(heat, offsets, [385, 385], [picture.width, picture.height]).map_err(text_of)?;
    let mut verdict = Verdict::default();
    let mut worst = 0f64;
    for ((got, want), part) in pose.iter().zip(list(&want["keypoints"])).zip(pose::PARTS) {
        verdict.check(want["part"] == part, || format!("{part} instead of {}", want["part"]));
        verdict.near(&format!("{part}, score"), got.score as f64, number(&want["score"]), 1e-3);
        verdict.near(&format!("{part}, x"), got.x as f64, number(&want["xy"][0]), 0.3);
        verdict.near(&format!("{part}, y"), got.y as f64, number(&want["xy"][1]), 0.3);
        worst =
            worst.max((got.x as f64 - number(&want["xy"][0])).abs()).max((got.y as f64 - number(&want["xy"][1])).abs());
    }
    verdict.found = format!(
        "nose {:.4} at ({:.1}, {:.1}); {} parts, off by {worst:.2} pixels",
        pose[0].score,
        pose[0].x,
        pose[0].y,
        pose.len()
    );
    Ok(verdict)
}

fn face(runner: &mut Runner, picture: &Picture, _: &str, want: &Json) -> Result<Verdict, String> {
    let size = [picture.width, picture.height];
    // The expected values come from a resize without half-pixel centres, which is a window that begins elsewhere.
    let side = picture.width as f64;
    let shift = 0.5 - 0.5 * side / 416.0;
    let input = match picture.width == picture.height {
        true => self::input(picture, 416, 416, [shift, shift, side, side])?,
        false => faces::input(&picture.rgba(), size, 416).map_err(text_of)?,
    };
    let outputs = runner.run(&[input])?;
    let head = outputs.first().ok_or("an output is missing")?;
    let found = faces::decode(head, size, &faces::DEFAULT_OPTIONS).map_err(text_of)?;
    let mut verdict = Verdict::default();
    same_boxes(&mut verdict, &found, &[], want);
    Ok(verdict)
}

fn lines(runner: &mut Runner, picture: &Picture, _: &str, want: &Json) -> Result<Verdict, String> {
    let (width, height) = (number(&want["input_wh"][0]) as usize, number(&want["input_wh"][1]) as usize);
    let outputs = runner.run(&[scaled(picture, height, width, 2.0 / 255.0, -1.0)?])?;
    let map = floats(&outputs, 0)?;
    let mut verdict = Verdict::default();
    let over = |part: &[f32]| part.iter().filter(|&&p| p > 0.3).count() as f64 / part.len() as f64;
    verdict.near("part over 0.3", over(map), number(&want["fraction_over_0.3"]), 1e-3);
    for (i, want) in list(&want["row_profile_16"]).iter().enumerate() {
        let band = map.len() / 16;
        let mean = map[i * band..][..band].iter().map(|&p| p as f64).sum::<f64>() / band as f64;
        verdict.near(&format!("band {i}"), mean, number(want), 1e-3);
    }
    let lines = text::lines(&outputs[0], [picture.width, picture.height], &Default::default()).map_err(text_of)?;
    verdict.found = format!("{:.3} % text, {} lines", 100.0 * over(map), lines.len());
    Ok(verdict)
}

/// Mean, deviation and single pixels of a picture that came out.
fn same_picture(want: &Json, values: &[f32], scale: f64, tolerance: f64) -> Verdict {
    let mut verdict = Verdict::default();
    let width = number(&want["shape"][1]) as usize;
    let wanted = list(&want["shape"]).iter().map(number).product::<f64>();
    if values.len() as f64 != wanted {
        verdict.wrong.push(format!("{} numbers instead of {wanted}", values.len()));
        return verdict;
    }
    for c in 0..3 {
        let channel: Vec<f64> = values[c..].iter().step_by(3).map(|&v| v as f64 * scale).collect();
        let mean = channel.iter().sum::<f64>() / channel.len() as f64;
        let deviation = (channel.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / channel.len() as f64).sqrt();
        verdict.near(&format!("mean of channel {c}"), mean, number(&want["mean_rgb"][c]), tolerance);
        verdict.near(&format!("deviation of channel {c}"), deviation, number(&want["std_rgb"][c]), tolerance);
    }
    let mut worst = 0f64;
    for (place, want) in want["pixels_yx"].as_object().into_iter().flatten() {
        let at =
            place.split_once(',').and_then(|(y, x)| Some(y.parse::<usize>().ok()? * width + x.parse::<usize>().ok()?));
        for c in 0..3 {
            let got = at.and_then(|at| values.get(at * 3 + c)).map_or(f64::NAN, |&v| v as f64 * scale);
            verdict.near(&format!("pixel {place}"), got, number(&want[c]), tolerance);
            worst = worst.max((got - number(&want[c])).abs());
        }
    }
    verdict.found = format!("pixels off by {worst:.1e}");
    verdict
}

fn doubled(runner: &mut Runner, picture: &Picture, _: &str, want: &Json) -> Result<Verdict, String> {
    enlarged(runner, picture, want, 2, 1.0, 5e-3)
}

fn quadrupled(runner: &mut Runner, picture: &Picture, _: &str, want: &Json) -> Result<Verdict, String> {
    enlarged(runner, picture, want, 4, 1.0 / 255.0, 5e-4)
}

fn enlarged(
    runner: &mut Runner,
    picture: &Picture,
    want: &Json,
    times: usize,
    scale: f64,
    tolerance: f64,
) -> Result<Verdict, String> {
    let (pixels, height, width) = picture.shrunk(times);
    let outputs = runner.run(&[Tensor::f32([1, height, width, 3], pixels).map_err(text_of)?])?;
    Ok(same_picture(want, floats(&outputs, 0)?, scale, tolerance))
}

fn style(runner: &mut Runner, picture: &Picture, name: &str, want: &Json) -> Result<Verdict, String> {
    let number =
        name.rsplit(' ').next().and_then(|n| n.parse::<usize>().ok()).ok_or(format!("no style in {name:?}"))?;
    let mut weights = vec![0.0f32; 26];
    *weights.get_mut(number).ok_or("there are 26 styles")? = 1.0;
    let image = scaled(picture, 256, 256, 1.0 / 255.0, 0.0)?;
    let weights = Tensor::f32([26], weights).map_err(text_of)?;
    let image_first = runner.graph.inputs()[0].dims.len() == 4;
    let outputs = runner.run(&if image_first { [image, weights] } else { [weights, image] })?;
    // What comes out counts channels first, as the file does.
    let output = outputs.first().ok_or("an output is missing")?;
    let values = output.as_f32().map_err(text_of)?;
    let area = 256 * 256;
    let last: Vec<f32> = match *output.shape().as_slice() {
        [1, 3, 256, 256] => (0..3 * area).map(|i| values[i % 3 * area + i / 3]).collect(),
        _ => values.to_vec(),
    };
    Ok(same_picture(want, &last, 1.0, 1e-3))
}
