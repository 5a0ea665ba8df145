//! `cargo xtask test`: every check there is, cheapest first, and `cargo xtask lint`, the quick ones among them.
//!
//! What a check prints goes to `target/test-logs/<part>.log`; the terminal shows it only if the check fails.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::beside::MODULES;
use crate::proc::{self, Context, Error, Result};
use crate::setup::{self, Need, Report};
use crate::toolchain::Toolchain;
use crate::wasm::{self, Flavour, Profile};
use crate::{chromium, keras, lint, models, site};

/// A group of checks with a name to ask for it by.
struct Part {
    name: &'static str,
    what: &'static str,
    /// Part of `cargo xtask lint` too.
    lint: bool,
    needs: &'static [Need],
    run: fn(&Log) -> Result<Count>,
}

/// How many tests a part ran.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Count {
    passed: usize,
    failed: usize,
    /// Worth telling beside the numbers.
    note: String,
}

const BROWSER: &[Need] = &[Need::Rust, Need::WasmTools, Need::Chromium];

const PARTS: &[Part] = &[
    Part {
        name: "format",
        what: "rustfmt",
        lint: true,
        needs: &[Need::Rust],
        run: |log| log.check(&mut lint::format()),
    },
    Part { name: "rules", what: "no hosts, machine paths, large files", lint: true, needs: &[], run: rules },
    Part {
        name: "clippy",
        what: "Clippy, native",
        lint: true,
        needs: &[Need::Rust],
        run: |log| log.check(&mut lint::clippy_native()),
    },
    Part {
        name: "native",
        what: "reference, CPU, Vulkan, shaders, formats",
        lint: false,
        needs: &[Need::Rust, Need::Vulkan],
        run: native,
    },
    Part {
        name: "docs",
        what: "rustdoc",
        lint: true,
        needs: &[Need::Rust],
        run: |log| log.check(&mut lint::documentation()),
    },
    Part { name: "clippy-web", what: "Clippy, wasm", lint: true, needs: &[Need::Rust], run: clippy_web },
    Part {
        name: "web-simd",
        what: "in Chromium: simd128",
        lint: false,
        needs: BROWSER,
        run: |log| web(log, Flavour::Simd, "web_cpu"),
    },
    Part {
        name: "web-webgpu",
        what: "in Chromium: WebGPU",
        lint: false,
        needs: BROWSER,
        run: |log| web(log, Flavour::Simd, "web_gpu"),
    },
    Part {
        name: "web-threads",
        what: "in Chromium: relaxed SIMD, on one thread and on two",
        lint: false,
        needs: BROWSER,
        run: |log| web(log, Flavour::Threads, "web_cpu"),
    },
    Part { name: "types", what: "TypeScript of package and page", lint: true, needs: &[Need::NpmPackages], run: types },
    Part { name: "peers", what: "the race's own tests", lint: false, needs: &[], run: peers },
    Part { name: "package", what: "binary sizes, npm package, bundlers", lint: false, needs: setup::ALL, run: package },
    Part { name: "site", what: "the page, end to end", lint: false, needs: setup::ALL, run: page },
    Part { name: "demo", what: "boxes on every backend", lint: false, needs: setup::ALL, run: demo },
];

/// `test [--only PART]...`
pub fn task(arguments: &[String]) -> Result {
    let mut only = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match (argument.as_str(), rest.next()) {
            ("--only", Some(name)) => only.push(name.as_str()),
            _ => {
                return Err(
                    format!("test: what is {argument:?}? `test [--only PART]`, PART one of: {}", names()).into()
                );
            }
        }
    }
    let chosen: Vec<&Part> =
        PARTS.iter().filter(|part| only.is_empty() || only.iter().any(|name| part.is_named(name))).collect();
    if chosen.is_empty() {
        return Err(format!("test: no such part; there are: {}", names()).into());
    }
    run(&chosen)
}

/// `lint`: what is wrong without running anything.
pub fn lint() -> Result {
    run(&PARTS.iter().filter(|part| part.lint).collect::<Vec<_>>())
}

/// The parts' names, for people.
pub fn names() -> String {
    PARTS.iter().map(|part| part.name).collect::<Vec<_>>().join(", ")
}

impl Part {
    /// `web` means all that begin with `web-`.
    fn is_named(&self, name: &str) -> bool {
        self.name == name || self.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'))
    }
}

/// The binaries are being made beside the parts.
static BESIDE: AtomicBool = AtomicBool::new(false);

/// Runs parts, one after the other. The linker keeps one core busy for each binary, and compiling and tests leave cores idle, too: the
/// binaries of the last parts, which need everything, are made beside those before them.
fn run(parts: &[&Part]) -> Result {
    let mut needs: Vec<Need> = Vec::new();
    for need in parts.iter().flat_map(|part| part.needs) {
        if !needs.contains(need) {
            needs.push(*need);
        }
    }
    setup::ensure(&needs)?;
    if parts.iter().position(|part| part.needs == setup::ALL).is_some_and(|first| first > 0) {
        BESIDE.store(true, Ordering::Relaxed);
        // Its errors are told by the part that asks.
        std::thread::spawn(binaries);
    }
    let mut rows = Vec::new();
    for part in parts {
        println!("{:<12} {} ...", part.name, part.what);
        let log = Log::new(part.name)?;
        let (count, time) = proc::timed(|| (part.run)(&log));
        let count = count.unwrap_or_else(|Error(why)| {
            println!("{why}");
            Count { failed: 1, note: "could not run".into(), ..Count::default() }
        });
        println!("{:<12} {}", "", count.line(time));
        rows.push((part.name, count, time));
    }
    println!("\n{:<12} {:>7} {:>7} {:>12}", "part", "passed", "failed", "time");
    for (name, count, time) in &rows {
        println!("{name:<12} {:>7} {:>7} {:>12}  {}", count.passed, count.failed, proc::seconds(*time), count.note);
    }
    let passed: usize = rows.iter().map(|(_, count, _)| count.passed).sum();
    let failed: usize = rows.iter().map(|(_, count, _)| count.failed).sum();
    let time: Duration = rows.iter().map(|(_, _, time)| *time).sum();
    println!("in {}; logs in target/test-logs\n", proc::seconds(time));
    println!("{passed} passed, {failed} failed");
    if failed == 0 { Ok(()) } else { Err(format!("{failed} failed").into()) }
}

impl Count {
    fn line(&self, time: Duration) -> String {
        let note = if self.note.is_empty() { String::new() } else { format!(" ({})", self.note) };
        format!("{} passed, {} failed{note}, {}", self.passed, self.failed, proc::seconds(time))
    }

    fn plus(mut self, other: Count) -> Count {
        self.passed += other.passed;
        self.failed += other.failed;
        if !other.note.is_empty() {
            let comma = if self.note.is_empty() { "" } else { ", " };
            self.note = format!("{}{comma}{}", self.note, other.note);
        }
        self
    }
}

/// Where a part's commands write.
struct Log {
    path: PathBuf,
}

impl Log {
    fn new(part: &str) -> Result<Self> {
        let path = proc::root().join("target/test-logs").join(format!("{part}.log"));
        proc::write(&path, "")?;
        Ok(Self { path })
    }

    /// Runs a command with its output appended to the log; shows the new text if it fails.
    fn run(&self, command: &mut Command) -> Result<(bool, String)> {
        let open = || std::fs::OpenOptions::new().append(true).open(&self.path).context("opening the log");
        let before = open()?.metadata().context("reading the log's size")?.len() as usize;
        command.stdin(Stdio::null()).stdout(open()?).stderr(open()?);
        let status = command.status().context(command.get_program().to_string_lossy())?;
        let text = String::from_utf8_lossy(&proc::read(&self.path)?[before..]).into_owned();
        if !status.success() {
            let lines: Vec<&str> = text.lines().collect();
            println!("{}", lines[lines.len().saturating_sub(80)..].join("\n"));
        }
        Ok((status.success(), text))
    }

    /// One check: it passes or it does not.
    fn check(&self, command: &mut Command) -> Result<Count> {
        let (ok, _) = self.run(command)?;
        Ok(Count { passed: ok.into(), failed: (!ok).into(), note: String::new() })
    }

    /// A test runner, whose counts are read from what it prints. One that fails has at least one failure, and one that
    /// ran no test has not passed.
    fn tests(&self, command: &mut Command) -> Result<Count> {
        let (ok, text) = self.run(command)?;
        let mut count = read_counts(&text);
        if !ok || count.passed + count.failed == 0 {
            count.failed = count.failed.max(1);
            println!("(the whole log: {})", self.path.display());
        }
        Ok(count)
    }
}

/// Adds up the closing lines of cargo's, wasm-bindgen's and Node's test runners; what a walk through the conformance list
/// says about itself is a note.
fn read_counts(text: &str) -> Count {
    let mut count = Count::default();
    for line in text.lines() {
        let number = |before: &str| -> usize {
            let at = line.find(before).map(|at| line[..at].trim_end()).unwrap_or_default();
            at.rsplit(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        if line.starts_with("test result:") {
            count.passed += number("passed");
            count.failed += number("failed");
        } else if let ["#" | "ℹ", kind @ ("pass" | "fail" | "cancelled"), n] = words[..] {
            let n: usize = n.parse().unwrap_or(0);
            if kind == "pass" { count.passed += n } else { count.failed += n }
        } else if let (true, Some((summary, _))) = (line.contains(" cases agree"), line.split_once(';')) {
            count = count.plus(Count { note: summary.trim().into(), ..Count::default() });
        }
    }
    count
}

fn rules(_: &Log) -> Result<Count> {
    let files = lint::repository()?;
    Ok(Count { passed: 1, failed: 0, note: format!("{files} files") })
}

fn native(log: &Log) -> Result<Count> {
    let mut cargo = proc::cargo();
    // With the output of tests that pass, for the number of conformance cases.
    cargo.args(["test", "--workspace", "--features", "conformance,threads", "--", "--show-output"]);
    setup::with_software_vulkan(&mut cargo);
    // The detectors' own tests want their weights; those of the GPU would pass over a missing adapter.
    models::task(&[])?;
    log.tests(cargo.env("STRIATE_REQUIRE_GPU", "1"))
}

fn clippy_web(log: &Log) -> Result<Count> {
    let toolchain = Toolchain::need()?;
    let plain = log.check(&mut lint::clippy_web(&toolchain, Flavour::Simd))?;
    let threads = log.check(&mut lint::clippy_web(&toolchain, Flavour::Threads))?;
    Ok(plain.plus(threads).plus(log.check(&mut keras::clippy(&toolchain))?))
}

/// One file of `tests/`, in Chromium, in one flavour.
fn web(log: &Log, flavour: Flavour, test: &str) -> Result<Count> {
    let toolchain = Toolchain::need()?;
    let mut cargo = flavour.cargo(&toolchain);
    // `--test` keeps doctests out, which would look for a rustdoc of their own.
    cargo.args(["test", "--package", "striate", "--test", test, "--profile", Profile::Dev.cargo_name()]);
    cargo.args(["--features", "conformance"]).args(flavour.options(&toolchain));
    // Without capturing: the number of conformance cases is printed by a test that passes.
    cargo.args(["--", "--nocapture"]);
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", wasm::test_runner()?);
    cargo.env("CHROMEDRIVER", chromium::need_driver()?).env("WASM_BINDGEN_TEST_TIMEOUT", "600");
    cargo.env("STRIATE_FLAVOUR", flavour.name());
    log.tests(&mut cargo)
}

fn types(log: &Log) -> Result<Count> {
    // Whoever makes the binaries makes the package of them, in the same place.
    if BESIDE.load(Ordering::Relaxed) {
        binaries()?;
    }
    // Page and test programs are checked against the package's built types, which need no binary.
    log.run(proc::npm("npm").args(["run", "build"]))?;
    let package = log.check(proc::npm("npm").args(["run", "lint"]))?;
    Ok(package.plus(log.check(proc::npm("www").args(["run", "types"]))?))
}

fn peers(log: &Log) -> Result<Count> {
    setup::npm_packages("benches/peers", &mut Report::quiet())?;
    log.tests(proc::npm("benches/peers").args(["run", "test"]))
}

/// The published binaries and the package. Once a run: cargo compiles them all again when asked again, since binaries of one flavour
/// with other features have one name (two minutes a flavour).
static BINARIES: OnceLock<std::result::Result<(), String>> = OnceLock::new();

/// Makes the binaries, or waits for who does.
fn binaries() -> Result {
    let made = BINARIES.get_or_init(|| wasm::build(Profile::Release, &wasm::FLAVOURS).map_err(|Error(why)| why));
    made.clone().map_err(Error)
}

/// Binaries, package, models: what the parts in the browser stand on.
fn built() -> Result {
    binaries()?;
    models::task(&[])
}

fn package(log: &Log) -> Result<Count> {
    built()?;
    let binaries = wasm::binaries();
    let modules = MODULES.iter().filter(|module| module.is_small()).count();
    let small = binaries.iter().filter(|binary| binary.is_small()).count() + modules;
    let failed = binaries.len() + MODULES.len() - small;
    let note = if failed > 0 { format!("{failed} binaries too large") } else { String::new() };
    let sizes = Count { passed: small, failed, note };
    Ok(sizes.plus(log.tests(in_browser("npm")?.args(["run", "test"]))?))
}

fn page(log: &Log) -> Result<Count> {
    built()?;
    site::build()?;
    log.tests(in_browser("www")?.args(["run", "test"]))
}

fn demo(log: &Log) -> Result<Count> {
    built()?;
    site::build()?;
    log.check(&mut site::check_command()?)
}

fn in_browser(folder: &str) -> Result<Command> {
    let mut npm = proc::npm(folder);
    npm.env("CHROMIUM", chromium::need_browser()?);
    Ok(npm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_all_runners_add_up() {
        let text = "running 2 tests\ntest result: ok. 2 passed; 0 failed; 1 ignored; 0 measured\n\
                    test result: FAILED. 10 passed; 3 failed; 0 ignored\n\
                    ℹ pass 4\n# fail 1\nℹ cancelled 1\nℹ skipped 7\n  Cpu: 312 of 312 cases agree (0 ignored); worst error 40%\n";
        assert_eq!(
            read_counts(text),
            Count { passed: 16, failed: 5, note: "Cpu: 312 of 312 cases agree (0 ignored)".into() }
        );
        assert_eq!(read_counts("nothing"), Count::default());
    }

    #[test]
    fn parts_are_found_by_name_and_by_family() {
        let named = |name: &str| PARTS.iter().filter(|part| part.is_named(name)).count();
        assert_eq!((named("web"), named("web-simd"), named("clippy"), named("we"), named("nothing")), (3, 1, 2, 0, 0));
    }
}
