//! Graph to graph: what a file says becomes what a backend runs well.
//!
//! A pass is a `rewrite::Rule`: it looks at one node and what feeds it, and may put something better in its place.
//! Nodes are visited in execution order, so a rule sees its operands already rewritten and chains (`conv`, bias, scale,
//! activation) collapse in one walk. A rule replaces the *last* node of its pattern and never edits the others: those
//! die if nothing else needs them, so no rule can break another user's value. Rules that would repeat work fuse only
//! values with a single use; being an output of the graph counts as one.
//!
//! Inputs, variables with what is assigned to them, and the names, order and values of outputs, stay as they are. Results
//! may differ in the last bits.

mod activation;
mod batch_norm;
mod bias;
mod common;
mod constants;
mod identity;
mod layout;
mod padding;
mod prescale;
mod recompute;
mod residual;
mod rewrite;
mod scale;
mod written_out;

use crate::error::Result;
use crate::graph::Graph;
pub use recompute::recompute;
use rewrite::{Rewriter, Rule};

/// The walks of one round. Rules of one walk are tried in turn on each node; the first that applies wins.
const WALKS: [&[Rule]; 4] = [
    &[constants::fold, identity::drop, common::share],
    // Before bias folding can swallow the 3 of `relu6(x + 3)`.
    &[batch_norm::unfold, written_out::recognise],
    &[padding::fold, prescale::fold],
    &[scale::fold, bias::fold, residual::fold, activation::fold],
];

/// Every rule shrinks or simplifies the graph, so the rounds end by themselves; this is the braces to that belt.
const MAX_ROUNDS: usize = 16;

/// Element operations that constant folding may spend on one graph, so that a hostile file cannot buy much time or
/// memory with few bytes. Real networks fold some index arithmetic and scalars; importers convert weights themselves.
const FOLDING_BUDGET: u64 = 1 << 24;

/// Optimises a graph for either backend: batch normalisation and constants folded, bias, activation and residual in
/// epilogues, padding in windows, identities, repetitions, needless transpositions and dead code gone.
pub fn optimize(graph: &Graph) -> Result<Graph> {
    let mut budget = FOLDING_BUDGET;
    // The first walk copies (constants are shared, not copied).
    let mut graph = Rewriter::walk(graph, &[], &mut budget)?.0;
    // Only files bring them: layers are channels last.
    if cfg!(feature = "files") {
        graph = layout::settle(graph, &mut budget)?;
    }
    for _ in 0..MAX_ROUNDS {
        let mut changed = false;
        for rules in WALKS {
            let (next, applied) = Rewriter::walk(&graph, rules, &mut budget)?;
            graph = next;
            changed |= applied;
        }
        if !changed {
            break;
        }
    }
    // The remains of the last patterns.
    Ok(Rewriter::walk(&graph, &[], &mut budget)?.0)
}

#[cfg(test)]
mod testing;
