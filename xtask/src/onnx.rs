//! `cargo xtask onnx DIR`: a folder of ONNX' own cases, as its Python package brings them (`onnx/backend/test/data`).

use std::path::Path;

use crate::proc::{self, Context, Result};
use crate::setup::{self, Need};

/// `onnx DIR [--backend NAME]... [--operator NAME] [--case PART] [--verbose]`
pub fn task(arguments: &[String]) -> Result {
    setup::ensure(&[Need::Rust, Need::Vulkan])?;
    let mut cargo = proc::cargo();
    cargo.args(["run", "--quiet", "--example", "onnx", "--features", "conformance,threads", "--"]);
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
