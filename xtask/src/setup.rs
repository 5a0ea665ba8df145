//! `cargo xtask setup`: finds what the other tasks need and installs what is missing. Only cargo and Node must be there.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::proc::{self, Context, Result};
use crate::{chromium, toolchain, wasm};

/// Something that a task cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Rust for wasm, rustfmt and Clippy.
    Rust,
    /// wasm-bindgen and binaryen.
    WasmTools,
    /// The npm packages of `npm/` and `www/`.
    NpmPackages,
    /// Chromium and its driver.
    Chromium,
    /// A software Vulkan, for the native tests of the WebGPU backend.
    Vulkan,
    /// A JPEG decoder with libjpeg-turbo's exact pixels, for reference values of photographs.
    JpegDecoder,
}

/// Everything.
pub const ALL: &[Need] = &[Need::Rust, Need::WasmTools, Need::NpmPackages, Need::Chromium, Need::Vulkan];
/// What building the package takes.
pub const BUILD: &[Need] = &[Need::Rust, Need::WasmTools, Need::NpmPackages];

/// What setup tells the person at the terminal.
pub struct Report {
    /// Say what was found, not only what is done.
    verbose: bool,
    installed: usize,
}

impl Report {
    /// Tells only what is installed.
    pub fn quiet() -> Self {
        Self { verbose: false, installed: 0 }
    }

    /// A tool is there.
    pub fn found(&self, what: &str, detail: &str) {
        if self.verbose {
            println!("  {what:<22} {detail}");
        }
    }

    /// A tool is missing and being installed.
    pub fn installing(&mut self, what: &str) {
        self.installed += 1;
        println!("  installing             {what}");
    }

    /// Something worth knowing.
    pub fn note(&self, what: &str) {
        println!("  note                   {what}");
    }
}

/// The task: everything, told in full.
pub fn task() -> Result {
    println!("setup: looking for what the tasks need");
    run(ALL, true)
}

/// Sees to it that `needs` are met; prints only what it changes.
pub fn ensure(needs: &[Need]) -> Result {
    run(needs, false)
}

fn run(needs: &[Need], verbose: bool) -> Result {
    let start = Instant::now();
    let mut report = Report { verbose, installed: 0 };
    check_node(&report)?;
    for need in needs {
        match need {
            Need::Rust => toolchain::setup(&mut report)?,
            Need::WasmTools => {
                wasm::setup_bindgen(&mut report)?;
                npm_packages("xtask", &mut report)?;
            }
            Need::NpmPackages => {
                for folder in ["npm", "www"] {
                    npm_packages(folder, &mut report)?;
                }
            }
            Need::Chromium => chromium::setup(&mut report)?,
            Need::Vulkan => vulkan(&mut report)?,
            Need::JpegDecoder => jpeg_decoder(&mut report)?,
        }
    }
    let time = proc::seconds(start.elapsed());
    match report.installed {
        0 => println!("setup: everything is here ({time})"),
        n => println!("setup: {n} installed ({time})"),
    }
    Ok(())
}

fn check_node(report: &Report) -> Result {
    let version = proc::version_of("node").ok_or("Node is missing: install Node 20 or newer (nodejs and npm)")?;
    let major: u32 = version.trim_start_matches('v').split('.').next().and_then(|n| n.parse().ok()).unwrap_or(0);
    if major < 20 {
        return Err(format!("Node {version} is too old: install Node 20 or newer").into());
    }
    if proc::which("npm").is_none() && !cfg!(windows) {
        return Err("npm is missing: install it beside Node".into());
    }
    report.found("Node", &version);
    Ok(())
}

/// Installs the packages that a folder's lock file names, unless exactly those are there.
pub fn npm_packages(folder: &str, report: &mut Report) -> Result {
    let path = proc::root().join(folder);
    if !path.join("package.json").is_file() {
        return Ok(());
    }
    let lock = path.join("package-lock.json");
    let stamp = path.join("node_modules/.striate-stamp");
    let wanted = if lock.is_file() { proc::sha256(&proc::read(&lock)?) } else { String::new() };
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        report.found(&format!("npm packages, {folder}/"), "as locked");
        return Ok(());
    }
    report.installing(&format!("npm packages of {folder}/"));
    if let Err(exact) = proc::run_quiet(proc::npm(folder).arg("ci")) {
        // A lock file written beside a mirror that carries only this platform's packages lacks the other platforms' optional
        // ones; `ci` refuses it everywhere. `install` takes what is locked and leaves the file alone.
        proc::run_quiet(proc::npm(folder).args(["install", "--no-save"])).context(exact)?;
    }
    proc::write(&stamp, proc::sha256(&proc::read(&lock)?))
}

/// Where a software Vulkan announces itself to the loader.
fn vulkan_drivers() -> Vec<PathBuf> {
    let folders = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"].map(Path::new);
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
    files.map(|file| file.path()).filter(|path| path.to_string_lossy().contains("lvp_icd")).collect()
}

/// The driver file of lavapipe, the software Vulkan, if it is installed.
pub fn software_vulkan() -> Option<PathBuf> {
    vulkan_drivers().into_iter().next()
}

fn vulkan(report: &mut Report) -> Result {
    if !cfg!(target_os = "linux") {
        report.found("Vulkan", "the system's own graphics");
        return Ok(());
    }
    if software_vulkan().is_none() {
        report.installing("Mesa's software Vulkan (lavapipe)");
        apt_install(&["mesa-vulkan-drivers", "libvulkan1"])?;
    }
    let driver = software_vulkan().ok_or("mesa-vulkan-drivers is installed, yet there is no lvp_icd file")?;
    report.found("software Vulkan", &driver.display().to_string());
    Ok(())
}

/// Has a command use the software Vulkan, the same everywhere, if it is installed.
pub fn with_software_vulkan(command: &mut Command) {
    if let Some(driver) = software_vulkan() {
        // The second name is for older loaders.
        command.env("VK_DRIVER_FILES", &driver).env("VK_ICD_FILENAMES", &driver);
    }
}

fn jpeg_decoder(report: &mut Report) -> Result {
    if proc::which("djpeg").is_none() {
        report.installing("djpeg");
        apt_install(&["libjpeg-turbo-progs"])?;
    }
    report.found("djpeg", "yes");
    Ok(())
}

/// Installs Debian packages, or says which to install by hand.
pub fn apt_install(packages: &[&str]) -> Result {
    let names = packages.join(" ");
    if proc::which("apt-get").is_none() {
        return Err(format!("this system has no apt-get; install by hand what Debian calls: {names}").into());
    }
    let root = std::fs::metadata("/proc/self").is_ok_and(|me| owner(&me) == 0);
    let apt = |words: &[&str]| -> Command {
        let mut command = if root { proc::command("apt-get") } else { proc::command("sudo") };
        if !root {
            command.args(["--non-interactive", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        }
        command.env("DEBIAN_FRONTEND", "noninteractive").args(words);
        command
    };
    if !root && proc::which("sudo").is_none() {
        return Err(format!("neither root nor sudo; ask an administrator for: apt-get install {names}").into());
    }
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(packages);
    // An old package list names files that are gone: refresh it first.
    proc::run_quiet(&mut apt(&["update"])).context("refreshing Debian's package list")?;
    proc::run_quiet(&mut apt(&install)).map(drop).context(format_args!("apt-get install {names}"))
}

#[cfg(unix)]
fn owner(metadata: &std::fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::uid(metadata)
}

#[cfg(not(unix))]
fn owner(_: &std::fs::Metadata) -> u32 {
    u32::MAX
}
