//! `cargo xtask expect DIR`: a folder of TFLite models with pictures and expected outputs, on every backend.

use std::path::Path;

use crate::proc::{self, Context, Result};
use crate::setup::{self, Need};

/// `expect DIR [--backend NAME]... [--model PART]`
pub fn task(arguments: &[String]) -> Result {
    setup::ensure(&[Need::Rust, Need::Vulkan])?;
    let mut cargo = proc::cargo();
    cargo.args(["run", "--quiet", "--example", "expect", "--features", "conformance,threads", "--"]);
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
