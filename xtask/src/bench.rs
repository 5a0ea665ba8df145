//! `cargo xtask bench`: kernels natively, or with `--peers` the race against other engines in Chromium.

use crate::proc::{self, Result};
use crate::setup::{self, Need, Report};
use crate::{chromium, models, wasm};

/// `bench [--peers] [ARGUMENTS of the benchmark]`
pub fn task(arguments: &[String]) -> Result {
    match arguments.split_first() {
        Some((first, rest)) if first == "--peers" => peers(rest),
        _ => proc::run(
            proc::cargo().args(["bench", "--no-default-features", "--features", "threads", "--"]).args(arguments),
        ),
    }
}

fn peers(arguments: &[String]) -> Result {
    setup::ensure(setup::BUILD)?;
    setup::ensure(&[Need::Chromium])?;
    setup::npm_packages("benches/peers", &mut Report::quiet())?;
    models::task()?;
    wasm::build(wasm::Profile::Release, &wasm::FLAVOURS)?;
    let race = |script: &str| {
        let mut node = proc::command("node");
        node.env("CHROMIUM", chromium::browser().unwrap_or_default()).arg(format!("benches/peers/{script}"));
        node
    };
    proc::run(race("bench.js").args(arguments))?;
    proc::run(&mut race("report.js"))
}
