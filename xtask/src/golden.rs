//! `cargo xtask golden DIR`: a folder of reference values from Keras, on every backend.

use std::path::Path;

use crate::proc::{self, Context, Result};
use crate::setup::{self, Need};

/// `golden DIR [--backend NAME] [--family NAME] [--case PART]`
pub fn task(arguments: &[String]) -> Result {
    setup::ensure(&[Need::Rust, Need::Vulkan, Need::JpegDecoder])?;
    let mut cargo = proc::cargo();
    cargo.args(["run", "--quiet", "--example", "golden", "--features", "conformance,threads", "--"]);
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
