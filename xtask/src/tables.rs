//! Tasks that hold every backend to a folder of cases and print a table: `golden`, `onnx`, `expect` and `outputs` (`examples/`).

use std::path::Path;

use crate::models;
use crate::proc::{self, Context, Result};
use crate::setup::{self, Need};

/// Runs the example of this name on a folder, with its options.
fn run(example: &str, needs: &[Need], arguments: &[String]) -> Result {
    setup::ensure(needs)?;
    let mut cargo = proc::cargo();
    cargo.args(["run", "--quiet", "--example", example, "--features", "conformance,threads", "--"]);
    for argument in arguments {
        // Cargo runs in the workspace's root; the folder was named from where the person stands.
        if Path::new(argument).is_dir() {
            cargo.arg(std::fs::canonicalize(argument).context(argument)?);
        } else {
            cargo.arg(argument);
        }
    }
    setup::with_software_vulkan(&mut cargo);
    proc::run(&mut cargo)
}

/// `golden DIR [--backend NAME] [--family NAME] [--case PART]`: reference values from Keras.
pub fn golden(arguments: &[String]) -> Result {
    run("golden", &[Need::Rust, Need::Vulkan, Need::JpegDecoder], arguments)
}

/// `onnx DIR [--backend NAME]... [--operator NAME] [--case PART] [--verbose]`: ONNX' own cases, as its Python package brings
/// them (`onnx/backend/test/data`).
pub fn onnx(arguments: &[String]) -> Result {
    run("onnx", &[Need::Rust, Need::Vulkan], arguments)
}

/// `expect DIR [--backend NAME]... [--model PART]`: TFLite models with pictures and expected outputs.
pub fn expect(arguments: &[String]) -> Result {
    run("expect", &[Need::Rust, Need::Vulkan], arguments)
}

/// `outputs DIR [--backend NAME]... [--model PART]`: the published networks in `vendor/`, with expected outputs.
pub fn outputs(arguments: &[String]) -> Result {
    models::task(&[])?;
    models::pictures()?;
    run("outputs", &[Need::Rust, Need::Vulkan], arguments)
}
