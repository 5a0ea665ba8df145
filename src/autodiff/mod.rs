//! Reverse-mode differentiation, graph to graph: appends to a graph the nodes that compute a loss's gradients.
//!
//! The gradients are ordinary nodes, so the passes, the planner and both backends treat forward and backward as one
//! graph. Differentiate the graph as it was built and [optimise](crate::passes::optimize) the whole afterwards: fusions look
//! at all users of a value and leave alone what the backward half reads. (A fused graph can be differentiated too.)
//!
//! What is needed is computed and nothing else: no gradient of what does not depend on the variables asked for, none of
//! what the loss does not depend on. A value of the forward half lives on only if a gradient is computed from it;
//! activations are differentiated from their results where these tell enough.
//!
//! Nothing flows back through values that are [detached](Graph::detach).
//!
//! Shapes are concrete, since a gradient undoes a broadcast by the sizes it had. Comparisons, indices and rounding let
//! nothing through.

mod conv;
mod elementwise;
mod layout;
mod matmul;
mod normalize;
mod reduce;
mod select;
mod tape;
mod window;

use crate::error::{Error, Result};
use crate::graph::{Graph, NodeId, ValueId};
use crate::ops::Op;
use crate::tensor::{DType, Tensor, TensorType};
use tape::{Site, Tape};

/// Appends the gradients of `loss`, a float of one element, by each of `wrt`: float values of the graph, variables or
/// others. `inputs` are the types of the graph's inputs. `None` is the gradient of what the loss does not depend on.
///
/// Errors name the node: an op without a gradient between `wrt` and the loss, or what shape inference finds.
pub fn gradients(
    graph: &mut Graph,
    inputs: &[TensorType],
    loss: ValueId,
    wrt: &[ValueId],
) -> Result<Vec<Option<ValueId>>> {
    let kind = &graph.infer(inputs)?[loss];
    if kind.dtype != DType::F32 || kind.shape.elements() != 1 {
        let name = &graph.values()[loss.index()].name;
        return Err(Error::mismatch("a loss is one number", "float32, one element", kind).at(name));
    }
    let one = Tensor::f32(kind.shape.clone(), vec![1.0])?;
    let one = graph.constant("gradient of the loss", one);
    pull_back(graph, inputs, &[(loss, one)], wrt)
}

/// As [`gradients`], of `sum(value * upstream)` over pairs of a value and an upstream gradient of its type: the product
/// of the upstream gradients with the Jacobian matrix.
pub fn pull_back(
    graph: &mut Graph,
    inputs: &[TensorType],
    upstream: &[(ValueId, ValueId)],
    wrt: &[ValueId],
) -> Result<Vec<Option<ValueId>>> {
    let types = graph.infer(inputs)?;
    for &(value, gradient) in upstream {
        if types[value].dtype != DType::F32 || types[value] != types[gradient] {
            let name = graph.values()[value.index()].name.clone();
            return Err(Error::mismatch("the gradient does not fit", &types[value], &types[gradient]).at(name));
        }
    }
    for &value in wrt {
        if types[value].dtype != DType::F32 {
            let name = graph.values()[value.index()].name.clone();
            return Err(Error::mismatch("only floats have gradients", DType::F32, types[value].dtype).at(name));
        }
    }
    // What depends on `wrt`.
    let mut active = vec![false; graph.values().len()];
    wrt.iter().for_each(|v| active[v.index()] = true);
    for node in graph.nodes() {
        if node.inputs.iter().any(|v| active[v.index()]) {
            let passes = |v: ValueId| types[v].dtype == DType::F32 && !graph.is_detached(v);
            node.outputs.iter().for_each(|&v| active[v.index()] |= passes(v));
        }
    }
    let order: Vec<NodeId> = graph.node_ids().map(|(id, _)| id).collect();
    let mut tape = Tape::new(graph, &types);
    let mut parts: Vec<Vec<ValueId>> = vec![Vec::new(); active.len()];
    for &(value, gradient) in upstream.iter().filter(|(value, _)| !tape.graph.is_detached(*value)) {
        parts[value.index()].push(gradient);
    }
    for id in order.into_iter().rev() {
        let node = &tape.graph.nodes()[id.index()];
        let wants: Vec<bool> = node.inputs.iter().map(|v| active[v.index()]).collect();
        let reached = node.outputs.iter().any(|v| !parts[v.index()].is_empty());
        if !reached || !wants.contains(&true) {
            continue;
        }
        let node = node.clone();
        tape.name = node.name.clone();
        let upstream = node.outputs.iter().map(|v| tape.total(&mut parts[v.index()])).collect::<Result<_>>()?;
        let site = Site { node, wants, upstream };
        let results = differentiate(&mut tape, &site).map_err(|e| e.at(&site.node.name))?;
        for ((value, gradient), wanted) in site.node.inputs.iter().zip(results).zip(&site.wants) {
            parts[value.index()].extend(gradient.filter(|_| *wanted));
        }
    }
    tape.name = "gradient".into();
    wrt.iter().map(|v| tape.total(&mut parts[v.index()])).collect()
}

/// Appends the gradients by the node's inputs; those that nothing wants may be left out.
fn differentiate(tape: &mut Tape, site: &Site) -> Result<Vec<Option<ValueId>>> {
    match &site.node.op {
        Op::Conv2d(op) => conv::conv2d(tape, op, site),
        Op::DepthwiseConv2d(op) => conv::depthwise(tape, op, site),
        Op::ConvTranspose2d(op) => conv::transposed(tape, op, site),
        Op::MatMul(op) => matmul::matmul(tape, op, site),
        Op::Pool2d(op) => window::pool(tape, op, site),
        Op::Resize(op) => window::resize(tape, op, site),
        Op::Reduce(op) => reduce::reduce(tape, op, site),
        Op::Unary(op) => elementwise::unary(tape, *op, site),
        Op::Binary(op) => elementwise::binary(tape, op, site),
        Op::Cast(_) => Ok(vec![site.upstream[0]]),
        Op::Softmax(op) => normalize::softmax(tape, op.axis, site),
        Op::LogSoftmax(op) => normalize::log_softmax(tape, op.axis, site),
        Op::BatchNorm(op) => normalize::batch_norm(tape, op, site),
        Op::Concat(op) => layout::concat(tape, op, site),
        Op::Slice(op) => layout::slice(tape, op, site),
        Op::Pad(op) => layout::pad(tape, op, site),
        Op::Reshape(_) => layout::reshape(tape, site),
        Op::Transpose(op) => layout::transpose(tape, op, site),
        // Noise depends on nothing.
        Op::Random(_) => Ok(vec![None; 2]),
        Op::Gather(op) => select::gather(tape, op, site),
        Op::TopK(_) => select::top_k(tape, site),
        Op::BatchNormStatistics(_) => normalize::statistics(tape, site),
        // The first one's result is no float, so it is never asked; a choice of boxes is taken as given; the others are
        // gradients already.
        Op::ArgMax(_)
        | Op::NonMaxSuppression(_)
        | Op::Conv2dBackwardInput(_)
        | Op::Conv2dBackwardFilter(_)
        | Op::DepthwiseConv2dBackwardInput(_)
        | Op::DepthwiseConv2dBackwardFilter(_)
        | Op::MaxPool2dBackward(_)
        | Op::AvgPool2dBackward(_)
        | Op::ResizeBackward(_)
        | Op::BatchNormBackward(_)
        | Op::UnaryBackward(_)
        | Op::OptimizerStep(_) => {
            Err(Error::unsupported(format!("{} has no gradient", site.node.op.operator().name())))
        }
    }
}
