//! The modules beside the engines: each is fetched when it is first needed.

use crate::keras;
use crate::proc::Result;
use crate::toolchain::Toolchain;
use crate::wasm::{self, Flavour, Module, Profile};

/// A module beside the engines.
#[derive(Clone, Copy)]
pub struct Beside {
    /// Its folder in `npm/dist/wasm`, and what its files are called.
    pub name: &'static str,
    /// A page waits for it.
    max_bytes: usize,
    build: fn(&Beside, &Toolchain, Profile) -> Result<String>,
}

/// All of them.
pub const MODULES: [Beside; 4] = [
    // Reads and writes Keras' files.
    Beside { name: keras::NAME, max_bytes: 400_000, build: |_, toolchain, profile| keras::build(toolchain, profile) },
    // What is around networks: neither an engine nor its kernels.
    Beside { name: "vision", max_bytes: 150_000, build: feature },
    // Changes the pictures that a page trains on.
    Beside { name: "augment", max_bytes: 150_000, build: feature },
    // Makes ONNX files and convolutional classifiers of models: layers and graphs, and neither an engine nor its kernels.
    Beside { name: "convert", max_bytes: 450_000, build: feature },
];

impl Beside {
    /// Builds it into its folder; returns the line to print.
    pub fn build(&self, toolchain: &Toolchain, profile: Profile) -> Result<String> {
        (self.build)(self, toolchain, profile)
    }

    /// Whether the built module is one that a page can wait for.
    pub fn is_small(&self) -> bool {
        wasm::fits(&wasm::place(self.name).join(format!("{}_bg.wasm", self.name)), self.max_bytes)
    }
}

/// The crate with the feature of the module's name, in plain SIMD: that flavour's folder has the standard library and what
/// the crate needs built already.
fn feature(module: &Beside, toolchain: &Toolchain, profile: Profile) -> Result<String> {
    let flavour = Flavour::Simd;
    let mut cargo = flavour.cargo(toolchain);
    cargo.args(["rustc", "--quiet", "--lib"]).args(flavour.options_with(toolchain, module.name));
    let built = Module {
        name: module.name.into(),
        file: module.name,
        rustflags: flavour.rustflags(),
        builds_std: toolchain.must_build_std(),
        wasm_opt: &[],
        target: flavour.target_dir(),
    };
    built.build(&mut cargo, profile, "striate.wasm", &[wasm::place(module.name)])
}
