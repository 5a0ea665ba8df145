//! What the passes' tests share: optimise, compare with the graph as it was, look at what is left.

use crate::graph::{Graph, ValueId};
use crate::reference;
use crate::tensor::{DType, Data, Tensor, TensorType};

/// Numbers in -1..1 that differ from seed to seed.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) ^ 0x1234_5678;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Adds a constant of this shape.
pub(super) fn constant(graph: &mut Graph, shape: &[usize], seed: u32) -> ValueId {
    graph.constant("constant", Tensor::f32(shape, numbers(shape.iter().product(), seed)).unwrap())
}

/// The optimised graph, after checking that it computes the same for a batch of one and of three.
pub(super) fn optimized(graph: &Graph) -> Graph {
    let after = super::optimize(graph).unwrap();
    assert_eq!(graph.inputs().len(), after.inputs().len());
    let named = |g: &Graph| g.outputs().iter().map(|o| o.name.clone()).collect::<Vec<_>>();
    assert_eq!(named(graph), named(&after));
    for batch in [1, 3] {
        let input = |(i, declared): (usize, &crate::graph::Input)| {
            let shape: Vec<usize> = declared.dims.iter().map(|d| d.unwrap_or(batch)).collect();
            let kind = TensorType::new(declared.dtype, shape.clone());
            assert_eq!(declared.dtype, DType::F32);
            Tensor::f32(shape, numbers(kind.shape.elements(), 77 + i as u32)).unwrap()
        };
        let inputs: Vec<Tensor> = graph.inputs().iter().enumerate().map(input).collect();
        let (before, after) = (reference::run(graph, &inputs).unwrap(), reference::run(&after, &inputs).unwrap());
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(before.kind(), after.kind());
            match (before.data(), after.data()) {
                (Data::F32(before), Data::F32(after)) => {
                    let pairs = before.iter().zip(after);
                    pairs.for_each(|(a, b)| assert!((a - b).abs() <= 2e-5 * (1.0 + a.abs()), "{a} became {b}"));
                }
                (before, after) => assert_eq!(before, after),
            }
        }
    }
    after
}

/// Names of the ops, in order.
pub(super) fn names(graph: &Graph) -> Vec<&'static str> {
    graph.nodes().iter().map(|n| n.op.operator().name()).collect()
}
