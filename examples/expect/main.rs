//! Runs a folder of TFLite models with pictures and expected outputs on every backend: `cargo xtask expect DIR`.
//!
//! The folder holds `expected.json` (models, their cases, what the TFLite interpreter's reference kernels made of each), the
//! models, pictures and class maps. A picture is stretched to the model's size in integers; uint8 models take the bytes, float
//! models `byte / 127.5 - 1`.

mod check;
mod picture;
// Known detectors are `outputs`' affair.
#[allow(dead_code)]
#[path = "../support/runner.rs"]
mod runner;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use runner::{Runner, Verdict};
use serde_json::Value as Json;
use striate::formats::{ImportOptions, tflite};
use striate::session::Device;
use striate::{DType, Tensor};
use support::Asked;

const USAGE: &str = "usage: expect DIR [--backend reference|cpu|webgpu]... [--model PART]; cpu and webgpu by default";

fn main() -> ExitCode {
    support::main(run)
}

fn run(arguments: Vec<String>) -> Result<bool, String> {
    let asked = Asked::read(arguments, USAGE, &["cpu", "webgpu"], &["--model"], &[])?;
    let part = asked.last("--model").unwrap_or_default();
    let folder = &asked.folder;
    let text = std::fs::read_to_string(folder.join("expected.json")).map_err(|e| format!("expected.json: {e}"))?;
    let expected: Json = serde_json::from_str(&text).map_err(|e| format!("expected.json: {e}"))?;
    let models = expected["models"].as_object().ok_or("expected.json names no models")?;
    let (mut passed, mut failed) = (0, 0);
    println!("{:<36} {:<26} {:<10} {:>8}  result", "model", "picture", "backend", "ms");
    for (name, model) in models.iter().filter(|(name, _)| name.contains(part)) {
        for (kind, device) in &asked.devices {
            let rows = match cases(folder, name, model, device) {
                Ok(rows) => rows,
                Err(why) => vec![("(all)".to_string(), 0.0, Err(why))],
            };
            for (picture, ms, outcome) in rows {
                let text = match outcome {
                    Ok(Verdict { found, wrong }) if wrong.is_empty() => {
                        passed += 1;
                        found
                    }
                    Ok(Verdict { found, wrong }) => {
                        failed += 1;
                        format!("FAILED: {} ({found})", wrong.join("; "))
                    }
                    Err(why) => {
                        failed += 1;
                        format!("FAILED: {why}")
                    }
                };
                println!("{name:<36} {picture:<26} {kind:<10} {ms:>8.0}  {text}");
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0 && passed > 0)
}

type Row = (String, f64, Result<Verdict, String>);

/// Every picture of a model on a device, or by the interpreter.
fn cases(folder: &Path, name: &str, model: &Json, device: &Option<Device>) -> Result<Vec<Row>, String> {
    let file = std::fs::read(folder.join(name)).map_err(|e| format!("{name}: {e}"))?;
    let graph = tflite::import(&file, &ImportOptions::default()).map_err(|e| e.to_string())?.graph;
    let [input] = graph.inputs() else { return Err(format!("{} inputs instead of 1", graph.inputs().len())) };
    let (dtype, Some([Some(height), Some(width)])) = (input.dtype, input.dims.get(1..3)) else {
        return Err("the input is no picture of a known size".into());
    };
    let (height, width) = (*height, *width);
    let labels = labels(folder, model)?;
    let mut runner = Runner::new((graph, None), device)?;
    let mut rows = Vec::new();
    for case in model["cases"].as_array().into_iter().flatten() {
        let picture = case["image"].as_str().unwrap_or("?").to_string();
        let started = Instant::now();
        let outcome = (|| {
            let bytes = prepared(folder, case, &picture, height, width)?;
            let case = check::Case { folder, model, case, labels: &labels };
            case.check_input(&bytes)?;
            let shape = [1, height, width, 3];
            let input = match dtype {
                DType::U8 => Tensor::u8(shape, bytes),
                DType::I32 => Tensor::i32(shape, bytes.iter().map(|&b| b as i32).collect::<Vec<_>>()),
                DType::F32 => Tensor::f32(shape, bytes.iter().map(|&b| b as f32 / 127.5 - 1.0).collect::<Vec<_>>()),
            };
            let inputs = [input.map_err(|e| e.to_string())?];
            case.verdict(&runner.run(&inputs)?)
        })();
        rows.push((picture, started.elapsed().as_secs_f64() * 1e3, outcome));
    }
    Ok(rows)
}

/// The bytes of the network's input. A JPEG's are stored, because decoders differ.
fn prepared(folder: &Path, case: &Json, picture: &str, height: usize, width: usize) -> Result<Vec<u8>, String> {
    let stored = case["input"]["u8_png"].as_str();
    let read = picture::read(&folder.join(stored.unwrap_or(picture)), false)?;
    Ok(read.resized(height, width).bytes)
}

fn labels(folder: &Path, model: &Json) -> Result<Vec<String>, String> {
    let Some(file) = model["labels"].as_str() else { return Ok(Vec::new()) };
    let text = std::fs::read_to_string(folder.join(file)).map_err(|e| format!("{file}: {e}"))?;
    let count = model["label_count"].as_u64().map_or(usize::MAX, |n| n as usize);
    Ok(text.lines().map(String::from).take(count).collect())
}
