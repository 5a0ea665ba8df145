//! The importers on small files of our own: what they read, and what they say of broken ones.

mod flatbuffer;
mod hostile;
mod inspect;
#[cfg(feature = "onnx")]
mod onnx;
mod quantised;
mod rules;
mod seeds;
mod tiny;

use std::path::{Path, PathBuf};

use serde_json::Value;
use striate::formats::{Format, ImportOptions, Imported, tfjs, tflite};
use striate::{Tensor, reference};

use tiny::Stored;

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models")
}

/// Every committed file: path, content.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for (name, stored) in
        [("float32", Stored::F32), ("float16", Stored::F16), ("uint8", Stored::U8), ("uint16", Stored::U16)]
    {
        let (model, weights) = tiny::tfjs(stored);
        files.push((format!("tfjs_{name}/model.json"), format!("{model:#}\n").into_bytes()));
        files.push((format!("tfjs_{name}/weights.bin"), weights));
    }
    let (model, weights) = tiny::tfjs_unsupported();
    files.push(("tfjs_unsupported/model.json".into(), format!("{model:#}\n").into_bytes()));
    files.push(("tfjs_unsupported/weights.bin".into(), weights));
    files.push(("tiny_float32.tflite".into(), tiny::tflite(Stored::F32)));
    files.push(("tiny_float16.tflite".into(), tiny::tflite(Stored::F16)));
    files
}

/// `STRIATE_WRITE_MODELS=1 cargo test --test formats` writes the files anew.
#[test]
fn the_committed_models_are_what_the_writers_write() {
    for (name, content) in files() {
        let path = models().join(&name);
        if std::env::var_os("STRIATE_WRITE_MODELS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &content).unwrap();
        }
        assert!(content.len() < 20_000, "{name} has {} bytes", content.len());
        assert!(std::fs::read(&path).unwrap() == content, "{name} is not what the writer writes");
    }
}

/// Outputs computed by TensorFlow.js 4.22 and LiteRT 2.3 from the committed files.
#[test]
fn the_tiny_network_agrees_with_tensorflow_js_and_tensorflow_lite() {
    let expected: Value = serde_json::from_slice(&std::fs::read(models().join("expected.json")).unwrap()).unwrap();
    let read = |name: &str| std::fs::read(models().join(name)).unwrap();
    for (name, expected) in expected["outputs"].as_object().unwrap() {
        let imported = if name.ends_with(".tflite") {
            assert_eq!(Format::recognise(&read(name)).unwrap(), Format::Tflite);
            tflite::import(&read(name), &ImportOptions::default())
        } else {
            let json = read(&format!("{name}/model.json"));
            assert_eq!(Format::recognise(&json).unwrap(), Format::TfjsJson);
            let weights = read(&format!("{name}/weights.bin"));
            let files = tfjs::weight_files(&json).unwrap();
            assert_eq!(files, [tfjs::WeightFile { path: "weights.bin".into(), bytes: weights.len() }]);
            tfjs::import(&json, &weights, &ImportOptions::default())
        };
        let Imported { graph, description } = imported.unwrap();
        assert_eq!(description, "striate's tests");
        assert_eq!((graph.inputs().len(), graph.outputs()[0].name.as_str()), (1, "Identity"));
        let picture = Tensor::f32([1, 8, 8, 3], tiny::picture()).unwrap();
        let outputs = reference::run(&graph, &[picture]).unwrap();
        let expected: Vec<f32> = serde_json::from_value(expected.clone()).unwrap();
        assert_eq!(outputs[0].shape().as_slice(), [1, 5]);
        for (a, b) in outputs[0].as_f32().unwrap().iter().zip(&expected) {
            assert!((a - b).abs() < 1e-6, "{name}: {outputs:?}, expected {expected:?}");
        }
    }
}
