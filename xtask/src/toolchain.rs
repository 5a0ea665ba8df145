//! Which Rust builds the wasm binaries: the toolchain in use when it can, else Debian's `rustc-web`.
//!
//! The `threads` binary needs the standard library rebuilt with atomics, so the library's sources must be there; with
//! them the wasm target itself is a convenience (a prebuilt `std`), not a condition.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::proc::{self, Result};
use crate::setup::{Report, apt_install};

/// The target of every wasm binary.
pub const TARGET: &str = "wasm32-unknown-unknown";
/// What Debian calls its newest Rust.
const DEBIAN_PACKAGES: &[&str] =
    &["rustc-web", "cargo-web", "rust-web-src", "lld-19", "rust-web-clippy", "rustfmt-web"];

/// A Rust that can build for the web.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// `None` is the toolchain that runs this program.
    prefix: Option<PathBuf>,
    prebuilt_std: bool,
    linker: Option<PathBuf>,
}

impl Toolchain {
    /// The toolchain to use, or `None` if neither one has what it takes.
    ///
    /// `STRIATE_TOOLCHAIN=debian` asks for Debian's although the other would do (to test the fallback).
    pub fn find() -> Option<Self> {
        if std::env::var_os("STRIATE_TOOLCHAIN").is_none_or(|name| name != "debian") {
            let sysroot = sysroot(Path::new("rustc"))?;
            if has_sources(&sysroot) {
                return Some(Self { prefix: None, prebuilt_std: has_target(&sysroot), linker: linker_for(&sysroot) });
            }
        }
        let prefix = PathBuf::from("/usr");
        let new_enough = minor_version(&prefix.join("bin/rustc")) >= minimum_minor();
        let usable = new_enough && has_sources(&prefix) && prefix.join("bin/cargo").is_file();
        usable.then(|| Self { prebuilt_std: has_target(&prefix), linker: linker_for(&prefix), prefix: Some(prefix) })
    }

    /// As [`find`](Self::find), with an error that says what to do.
    pub fn need() -> Result<Self> {
        Self::find().ok_or_else(|| "no Rust that can build for wasm: run `cargo xtask setup`".into())
    }

    /// Cargo of this toolchain.
    pub fn cargo(&self) -> Command {
        self.command("cargo")
    }

    /// Clippy of this toolchain. (`cargo clippy` of one toolchain would find the other's through the PATH.)
    pub fn clippy(&self) -> Command {
        let mut clippy = self.command(if self.prefix.is_some() { "cargo-clippy" } else { "cargo" });
        clippy.arg("clippy");
        clippy
    }

    fn command(&self, program: &str) -> Command {
        let Some(prefix) = &self.prefix else { return self.with_linker(proc::cargo()) };
        let bin = prefix.join("bin");
        let mut command = proc::command(bin.join(program));
        for (name, tool) in [("CARGO", "cargo"), ("RUSTC", "rustc"), ("RUSTDOC", "rustdoc")] {
            command.env(name, bin.join(tool));
        }
        command.env_remove("RUSTUP_TOOLCHAIN");
        self.with_linker(command)
    }

    fn with_linker(&self, mut command: Command) -> Command {
        if let Some(linker) = &self.linker {
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        command
    }

    /// Whether `std` must be rebuilt even for code without threads.
    pub fn must_build_std(&self) -> bool {
        !self.prebuilt_std
    }

    /// For people.
    pub fn describe(&self) -> String {
        let rustc = self.prefix.as_ref().map_or("rustc".into(), |prefix| prefix.join("bin/rustc"));
        let version = proc::version_of(&rustc).unwrap_or_default();
        let version = version.split(" (").next().unwrap_or_default();
        let std = if self.prebuilt_std { "prebuilt and source std" } else { "source std" };
        format!("{version}{}, {std}", if self.prefix.is_some() { " of Debian" } else { "" })
    }
}

fn sysroot(rustc: &Path) -> Option<PathBuf> {
    let output = proc::output(Command::new(rustc).args(["--print", "sysroot"])).ok()?;
    output.status.success().then(|| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

fn has_sources(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/std/Cargo.toml").is_file()
}

fn has_target(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir()
}

/// The linker to name, if the toolchain does not carry its own.
fn linker_for(sysroot: &Path) -> Option<PathBuf> {
    let hosts = std::fs::read_dir(sysroot.join("lib/rustlib")).ok()?;
    let own = hosts.flatten().any(|host| host.path().join("bin/rust-lld").is_file());
    if own { None } else { ["wasm-ld", "wasm-ld-19", "rust-lld"].iter().find_map(|name| proc::which(name)) }
}

/// 93 for Rust 1.93.
fn minor_version(rustc: &Path) -> u32 {
    let version = proc::version_of(rustc).unwrap_or_default();
    version.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or(0)
}

/// The workspace's `rust-version`.
fn minimum_minor() -> u32 {
    env!("CARGO_PKG_RUST_VERSION").split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or(0)
}

/// Finds or installs the wasm toolchain, rustfmt and Clippy.
pub fn setup(report: &mut Report) -> Result {
    let forced_debian = std::env::var_os("STRIATE_TOOLCHAIN").is_some_and(|name| name == "debian");
    let complete = Toolchain::find().is_some_and(|found| forced_debian || !found.must_build_std() || !has_rustup());
    if !complete && has_rustup() && !forced_debian {
        // One at a time: where only some can be had, take those.
        for words in [["target", "add", TARGET], ["component", "add", "rust-src"]] {
            report.installing(&format!("rustup {}", words.join(" ")));
            if let Err(error) = proc::run_quiet(proc::command("rustup").args(words)) {
                report.note(&format!("rustup could not: {}", error.0.lines().last().unwrap_or_default()));
            }
        }
    }
    if Toolchain::find().is_none() {
        report.installing("Debian's Rust (rustc-web)");
        apt_install(DEBIAN_PACKAGES)?;
    }
    let toolchain = Toolchain::find().ok_or(
        "no Rust that can build for wasm. Install rustup, then run: rustup target add wasm32-unknown-unknown && rustup component add rust-src",
    )?;
    report.found("Rust for wasm", &toolchain.describe());

    for (tool, component) in [("rustfmt", "rustfmt"), ("cargo-clippy", "clippy")] {
        if proc::version_of(tool).is_none() {
            report.installing(&format!("rustup component add {component}"));
            proc::run_quiet(proc::command("rustup").args(["component", "add", component]))?;
        }
    }
    report.found("rustfmt, Clippy", "yes");
    Ok(())
}

fn has_rustup() -> bool {
    proc::which("rustup").is_some()
}
