//! What only moves elements.

use super::json::Json;
use super::pointwise::mixes;
use super::{Raiser, pairs, varies};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::ops::{Pad, PadMode, Reshape, ReshapeDim, Slice};

/// The axes in their new order, where a reshape does no more than move some of size 1.
pub(super) fn permutation(op: &Reshape) -> Option<Vec<usize>> {
    let copied = |dim: &ReshapeDim| if let ReshapeDim::Copy(axis) = dim { Some(*axis) } else { None };
    let perm = op.dims.iter().map(copied).collect::<Option<Vec<_>>>()?;
    let mut sorted = perm.clone();
    sorted.sort_unstable();
    sorted.into_iter().eq(0..perm.len()).then_some(perm)
}

fn whole(list: &[isize]) -> Json {
    Json::list(list.iter().map(|&n| n.into()))
}

impl Raiser<'_> {
    pub(super) fn concat(&mut self, node: &Node, axis: isize) -> Result<()> {
        if self.shape(node.outputs[0]).axis(axis)? == 0 {
            return Err(mixes());
        }
        if node.inputs.iter().all(|&v| varies(self.graph, v)) {
            let layer = self.layer(&node.name, "Concatenate", &[("axis", axis.into())], &node.inputs)?;
            self.gives(node.outputs[0], layer, &node.inputs, false);
            return Ok(());
        }
        self.simple(node, "concatenate", &[("axis", axis.into())])
    }

    pub(super) fn slice(&mut self, node: &Node, op: &Slice) -> Result<()> {
        let shape = self.shape(node.inputs[0]).clone();
        let (mut start, mut end, mut step) = (Vec::new(), Vec::new(), Vec::new());
        for (axis, range) in op.axes.iter().enumerate() {
            let (first, length) = range.resolve(shape[axis])?;
            let whole = axis == 0 && (first, length, range.step) == (0, shape[0], 1);
            if axis == 0 && !whole {
                return Err(mixes());
            }
            start.push(if whole { Json::null() } else { range.start.into() });
            end.push(if whole { Json::null() } else { range.end.into() });
            step.push(Json::from(range.step));
        }
        self.simple(
            node,
            "slice",
            &[("start", Json::list(start)), ("end", Json::list(end)), ("step", Json::list(step))],
        )
    }

    pub(super) fn pad(&mut self, node: &Node, op: &Pad) -> Result<()> {
        if op.pads.first() != Some(&[0, 0]) {
            return Err(mixes());
        }
        if let ([_, rows, columns, [0, 0]], PadMode::Constant(0.0)) = (&op.pads[..], &op.mode) {
            let padding = [("padding", pairs(&[*rows, *columns]))];
            let layer = self.layer(&node.name, "ZeroPadding2D", &padding, &node.inputs)?;
            self.gives(node.outputs[0], layer, &node.inputs, false);
            return Ok(());
        }
        let mode = match op.mode {
            PadMode::Constant(_) => "constant",
            PadMode::Reflect => "reflect",
            PadMode::Symmetric => "symmetric",
            PadMode::Edge => "edge",
        };
        let mut args = vec![("padding", pairs(&op.pads)), ("mode", mode.into())];
        if let PadMode::Constant(value) = op.mode {
            args.push(("value", Json::number(value)));
        }
        self.simple(node, "pad", &args)
    }

    pub(super) fn reshape(&mut self, node: &Node, op: &Reshape) -> Result<()> {
        let (x, y) = (node.inputs[0], node.outputs[0]);
        if let Some(perm) = permutation(op) {
            return self.transpose(node, &perm);
        }
        if !self.keeps_batch(x, y) || self.shape(y).rank() == 0 {
            return Err(mixes());
        }
        // The batch stays, and of the other sizes one may be left to be found.
        let dims = self.dims(y);
        let mut target = vec![0isize];
        for (axis, &dim) in op.dims.iter().enumerate().skip(1) {
            target.push(match dim {
                ReshapeDim::Copy(from) if from == axis => 0,
                _ => match dims[axis] {
                    Some(n) => isize::try_from(n).map_err(|_| Error::resource("the shape is too large"))?,
                    None => -1,
                },
            });
        }
        if target.iter().filter(|&&d| d == -1).count() > 1 {
            return Err(Error::unsupported("more than one size depends on the picture's"));
        }
        let rank = (self.shape(x).rank(), target.len());
        let (class, config) = match &target[1..] {
            _ if rank.1 == 2 && rank.0 > 2 => ("Flatten", vec![]),
            rest if !rest.contains(&0) => ("Reshape", vec![("target_shape", whole(rest))]),
            _ => return self.simple(node, "reshape", &[("shape", whole(&target))]),
        };
        let layer = self.layer(&node.name, class, &config, &[x])?;
        self.gives(y, layer, &[x], false);
        Ok(())
    }

    pub(super) fn transpose(&mut self, node: &Node, perm: &[usize]) -> Result<()> {
        if perm.first() != Some(&0) {
            return Err(mixes());
        }
        let layer = self.layer(&node.name, "Permute", &[("dims", Json::sizes(&perm[1..]))], &node.inputs)?;
        self.gives(node.outputs[0], layer, &node.inputs, false);
        Ok(())
    }

    pub(super) fn gather(&mut self, node: &Node, axis: isize) -> Result<()> {
        let (x, places) = (node.inputs[0], node.inputs[1]);
        if varies(self.graph, x) && self.shape(x).axis(axis)? == 0 {
            return Err(mixes());
        }
        let Some(indices) = self.constant(places) else {
            return self.simple(node, "gather", &[("axis", axis.into())]);
        };
        if indices.shape().rank() != 1 {
            return Err(Error::unsupported("a choice by a table of indices"));
        }
        let indices = Json::list(indices.as_i32()?.iter().map(|&i| Json::from(i as isize)));
        let (mut f, operands) = self.operands(&[x])?;
        let y = f.step("gather", &operands, &[("axis", axis.into()), ("indices", indices)]);
        self.finish(node, f, y);
        Ok(())
    }
}
