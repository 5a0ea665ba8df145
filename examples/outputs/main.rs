//! Runs the published networks in `vendor/` on pictures with expected outputs, on every backend: `cargo xtask outputs
//! DIR`.
//!
//! The folder holds a file for each network with what its own runtime made of each picture. Pictures are looked for
//! in `tests/data/images` and `target/models/pictures`; a picture or network that is not there counts as that, never
//! as passed.

mod networks;
mod picture;
#[path = "../support/runner.rs"]
mod runner;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use runner::Runner;
use serde_json::Value as Json;
use support::Asked;

const USAGE: &str = "usage: outputs DIR [--backend reference|cpu|webgpu]... [--model PART]; cpu and webgpu by default";

fn main() -> ExitCode {
    support::main(run)
}

fn run(arguments: Vec<String>) -> Result<bool, String> {
    let asked = Asked::read(arguments, USAGE, &["cpu", "webgpu"], &["--model"], &[])?;
    let part = asked.last("--model").unwrap_or_default();
    let (mut passed, mut failed, mut not_there) = (0, 0, 0);
    println!("{:<24} {:<24} {:<10} {:>8}  result", "network", "picture", "backend", "ms");
    for network in networks::ALL.iter().filter(|network| network.name.contains(part)) {
        let results = expected(&asked.folder, network)?;
        for (backend, device) in &asked.devices {
            let runner = networks::load(network).and_then(|own| own.map(|own| Runner::new(own, device)).transpose());
            let mut runner = match runner {
                Ok(Some(runner)) => runner,
                Ok(None) => {
                    not_there += results.len();
                    println!("{:<24} {:<24} {backend:<10} {:>8}  the network is not there", network.name, "(all)", "");
                    continue;
                }
                Err(why) => {
                    failed += results.len();
                    println!("{:<24} {:<24} {backend:<10} {:>8}  FAILED: {why}", network.name, "(all)", "");
                    continue;
                }
            };
            let mut missing = Vec::new();
            for (name, want) in &results {
                let file = name.split_whitespace().next().unwrap_or(name);
                let Some(picture) = picture::find(file)? else {
                    missing.push(file);
                    continue;
                };
                let started = Instant::now();
                let outcome = (network.verdict)(&mut runner, &picture, name, want);
                let ms = started.elapsed().as_secs_f64() * 1e3;
                let text = match outcome {
                    Ok(verdict) if verdict.wrong.is_empty() => {
                        passed += 1;
                        verdict.found
                    }
                    Ok(verdict) => {
                        failed += 1;
                        let more = verdict.wrong.len().saturating_sub(4);
                        let shown = verdict.wrong.iter().take(4).cloned().collect::<Vec<_>>().join("; ");
                        format!("FAILED: {shown}{} ({})", if more > 0 { " ..." } else { "" }, verdict.found)
                    }
                    Err(why) => {
                        failed += 1;
                        format!("FAILED: {why}")
                    }
                };
                println!("{:<24} {name:<24} {backend:<10} {ms:>8.1}  {text}", network.name);
            }
            if !missing.is_empty() {
                not_there += missing.len();
                println!("{:<24} not there: {}", network.name, missing.join(", "));
            }
        }
    }
    println!("\n{passed} passed, {failed} failed, {not_there} not there");
    Ok(failed == 0 && passed > 0)
}

/// The pictures of a network's file, and what is expected of each.
fn expected(folder: &Path, network: &networks::Network) -> Result<Vec<(String, Json)>, String> {
    let path = folder.join(network.expected);
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let file: Json = serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    let own = if network.key.is_empty() { &file } else { &file[network.key] };
    let results = own["results"].as_object().ok_or(format!("{} has no results of {}", path.display(), network.name))?;
    Ok(results.iter().map(|(name, want)| (name.clone(), want.clone())).collect())
}
