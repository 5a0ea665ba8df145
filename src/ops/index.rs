//! Walking over elements: what the reference kernels share.

use crate::error::Result;
use crate::shape::Shape;
use crate::tensor::{Data, Tensor, TensorType};

/// Calls `visit` with every index of a shape, in row-major order.
pub(super) fn for_each_index(shape: &[usize], mut visit: impl FnMut(&[usize])) {
    let mut index = vec![0; shape.len()];
    for _ in 0..shape.iter().product::<usize>() {
        visit(&index);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}

/// Position of an index under these strides.
pub(super) fn offset(index: &[usize], strides: &[usize]) -> usize {
    index.iter().zip(strides).map(|(i, s)| i * s).sum()
}

/// Strides of a tensor seen as one of the `broadcast` shape: 0 along stretched dimensions.
pub(super) fn broadcast_strides(shape: &Shape, broadcast: &[usize]) -> Vec<usize> {
    let missing = broadcast.len() - shape.rank();
    let own = shape.iter().zip(shape.strides()).map(|(&d, s)| if d == 1 { 0 } else { s });
    std::iter::repeat_n(0, missing).chain(own).collect()
}

/// A tensor whose elements are those of `input` at the positions `source` gives for each index; `None` takes `fill`.
pub(super) fn pick(
    input: &Tensor,
    shape: &Shape,
    fill: f32,
    mut source: impl FnMut(&[usize]) -> Option<usize>,
) -> Result<Tensor> {
    let mut sources = Vec::with_capacity(shape.elements());
    for_each_index(shape, |index| sources.push(source(index)));
    let data = match input.data() {
        Data::F32(v) => Data::F32(sources.iter().map(|s| s.map_or(fill, |i| v[i])).collect()),
        Data::I32(v) => Data::I32(sources.iter().map(|s| s.map_or(fill as i32, |i| v[i])).collect()),
        Data::U8(v) => Data::U8(sources.iter().map(|s| s.map_or(fill as u8, |i| v[i])).collect()),
    };
    Tensor::new(shape.clone(), data)
}

/// Types of tensors, to hand to a shape rule.
pub(super) fn kinds(inputs: &[&Tensor]) -> Vec<TensorType> {
    inputs.iter().map(|t| t.kind()).collect()
}

/// Flat positions of the first element of every line along an axis, in row-major order.
pub(super) fn lines(shape: &[usize], axis: usize) -> impl Iterator<Item = usize> + use<> {
    let outer: usize = shape[..axis].iter().product();
    let (n, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    (0..outer).flat_map(move |i| (0..inner).map(move |j| i * n * inner + j))
}
