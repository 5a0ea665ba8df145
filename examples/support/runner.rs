//! A network on one backend, and what is said about its answers.

use striate::graph::Graph;
use striate::session::{Device, Session};
use striate::vision::Detector;
use striate::{Tensor, reference};

/// Where a network runs.
pub struct Runner {
    pub graph: Graph,
    pub detector: Option<Detector>,
    session: Option<Session>,
}

impl Runner {
    pub fn new((graph, detector): (Graph, Option<Detector>), device: &Option<Device>) -> Result<Runner, String> {
        let session = device.clone().map(|device| Session::new(graph.clone(), device));
        Ok(Runner { session: session.transpose().map_err(|e| e.to_string())?, graph, detector })
    }

    pub fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, String> {
        let outputs = match &mut self.session {
            None => reference::run(&self.graph, inputs),
            Some(session) => pollster::block_on(session.run(inputs)),
        };
        outputs.map_err(|e| e.to_string())
    }
}

/// How a picture went: what was found, and what is wrong with it.
#[derive(Default)]
pub struct Verdict {
    pub found: String,
    pub wrong: Vec<String>,
}

impl Verdict {
    /// Notes what is off by more than it may be.
    pub fn near(&mut self, what: &str, got: f64, want: f64, tolerance: f64) {
        let off = (got - want).abs();
        if off.is_nan() || off > tolerance {
            self.wrong.push(format!("{what}: {got:.5} instead of {want:.5}"));
        }
    }

    pub fn check(&mut self, right: bool, why: impl FnOnce() -> String) {
        if !right {
            self.wrong.push(why());
        }
    }
}
