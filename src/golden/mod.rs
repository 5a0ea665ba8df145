//! Reference values computed by real Keras and TensorFlow, and how this crate is held to them.
//!
//! A *set* is a folder with a `cases.json` (one case a line: family, op, Keras configuration, tolerances) and safetensors
//! files. `cargo xtask golden DIR` runs one on every backend; the tests run the part of one that is kept in `tests/`. A
//! case is built the way a user builds it: through [`crate::layers`], from Keras' class names and configurations.

mod boxes;
mod first_example;
mod gradient;
mod layer;
#[cfg(feature = "keras")]
mod model_file;
mod network;
mod pictures;
mod set;
mod tables;
mod train;
mod vision;

pub use set::{Check, Outcome, Set};

use serde_json::Value as Json;

use crate::error::Result;
use crate::graph::Graph;
use crate::session::{Device, Session};
use crate::tensor::Tensor;

/// Who is being tested.
#[derive(Clone)]
pub enum Backend {
    /// The interpreter.
    Reference,
    /// The interpreter, after the optimising passes.
    Optimized,
    /// The CPU backend or WebGPU.
    Device(Device),
}

impl Backend {
    /// `reference`, `optimized`, `cpu` or `webgpu`.
    pub fn name(&self) -> &'static str {
        match self {
            Backend::Reference => "reference",
            Backend::Optimized => "optimized",
            Backend::Device(device) => device.name(),
        }
    }

    /// Factor of absolute tolerances, and the least relative one: exp, tanh, pow and division are looser on a GPU.
    fn slack(&self) -> (f32, f32) {
        if self.name() == "webgpu" { (10.0, 1e-4) } else { (1.0, 0.0) }
    }

    /// Runs a graph.
    pub fn run(&self, graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        match self {
            Backend::Reference => crate::reference::run(graph, inputs),
            Backend::Optimized => crate::reference::run(&crate::passes::optimize(graph)?, inputs),
            Backend::Device(device) => {
                let mut session = Session::new(graph.clone(), device.clone())?;
                block_on(session.run(inputs))
            }
        }
    }
}

/// Waits for a future by trying again and again: enough for tests, where futures are ready at once or wait for a device.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(value) => return value,
            std::task::Poll::Pending => std::thread::yield_now(),
        }
    }
}

/// Families that are run, in the order of the table.
pub const FAMILIES: &[&str] = &[
    "layer",
    "network",
    "fullsize",
    "first_example",
    "shape",
    "error",
    "loss",
    "loss_in_model",
    "metric",
    "optimizer",
    "training",
    "vision",
    #[cfg(feature = "keras")]
    "model_file",
];

/// Runs one case; `None` if its family is not among [`FAMILIES`].
pub fn run(set: &Set, case: &Json, backend: &Backend) -> Option<Outcome> {
    let mut outcome = Outcome::new(case);
    let result = match outcome.family.as_str() {
        "layer" => layer::run(set, case, backend, &mut outcome),
        "network" => network::run(set, case, backend, &mut outcome),
        "fullsize" => network::run_full_size(set, case, backend, &mut outcome),
        "first_example" => first_example::run(set, case, backend, &mut outcome),
        "shape" => tables::run_shapes(case, &mut outcome),
        "error" => tables::run_error(case, &mut outcome),
        "loss" => train::run_loss(set, case, backend, &mut outcome),
        "loss_in_model" => train::run_loss_in_model(set, case, backend, &mut outcome),
        "metric" => train::run_metric(set, case, backend, &mut outcome),
        "optimizer" => train::run_optimizer(set, case, backend, &mut outcome),
        "training" => train::run_training(set, case, backend, &mut outcome),
        "vision" => vision::run(set, case, backend, &mut outcome),
        #[cfg(feature = "keras")]
        "model_file" => model_file::run(set, case, backend, &mut outcome),
        _ => return None,
    };
    if let Err(error) = result {
        outcome.fail(error.to_string());
    }
    Some(outcome)
}
