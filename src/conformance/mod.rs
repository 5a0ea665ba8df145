//! One list of cases, every backend.
//!
//! A [`Case`] is data: a graph and its inputs, generated from the case's name. What comes out is compared with the
//! reference interpreter. Native tests, the GPU's tests and the tests in the browser all walk this list:
//!
//! ```
//! use striate::conformance::{self, Backend, Report};
//! let mut report = Report::new(Backend::Reference);
//! for case in conformance::cases() {
//!     report.check(&case, striate::reference::run(&case.graph, &case.inputs));
//! }
//! println!("{}", report.finish().unwrap());
//! ```

mod backward;
mod conv;
mod elementwise;
mod generate;
mod gradients;
mod layout;
mod matmul;
mod networks;
mod pool;
mod reduce;
mod report;
mod resize;
mod select;
mod suppress;

pub use report::{Backend, Mismatch, Report, Tolerance, compare};

use crate::error::Result;
use crate::graph::Graph;
use crate::reference;
use crate::tensor::Tensor;

/// A graph with inputs to run it on.
#[derive(Clone, Debug)]
pub struct Case {
    /// Unique; `family/what is special`.
    pub name: String,
    /// What is run. Small: at most about two million multiply-accumulates.
    pub graph: Graph,
    /// One tensor per input of the graph.
    pub inputs: Vec<Tensor>,
}

/// All cases, in a fixed order; every call gives the same.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    conv::cases(&mut cases);
    matmul::cases(&mut cases);
    pool::cases(&mut cases);
    resize::cases(&mut cases);
    reduce::cases(&mut cases);
    elementwise::cases(&mut cases);
    backward::cases(&mut cases);
    layout::cases(&mut cases);
    select::cases(&mut cases);
    suppress::cases(&mut cases);
    gradients::cases(&mut cases);
    networks::cases(&mut cases);
    cases
}

/// What a case's outputs must be: the reference interpreter's.
pub fn expected(case: &Case) -> Result<Vec<Tensor>> {
    reference::run(&case.graph, &case.inputs)
}
