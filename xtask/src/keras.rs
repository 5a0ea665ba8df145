//! The module that reads and writes Keras' files (`crates/keras`): built for size and without SIMD, beside the engines.

use std::path::PathBuf;
use std::process::Command;

use crate::proc::{self, Result};
use crate::toolchain::{TARGET, Toolchain};
use crate::wasm::{self, Module, Profile};

/// Its folder in `npm/dist/wasm`, and what its files are called.
pub const NAME: &str = "keras";

/// Builds it into `npm/dist/wasm/keras`; returns the line to print.
pub fn build(toolchain: &Toolchain, profile: Profile) -> Result<String> {
    let mut cargo = toolchain.cargo();
    cargo.arg("rustc");
    select(&mut cargo, toolchain);
    let module = Module {
        name: NAME.into(),
        file: NAME,
        rustflags: "",
        builds_std: toolchain.must_build_std(),
        wasm_opt: &[],
        target: target(),
    };
    module.build(&mut cargo, profile, "striate_keras.wasm", &[wasm::place(NAME)])
}

/// Clippy over what only the web sees of it.
pub fn clippy(toolchain: &Toolchain) -> Command {
    let mut clippy = toolchain.clippy();
    select(&mut clippy, toolchain);
    clippy.args(["--", "-Dwarnings"]);
    clippy
}

fn target() -> PathBuf {
    proc::root().join("target/wasm").join(NAME)
}

/// The crate, for the web, in a folder of its own: its flags differ from the engines'.
fn select(cargo: &mut Command, toolchain: &Toolchain) {
    cargo.env("RUSTC_BOOTSTRAP", "1").env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    cargo.args(["--quiet", "--package", "striate-keras", "--lib", "--target", TARGET, "--target-dir"]).arg(target());
    if toolchain.must_build_std() {
        cargo.args(["-Z", wasm::BUILD_STD]);
    }
}
