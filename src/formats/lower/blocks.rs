//! TensorFlow's operations that move elements by index: blocks of space into the batch and back, slices at coordinates.

use super::{Guessed, Lowering};
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::ops::{BinaryKind, Gather, PadMode, ReduceKind, Reshape, ReshapeDim, Slice, SliceAxis, Unary};
use crate::tensor::Tensor;

/// Longest side of a block.
const MAX_BLOCK: i64 = 1 << 10;

impl Lowering {
    /// `[batch, space.., rest..]` as signed sizes, checked against `blocks` and their pairs of paddings or crops.
    fn spread(&self, value: ValueId, blocks: &[i64], pairs: &[i64]) -> Result<Vec<Guessed<i64>>> {
        let dims: Vec<Guessed<i64>> = self.dims(value).iter().map(|d| d.map(|n| n as i64)).collect();
        let sound =
            blocks.iter().all(|b| (1..=MAX_BLOCK).contains(b)) && pairs.iter().all(|p| (0..1 << 20).contains(p));
        if blocks.is_empty() || blocks.len() >= dims.len() || pairs.len() != 2 * blocks.len() || !sound {
            return Err(Error::mismatch("blocks do not fit the input", self.shape(value), format!("{blocks:?}")));
        }
        Ok(dims)
    }

    /// `SpaceToBatchND`: every position of a block becomes a picture of its own, after padding.
    pub fn space_to_batch(&mut self, name: &str, value: ValueId, blocks: &[i64], pads: &[i64]) -> Result<ValueId> {
        let mut dims = self.spread(value, blocks, pads)?;
        let (space, rank) = (blocks.len(), dims.len());
        let mut paddings = vec![0; 2 * rank];
        paddings[2..2 + pads.len()].copy_from_slice(pads);
        let padded = self.pad(&format!("{name}/padded"), value, &paddings, PadMode::Constant(0.0))?;
        let mut split = vec![dims[0]];
        for (i, &block) in blocks.iter().enumerate() {
            dims[1 + i] = dims[1 + i].map(|n| n + pads[2 * i] + pads[2 * i + 1]);
            if dims[1 + i].iter().any(|n| n % block != 0) {
                return Err(Error::mismatch("no whole blocks", block, dims[1 + i][0]));
            }
            dims[1 + i] = dims[1 + i].map(|n| n / block);
            split.extend([dims[1 + i], [block; 2]]);
        }
        split.extend_from_slice(&dims[1 + space..]);
        let split = self.reshape(&format!("{name}/blocks"), padded, &split)?;
        // Positions within blocks, the batch, the blocks, the rest.
        let axes = (0..space as i64).map(|i| 2 + 2 * i).chain([0]).chain((0..space as i64).map(|i| 1 + 2 * i));
        let axes: Vec<i64> = axes.chain(1 + 2 * space as i64..(rank + space) as i64).collect();
        let moved = self.transpose(&format!("{name}/moved"), split, &axes)?;
        let count: i64 = blocks.iter().product();
        dims[0] = dims[0].map(|n| n * count);
        self.reshape(name, moved, &dims)
    }

    /// `BatchToSpaceND`, its inverse: the pictures of a block are put together, then the edges cut off.
    pub fn batch_to_space(&mut self, name: &str, value: ValueId, blocks: &[i64], crops: &[i64]) -> Result<ValueId> {
        let mut dims = self.spread(value, blocks, crops)?;
        let (space, rank) = (blocks.len(), dims.len());
        let count: i64 = blocks.iter().product();
        if dims[0].iter().any(|n| n % count != 0) {
            return Err(Error::mismatch("a batch that is not made of blocks", count, dims[0][0]));
        }
        dims[0] = dims[0].map(|n| n / count);
        let split: Vec<Guessed<i64>> = blocks.iter().map(|&b| [b; 2]).chain(dims.iter().copied()).collect();
        let split = self.reshape(&format!("{name}/blocks"), value, &split)?;
        // The batch, then each axis with the positions within its blocks, then the rest.
        let m = space as i64;
        let axes = std::iter::once(m).chain((0..m).flat_map(|i| [m + 1 + i, i])).chain(2 * m + 1..m + rank as i64);
        let moved = self.transpose(&format!("{name}/moved"), split, &axes.collect::<Vec<_>>())?;
        let mut cuts = vec![SliceAxis::ALL; rank];
        for (i, &block) in blocks.iter().enumerate() {
            dims[1 + i] = dims[1 + i].map(|n| n * block);
            let [before, after] = [crops[2 * i], crops[2 * i + 1]];
            if dims[1 + i].iter().any(|&n| before + after > n) {
                return Err(Error::mismatch("more is cut off than there is", dims[1 + i][0], before + after));
            }
            if before + after > 0 {
                let end = (after > 0).then_some(-after as isize);
                cuts[1 + i] = SliceAxis { start: Some(before as isize), end, step: 1 };
            }
        }
        let whole = self.reshape(&format!("{name}/whole"), moved, &dims)?;
        self.add(name, Slice { axes: cuts }, &[whole])
    }

    /// `GatherND`: slices at coordinates, which are the last axis of the indices.
    pub fn gather_nd(&mut self, name: &str, value: ValueId, indices: ValueId) -> Result<ValueId> {
        let (dims, shape) = (self.dims(value), self.dims(indices));
        let depth = shape.last().map_or(0, |d| d[0]);
        let known = dims.iter().take(depth).chain(shape.last()).all(|[a, b]| a == b);
        if depth == 0 || depth > dims.len() || !known {
            return Err(Error::mismatch("the coordinates do not fit", self.shape(value), self.shape(indices)));
        }
        let mut flat: Option<ValueId> = None;
        for i in 0..depth {
            let mut axes = vec![SliceAxis::ALL; shape.len()];
            axes[shape.len() - 1] = SliceAxis::range(i, i + 1);
            let coordinate = self.add(&format!("{name}/coordinate{i}"), Slice { axes }, &[indices])?;
            let stride: usize = dims[i + 1..depth].iter().map(|d| d[0]).product();
            let stride = self.constant(&format!("{name}/stride{i}"), Tensor::i32([1], vec![stride as i32])?);
            let step = self.binary(&format!("{name}/step{i}"), BinaryKind::Mul, [coordinate, stride], None)?;
            flat = Some(match flat {
                Some(sum) => self.binary(&format!("{name}/sum{i}"), BinaryKind::Add, [sum, step], None)?,
                None => step,
            });
        }
        let flat = flat.ok_or_else(|| Error::invalid("no coordinates"))?;
        let kept = (0..shape.len() - 1).map(ReshapeDim::Copy).collect();
        let flat = self.add(&format!("{name}/index"), Reshape { dims: kept }, &[flat])?;
        let rows = std::iter::once(ReshapeDim::Infer).chain((depth..dims.len()).map(ReshapeDim::Copy)).collect();
        let rows = self.add(&format!("{name}/rows"), Reshape { dims: rows }, &[value])?;
        self.add(name, Gather { axis: 0 }, &[rows, flat])
    }

    /// The last axis divided by its Euclidean length.
    pub fn l2_normalize(&mut self, name: &str, value: ValueId) -> Result<ValueId> {
        let squares = self.add(&format!("{name}/squares"), Unary::Square, &[value])?;
        let sum = self.reduce(&format!("{name}/sum"), ReduceKind::Sum, squares, &[-1], true)?;
        let least = self.constant(&format!("{name}/least"), Tensor::scalar(1e-12));
        let sum = self.binary(&format!("{name}/above"), BinaryKind::Maximum, [sum, least], None)?;
        let scale = self.add(&format!("{name}/scale"), Unary::Rsqrt, &[sum])?;
        self.binary(name, BinaryKind::Mul, [value, scale], None)
    }
}
