//! The module that writes ONNX files (the crate's feature `export`): layers and graphs, and neither an engine nor its kernels.

use crate::proc::Result;
use crate::toolchain::Toolchain;
use crate::wasm::{self, Flavour, Module, Profile};

/// Its folder in `npm/dist/wasm`, and what its files are called.
pub const NAME: &str = "export";

/// Pages load it beside an engine, when they save.
const MAX_BYTES: usize = 450_000;

/// Whether the built module is one that a page can wait for.
pub fn is_small() -> bool {
    let binary = wasm::place(NAME).join(format!("{NAME}_bg.wasm"));
    std::fs::metadata(binary).is_ok_and(|file| file.len() as usize <= MAX_BYTES)
}

/// Builds it into `npm/dist/wasm/export`; returns the line to print.
pub fn build(toolchain: &Toolchain, profile: Profile) -> Result<String> {
    let flavour = Flavour::Simd;
    let mut cargo = flavour.cargo(toolchain);
    cargo.args(["rustc", "--quiet", "--lib"]).args(flavour.options_with(toolchain, "export"));
    let module = Module {
        name: NAME.into(),
        file: NAME,
        rustflags: flavour.rustflags(),
        builds_std: toolchain.must_build_std(),
        wasm_opt: &[],
        target: flavour.target_dir(),
    };
    module.build(&mut cargo, profile, "striate.wasm", &[wasm::place(NAME)])
}
