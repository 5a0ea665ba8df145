//! The module of what is around networks (the crate's feature `vision`): SIMD, and neither an engine nor its kernels.

use crate::proc::Result;
use crate::toolchain::Toolchain;
use crate::wasm::{self, Flavour, Module, Profile};

/// Its folder in `npm/dist/wasm`, and what its files are called.
pub const NAME: &str = "vision";

/// Pages load it beside an engine.
const MAX_BYTES: usize = 150_000;

/// Whether the built module is one that a page can wait for.
pub fn is_small() -> bool {
    let binary = wasm::place(NAME).join(format!("{NAME}_bg.wasm"));
    std::fs::metadata(binary).is_ok_and(|file| file.len() as usize <= MAX_BYTES)
}

/// Builds it into `npm/dist/wasm/vision`; returns the line to print. The flavour's folder has the standard library and what the
/// crate needs built already.
pub fn build(toolchain: &Toolchain, profile: Profile) -> Result<String> {
    let flavour = Flavour::Simd;
    let mut cargo = flavour.cargo(toolchain);
    cargo.args(["rustc", "--quiet", "--lib"]).args(flavour.options_with(toolchain, "vision"));
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
