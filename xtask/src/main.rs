//! `cargo xtask <task>`: the one door to every developer task. `cargo xtask help` lists them.

mod chromium;
mod clips;
mod models;
mod proc;
mod setup;
mod toolchain;
mod wasm;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <task>

  setup                  find or install what the tasks need (cargo and Node are all you must have)
  build [OPTIONS]        the three wasm binaries and the npm package, into npm/dist
                           --dev                      quick build with debug assertions
                           simd | relaxed | threads   only these binaries
  models                 the detectors' weights into vendor/, hashes checked; the fake camera's clip into target/clips
  help                   this page
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (task, rest) = arguments.split_first().map_or(("help", [].as_slice()), |(task, rest)| (task.as_str(), rest));
    let result = match task {
        "setup" => setup::task(),
        "build" => wasm::task(rest),
        "models" => models::task(),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(format!("no task named {other:?}\n\n{HELP}").into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
