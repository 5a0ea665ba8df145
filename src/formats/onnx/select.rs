//! Picking elements: by condition, by index, by value.

use super::tensor::Element;
use super::values::{Handle, Rule, axis_of, plain, position};
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::ops::{
    ArgMax, Binary, BinaryKind, Cast, Gather, NonMaxSuppression, Reshape, ReshapeDim, Slice, SliceAxis, TopK, Unary,
};
use crate::tensor::{DType, Tensor};

/// Most indices of a constant made here.
const MAX_INDICES: usize = 1 << 22;

impl Rule<'_, '_> {
    /// `x` where `condition`, else `y`; all three broadcast.
    pub fn select(&mut self, part: &str, condition: ValueId, x: ValueId, y: ValueId) -> Result<ValueId> {
        let dtype = self.importer.lowering.dtype(x);
        if dtype == DType::F32 {
            // max(min(x, m), min(y, -m)) with m infinite of the right sign: exact, and infinities pass.
            let mask = self.push("mask", Cast { to: DType::F32 }, &[condition])?;
            let [two, one, infinity] =
                [("two", 2.0), ("one", 1.0), ("infinity", f32::INFINITY)].map(|(name, v)| self.scalar(name, v));
            let mask = self.push("mask/2", Binary::new(BinaryKind::Mul), &[mask, two])?;
            let mask = self.push("mask/sign", Binary::new(BinaryKind::Sub), &[mask, one])?;
            let mask = self.push("bound", Binary::new(BinaryKind::Mul), &[mask, infinity])?;
            let other = self.push("bound/other", Unary::Neg, &[mask])?;
            let x = self.push("x", Binary::new(BinaryKind::Minimum), &[x, mask])?;
            let y = self.push("y", Binary::new(BinaryKind::Minimum), &[y, other])?;
            return self.push(part, Binary::new(BinaryKind::Maximum), &[x, y]);
        }
        // Whole numbers wrap around and come back.
        let number = |rule: &mut Self, part, id| match dtype {
            DType::U8 => rule.push(part, Cast { to: DType::I32 }, &[id]),
            _ => Ok(id),
        };
        let mask = self.push("mask", Cast { to: DType::I32 }, &[condition])?;
        let (x, y) = (number(self, "x", x)?, number(self, "y", y)?);
        let step = self.push("step", Binary::new(BinaryKind::Sub), &[x, y])?;
        let step = self.push("taken", Binary::new(BinaryKind::Mul), &[step, mask])?;
        let name = if dtype == DType::U8 { "number" } else { part };
        let result = self.push(name, Binary::new(BinaryKind::Add), &[y, step])?;
        if dtype == DType::U8 { self.push(part, Cast { to: dtype }, &[result]) } else { Ok(result) }
    }

    /// `ArgMax` and `ArgMin`.
    pub fn arg_max(&mut self) -> Result<Handle> {
        let x = self.input(0)?;
        let axis = self.axis(x, self.int("axis", 0)?)?;
        let keep = self.int("keepdims", 1)? != 0;
        let last = self.flag("select_last_index")?;
        let n = self.dims(x)[axis];
        if n[0] != n[1] {
            return Err(super::values::needs_shapes("the axis of an arg-max"));
        }
        let (order, _) = self.stored(x)?;
        let mut id = self.float_form(x, &order)?;
        if self.element(x).storage() == DType::I32 {
            return Err(Error::unsupported("an arg-max of 32-bit integers"));
        }
        let at = position(&order, axis);
        if self.node.op == "ArgMin" {
            id = self.push("negated", Unary::Neg, &[id])?;
        }
        if last {
            let mut axes = vec![SliceAxis::ALL; order.len()];
            axes[at].step = -1;
            id = self.push("reversed", Slice { axes }, &[id])?;
        }
        let name = if last { "index" } else { "" };
        id = self.push(name, ArgMax { axis: at as isize, keep_dims: true }, &[id])?;
        if last {
            let end = self.number("end", Element::I32, n[0] as f64 - 1.0)?;
            let end = self.plain(end)?;
            id = self.push("", Binary::new(BinaryKind::Sub), &[end, id])?;
        }
        let kept = self.made(Element::I64, order, id);
        if keep { Ok(kept) } else { self.drop_axes(kept, &[axis], "dropped") }
    }

    /// The largest or smallest elements of an axis and their indices.
    pub fn top_k(&mut self) -> Result<Vec<Handle>> {
        let x = self.input(0)?;
        let k = match self.optional(1) {
            Some(k) => self.only(k, "K")?,
            None => self.int("k", 0)? as f64,
        };
        if !(0.0..2e9).contains(&k) {
            return Err(Error::invalid(format!("top-k with k = {k}")));
        }
        if self.element(x).storage() != DType::F32 {
            return Err(Error::unsupported("top-k of 32-bit integers"));
        }
        let axis = self.axis(x, self.int("axis", -1)?)?;
        let (made, _) = self.stored(x)?;
        let order: Vec<_> = made.into_iter().filter(|&a| a != axis).chain([axis]).collect();
        let mut id = self.form(x, &order)?;
        let smallest = self.int("largest", 1)? == 0;
        if smallest {
            id = self.push("negated", Unary::Neg, &[id])?;
        }
        let results = self.importer.lowering.push(self.name, TopK { k: k as usize }, &[id])?;
        let mut values = results[0];
        if smallest {
            values = self.push("values", Unary::Neg, &[values])?;
        }
        let element = self.element(x);
        Ok(vec![self.made(element, order.clone(), values), self.made(Element::I64, order, results[1])])
    }

    /// The boxes that stay: rows of batch, class and box, with -1 in those that are left over ([`crate::graph::Graph::trimmed`]
    /// cuts them off where they are an output).
    pub fn suppress(&mut self) -> Result<Handle> {
        let (boxes, scores) = (self.input(0)?, self.input(1)?);
        let number = |rule: &mut Self, i: usize, what: &str, default: f64| match rule.optional(i) {
            Some(value) => rule.only(value, what),
            None => Ok(default),
        };
        let most = number(self, 2, "max_output_boxes_per_class", 0.0)?;
        let op = NonMaxSuppression {
            max_output: most.max(0.0) as usize,
            iou_threshold: number(self, 3, "iou_threshold", 0.0)? as f32,
            score_threshold: number(self, 4, "score_threshold", f64::NEG_INFINITY)? as f32,
            soft_sigma: 0.0,
            centred: self.flag("center_point_box")?,
        };
        let operands = [self.plain(boxes)?, self.plain(scores)?];
        let table = self.importer.lowering.push(self.name, op, &operands)?[0];
        Ok(self.made(Element::I64, plain(2), table))
    }

    /// Indices that may count from the end, as ones from the start.
    fn natural(&mut self, part: &str, indices: Handle, n: [usize; 2], what: &str) -> Result<Handle> {
        if self.importer.is_constant(indices) && self.numbers(indices, "indices")?.iter().all(|&i| i >= 0.0) {
            return Ok(indices);
        }
        if n[0] != n[1] {
            return Err(super::values::needs_shapes(what));
        }
        let size = self.number(&format!("{part}/size"), self.element(indices), n[0] as f64)?;
        self.arithmetic(part, BinaryKind::FloorMod, indices, size)
    }

    /// Slices along an axis.
    pub fn gather(&mut self) -> Result<Handle> {
        let (x, indices) = (self.input(0)?, self.input(1)?);
        let axis = self.axis(x, self.int("axis", 0)?)?;
        let element = self.element(x);
        let id = self.plain(x)?;
        // Dimensions that are open: the index must be known, and counts from the end of a shape.
        let indices = self.natural("index", indices, self.dims(x)[axis], "a gather")?;
        let at = self.plain(indices)?;
        let id = self.push("", Gather { axis: axis as isize }, &[id, at])?;
        let rank = self.importer.lowering.shape(id).rank();
        Ok(self.made(element, plain(rank), id))
    }

    /// Elements at positions computed from indices: `sum of index x stride`, in a flat tensor.
    fn gather_flat(&mut self, x: Handle, flat: ValueId) -> Result<Handle> {
        let (element, id) = (self.element(x), self.plain(x)?);
        let all = self.push("elements", Reshape { dims: vec![ReshapeDim::Infer] }, &[id])?;
        let id = self.push("", Gather { axis: 0 }, &[all, flat])?;
        let rank = self.importer.lowering.shape(id).rank();
        Ok(self.made(element, plain(rank), id))
    }

    /// Along one axis the element that an index of the result's shape says.
    pub fn gather_elements(&mut self) -> Result<Handle> {
        let (x, indices) = (self.input(0)?, self.input(1)?);
        let axis = self.axis(x, self.int("axis", 0)?)?;
        let (dims, shape) = (self.fixed_dims(x, "a gather")?, self.fixed_dims(indices, "a gather")?);
        if dims.len() != shape.len() || shape.iter().zip(&dims).enumerate().any(|(i, (s, d))| i != axis && s > d) {
            return Err(Error::mismatch("the indices do not fit", format!("{dims:?}"), format!("{shape:?}")));
        }
        let count: usize = shape.iter().product();
        if count > MAX_INDICES {
            return Err(Error::resource("a gather of too many elements"));
        }
        let stride = |list: &[usize], i: usize| list[i + 1..].iter().product::<usize>();
        let base = (0..count).map(|at| {
            let place = |i: usize| at / stride(&shape, i) % shape[i] * stride(&dims, i);
            (0..dims.len()).filter(|&i| i != axis).map(place).sum::<usize>() as i32
        });
        let base = Tensor::i32(shape.clone(), base.collect::<Vec<_>>())?;
        self.importer.lowering.spend(4 * count)?;
        let base = self.constant("base", base);
        let indices = self.natural("index", indices, [dims[axis]; 2], "a gather")?;
        let indices = self.plain(indices)?;
        let step = self.number("stride", Element::I32, stride(&dims, axis) as f64)?;
        let step = self.plain(step)?;
        let flat = self.push("steps", Binary::new(BinaryKind::Mul), &[indices, step])?;
        let flat = self.push("flat", Binary::new(BinaryKind::Add), &[flat, base])?;
        self.gather_flat(x, flat)
    }

    /// Slices at positions whose coordinates are the last axis of the indices.
    pub fn gather_nd(&mut self) -> Result<Handle> {
        let (x, indices) = (self.input(0)?, self.input(1)?);
        let (dims, shape) = (self.fixed_dims(x, "a gather")?, self.fixed_dims(indices, "a gather")?);
        let depth = shape.last().copied().unwrap_or(0);
        // Leading axes that both share: every entry of the batch has indices of its own.
        let batch = self.int("batch_dims", 0)?.clamp(0, 1 << 10) as usize;
        let shares = batch < shape.len() && batch < dims.len() && dims[..batch] == shape[..batch];
        if depth == 0 || !shares || depth > dims.len() - batch {
            return Err(Error::mismatch("the indices do not fit", format!("{dims:?}"), format!("{shape:?}")));
        }
        let all = self.plain(indices)?;
        let mut flat: Option<ValueId> = None;
        if batch > 0 {
            let (entries, size) =
                (dims[..batch].iter().product(), dims[batch..batch + depth].iter().product::<usize>());
            self.importer.lowering.spend(4 * entries)?;
            let first: Vec<i32> = (0..entries).map(|entry: usize| (entry * size) as i32).collect();
            let mut axes = dims[..batch].to_vec();
            axes.resize(shape.len(), 1);
            flat = Some(self.constant("batch", Tensor::i32(axes, first)?));
        }
        for (i, &n) in dims[batch..batch + depth].iter().enumerate() {
            let mut axes = vec![SliceAxis::ALL; shape.len()];
            axes[shape.len() - 1] = SliceAxis::range(i, i + 1);
            let coordinate = self.push(&format!("coordinate{i}"), Slice { axes }, &[all])?;
            let size = self.constant("size", Tensor::i32([1], vec![n as i32])?);
            let coordinate = self.push(&format!("index{i}"), Binary::new(BinaryKind::FloorMod), &[coordinate, size])?;
            let stride: usize = dims[batch + i + 1..batch + depth].iter().product();
            let stride = self.constant("stride", Tensor::i32([1], vec![stride as i32])?);
            let step = self.push(&format!("step{i}"), Binary::new(BinaryKind::Mul), &[coordinate, stride])?;
            flat = Some(match flat {
                Some(sum) => self.push(&format!("sum{i}"), Binary::new(BinaryKind::Add), &[sum, step])?,
                None => step,
            });
        }
        let flat = flat.ok_or_else(|| Error::invalid("no coordinates"))?;
        let kept = (0..shape.len() - 1).map(ReshapeDim::Copy).collect();
        let flat = self.push("flat", Reshape { dims: kept }, &[flat])?;
        // Rows of what the coordinates leave over.
        let (element, id) = (self.element(x), self.plain(x)?);
        let rows: Vec<_> =
            std::iter::once(ReshapeDim::Infer).chain((batch + depth..dims.len()).map(ReshapeDim::Copy)).collect();
        let rows = self.push("rows", Reshape { dims: rows }, &[id])?;
        let id = self.push("", Gather { axis: 0 }, &[rows, flat])?;
        let rank = self.importer.lowering.shape(id).rank();
        Ok(self.made(element, plain(rank), id))
    }

    /// `off` everywhere but at the index, where `on` stands.
    pub fn one_hot(&mut self) -> Result<Handle> {
        let (indices, depth, values) = (self.input(0)?, self.input(1)?, self.input(2)?);
        let depth = self.only(depth, "depth")?;
        if !(1.0..1e6).contains(&depth) {
            return Err(Error::invalid(format!("one-hot of depth {depth}")));
        }
        let rank = self.rank(indices);
        let axis = axis_of(self.int("axis", -1)?, rank + 1)?;
        let element = self.element(values);
        let whole = self.convert(indices, Element::I32)?;
        let whole = self.natural("index", whole, [depth as usize; 2], "one-hot")?;
        let whole = self.insert_axes(whole, &[axis], "indices")?;
        let mut shape = vec![1; rank + 1];
        shape[axis] = depth as usize;
        let places = self.constant("places", Tensor::i32(shape, (0..depth as i32).collect::<Vec<_>>())?);
        let id = self.plain(whole)?;
        let hit = self.push("hit", Binary::new(BinaryKind::Equal), &[id, places])?;
        let values = self.plain(values)?;
        let [off, on] = [(0, "off"), (1, "on")].map(|(i, part)| {
            let one = self.push(part, Slice { axes: vec![SliceAxis::range(i, i + 1)] }, &[values])?;
            self.push(part, Reshape { dims: Vec::new() }, &[one])
        });
        let id = self.select("", hit, on?, off?)?;
        Ok(self.made(element, plain(rank + 1), id))
    }

    /// The upper or lower triangle of matrices, zeros elsewhere.
    pub fn triangle(&mut self) -> Result<Handle> {
        let x = self.input(0)?;
        let diagonal = match self.optional(1) {
            Some(k) => self.only(k, "k")?,
            None => 0.0,
        };
        let upper = self.int("upper", 1)? != 0;
        let [.., [rows, open_rows], [columns, open_columns]] = self.dims(x)[..] else {
            return Err(Error::mismatch("a triangle of matrices", "2 dimensions or more", self.rank(x)));
        };
        if rows != open_rows || columns != open_columns {
            return Err(super::values::needs_shapes("a triangle"));
        }
        self.importer.lowering.spend(rows.saturating_mul(columns))?;
        let keeps = |i: usize| {
            let above = (i % columns) as f64 - (i / columns) as f64;
            if upper { above >= diagonal } else { above <= diagonal }
        };
        let mask: Vec<u8> = (0..rows * columns).map(|i| keeps(i) as u8).collect();
        let mask = self.constant("triangle", Tensor::u8([rows, columns], mask)?);
        let (element, id) = (self.element(x), self.plain(x)?);
        let zero = self.number("zero", element, 0.0)?;
        let zero = self.plain(zero)?;
        let id = self.select("", mask, id, zero)?;
        Ok(self.made(element, plain(self.rank(x)), id))
    }

    /// One at the largest element of an axis, zero elsewhere.
    pub fn hardmax(&mut self) -> Result<Handle> {
        let x = self.input(0)?;
        if self.importer.opset < 13 {
            return Err(Error::unsupported("Hardmax before version 13"));
        }
        let axis = self.axis(x, self.int("axis", -1)?)?;
        let n = self.fixed_dims(x, "Hardmax")?[axis];
        let (order, id) = self.stored(x)?;
        let at = position(&order, axis);
        let best = self.push("best", ArgMax { axis: at as isize, keep_dims: true }, &[id])?;
        let mut shape = vec![1; order.len()];
        shape[at] = n;
        self.importer.lowering.spend(4 * n)?;
        let places = self.constant("places", Tensor::i32(shape, (0..n as i32).collect::<Vec<_>>())?);
        let hit = self.push("hit", Binary::new(BinaryKind::Equal), &[best, places])?;
        let id = self.push("", Cast { to: DType::F32 }, &[hit])?;
        Ok(self.made(self.element(x), order, id))
    }
}
