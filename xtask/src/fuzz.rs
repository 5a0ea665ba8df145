//! `cargo xtask fuzz`: broken model files by the million (`fuzz/`, libFuzzer).

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::proc::{self, Context, Result};
use crate::setup::Report;

/// The targets in `fuzz/targets`, with the ends of the names of files that are seeds for them.
const FORMATS: &[(&str, &[&str])] = &[
    ("onnx", &[".onnx"]),
    ("tflite", &[".tflite"]),
    ("tfjs", &[]),
    ("layers", &[]),
    ("keras", &[".keras"]),
    ("h5", &[".h5"]),
    ("safetensors", &[".safetensors"]),
    ("pytorch", &[".pt", ".pth"]),
];

/// Minutes for each format.
const MINUTES: u32 = 5;
/// Larger files are no seeds: most of them is weights.
const MAX_SEED: u64 = 32 << 10;
/// Bytes of the files that are tried; nearly all of the seeds.
const MAX_FILE: u32 = 32 << 10;
/// Seconds for one file.
const TIMEOUT: u32 = 10;
/// What one allocation may be, and all of them.
const MEGABYTES: [u32; 2] = [512, 2048];

/// `fuzz [FORMAT]... [--minutes N] [--seeds DIR]`.
pub fn task(arguments: &[String]) -> Result {
    let (mut wanted, mut minutes, mut folders) = (Vec::new(), MINUTES, vec![proc::root().join("tests/data")]);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "--minutes" => {
                minutes = value()?.parse().ok().filter(|&n| n > 0).ok_or("--minutes wants a whole number")?
            }
            "--seeds" => folders.push(PathBuf::from(value()?)),
            name => wanted.push(FORMATS.iter().find(|(format, _)| *format == name).ok_or_else(|| {
                let known: Vec<_> = FORMATS.iter().map(|(format, _)| *format).collect();
                format!("no format named {name:?}; there is {}", known.join(", "))
            })?),
        }
    }
    if wanted.is_empty() {
        wanted = FORMATS.iter().collect();
    }
    install()?;
    written_seeds()?;
    let mut table = Vec::new();
    for (format, ends) in wanted {
        for folder in &folders {
            copy_seeds(folder, format, ends)?;
        }
        if *format == "layers" {
            layers_seeds(&proc::root().join("tests/data/golden-models/models"))?;
        }
        let (executions, found) = fuzz(format, minutes)?;
        println!("  {executions} executions, {found} findings");
        table.push((format, (executions, found)));
    }
    println!("\n{:12} {:>8} {:>14} {:>9}", "format", "minutes", "executions", "findings");
    let mut findings = 0;
    for (format, (executions, found)) in table {
        println!("{format:12} {minutes:>8} {executions:>14} {found:>9}");
        findings += found;
    }
    if findings == 0 {
        Ok(())
    } else {
        Err("findings: see fuzz/artifacts; `cargo +nightly fuzz tmin` makes them small".into())
    }
}

/// A nightly compiler and cargo-fuzz, where they are missing.
fn install() -> Result {
    let mut report = Report::quiet();
    let nightly =
        || proc::output(proc::command("rustc").arg("+nightly").arg("--version")).is_ok_and(|o| o.status.success());
    if !nightly() {
        report.installing("Rust nightly (libFuzzer's instrumentation)");
        let rustup =
            proc::which("rustup").ok_or("fuzzing needs a nightly Rust, and there is no rustup to install it")?;
        proc::run_quiet(proc::command(rustup).args(["toolchain", "install", "nightly", "--profile", "minimal"]))?;
    }
    if proc::which("cargo-fuzz").is_none() {
        report.installing("cargo-fuzz");
        proc::run_quiet(proc::cargo().args(["install", "cargo-fuzz", "--locked"]))?;
    }
    Ok(())
}

fn seeds() -> PathBuf {
    proc::root().join("fuzz/corpus/seeds")
}

/// The files that the tests of the importers write.
fn written_seeds() -> Result {
    println!("fuzz: seeds from the importers' tests");
    proc::run_quiet(proc::cargo().args(["test", "--test", "formats"]).env("STRIATE_SEEDS", seeds())).map(|_| ())
}

/// Small files of a folder and those below it; of the folder `broken` all that are of this format.
fn copy_seeds(folder: &Path, format: &str, ends: &[&str]) -> Result {
    for entry in std::fs::read_dir(folder).context(folder.display())? {
        let path = entry.context(folder.display())?.path();
        if path.is_dir() {
            copy_seeds(&path, format, ends)?;
            continue;
        }
        let name = path.to_string_lossy();
        let ours = path.parent().is_some_and(|parent| parent.ends_with(Path::new("broken").join(format)));
        let small = path.metadata().is_ok_and(|file| file.len() <= MAX_SEED);
        if small && (ours || ends.iter().any(|end| name.ends_with(end))) {
            let content = proc::read(&path)?;
            proc::write(&seeds().join(format).join(&proc::sha256(&content)[..16]), content)?;
        }
    }
    Ok(())
}

/// TensorFlow.js layers models as their target takes them: the JSON, a zero byte, the weights.
fn layers_seeds(folder: &Path) -> Result {
    for entry in std::fs::read_dir(folder).context(folder.display())? {
        let folder = entry.context(folder.display())?.path();
        let Ok(mut file) = std::fs::read(folder.join("model.json")) else { continue };
        file.push(0);
        let mut shards: Vec<_> =
            std::fs::read_dir(&folder).context(folder.display())?.flatten().map(|e| e.path()).collect();
        shards.sort();
        for shard in shards.iter().filter(|path| path.extension().is_some_and(|e| e == "bin")) {
            file.extend(proc::read(shard)?);
        }
        proc::write(&seeds().join("layers").join(&proc::sha256(&file)[..16]), file)?;
    }
    Ok(())
}

/// Fuzzes one format; executions and findings.
fn fuzz(format: &str, minutes: u32) -> Result<(u64, usize)> {
    println!("fuzz: {format}, {minutes} min");
    let root = proc::root();
    let corpus = root.join("fuzz/corpus").join(format);
    proc::make_folder(&corpus)?;
    proc::make_folder(&seeds().join(format))?;
    let mut cargo = proc::command("cargo");
    for variable in ["CARGO", "RUSTUP_TOOLCHAIN", "RUSTC", "RUSTFLAGS"] {
        cargo.env_remove(variable);
    }
    // The importers are safe Rust: AddressSanitizer would only make them slow.
    cargo
        .args(["+nightly", "fuzz", "run", "--sanitizer", "none", format])
        .arg(&corpus)
        .arg(seeds().join(format))
        .arg("--");
    let [one, all] = MEGABYTES;
    cargo.args(["-fork=1", "-ignore_crashes=1", "-ignore_timeouts=1", "-ignore_ooms=1"]);
    cargo.arg(format!("-max_total_time={}", minutes * 60)).arg(format!("-timeout={TIMEOUT}"));
    cargo
        .arg(format!("-malloc_limit_mb={one}"))
        .arg(format!("-rss_limit_mb={all}"))
        .arg(format!("-max_len={MAX_FILE}"));
    let dictionary = root.join(format!("fuzz/dictionaries/{format}.dict"));
    if dictionary.is_file() {
        cargo.arg(format!("-dict={}", dictionary.display()));
    }
    let before = artifacts(format);
    let mut child = cargo.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().context("cargo fuzz")?;
    let mut executions = 0;
    let lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let (mut tail, mut shown) = (Vec::new(), 0);
    for line in lines.map_while(std::result::Result::ok) {
        if let Some(count) = executed(&line) {
            executions = count;
        } else if line.contains("panicked at") && shown < 20 {
            println!("  {line}");
            shown += 1;
        }
        tail.push(line);
        if tail.len() > 25 {
            tail.remove(0);
        }
    }
    child.wait().context("cargo fuzz")?;
    if executions == 0 {
        return Err(format!("nothing ran:\n{}", tail.join("\n")).into());
    }
    Ok((executions, artifacts(format).saturating_sub(before)))
}

fn artifacts(format: &str) -> usize {
    std::fs::read_dir(proc::root().join("fuzz/artifacts").join(format)).map_or(0, |files| files.count())
}

/// How many files were tried so far, of a line of libFuzzer's (`#4096: cov: …`).
fn executed(line: &str) -> Option<u64> {
    line.strip_prefix('#')?.split_once(": cov")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_are_read_from_the_lines_of_progress() {
        assert_eq!(
            executed("#16422: cov: 311 ft: 425 corp: 52 exec/s 4105 oom/timeout/crash: 0/0/0 time: 4s"),
            Some(16422)
        );
        assert_eq!(executed("INFO: #12: covered"), None);
    }

    #[test]
    fn every_format_has_its_target() {
        for (format, _) in FORMATS {
            assert!(proc::root().join(format!("fuzz/targets/{format}.rs")).is_file(), "{format}");
        }
    }
}
