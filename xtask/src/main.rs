//! `cargo xtask <task>`: the one door to every developer task. `cargo xtask help` lists them.

mod bench;
mod beside;
mod chromium;
mod clips;
mod fuzz;
mod keras;
mod lint;
mod models;
mod proc;
mod server;
mod setup;
mod site;
mod tables;
mod test;
mod toolchain;
mod wasm;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <task>

  setup                     find or install what the tasks need; only cargo and Node must be there
  demo [--port N]           build everything, serve the page, print its address
  demo --check              the page in headless Chromium on the sample photos, on every backend:
                            boxes beside the expected ones; screenshots in target/demo
  test [--only PART]...     every check, cheapest first
  lint                      the checks that run nothing: format, Clippy, types, rules
  build [OPTIONS]           the wasm binaries and the npm package, into npm/dist
      --dev                     quick to build, with debug assertions
      simd | relaxed | threads | webgpu | keras | vision | export  only these binaries
  site                      the static site, into www/dist
  models [NAME...]          published networks and MNIST's digits into vendor/, hashes checked; all, or only these
  golden DIR [OPTIONS]      reference values from Keras, on every backend, as a table
      --backend NAME            reference, cpu or webgpu; all by default
      --family NAME, --case PART  only these
  onnx DIR [OPTIONS]        ONNX' own cases (the folders `node` and `light` of its package), as a table
      --backend NAME            reference, cpu or webgpu; reference and cpu by default
      --operator NAME, --case PART  only these
      --verbose                 what became of each case
  expect DIR [OPTIONS]      TFLite models with pictures and expected outputs, as a table
      --backend NAME            reference, cpu or webgpu; cpu and webgpu by default
      --model PART              only these
  fuzz [FORMAT]... [OPTIONS]  broken model files by the million, as a table; what breaks lies in fuzz/artifacts
      --minutes N               for each format; 5 by default
      --seeds DIR               more files to begin with
  outputs DIR [OPTIONS]     the published networks with expected outputs, as a table
      --backend NAME            reference, cpu or webgpu; cpu and webgpu by default
      --model PART              only these
  bench [ARGUMENTS]         kernels and networks, in Chromium
  bench --peers [ARGUMENTS] the race against other engines, in Chromium
  help                      this page
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (task, rest) = arguments.split_first().map_or(("help", [].as_slice()), |(task, rest)| (task.as_str(), rest));
    let result = match task {
        "setup" => setup::task(),
        "build" => wasm::task(rest),
        "demo" => site::demo(rest),
        "test" => test::task(rest),
        "lint" => test::lint(),
        "site" => site::task(),
        "models" => models::task(rest),
        "golden" => tables::golden(rest),
        "onnx" => tables::onnx(rest),
        "expect" => tables::expect(rest),
        "fuzz" => fuzz::task(rest),
        "outputs" => tables::outputs(rest),
        "bench" => bench::task(rest),
        "help" | "--help" | "-h" => {
            println!("{HELP}\nparts of `test`: {}", test::names());
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
