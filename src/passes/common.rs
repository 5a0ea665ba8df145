//! Nodes that compute the same from the same operands are computed once.

use super::rewrite::Rewriter;
use crate::error::Result;
use crate::graph::{Node, ValueId};

/// Replaces a node by an earlier one with the same op and operands.
pub(super) fn share(new: &mut Rewriter, node: &Node) -> Result<Option<Vec<ValueId>>> {
    Ok(new.same(node))
}

#[cfg(test)]
mod tests {
    use crate::graph::Graph;
    use crate::ops::{Binary, BinaryKind, TopK, Unary};
    use crate::passes::testing::{names, optimized};
    use crate::tensor::DType;

    #[test]
    fn twins_become_one() {
        let mut graph = Graph::new();
        let x = graph.input("x", DType::F32, vec![None, Some(7)]);
        let [a, b] = ["a", "b"].map(|n| graph.add(n, Unary::LeakyRelu { alpha: 0.1 }, &[x]).unwrap());
        let other = graph.add("c", Unary::LeakyRelu { alpha: 0.2 }, &[x]).unwrap();
        let sum = graph.add("sum", Binary::new(BinaryKind::Mul), &[a, other]).unwrap();
        let [first, second] = [a, b].map(|v| graph.push("top", TopK { k: 2 }, &[v]).unwrap());
        for (i, value) in [sum, first[0], second[1]].into_iter().enumerate() {
            graph.output(format!("y{i}"), value);
        }
        assert_eq!(names(&optimized(&graph)), ["LeakyRelu", "LeakyRelu", "Mul", "TopK"]);
    }
}
