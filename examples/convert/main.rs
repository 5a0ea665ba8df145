//! Makes safetensors of published weights, with the network beside them, as `Model.save` writes it: what a page loads
//! needs no code of the network. `cargo xtask models` runs it.
//!
//! Every network takes pixels from 0 to 255, red first.

mod networks;
mod weights;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value as Json, json};
use striate::formats::keras;
use striate::formats::pytorch;
use striate::layers::Model;

const USAGE: &str = "usage: convert KIND OUTPUT_FOLDER FILE...

  efficientnet-lite0     checkpoint of PyTorch, names of ImageNet's classes
  mobilenetv2-features   checkpoint of PyTorch
  squeezenet             Keras' weights, names of ImageNet's classes
  realesr-animevideov3   weights of ncnn
  tiny-face-detector     weights manifest of TensorFlow.js, its weights";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match convert(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn convert(arguments: &[String]) -> Result<(), String> {
    let [kind, folder, files @ ..] = arguments else { return Err(USAGE.into()) };
    let folder = Path::new(folder);
    let contents: Vec<Vec<u8>> =
        files.iter().map(|path| std::fs::read(path).map_err(|e| format!("{path}: {e}"))).collect::<Result<_, _>>()?;
    let contents: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
    let (model, labels) = match (kind.as_str(), contents.as_slice()) {
        ("efficientnet-lite0", [checkpoint, names]) => {
            (torch("EfficientNetLite0", json!({}), checkpoint)?, Some(labels(names)?))
        }
        ("mobilenetv2-features", [checkpoint]) => {
            (torch("MobileNetV2", json!({"pooling": "avg", "input_shape": [224, 224, 3]}), checkpoint)?, None)
        }
        ("squeezenet", [weights, names]) => (networks::squeezenet(weights)?, Some(labels(names)?)),
        ("realesr-animevideov3", [weights]) => (networks::realesr_animevideo(weights)?, None),
        ("tiny-face-detector", [manifest, weights]) => (networks::tiny_face_detector(manifest, weights)?, None),
        _ => return Err(USAGE.into()),
    };
    let saved = keras::save_safetensors(&model).map_err(|e| e.to_string())?;
    write(folder.join("model.safetensors"), &weights::halved(&saved)?)?;
    labels.map_or(Ok(()), |labels| write(folder.join("labels.txt"), labels.as_bytes()))
}

fn write(path: PathBuf, content: &[u8]) -> Result<(), String> {
    std::fs::write(&path, content).map_err(|e| format!("{}: {e}", path.display()))
}

/// A network of the zoo with PyTorch's weights.
fn torch(name: &str, options: Json, checkpoint: &[u8]) -> Result<Model, String> {
    let tensors = pytorch::read(checkpoint).map_err(|e| e.to_string())?;
    pytorch::network(name, &options, &tensors).map_err(|e| e.to_string())
}

/// `{"0": "tench, Tinca tinca", ...}` as a line for each class: its first name.
fn labels(json: &[u8]) -> Result<String, String> {
    let names: Json = serde_json::from_slice(json).map_err(|e| format!("names of classes: {e}"))?;
    let count = names.as_object().map_or(0, |map| map.len());
    let name = |class: usize| {
        let all = names[class.to_string()].as_str().ok_or(format!("class {class} has no name"))?;
        Ok(all.split(',').next().unwrap_or(all).trim().to_string() + "\n")
    };
    (0..count).map(name).collect()
}
