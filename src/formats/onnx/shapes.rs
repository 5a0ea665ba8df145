//! Operators about shapes, and constants that follow from them.

use super::tensor::Element;
use super::values::{Handle, Rule, needs_shapes, plain};
use crate::error::{Error, Result};
use crate::formats::lower::Guessed;
use crate::ops::Gather;
use crate::shape::Shape;
use crate::tensor::{DType, Tensor};

/// Longest sequence that `Range` may count.
const MAX_RANGE: usize = 1 << 20;

impl Rule<'_, '_> {
    /// Some dimensions of a value, as integers.
    pub fn shape(&mut self) -> Result<Handle> {
        let x = self.input(0)?;
        let dims = self.dims(x);
        let rank = dims.len() as i64;
        let place = |n: i64| (if n < 0 { n.saturating_add(rank) } else { n }).clamp(0, rank) as usize;
        let (start, end) = (place(self.int("start", 0)?), place(self.int("end", rank)?));
        let part = dims.get(start..end).unwrap_or_default();
        let numbers = part.iter().map(|pair| pair.map(|n| n as f64)).collect();
        let id = self.importer.lowering.known(self.name, DType::I32, Shape::from([part.len()]), numbers)?;
        Ok(self.made(Element::I64, plain(1), id))
    }

    /// The number of elements.
    pub fn size(&mut self) -> Result<Handle> {
        let x = self.input(0)?;
        let dims = self.dims(x);
        let count = [0, 1].map(|guess| dims.iter().map(|d| d[guess] as f64).product());
        let id = self.importer.lowering.known(self.name, DType::I32, Shape::scalar(), vec![count])?;
        Ok(self.made(Element::I64, Vec::new(), id))
    }

    /// The same elements under other dimensions.
    pub fn reshape(&mut self) -> Result<Handle> {
        let (x, shape) = (self.input(0)?, self.input(1)?);
        let mut target = self.sizes(shape, "shape")?;
        if self.int("allowzero", 0)? == 0 {
            let dims = self.dims(x);
            for (i, size) in target.iter_mut().enumerate() {
                if *size == [0, 0] {
                    let copied = dims.get(i).ok_or_else(|| Error::invalid(format!("no dimension {i} to copy")))?;
                    *size = copied.map(|n| n as i64);
                }
            }
        }
        self.importer.reshape(x, &target, self.name)
    }

    /// To a matrix: the axes before `axis`, and the rest.
    pub fn flatten(&mut self) -> Result<Handle> {
        let x = self.input(0)?;
        let rank = self.rank(x) as i64;
        let axis = self.int("axis", 1)?;
        let axis = if axis < 0 { axis + rank } else { axis };
        if !(0..=rank).contains(&axis) {
            return Err(Error::mismatch("axis out of range", format!("0..={rank}"), axis));
        }
        let dims = self.dims(x);
        let product = |part: &[Guessed<usize>]| [0, 1].map(|g| part.iter().map(|d| d[g] as i64).product::<i64>());
        let (outer, inner) = dims.split_at(axis as usize);
        let target = [product(outer), product(inner)];
        self.importer.reshape(x, &target, self.name)
    }

    /// A tensor of one value everywhere.
    pub fn constant_of_shape(&mut self) -> Result<Handle> {
        let shape = self.input(0)?;
        let (mut element, mut value) = (Element::F32, Tensor::scalar(0.0));
        if let Some(tensor) = self.node.tensor("value")? {
            (element, value) = (tensor.element()?, tensor.read(self.importer.external)?);
        }
        if value.shape().elements() != 1 {
            return Err(Error::invalid("the value must be one number"));
        }
        let id = self.constant("value", value);
        let value = self.importer.lowering.number(id, "value")?;
        let sizes = self.sizes(shape, "input")?;
        let rank = sizes.len();
        // A handful that depends on open dimensions can only be numbers of shape arithmetic: their count is fixed.
        let size = |&[a, b]: &Guessed<i64>| {
            let size = usize::try_from(a).map_err(|_| Error::invalid(format!("a dimension of {a}")))?;
            if a == b { Ok(size) } else { Err(needs_shapes("a constant's shape")) }
        };
        let dims = sizes.iter().map(size).collect::<Result<Shape>>()?;
        let id = self.importer.lowering.filled(self.name, dims, value, element.storage())?;
        Ok(self.made(element, plain(rank), id))
    }

    /// Numbers from `start` to before `limit`.
    pub fn range(&mut self) -> Result<Handle> {
        let (start, limit, delta) = (self.input(0)?, self.input(1)?, self.input(2)?);
        let element = self.element(start);
        let [start, limit, delta] =
            [self.only(start, "start")?, self.only(limit, "limit")?, self.only(delta, "delta")?];
        let count = ((limit - start) / delta).ceil();
        if delta == 0.0 || count.is_nan() || count > MAX_RANGE as f64 {
            return Err(Error::resource(format!("a range of {count} numbers")));
        }
        let count = count.max(0.0) as usize;
        self.importer.lowering.spend(4 * count)?;
        let numbers = (0..count).map(|i| start + i as f64 * delta);
        let tensor = match element.storage() {
            DType::F32 => Tensor::f32([count], numbers.map(|n| n as f32).collect::<Vec<_>>())?,
            _ => Tensor::i32([count], numbers.map(|n| n as i32).collect::<Vec<_>>())?,
        };
        Ok(self.constant_value(element, tensor))
    }

    /// `Constant` in its many spellings.
    pub fn constant_node(&mut self) -> Result<Handle> {
        if let Some(tensor) = self.node.tensor("value")? {
            return self.importer.add_file(tensor);
        }
        let floats = match self.node.has("value_float") {
            true => Some((Vec::new(), vec![self.float("value_float", 0.0)?])),
            false => self.node.floats("value_floats")?.map(|list| (vec![list.len()], list)),
        };
        if let Some((shape, list)) = floats {
            return Ok(self.constant_value(Element::F32, Tensor::f32(shape, list)?));
        }
        let ints = match self.node.has("value_int") {
            true => Some((Vec::new(), vec![self.int("value_int", 0)?])),
            false => self.node.ints("value_ints")?.map(|list| (vec![list.len()], list)),
        };
        if let Some((shape, list)) = ints {
            let list: Vec<i32> = list.iter().map(|&n| n.clamp(i32::MIN as i64, i32::MAX as i64) as i32).collect();
            return Ok(self.constant_value(Element::I64, Tensor::i32(shape, list)?));
        }
        Err(Error::unsupported("a constant that is neither a tensor nor numbers"))
    }

    /// Ones on a diagonal.
    pub fn eye_like(&mut self) -> Result<Handle> {
        let x = self.input(0)?;
        let element = match self.node.int("dtype")? {
            Some(code) => Element::parse(code)?,
            None => self.element(x),
        };
        let [rows, columns] = self.fixed_dims(x, "EyeLike")?[..] else {
            return Err(Error::mismatch("EyeLike needs a matrix", 2, self.rank(x)));
        };
        let k = self.int("k", 0)?;
        let count = Shape::checked([rows, columns])?.elements();
        self.importer.lowering.spend(4 * count)?;
        let one = |i: usize| ((i % columns) as i64 - (i / columns) as i64 == k) as i32;
        let tensor = match element.storage() {
            DType::F32 => Tensor::f32([rows, columns], (0..count).map(|i| one(i) as f32).collect::<Vec<_>>())?,
            DType::I32 => Tensor::i32([rows, columns], (0..count).map(one).collect::<Vec<_>>())?,
            DType::U8 => Tensor::u8([rows, columns], (0..count).map(|i| one(i) as u8).collect::<Vec<_>>())?,
        };
        Ok(self.constant_value(element, tensor))
    }

    /// Repeats axes of size 1, as broadcasting would.
    pub fn expand(&mut self) -> Result<Handle> {
        let (x, shape) = (self.input(0)?, self.input(1)?);
        let target = self.sizes(shape, "shape")?;
        let rank = self.rank(x).max(target.len());
        let missing = rank - self.rank(x);
        let mut value = x;
        if missing > 0 {
            let lead: Vec<usize> = (0..missing).collect();
            value = self.insert_axes(x, &lead, "axes")?;
        }
        for (i, &size) in target.iter().enumerate() {
            let axis = rank - target.len() + i;
            let have = self.dims(value)[axis];
            let size = size.map(|n| usize::try_from(n).unwrap_or(0));
            if size == have || size == [1, 1] {
                continue;
            }
            if have != [1, 1] {
                return Err(Error::mismatch(format!("axis {axis} cannot be stretched"), size[0], have[0]));
            }
            if size[0] != size[1] {
                return Err(needs_shapes("an expanded axis"));
            }
            value = self.pick_along(value, axis, &vec![0; size[0].min(MAX_RANGE)], &format!("axis{axis}"))?;
        }
        Ok(value)
    }

    /// Repeats whole axes.
    pub fn tile(&mut self) -> Result<Handle> {
        let (x, repeats) = (self.input(0)?, self.input(1)?);
        let repeats = self.ints(repeats, "repeats")?;
        let dims = self.dims(x);
        if repeats.len() != dims.len() {
            return Err(Error::mismatch("repeats for every axis", dims.len(), repeats.len()));
        }
        let mut value = x;
        for (axis, &count) in repeats.iter().enumerate() {
            if count == 1 {
                continue;
            }
            if dims[axis][0] != dims[axis][1] {
                return Err(needs_shapes("a tiled axis"));
            }
            let count = usize::try_from(count).map_err(|_| Error::invalid(format!("{count} repetitions")))?;
            let n = dims[axis][0];
            let total = n.checked_mul(count).filter(|&total| total <= MAX_RANGE);
            let total = total.ok_or_else(|| Error::resource("a tiled axis is too long"))?;
            let indices: Vec<i32> = (0..total).map(|i| (i % n) as i32).collect();
            value = self.pick_along(value, axis, &indices, &format!("axis{axis}"))?;
        }
        Ok(value)
    }

    /// The slices of an axis at these indices, laid out as the value is.
    pub fn pick_along(&mut self, value: Handle, axis: usize, indices: &[i32], part: &str) -> Result<Handle> {
        self.importer.lowering.spend(4 * indices.len())?;
        let (order, id) = self.stored(value)?;
        let indices = self.constant(&format!("{part}/indices"), Tensor::i32([indices.len()], indices)?);
        let axis = super::values::position(&order, axis) as isize;
        let id = self.push(part, Gather { axis }, &[id, indices])?;
        Ok(self.made(self.element(value), order, id))
    }
}
