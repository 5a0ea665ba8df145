//! The interpreter: a graph run node by node on the reference kernels. Slow, obvious, and right by definition.

use std::sync::Arc;

use crate::error::Result;
use crate::graph::{Graph, Source};
use crate::tensor::Tensor;

/// The graph's outputs for these inputs; errors name the node.
pub fn run(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    graph.infer(&inputs.iter().map(Tensor::kind).collect::<Vec<_>>())?;
    let mut uses = graph.use_counts();
    let mut values: Vec<Option<Arc<Tensor>>> = graph
        .values()
        .iter()
        .map(|value| match &value.source {
            Source::Input(i) => Some(Arc::new(inputs[*i].clone())),
            Source::Constant(tensor) => Some(tensor.clone()),
            Source::Node { .. } => None,
        })
        .collect();
    for node in graph.nodes() {
        let operands: Vec<_> =
            node.inputs.iter().map(|v| values[v.index()].clone().expect("operand precedes")).collect();
        let operands: Vec<_> = operands.iter().map(|t| &**t).collect();
        let results = node.op.reference().reference(&operands).map_err(|e| e.at(&node.name))?;
        for (value, result) in node.outputs.iter().zip(results) {
            values[value.index()] = Some(Arc::new(result));
        }
        // Free what nothing needs any more: whole networks fit in memory.
        for value in &node.inputs {
            uses[value.index()] -= 1;
            if uses[value.index()] == 0 {
                values[value.index()] = None;
            }
        }
    }
    let result = |v: crate::graph::ValueId| values[v.index()].as_deref().expect("outputs stay in use").clone();
    Ok(graph.outputs().iter().map(|o| result(o.value)).collect())
}
