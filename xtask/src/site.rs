//! `cargo xtask site`: the static site, in `www/dist`; and `cargo xtask demo`, which serves it or checks it.

use std::path::PathBuf;
use std::process::Command;

use crate::proc::{self, Context, Result};
use crate::server::Server;
use crate::setup::{self, Need};
use crate::{chromium, models, wasm};

/// The task: everything the site is made of, then the site.
pub fn task() -> Result {
    setup::ensure(setup::BUILD)?;
    wasm::build(wasm::Profile::Release, &wasm::FLAVOURS)?;
    models::task(&[])?;
    build()
}

/// Bundles the page; binaries, package and models must be there.
pub fn build() -> Result {
    let (result, time) = proc::timed(|| proc::run_quiet(proc::npm("www").args(["run", "build"])));
    result?;
    println!("site: www/dist ({})", proc::seconds(time));
    Ok(())
}

/// Where the built site is.
pub fn folder() -> PathBuf {
    proc::root().join("www/dist")
}

/// `demo [--check] [--port N]`
pub fn demo(arguments: &[String]) -> Result {
    let mut check_only = false;
    let mut port = 8080;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--check" => check_only = true,
            "--port" => {
                let number = rest.next().ok_or("demo: --port needs a number")?;
                port = number.parse().context(format_args!("demo: --port {number}"))?;
            }
            _ => return Err(format!("demo: unknown argument {argument:?}; see `cargo xtask help`").into()),
        }
    }
    if check_only {
        setup::ensure(&[Need::Chromium])?;
    }
    task()?;
    if check_only {
        return proc::run(&mut check_command()?);
    }
    let server = Server::bind(&folder(), port)?;
    println!("\nThe demo is at {}  (Ctrl+C ends it)", server.url());
    server.serve();
    Ok(())
}

/// Runs the page in headless Chromium on the sample photos, once per backend, and compares the boxes with the expected ones.
/// The site must be built. The page's own script does it, in `www/`.
pub fn check_command() -> Result<Command> {
    let url = Server::bind(&folder(), 0)?.spawn();
    let screenshots = proc::root().join("target/demo");
    proc::make_folder(&screenshots)?;
    let mut script = proc::npm("www");
    script.env("CHROMIUM", chromium::need_browser()?).env("STRIATE_URL", url).env("STRIATE_SCREENSHOTS", &screenshots);
    script.args(["--silent", "run", "check"]);
    Ok(script)
}
