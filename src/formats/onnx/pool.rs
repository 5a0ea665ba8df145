//! Pooling over one, two and three axes.

use super::conv::{Window, fixed};
use super::values::{Handle, Rule, channels_last, needs_shapes, position};
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::ops::{Binary, BinaryKind, Pad, PadMode, Pool2d, PoolKind, Reduce, ReduceKind, Reshape, ReshapeDim, Unary};
use crate::shape::Padding;

impl Rule<'_, '_> {
    /// `MaxPool`, `AveragePool`, `LpPool`.
    pub fn pool(&mut self) -> Result<Handle> {
        let x = self.input(0)?;
        let element = self.element(x);
        if element.storage() != crate::tensor::DType::F32 {
            return Err(Error::unsupported("pooling of 32-bit integers"));
        }
        if self.int("storage_order", 0)? != 0 && self.node.outputs.len() > 1 {
            return Err(Error::unsupported("storage_order, which is about the indices of the maxima"));
        }
        let dims = self.dims(x);
        if dims.len() < 3 {
            return Err(Error::mismatch("pooling needs images", "3 to 5 dimensions", dims.len()));
        }
        let order = channels_last(dims.len());
        let mut window = self.window(&dims[2..], None)?;
        let mut id = self.form(x, &order)?;
        let counts_padding = self.flag("count_include_pad")?;
        // What rounding the output's size up adds behind the padding: never counted.
        let mut beyond = vec![0; window.kernel.len()];
        if self.flag("ceil_mode")? {
            for (axis, beyond) in beyond.iter_mut().enumerate() {
                let ([n, other], stride) = (dims[axis + 2], window.strides[axis]);
                if stride == 1 {
                    continue;
                }
                if n != other {
                    return Err(needs_shapes("ceil_mode"));
                }
                let ([before, after], extent) = (window.pads[axis], window.extent(axis));
                let padded = n + before + after;
                if padded < extent {
                    return Err(Error::mismatch("the window is larger than the padded input", extent, padded));
                }
                let mut output = (padded - extent).div_ceil(stride) + 1;
                // A window must not begin behind the last pixel.
                if (output - 1) * stride >= n + before {
                    output -= 1;
                }
                *beyond = ((output - 1) * stride + extent).saturating_sub(padded);
            }
        }
        let extends = beyond.iter().any(|&n| n > 0);
        let kind = match self.node.op {
            "MaxPool" => PoolKind::Max,
            "LpPool" => PoolKind::Average { include_padding: true },
            _ if counts_padding && extends => {
                // Padding that counts becomes pixels; what is beyond it does not count.
                let mut pads = vec![[0; 2]; dims.len()];
                pads[1..=window.pads.len()].copy_from_slice(&window.pads);
                id = self.push("padded", Pad { pads, mode: PadMode::Constant(0.0) }, &[id])?;
                window.pads.iter_mut().for_each(|pads| *pads = [0; 2]);
                PoolKind::Average { include_padding: false }
            }
            _ => PoolKind::Average { include_padding: counts_padding },
        };
        window.pads.iter_mut().zip(&beyond).for_each(|(pads, &more)| pads[1] += more);
        if self.node.op != "LpPool" {
            let id = self.pool_axes("", id, kind, &window)?;
            return Ok(self.made(element, order, id));
        }
        let p = self.int("p", 2)?;
        let powers = self.raised(id, p)?;
        let mean = self.pool_axes("mean", powers, kind, &window)?;
        let count = self.scalar("taps", window.kernel.iter().product::<usize>() as f32);
        let sum = self.push("sum", Binary::new(BinaryKind::Mul), &[mean, count])?;
        let id = self.root(sum, p)?;
        Ok(self.made(element, order, id))
    }

    /// `|x|^p`.
    fn raised(&mut self, id: ValueId, p: i64) -> Result<ValueId> {
        match p {
            2 => self.push("square", Unary::Square, &[id]),
            _ => {
                let id = self.push("abs", Unary::Abs, &[id])?;
                if p == 1 {
                    return Ok(id);
                }
                let p = self.scalar("p", p as f32);
                self.push("power", Binary::new(BinaryKind::Pow), &[id, p])
            }
        }
    }

    /// `x^(1 / p)`, the node's result.
    fn root(&mut self, id: ValueId, p: i64) -> Result<ValueId> {
        match p {
            2 => self.push("", Unary::Sqrt, &[id]),
            1 => Ok(id),
            _ => {
                let p = self.scalar("root", 1.0 / p as f32);
                self.push("", Binary::new(BinaryKind::Pow), &[id, p])
            }
        }
    }

    /// Pools storage `[batch, spatial..., channels]`; maxima and means of boxes can be taken axis by axis.
    fn pool_axes(&mut self, part: &str, id: ValueId, kind: PoolKind, window: &Window) -> Result<ValueId> {
        let plane = |axes: [usize; 2]| Pool2d {
            kind,
            kernel: axes.map(|a| window.kernel[a]),
            strides: axes.map(|a| window.strides[a]),
            dilations: axes.map(|a| window.dilations[a]),
            padding: window.padding(axes),
        };
        match window.kernel.len() {
            2 => self.push(part, plane([0, 1]), &[id]),
            1 => {
                let id = self.row(id, "row")?;
                let id = self.push("image", line(kind, window, 1), &[id])?;
                self.push(part, Reshape { dims: [0, 2, 3].map(ReshapeDim::Copy).to_vec() }, &[id])
            }
            _ => {
                let depth = fixed(self.importer.lowering.dims(id)[1], "the depth of a volume")?;
                let flat = self.fold_depth(id, "flat")?;
                let pooled = self.push("planes", plane([1, 2]), &[flat])?;
                let dims = self.importer.lowering.dims(pooled);
                let (h, w) = (fixed(dims[1], "the size of a volume")?, fixed(dims[2], "the size of a volume")?);
                let columns =
                    vec![ReshapeDim::Infer, ReshapeDim::Size(depth), ReshapeDim::Size(h * w), ReshapeDim::Copy(3)];
                let columns = self.push("columns", Reshape { dims: columns }, &[pooled])?;
                let id = self.push("depth", line(kind, window, 0), &[columns])?;
                let dims = [ReshapeDim::Copy(0), ReshapeDim::Copy(1), ReshapeDim::Size(h), ReshapeDim::Size(w)];
                let dims = dims.into_iter().chain([ReshapeDim::Copy(3)]).collect();
                self.push(part, Reshape { dims }, &[id])
            }
        }
    }

    /// Pooling over whole images.
    pub fn global_pool(&mut self) -> Result<Handle> {
        let x = self.input(0)?;
        let (order, id) = self.stored(x)?;
        if order.len() < 3 {
            return Err(Error::mismatch("pooling needs images", "3 dimensions or more", order.len()));
        }
        let axes: Vec<isize> = (2..order.len()).map(|axis| position(&order, axis) as isize).collect();
        let reduce = |kind| Reduce { kind, axes: axes.clone(), keep_dims: true };
        let id = match self.node.op {
            "GlobalAveragePool" => self.push("", reduce(ReduceKind::Mean), &[id])?,
            "GlobalMaxPool" => self.push("", reduce(ReduceKind::Max), &[id])?,
            _ => {
                let p = self.int("p", 2)?;
                let powers = self.raised(id, p)?;
                let sum = self.push("sum", reduce(ReduceKind::Sum), &[powers])?;
                self.root(sum, p)?
            }
        };
        Ok(self.made(self.element(x), order, id))
    }
}

/// Pooling along the first of an image's axes only (window axis 0), or along its second (the only axis of a row).
fn line(kind: PoolKind, window: &Window, axis: usize) -> Pool2d {
    // Index 0 of the window either way: the depth of a volume, the length of a row.
    let put = |value: usize, other: usize| if axis == 0 { [value, other] } else { [other, value] };
    let pads = window.pads[0];
    Pool2d {
        kind,
        kernel: put(window.kernel[0], 1),
        strides: put(window.strides[0], 1),
        dilations: put(window.dilations[0], 1),
        padding: Padding::Explicit(if axis == 0 { [pads, [0; 2]] } else { [[0; 2], pads] }),
    }
}
