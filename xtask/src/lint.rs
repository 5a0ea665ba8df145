//! `cargo xtask lint`, and the rules about the repository itself that no other tool knows.

use std::path::Path;
use std::process::Command;

use crate::proc::{self, Result};
use crate::toolchain::Toolchain;
use crate::wasm::Flavour;

/// What must not stand in a committed file: servers that only some machines reach, and folders of one machine.
const FORBIDDEN: &[(&str, &str)] = &[
    ("registry.npmjs.org", "a package server's address"),
    ("static.crates.io", "a package server's address"),
    ("index.crates.io", "a package server's address"),
    ("files.pythonhosted.org", "a package server's address"),
    ("deb.debian.org", "a package server's address"),
    ("\"resolved\": \"http", "a package server's address"),
    ("/root/", "a path of one machine"),
    ("/home/", "a path of one machine"),
    ("/work/", "a path of one machine"),
    ("/Users/", "a path of one machine"),
];
/// Weights and clips belong into packages, not into the history.
const MAX_FILE: u64 = 1_000_000;
/// This file has to name what it forbids.
const EXEMPT: &str = "xtask/src/lint.rs";

/// The rules about files; returns how many files were looked at.
pub fn repository() -> Result<usize> {
    let root = proc::root();
    let listed =
        proc::run_quiet(proc::command("git").args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]))?;
    let mut wrong = Vec::new();
    let mut files = 0;
    for name in listed.split('\0').filter(|name| !name.is_empty() && *name != EXEMPT) {
        let path = root.join(name);
        // Deleted, but not yet in the index.
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
        if !metadata.is_file() {
            continue;
        }
        files += 1;
        if metadata.len() > MAX_FILE {
            wrong.push(format!(
                "{name}: {} KB; files above {} KB are not committed",
                metadata.len() / 1000,
                MAX_FILE / 1000
            ));
        }
        wrong.extend(forbidden_in(name, &path)?);
    }
    if wrong.is_empty() { Ok(files) } else { Err(wrong.join("\n").into()) }
}

fn forbidden_in(name: &str, path: &Path) -> Result<Vec<String>> {
    let bytes = proc::read(path)?;
    let Ok(text) = std::str::from_utf8(&bytes) else { return Ok(Vec::new()) };
    let lines = text.lines().enumerate();
    let hits = lines.filter_map(|(number, line)| {
        let (_, why) = FORBIDDEN.iter().find(|(pattern, _)| line.contains(pattern))?;
        Some(format!("{name}:{}: {why}: {}", number + 1, line.trim().chars().take(100).collect::<String>()))
    });
    Ok(hits.collect())
}

/// `cargo fmt --check`.
pub fn format() -> Command {
    let mut cargo = proc::cargo();
    cargo.args(["fmt", "--all", "--check"]);
    cargo
}

/// Clippy over everything that builds natively.
pub fn clippy_native() -> Command {
    let mut cargo = proc::cargo();
    cargo.args([
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--features",
        "conformance,threads",
        "--",
        "-Dwarnings",
    ]);
    cargo
}

/// Clippy over what only the web sees, with one flavour's features.
pub fn clippy_web(toolchain: &Toolchain, flavour: Flavour) -> Command {
    let mut clippy = flavour.flags(toolchain.clippy());
    clippy.args(["--quiet", "--package", "striate", "--lib", "--tests", "--features", "conformance"]);
    clippy.args(flavour.options(toolchain)).args(["--", "-Dwarnings"]);
    clippy
}

/// The documentation, with its warnings as errors.
pub fn documentation() -> Command {
    let mut cargo = proc::cargo();
    cargo
        .args(["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items"])
        .env("RUSTDOCFLAGS", "-Dwarnings");
    cargo
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_home_are_found_by_line() {
        let path = std::env::temp_dir().join(format!("striate-lint-{}.txt", std::process::id()));
        proc::write(&path, format!("fine\nfrom {}\n{}someone/x\n", FORBIDDEN[0].0, "/home/")).unwrap();
        let hits = forbidden_in("file.txt", &path).unwrap();
        assert_eq!(hits.len(), 2, "{hits:?}");
        assert!(hits[0].starts_with("file.txt:2: a package server's address"), "{hits:?}");
        assert!(hits[1].starts_with("file.txt:3: a path of one machine"), "{hits:?}");
        std::fs::remove_file(path).unwrap();
    }
}
