//! Control flow that is none: branches whose condition is known at import.

use super::values::{Handle, Rule};
use crate::error::{Error, Result};

impl Rule<'_, '_> {
    /// The branch that a constant condition takes, as if it stood here.
    pub fn branch(&mut self) -> Result<Vec<Handle>> {
        let condition = self.input(0)?;
        if !self.importer.is_constant(condition) {
            return Err(Error::unsupported("a branch whose condition depends on the network's inputs"));
        }
        let name = if self.only(condition, "cond")? != 0.0 { "then_branch" } else { "else_branch" };
        let depth = self.importer.depth + 1;
        let graph = self.node.graph(name, depth)?;
        let graph = graph.ok_or_else(|| Error::invalid(format!("an If without its {name}")))?;
        self.importer.inline(&graph)
    }
}
