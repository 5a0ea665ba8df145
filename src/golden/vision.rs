//! What stands around networks: boxes and how good they are, preprocessing, pictures changed.
//!
//! Most of it works on the host and is the same whatever the backend; what is a layer or an operation of the graph, too,
//! is also run there.

use serde_json::Value as Json;

use super::set::{Check, Outcome, Set};
use super::{Backend, boxes, pictures};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// A result and the name that the case has for it.
pub(super) type Named = (&'static str, Tensor);

/// The tensors of a case by name.
pub(super) struct Inputs<'a> {
    set: &'a Set,
    case: &'a Json,
}

impl<'a> Inputs<'a> {
    /// An input that must be there.
    pub(super) fn get(&self, name: &str) -> Result<&'a Tensor> {
        self.set.tensor(&self.case["inputs"][name])
    }
}

pub(super) fn run(set: &Set, case: &Json, backend: &Backend, outcome: &mut Outcome) -> Result<()> {
    let op = case["op"].as_str().ok_or_else(|| Error::invalid("a case without an op"))?;
    let inputs = Inputs { set, case };
    let mut results = match boxes::run(op, &case["config"], &inputs, backend)? {
        Some(results) => results,
        None => pictures::run(op, &case["config"], &inputs, backend)?
            .ok_or_else(|| Error::unsupported(format!("no such operation: {op}")))?,
    };
    // Every output must be among the results, and every result an output.
    for (name, entry) in case["outputs"].as_object().into_iter().flatten() {
        let (own, others): (Vec<Named>, Vec<Named>) = results.into_iter().partition(|(known, _)| known == name);
        if own.is_empty() {
            outcome.fail(format!("{name} was not computed"));
        }
        for (_, got) in own {
            let want = set.tensor(entry)?;
            if got.dtype() != want.dtype() {
                outcome.fail(format!("{name} is {} instead of {}", got.dtype(), want.dtype()));
            }
            outcome.compare(Check::Forward, set, backend, name, &got, entry)?;
        }
        results = others;
    }
    results.iter().for_each(|(name, _)| outcome.fail(format!("the case has no {name}")));
    Ok(())
}
