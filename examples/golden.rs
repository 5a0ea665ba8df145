//! Runs a folder of golden cases on every backend and prints a table: `cargo xtask golden DIR`.

mod support;

use std::collections::BTreeMap;
use std::process::ExitCode;

use striate::golden::{self, Backend, Check, FAMILIES, Outcome, Set};
use support::Asked;

const USAGE: &str = "usage: golden DIR [--backend reference|cpu|webgpu]... [--family NAME]... [--case PART]";

fn main() -> ExitCode {
    support::main(run)
}

/// Passed, failed, skipped, and the worst errors of one family on one backend.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
    worst: BTreeMap<Check, f32>,
}

impl Tally {
    fn add(&mut self, outcome: &Outcome) {
        match (outcome.failures.is_empty(), &outcome.skipped) {
            (false, _) => self.failed += 1,
            (true, Some(_)) if outcome.worst.is_empty() => self.skipped += 1,
            (true, _) => self.passed += 1,
        }
        for (check, worst) in &outcome.worst {
            let known = self.worst.entry(*check).or_insert(0.0);
            *known = known.max(*worst);
        }
    }
}

fn run(arguments: Vec<String>) -> Result<bool, String> {
    let defaults = ["reference", "cpu", "webgpu"];
    let asked = Asked::read(arguments, USAGE, &defaults, &["--family", "--case"], &[])?;
    let families: Vec<&str> = asked.all("--family").collect();
    let part = asked.last("--case").unwrap_or_default();
    let set = Set::open(&asked.folder).map_err(|e| e.to_string())?;
    let wanted = |case: &&serde_json::Value| {
        let text = |key: &str| case[key].as_str().unwrap_or_default();
        (families.is_empty() || families.contains(&text("family"))) && text("id").contains(part)
    };
    let cases: Vec<_> = set.cases().iter().filter(wanted).collect();
    let mut tallies: BTreeMap<(usize, String), Tally> = BTreeMap::new();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut others: BTreeMap<String, usize> = BTreeMap::new();
    let total = cases.len() * asked.devices.len();
    let mut done = 0;
    for (name, device) in &asked.devices {
        let backend = device.clone().map_or(Backend::Reference, Backend::Device);
        for case in &cases {
            done += 1;
            eprint!("\r{done}/{total} {name} {:<60.60}", case["id"].as_str().unwrap_or("?"));
            let Some(outcome) = golden::run(&set, case, &backend) else {
                *others.entry(case["family"].as_str().unwrap_or("?").to_string()).or_default() += 1;
                continue;
            };
            for why in &outcome.failures {
                eprintln!("\r{name}: {}: {why}", outcome.id);
            }
            if let Some(why) = &outcome.skipped {
                *reasons.entry(format!("{} ({why})", outcome.family)).or_default() += 1;
            }
            let family = FAMILIES.iter().position(|f| *f == outcome.family).unwrap_or(FAMILIES.len());
            tallies.entry((family, name.clone())).or_default().add(&outcome);
        }
    }
    eprintln!("\r{:<80}", "");
    println!(
        "{:<14} {:<10} {:>6} {:>7} {:>7} {:>8}  worst error / tolerance",
        "family", "backend", "cases", "passed", "failed", "skipped"
    );
    for ((family, backend), tally) in &tallies {
        let percent = |check: Check, name: &str| {
            tally.worst.get(&check).map(|w| format!("{name} {:.0} %", 100.0 * w)).unwrap_or_default()
        };
        let cases = tally.passed + tally.failed + tally.skipped;
        let family = FAMILIES.get(*family).unwrap_or(&"?");
        let worst = [percent(Check::Forward, "forward"), percent(Check::Gradient, "gradient")];
        let worst = worst.into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join(", ");
        println!(
            "{family:<14} {backend:<10} {cases:>6} {:>7} {:>7} {:>8}  {worst}",
            tally.passed, tally.failed, tally.skipped
        );
    }
    for (why, count) in reasons {
        println!("skipped {count}: {why}");
    }
    for (family, count) in others {
        println!("not run: {} cases of the family {family}", count / asked.devices.len());
    }
    let (passed, failed) = tallies.values().fold((0, 0), |(p, f), t| (p + t.passed, f + t.failed));
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}
