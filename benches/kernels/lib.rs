//! Single layers and whole networks on the CPU backend, timed inside the browser that will run them: register tiles
//! that win natively may spill there. `node benches/kernels/run.mjs` builds this file as wasm and prints the table.
#![cfg(target_arch = "wasm32")]

mod networks;
mod training;

use striate::Tensor;
use striate::backend::cpu::{Executable, InputMut};
use wasm_bindgen::prelude::*;

#[cfg(feature = "threads")]
pub use striate::js::init_thread_pool;

/// A compiled workload.
#[wasm_bindgen]
pub struct Workload {
    executable: Executable,
    flops: f64,
}

/// Names of the workloads, one a line.
#[wasm_bindgen]
pub fn workloads() -> String {
    let all = networks::names().into_iter().map(String::from).chain(training::names());
    all.collect::<Vec<_>>().join("\n")
}

/// Builds and compiles a workload.
#[wasm_bindgen]
pub fn prepare(name: &str) -> Option<Workload> {
    let graph = networks::build(name).or_else(|| training::build(name))?;
    let inputs = graph.default_inputs();
    let types = graph.infer(&inputs).ok()?;
    let flops =
        graph.nodes().iter().map(|n| n.op.operator().flops(&types.of(&n.inputs), &types.of(&n.outputs)) as f64).sum();
    let mut executable = Executable::compile(&graph, &inputs).ok()?;
    for (i, kind) in inputs.iter().enumerate() {
        if let InputMut::F32(values) = executable.input_mut(i) {
            values.copy_from_slice(networks::noise(&kind.shape, 1.0).as_f32().ok()?);
        }
    }
    Some(Workload { executable, flops })
}

#[wasm_bindgen]
impl Workload {
    /// Operations of one run.
    pub fn flops(&self) -> f64 {
        self.flops
    }
    /// Runs it, and returns the sum of the outputs' first values, so that nothing can be left out.
    pub fn run(&mut self, times: u32) -> f32 {
        (0..times).for_each(|_| self.executable.run().unwrap_throw());
        let first = |tensor: Tensor| tensor.as_f32().map_or(0.0, |v| v[0]);
        first(self.executable.output(0).to_tensor())
    }
}
