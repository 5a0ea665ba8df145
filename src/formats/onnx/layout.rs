//! Operators that move elements: mostly they only change what the axes are called.

use super::values::{Handle, Order, Rule, axis_of, channels_last, needs_shapes, position};
use crate::error::{Error, Result};
use crate::ops::{Concat, Pad, PadMode, Reshape, ReshapeDim, Slice, SliceAxis};

/// Most elements of an axis that is padded with its other end.
const MAX_WRAPPED: i64 = 1 << 22;

impl Rule<'_, '_> {
    /// Permutes axes: nothing moves until somebody needs it.
    pub fn transpose(&mut self) -> Result<Handle> {
        let x = self.input(0)?;
        let rank = self.rank(x);
        let perm = match self.node.ints("perm")? {
            Some(perm) => perm.iter().map(|&axis| axis_of(axis, rank)).collect::<Result<Vec<_>>>()?,
            None => (0..rank).rev().collect(),
        };
        self.renamed(x, &perm)
    }

    /// Axis `i` of the result is axis `perm[i]` of the value.
    pub fn renamed(&mut self, x: Handle, perm: &[usize]) -> Result<Handle> {
        let rank = self.rank(x);
        let mut names = vec![None; rank];
        for (new, &old) in perm.iter().enumerate() {
            if let Some(name) = names.get_mut(old) {
                *name = Some(new);
            }
        }
        let names = names.into_iter().collect::<Option<Vec<usize>>>().filter(|_| perm.len() == rank);
        let names = names.ok_or_else(|| {
            Error::mismatch("not a permutation of the axes", format!("0..{rank}"), format!("{perm:?}"))
        })?;
        let (order, id) = self.stored(x)?;
        let order = order.into_iter().map(|axis| names[axis]).collect();
        Ok(self.made(self.element(x), order, id))
    }

    /// Drops axes of size 1.
    pub fn drop_axes(&mut self, x: Handle, axes: &[usize], part: &str) -> Result<Handle> {
        let dims = self.dims(x);
        if let Some(&axis) = axes.iter().find(|&&axis| dims[axis] != [1, 1]) {
            return Err(Error::mismatch(format!("cannot drop axis {axis}"), 1, dims[axis][0]));
        }
        let (order, id) = self.stored(x)?;
        let kept: Vec<usize> = (0..order.len()).filter(|&i| !axes.contains(&order[i])).collect();
        let name = |axis: usize| axis - axes.iter().filter(|&&dropped| dropped < axis).count();
        let renamed: Order = kept.iter().map(|&i| name(order[i])).collect();
        let id = self.push(part, Reshape { dims: kept.into_iter().map(ReshapeDim::Copy).collect() }, &[id])?;
        Ok(self.made(self.element(x), renamed, id))
    }

    /// Inserts axes of size 1 where the result has them; ascending, each once.
    pub fn insert_axes(&mut self, x: Handle, axes: &[usize], part: &str) -> Result<Handle> {
        let (order, id) = self.stored(x)?;
        let rank = order.len() + axes.len();
        if axes.iter().any(|&axis| axis >= rank) || axes.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(Error::invalid(format!("axes {axes:?} for {rank} dimensions")));
        }
        let names: Vec<usize> = (0..rank).filter(|axis| !axes.contains(axis)).collect();
        let mut stored: Vec<(usize, ReshapeDim)> =
            order.iter().enumerate().map(|(i, &axis)| (names[axis], ReshapeDim::Copy(i))).collect();
        for &axis in axes {
            // Before the axis that follows it, or else behind the one that it follows.
            let following = stored.iter().filter(|(a, _)| *a > axis).map(|(a, _)| *a).min();
            let at = match following {
                Some(next) => stored.iter().position(|(a, _)| *a == next).unwrap_or(0),
                None => stored.iter().enumerate().max_by_key(|(_, (a, _))| *a).map_or(0, |(i, _)| i + 1),
            };
            stored.insert(at, (axis, ReshapeDim::Size(1)));
        }
        let id = self.push(part, Reshape { dims: stored.iter().map(|(_, dim)| *dim).collect() }, &[id])?;
        Ok(self.made(self.element(x), stored.into_iter().map(|(axis, _)| axis).collect(), id))
    }

    /// The axes of an operand, or of an attribute before version 13.
    pub fn axes(&mut self, operand: usize) -> Result<Option<Vec<i64>>> {
        match self.optional(operand) {
            Some(axes) => self.ints(axes, "axes").map(Some),
            None => self.node.ints("axes"),
        }
    }

    /// Drops axes of size 1: those named, or all.
    pub fn squeeze(&mut self) -> Result<Handle> {
        let x = self.input(0)?;
        let dims = self.dims(x);
        let axes = match self.axes(1)? {
            Some(axes) => axes.iter().map(|&axis| axis_of(axis, dims.len())).collect::<Result<Vec<_>>>()?,
            None => (0..dims.len()).filter(|&axis| dims[axis] == [1, 1]).collect(),
        };
        self.drop_axes(x, &axes, "")
    }

    /// Inserts axes of size 1.
    pub fn unsqueeze(&mut self) -> Result<Handle> {
        let x = self.input(0)?;
        let axes = self.axes(1)?.ok_or_else(|| Error::invalid("Unsqueeze without axes"))?;
        let rank = self.rank(x) + axes.len();
        let mut axes = axes.iter().map(|&axis| axis_of(axis, rank)).collect::<Result<Vec<_>>>()?;
        axes.sort_unstable();
        self.insert_axes(x, &axes, "")
    }

    /// Joins values along an axis.
    pub fn concat(&mut self) -> Result<Handle> {
        let values = self.all()?;
        let first = self.input(0)?;
        let axis = self.int("axis", 1)?;
        let axis = self.axis(first, axis)?;
        if values.len() == 1 {
            return Ok(first);
        }
        let order = self.common_order(&values)?;
        if values.iter().any(|&v| self.rank(v) != order.len()) {
            return Err(Error::mismatch("all operands need the rank of the first", order.len(), "others"));
        }
        let ids = values.iter().map(|&v| self.form(v, &order)).collect::<Result<Vec<_>>>()?;
        let id = self.push("", Concat { axis: position(&order, axis) as isize }, &ids)?;
        Ok(self.made(self.element(first), order, id))
    }

    /// Cuts an axis into pieces.
    pub fn split(&mut self) -> Result<Vec<Handle>> {
        let x = self.input(0)?;
        let axis = self.axis(x, self.int("axis", 0)?)?;
        let n = self.dims(x)[axis];
        let sizes = match self.optional(1) {
            Some(sizes) => Some(self.ints(sizes, "split")?),
            None => self.node.ints("split")?,
        };
        if n[0] != n[1] {
            return Err(needs_shapes("the axis of a split"));
        }
        let count = self.int("num_outputs", self.node.outputs.len() as i64)?;
        let sizes = match sizes {
            Some(sizes) => sizes,
            None if (1..=4096).contains(&count) => {
                // The last piece is the smaller one.
                let size = (n[0] as i64 + count - 1) / count;
                (0..count).map(|i| (n[0] as i64 - i * size).clamp(0, size)).collect()
            }
            None => return Err(Error::invalid(format!("a split into {count} pieces"))),
        };
        if sizes.iter().any(|&size| size < 0) {
            return Err(Error::invalid("a piece of a negative size"));
        }
        let (order, id) = self.stored(x)?;
        let at = position(&order, axis) as i64;
        let pieces = self.importer.lowering.split(self.name, id, at, &sizes)?;
        let element = self.element(x);
        Ok(pieces.into_iter().map(|id| self.made(element, order.clone(), id)).collect())
    }

    /// Ranges of some axes.
    pub fn slice(&mut self) -> Result<Handle> {
        let x = self.input(0)?;
        let dims = self.dims(x);
        let (starts, ends) = match (self.optional(1), self.optional(2)) {
            (Some(starts), Some(ends)) => (self.ints(starts, "starts")?, self.sizes(ends, "ends")?),
            _ => {
                let list =
                    |name: &str| self.node.ints(name)?.ok_or_else(|| Error::invalid(format!("a slice without {name}")));
                (list("starts")?, list("ends")?.into_iter().map(|end| [end; 2]).collect())
            }
        };
        let axes = match self.axes(3)? {
            Some(axes) => axes.iter().map(|&axis| axis_of(axis, dims.len())).collect::<Result<Vec<_>>>()?,
            None => (0..starts.len()).collect(),
        };
        let steps = match self.optional(4) {
            Some(steps) => self.ints(steps, "steps")?,
            None => vec![1; starts.len()],
        };
        if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
            return Err(Error::mismatch(
                "starts, ends, axes and steps must be of one length",
                starts.len(),
                ends.len(),
            ));
        }
        let (order, id) = self.stored(x)?;
        let mut ranges = vec![SliceAxis::ALL; order.len()];
        for (i, &axis) in axes.iter().enumerate() {
            let size = dims.get(axis).ok_or_else(|| Error::invalid(format!("a slice of axis {axis}")))?;
            let end = match ends[i] {
                [a, b] if a == b => Some(a as isize),
                // An open end that is the dimension itself.
                open if open == size.map(|n| n as i64) && steps[i] > 0 => None,
                _ => return Err(needs_shapes("a slice's end")),
            };
            let start = Some(starts[i] as isize);
            ranges[position(&order, axis)] = SliceAxis { start, end, step: steps[i] as isize };
        }
        let id = self.push("", Slice { axes: ranges }, &[id])?;
        Ok(self.made(self.element(x), order, id))
    }

    /// Adds elements at the ends of axes, or takes some away.
    pub fn pad(&mut self) -> Result<Handle> {
        let x = self.input(0)?;
        let pads = match self.optional(1) {
            Some(pads) => self.ints(pads, "pads")?,
            None => self.node.ints("pads")?.ok_or_else(|| Error::invalid("Pad without pads"))?,
        };
        let rank = self.rank(x);
        let axes = match self.optional(3) {
            Some(axes) => {
                let axes = self.ints(axes, "axes")?;
                axes.iter().map(|&axis| axis_of(axis, rank)).collect::<Result<Vec<_>>>()?
            }
            None => (0..rank).collect(),
        };
        if pads.len() != 2 * axes.len() {
            return Err(Error::mismatch("two pads for every axis", 2 * axes.len(), pads.len()));
        }
        let value = match self.optional(2) {
            Some(value) => self.only(value, "constant_value")? as f32,
            None => self.float("value", 0.0)?,
        };
        let mode = match self.node.text("mode")?.unwrap_or("constant") {
            "wrap" => return self.wrapped(x, &axes, &pads),
            "constant" => PadMode::Constant(value),
            "reflect" => PadMode::Reflect,
            "edge" => PadMode::Edge,
            other => return Err(Error::unsupported(format!("padding of mode {other:?}"))),
        };
        let (order, mut id) = self.stored(x)?;
        let (mut before, mut cut) = (vec![[0usize; 2]; rank], vec![SliceAxis::ALL; rank]);
        for (i, &axis) in axes.iter().enumerate() {
            let (at, [low, high]) = (position(&order, axis), [pads[i], pads[axes.len() + i]]);
            before[at] = [low.max(0) as usize, high.max(0) as usize];
            if low < 0 {
                cut[at].start = Some(low.unsigned_abs() as isize);
            }
            if high < 0 {
                cut[at].end = Some(high as isize);
            }
        }
        let cuts = cut.iter().any(|axis| *axis != SliceAxis::ALL);
        if cuts {
            id = self.push("cropped", Slice { axes: cut }, &[id])?;
        }
        let id = self.push("", Pad { pads: before, mode }, &[id])?;
        Ok(self.made(self.element(x), order, id))
    }

    /// Axes that go on with their other end.
    fn wrapped(&mut self, x: Handle, axes: &[usize], pads: &[i64]) -> Result<Handle> {
        let dims = self.dims(x);
        let mut value = x;
        for (i, &axis) in axes.iter().enumerate() {
            let (before, after) = (pads[i], pads[axes.len() + i]);
            if before == 0 && after == 0 {
                continue;
            }
            let [n, other] = dims[axis];
            if n != other {
                return Err(needs_shapes("an axis that is padded with its other end"));
            }
            let count = (before.saturating_add(after)).saturating_add(n as i64);
            if n == 0 || !(0..=MAX_WRAPPED).contains(&count) {
                return Err(Error::invalid(format!("an axis of {n} wrapped to {count}")));
            }
            let indices: Vec<i32> = (0..count).map(|at| (at - before).rem_euclid(n as i64) as i32).collect();
            value = self.pick_along(value, axis, &indices, &format!("axis{axis}"))?;
        }
        Ok(value)
    }

    /// Channels into space. `DCR`: the channel is `(dy * block + dx) * depth + d`; `CRD`: `(d * block + dy) * block + dx`.
    pub fn depth_to_space(&mut self) -> Result<Handle> {
        let x = self.input(0)?;
        let block = self.int("blocksize", 0)?;
        if self.rank(x) != 4 {
            return Err(Error::mismatch("DepthToSpace needs images", "4 dimensions", self.rank(x)));
        }
        let order = channels_last(4);
        let id = self.form(x, &order)?;
        let id = match self.node.text("mode")?.unwrap_or("DCR") {
            "DCR" => self.importer.lowering.depth_to_space(self.name, id, block)?,
            "CRD" => {
                let dims = self.dims(x).into_iter().map(|d| d.map(|n| n as i64)).collect::<Vec<_>>();
                let [n, c, h, w] = dims[..] else { return Err(Error::invalid("not an image")) };
                if !(1..=1 << 10).contains(&block) || c[0] % (block * block) != 0 {
                    return Err(Error::mismatch(format!("no whole blocks of {block}"), "channels that divide", c[0]));
                }
                let (b, depth) = ([block; 2], c.map(|c| c / (block * block)));
                let (blocks, moved) = (self.part("blocks"), self.part("transposed"));
                let lowering = &mut self.importer.lowering;
                let split = lowering.reshape(&blocks, id, &[n, h, w, depth, b, b])?;
                let moved = lowering.transpose(&moved, split, &[0, 1, 4, 2, 5, 3])?;
                lowering.reshape(self.name, moved, &[n, h.map(|h| h * block), w.map(|w| w * block), depth])?
            }
            other => return Err(Error::invalid(format!("DepthToSpace of mode {other:?}"))),
        };
        Ok(self.made(self.element(x), order, id))
    }

    /// Space into channels.
    pub fn space_to_depth(&mut self) -> Result<Handle> {
        let x = self.input(0)?;
        let block = self.int("blocksize", 0)?;
        if self.rank(x) != 4 {
            return Err(Error::mismatch("SpaceToDepth needs images", "4 dimensions", self.rank(x)));
        }
        let order = channels_last(4);
        let id = self.form(x, &order)?;
        let id = self.importer.lowering.space_to_depth(self.name, id, block)?;
        Ok(self.made(self.element(x), order, id))
    }

    /// Crops or pads around the middle to given sizes.
    pub fn center_crop_pad(&mut self) -> Result<Handle> {
        let (x, shape) = (self.input(0)?, self.input(1)?);
        let (dims, target) = (self.fixed_dims(x, "CenterCropPad")?, self.ints(shape, "shape")?);
        let axes = match self.node.ints("axes")? {
            Some(axes) => axes.iter().map(|&axis| axis_of(axis, dims.len())).collect::<Result<Vec<_>>>()?,
            None => (0..dims.len()).collect(),
        };
        if axes.len() != target.len() {
            return Err(Error::mismatch("a size for every axis", axes.len(), target.len()));
        }
        let (order, mut id) = self.stored(x)?;
        let (mut cut, mut pads) = (vec![SliceAxis::ALL; dims.len()], vec![[0; 2]; dims.len()]);
        for (&axis, &target) in axes.iter().zip(&target) {
            let target = usize::try_from(target).map_err(|_| Error::invalid(format!("a size of {target}")))?;
            let (n, at) = (dims[axis], position(&order, axis));
            if n > target {
                let start = (n - target) / 2;
                cut[at] = SliceAxis::range(start, start + target);
            } else {
                let before = (target - n) / 2;
                pads[at] = [before, target - n - before];
            }
        }
        id = self.push("cropped", Slice { axes: cut }, &[id])?;
        let id = self.push("", Pad { pads, mode: PadMode::Constant(0.0) }, &[id])?;
        Ok(self.made(self.element(x), order, id))
    }
}
