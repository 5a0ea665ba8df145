//! `cargo xtask bench`: kernels and networks in Chromium, or with `--peers` the race against other engines there.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::proc::{self, Context, Result};
use crate::setup::{self, Need, Report};
use crate::{chromium, models, wasm};

/// `bench [--peers] [ARGUMENTS of the benchmark]`
pub fn task(arguments: &[String]) -> Result {
    match arguments.split_first() {
        Some((first, rest)) if first == "--peers" => peers(rest),
        _ => kernels(arguments),
    }
}

/// A benchmark's script, which builds what it times.
fn kernels(arguments: &[String]) -> Result {
    setup::ensure(&[Need::Rust, Need::WasmTools, Need::NpmPackages, Need::Chromium])?;
    models::task(&[])?;
    let mut node = script("benches/kernels/run.mjs")?;
    node.env("PATH", path_with_bindgen()?);
    proc::run(node.args(arguments))
}

/// The PATH with the folder of the right wasm-bindgen first.
fn path_with_bindgen() -> Result<OsString> {
    let bindgen = wasm::bindgen()?;
    let folders = bindgen.parent().map(PathBuf::from).into_iter();
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(folders.chain(std::env::split_paths(&path))).context("making the PATH")
}

fn script(path: &str) -> Result<Command> {
    let mut node = proc::command("node");
    node.env("CHROMIUM", chromium::need_browser()?).arg(path);
    Ok(node)
}

fn peers(arguments: &[String]) -> Result {
    setup::ensure(setup::BUILD)?;
    setup::ensure(&[Need::Chromium])?;
    setup::npm_packages("benches/peers", &mut Report::quiet())?;
    models::task(&[])?;
    wasm::build(wasm::Profile::Release, &wasm::FLAVOURS)?;
    proc::run(script("benches/peers/bench.js")?.args(arguments))?;
    proc::run(&mut script("benches/peers/report.js")?)
}
