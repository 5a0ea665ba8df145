//! The interpreter: a graph run node by node on the reference kernels. Slow, obvious, and right by definition.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::{Graph, Source, ValueId};
use crate::tensor::Tensor;

/// The graph's outputs for these inputs, with variables at their initial values; errors name the node.
pub fn run(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    run_with(graph, inputs, &mut initial(graph))
}

/// The variables' initial values, for [`run_with`].
pub fn initial(graph: &Graph) -> Vec<Arc<Tensor>> {
    graph.variables().iter().map(|v| v.initial.clone()).collect()
}

/// As [`run`], from these values of the variables, which become what is assigned to them.
pub fn run_with(graph: &Graph, inputs: &[Tensor], variables: &mut [Arc<Tensor>]) -> Result<Vec<Tensor>> {
    graph.infer(&inputs.iter().map(Tensor::kind).collect::<Vec<_>>())?;
    if !graph.variables().iter().map(|v| v.initial.kind()).eq(variables.iter().map(|t| t.kind())) {
        return Err(Error::invalid("the variables' values are not those of this graph"));
    }
    let mut uses = graph.use_counts();
    let mut values: Vec<Option<Arc<Tensor>>> = graph
        .values()
        .iter()
        .map(|value| match &value.source {
            Source::Input(i) => Some(Arc::new(inputs[*i].clone())),
            Source::Constant(tensor) => Some(tensor.clone()),
            Source::Variable(i) => Some(variables[*i].clone()),
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
    let result = |v: ValueId| values[v.index()].clone().expect("outputs and updates stay in use");
    let outputs = graph.outputs().iter().map(|o| Tensor::clone(&result(o.value))).collect();
    for (slot, variable) in variables.iter_mut().zip(graph.variables()) {
        if let Some(update) = variable.update {
            *slot = result(update);
        }
    }
    Ok(outputs)
}
