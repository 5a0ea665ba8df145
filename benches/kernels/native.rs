//! The workloads of `lib.rs`, timed natively: quick to build, and good for finding out, not for deciding.
//!
//! `cargo run --release --no-default-features --features threads --example kernels-native -- [TEXT]`; without `threads` on
//! one core. Prints milliseconds, the best of all samples, and GFLOP/s.

mod networks;
mod training;

use std::time::{Duration, Instant};

use striate::backend::cpu::{Executable, InputMut};

fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    let names = networks::names().into_iter().map(|name| name.to_string()).chain(training::names());
    for name in names.filter(|name| name.contains(&filter)) {
        let graph = networks::build(&name).or_else(|| training::build(&name)).expect("listed workloads can be built");
        let inputs = graph.default_inputs();
        let types = graph.infer(&inputs).expect("workloads fit together");
        let flops = |n: &striate::graph::Node| n.op.operator().flops(&types.of(&n.inputs), &types.of(&n.outputs));
        let flops: u64 = graph.nodes().iter().map(flops).sum();
        let mut executable = Executable::compile(&graph, &inputs).expect("workloads compile");
        for (i, kind) in inputs.iter().enumerate() {
            if let InputMut::F32(values) = executable.input_mut(i) {
                values.copy_from_slice(networks::noise(&kind.shape, 1.0).as_f32().expect("floats"));
            }
        }
        let start = Instant::now();
        let mut best = Duration::MAX;
        while start.elapsed() < Duration::from_millis(400) {
            let sample = Instant::now();
            executable.run().expect("workloads run");
            best = best.min(sample.elapsed());
        }
        let seconds = best.as_secs_f64();
        println!("{name:32}{:10.3} ms {:8.1} GFLOP/s", seconds * 1e3, flops as f64 / seconds / 1e9);
    }
}
