//! Quantised networks, on whole numbers in float32.
//!
//! A product of two bytes fits 16 bits, and sums of them are exact in float32 up to 2^24. Where the weights allow larger
//! sums the kernel is cut in two, `16 * high + low`, each with sums that fit, and the halves are put together as 32-bit
//! integers. So the integers are those that ONNX prescribes, on every backend.

use super::conv::ConvParts;
use super::tensor::Element;
use super::values::{Handle, Order, Rule, channels_last, position};
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::ops::{Binary, BinaryKind, Cast, Reduce, ReduceKind, Unary};
use crate::tensor::{DType, Tensor};

/// Whole numbers up to here are exact in float32.
const EXACT: f64 = (1 << 24) as f64;

impl Rule<'_, '_> {
    /// A scale or zero point, shaped to broadcast along the axis that it belongs to.
    fn along(&mut self, parameter: Handle, x: Handle, axis: i64) -> Result<Handle> {
        let (dims, image) = (self.dims(parameter), self.dims(x));
        if dims.iter().all(|d| *d == [1, 1]) {
            return Ok(parameter);
        }
        let axis = self.axis(x, axis)?;
        let block = usize::try_from(self.int("block_size", 0)?).unwrap_or(0);
        if block > 0 {
            // One number for every block of the axis.
            let n = self.fixed_dims(x, "blocks")?[axis];
            let indices: Vec<i32> = (0..n).map(|i| (i / block) as i32).collect();
            return self.pick_along(parameter, axis, &indices, "blocks");
        }
        if dims.len() != 1 || dims[0] != image[axis] {
            return Err(Error::mismatch(
                "a scale or zero point for every slice",
                format!("{:?}", image[axis]),
                format!("{dims:?}"),
            ));
        }
        let after: Vec<usize> = (1..image.len() - axis).collect();
        self.insert_axes(parameter, &after, "along")
    }

    /// A value and its parameters, aligned: what they are and the order of the axes.
    fn with_parameters(
        &mut self,
        x: Handle,
        parameters: &[Option<Handle>],
        axis: i64,
    ) -> Result<(Vec<Option<ValueId>>, Order)> {
        let mut values = vec![x];
        for &parameter in parameters.iter().flatten() {
            values.push(self.along(parameter, x, axis)?);
        }
        let (ids, order) = self.align(&values)?;
        let mut rest = ids.into_iter();
        let first = rest.next();
        let mut all = vec![first];
        all.extend(parameters.iter().map(|parameter| parameter.and_then(|_| rest.next())));
        Ok((all, order))
    }

    /// A zero point that changes something.
    fn zero_point(&mut self, value: Option<Handle>) -> Result<Option<Handle>> {
        let Some(value) = value else { return Ok(None) };
        if self.importer.is_constant(value) && self.numbers(value, "zero_point")?.iter().all(|&z| z == 0.0) {
            return Ok(None);
        }
        Ok(Some(value))
    }

    /// `saturate(round(x / scale) + zero_point)`.
    pub fn quantize_linear(&mut self) -> Result<Handle> {
        let (x, scale) = (self.input(0)?, self.input(1)?);
        let to = match self.optional(2) {
            Some(zero) => self.element(zero),
            None => match self.int("output_dtype", 0)? {
                0 => Element::U8,
                code => Element::parse(code)?,
            },
        };
        let axis = self.int("axis", 1)?;
        let zero = self.zero_point(self.optional(2))?;
        let (ids, order) = self.with_parameters(x, &[Some(scale), zero], axis)?;
        let [Some(id), Some(scale), zero] = ids[..] else {
            return Err(Error::invalid("a quantisation without a scale"));
        };
        let id = match self.element(x).storage() {
            DType::F32 => id,
            _ => self.push("float", Cast { to: DType::F32 }, &[id])?,
        };
        let id = self.push("scaled", Binary::new(BinaryKind::Div), &[id, scale])?;
        let id = self.saturated("", id, zero, to)?;
        Ok(self.made(to, order, id))
    }

    /// `saturate(round(x) + zero_point)`.
    fn saturated(&mut self, part: &str, id: ValueId, zero: Option<ValueId>, to: Element) -> Result<ValueId> {
        let range = to.small_range().ok_or_else(|| Error::unsupported(format!("quantisation to {to:?}")))?;
        let mut id = self.push("rounded", Unary::Round, &[id])?;
        if let Some(zero) = zero {
            id = self.push("shifted", Binary::new(BinaryKind::Add), &[id, zero])?;
        }
        self.push(part, Unary::Clip { min: range[0], max: range[1] }, &[id])
    }

    /// `(x - zero_point) * scale`.
    pub fn dequantize_linear(&mut self) -> Result<Handle> {
        let (x, scale) = (self.input(0)?, self.input(1)?);
        let axis = self.int("axis", 1)?;
        let zero = self.zero_point(self.optional(2))?;
        if let Some(known) = self.dequantized_constant(x, scale, zero, axis)? {
            return Ok(known);
        }
        let (ids, order) = self.with_parameters(x, &[Some(scale), zero], axis)?;
        let [Some(mut id), Some(scale_id), mut zero] = ids[..] else {
            return Err(Error::invalid("a quantisation without a scale"));
        };
        // Sums of a bias are 32-bit integers.
        if self.element(x).storage() != DType::F32 {
            id = self.push("float", Cast { to: DType::F32 }, &[id])?;
            zero = zero.map(|zero| self.push("zero/float", Cast { to: DType::F32 }, &[zero])).transpose()?;
        }
        if let Some(zero) = zero {
            id = self.push("shifted", Binary::new(BinaryKind::Sub), &[id, zero])?;
        }
        let id = self.push("", Binary::new(BinaryKind::Mul), &[id, scale_id])?;
        Ok(self.made(self.element(scale), order, id))
    }

    /// Weights, most of the file, are made floats in one go.
    fn dequantized_constant(
        &mut self,
        x: Handle,
        scale: Handle,
        zero: Option<Handle>,
        axis: i64,
    ) -> Result<Option<Handle>> {
        if self.int("block_size", 0)? != 0 || !self.importer.is_constant(scale) || !self.importer.is_constant(x) {
            return Ok(None);
        }
        let scales = self.numbers(scale, "scale")?;
        let zeros = match zero {
            Some(zero) if self.importer.is_constant(zero) => self.numbers(zero, "zero_point")?,
            Some(_) => return Ok(None),
            None => vec![0.0],
        };
        let Some(tensor) = self.tensor(x)? else { return Ok(None) };
        let shape = tensor.shape().clone();
        let (n, inner) = match scales.len().max(zeros.len()) {
            1 => (1, 1),
            n => {
                let axis = self.axis(x, axis)?;
                if shape[axis] != n {
                    return Err(Error::mismatch("a scale for every slice", shape[axis], n));
                }
                (n, shape[axis + 1..].iter().product::<usize>().max(1))
            }
        };
        let at = |list: &[f64], i: usize| list[if list.len() == 1 { 0 } else { i / inner % n }] as f32;
        if [&scales, &zeros].iter().any(|list| list.len() != n && list.len() != 1)
            || scales.is_empty()
            || zeros.is_empty()
        {
            return Err(Error::mismatch("scales and zero points", n, zeros.len()));
        }
        let float = |i: usize, x: f32| (x - at(&zeros, i)) * at(&scales, i);
        let data: Vec<f32> = match tensor.dtype() {
            DType::F32 => tensor.as_f32()?.iter().enumerate().map(|(i, &x)| float(i, x)).collect(),
            DType::I32 => tensor.as_i32()?.iter().enumerate().map(|(i, &x)| float(i, x as f32)).collect(),
            DType::U8 => return Ok(None),
        };
        let element = self.element(scale);
        Ok(Some(self.constant_value(element, Tensor::f32(shape, data)?)))
    }

    /// To bytes, by a scale and zero point that follow from the value itself.
    pub fn dynamic_quantize_linear(&mut self) -> Result<Vec<Handle>> {
        let x = self.input(0)?;
        let (order, id) = self.stored(x)?;
        let all = |kind| Reduce { kind, axes: Vec::new(), keep_dims: false };
        let zero = self.scalar("zero", 0.0);
        let mut ends = [id; 2];
        for (end, (part, reduce, bound)) in ends
            .iter_mut()
            .zip([("min", ReduceKind::Min, BinaryKind::Minimum), ("max", ReduceKind::Max, BinaryKind::Maximum)])
        {
            let found = if order.is_empty() { id } else { self.push(part, all(reduce), &[id])? };
            *end = self.push(&format!("{part}/adjusted"), Binary::new(bound), &[found, zero])?;
        }
        let [min, max] = ends;
        let span = self.push("span", Binary::new(BinaryKind::Sub), &[max, min])?;
        let levels = self.scalar("levels", 255.0);
        let scale = self.push("scale", Binary::new(BinaryKind::Div), &[span, levels])?;
        let below = self.push("below", Unary::Neg, &[min])?;
        let below = self.push("below/scaled", Binary::new(BinaryKind::Div), &[below, scale])?;
        let clipped = self.push("below/clipped", Unary::Clip { min: 0.0, max: 255.0 }, &[below])?;
        let point = self.push("zero_point", Unary::Round, &[clipped])?;
        let scaled = self.push("scaled", Binary::new(BinaryKind::Div), &[id, scale])?;
        let id = self.saturated("", scaled, Some(point), Element::U8)?;
        Ok(vec![
            self.made(Element::U8, order, id),
            self.made(Element::F32, Vec::new(), scale),
            self.made(Element::U8, Vec::new(), point),
        ])
    }

    /// A value less its zero point.
    fn centred(&mut self, part: &str, x: Handle, zero: Option<Handle>, axis: i64) -> Result<Handle> {
        let Some(zero) = self.zero_point(zero)? else { return Ok(x) };
        let (ids, order) = self.with_parameters(x, &[Some(zero)], axis)?;
        let [Some(id), Some(zero)] = ids[..] else { return Err(Error::invalid("no zero point")) };
        let id = self.push(part, Binary::new(BinaryKind::Sub), &[id, zero])?;
        // No longer a byte, but a whole number in a float.
        Ok(self.made(Element::F32, order, id))
    }

    /// The largest magnitude that a sum of products with this kernel can have, by what is known of it. `reduced` axes of
    /// the kernel are summed over.
    fn largest_sum(&mut self, kernel: Handle, reduced: &[usize], other: f64) -> Result<f64> {
        let terms: usize = {
            let dims = self.fixed_dims(kernel, "a quantised kernel")?;
            reduced.iter().map(|&axis| dims[axis]).product()
        };
        let Some(tensor) = self.tensor(kernel)? else { return Ok(terms as f64 * 255.0 * other) };
        let (shape, data) = (tensor.shape().clone(), tensor.as_f32()?);
        let strides = shape.strides();
        let kept: Vec<usize> = (0..shape.rank()).filter(|axis| !reduced.contains(axis)).collect();
        let count: usize = kept.iter().map(|&axis| shape[axis]).product();
        let mut sums = vec![0.0f64; count.max(1)];
        for (i, &value) in data.iter().enumerate() {
            let place = kept.iter().fold(0, |place, &axis| place * shape[axis] + i / strides[axis] % shape[axis]);
            sums[place] += value.abs() as f64;
        }
        Ok(sums.iter().fold(0.0, |a: f64, &b| a.max(b)) * other)
    }

    /// The integers `product(kernel)`: float32 where all sums are exact in it, else int32 put together from two halves.
    fn exact(
        &mut self,
        kernel: Handle,
        largest: f64,
        mut product: impl FnMut(&mut Self, &str, Handle) -> Result<ValueId>,
    ) -> Result<ValueId> {
        if largest <= EXACT {
            return product(self, "sums", kernel);
        }
        // |low| is 15 at most where the kernel's magnitude is 255: a sixteenth of the sums, and a little for rounding.
        if largest / 16.0 + largest / 255.0 > EXACT {
            return Err(Error::unsupported("a quantised product of so many terms"));
        }
        let (order, id) = self.stored(kernel)?;
        let sixteen = self.scalar("sixteen", 16.0);
        let high = self.push("high/scaled", Binary::new(BinaryKind::Div), &[id, sixteen])?;
        let high = self.push("high", Unary::Round, &[high])?;
        let raised = self.push("high/raised", Binary::new(BinaryKind::Mul), &[high, sixteen])?;
        let low = self.push("low", Binary::new(BinaryKind::Sub), &[id, raised])?;
        let mut halves = [id; 2];
        for (half, (part, id)) in halves.iter_mut().zip([("high", high), ("low", low)]) {
            let kernel = self.made(Element::F32, order.clone(), id);
            let sums = product(self, &format!("{part}/sums"), kernel)?;
            *half = self.push(&format!("{part}/whole"), Cast { to: DType::I32 }, &[sums])?;
        }
        let sixteen = self.constant("sixteen", Tensor::i32(Vec::new(), vec![16])?);
        let high = self.push("high/total", Binary::new(BinaryKind::Mul), &[halves[0], sixteen])?;
        self.push("total", Binary::new(BinaryKind::Add), &[high, halves[1]])
    }

    /// Sums as float32 (rounded once, if they are larger than it is exact for) or int32.
    fn sums_as(&mut self, part: &str, id: ValueId, to: DType) -> Result<ValueId> {
        if self.importer.lowering.dtype(id) == to { Ok(id) } else { self.push(part, Cast { to }, &[id]) }
    }

    /// The exact sums of a convolution of whole numbers, channels last.
    fn integer_conv(&mut self, x: Handle, kernel: Handle, zeros: [Option<Handle>; 2]) -> Result<(ValueId, Order)> {
        let window = self.conv_window(x, kernel)?;
        let groups = self.groups()?;
        let x = self.centred("centred", x, zeros[0], 1)?;
        let kernel = self.centred("kernel/centred", kernel, zeros[1], 0)?;
        let order = channels_last(self.rank(x));
        let image = self.form(x, &order)?;
        let reduced: Vec<usize> = (1..self.rank(kernel)).collect();
        let largest = self.largest_sum(kernel, &reduced, 255.0)?;
        let sums = self.exact(kernel, largest, |rule, part, kernel| {
            rule.convolve(part, ConvParts { image, kernel, bias: None, groups }, &window)
        })?;
        Ok((sums, order))
    }

    /// Convolution of bytes to 32-bit integers.
    pub fn conv_integer(&mut self) -> Result<Handle> {
        let (x, kernel) = (self.input(0)?, self.input(1)?);
        let (id, order) = self.integer_conv(x, kernel, [self.optional(2), self.optional(3)])?;
        let id = self.sums_as("", id, DType::I32)?;
        Ok(self.made(Element::I32, order, id))
    }

    /// Convolution of bytes to bytes.
    pub fn qlinear_conv(&mut self) -> Result<Handle> {
        let (x, kernel) = (self.input(0)?, self.input(3)?);
        let (mut id, order) = self.integer_conv(x, kernel, [self.optional(2), self.optional(5)])?;
        if let Some(bias) = self.optional(8) {
            id = self.sums_as("whole", id, DType::I32)?;
            let bias = self.plain(bias)?;
            id = self.push("biased", Binary::new(BinaryKind::Add), &[id, bias])?;
        }
        let id = self.sums_as("float", id, DType::F32)?;
        // A scale for every output channel, the last axis in storage.
        let scales = [self.input(1)?, self.input(4)?, self.input(6)?];
        let id = self.requantized(id, scales, self.input(7)?, order.len(), position(&order, 1))?;
        let element = self.element(self.input(7)?);
        Ok(self.made(element, order, id))
    }

    /// `saturate(round(sums * (a * b / y)) + zero_point)`; scales of several numbers belong to an axis of the storage.
    fn requantized(
        &mut self,
        sums: ValueId,
        scales: [Handle; 3],
        zero: Handle,
        rank: usize,
        axis: usize,
    ) -> Result<ValueId> {
        let mut ids = [sums; 3];
        for (id, &scale) in ids.iter_mut().zip(&scales) {
            *id = self.plain(scale)?;
            // One number per row or column of a matrix has its axes already.
            let dims = self.dims(scale);
            if dims.len() == 1 && dims[0] != [1, 1] && axis + 1 < rank {
                let after = std::iter::once(crate::ops::ReshapeDim::Copy(0))
                    .chain(std::iter::repeat_n(crate::ops::ReshapeDim::Size(1), rank - axis - 1));
                *id = self.push("scales", crate::ops::Reshape { dims: after.collect() }, &[*id])?;
            }
        }
        let scale = self.push("scale/inputs", Binary::new(BinaryKind::Mul), &[ids[0], ids[1]])?;
        let scale = self.push("scale", Binary::new(BinaryKind::Div), &[scale, ids[2]])?;
        let id = self.push("scaled", Binary::new(BinaryKind::Mul), &[sums, scale])?;
        let to = self.element(zero);
        let zero = self.zero_point(Some(zero))?.map(|zero| self.plain(zero)).transpose()?;
        self.saturated("", id, zero, to)
    }

    /// The exact sums of a product of matrices of whole numbers.
    fn integer_product(&mut self, a: Handle, b: Handle, zeros: [Option<Handle>; 2]) -> Result<ValueId> {
        // A zero point for every row of the left matrix, or every column of the right one.
        let (rows, columns) = (-2.max(-(self.rank(a) as i64)), -1);
        let a = self.centred("a/centred", a, zeros[0], rows)?;
        let b = self.centred("b/centred", b, zeros[1], columns)?;
        let reduced = [self.rank(b).saturating_sub(2)];
        let largest = self.largest_sum(b, &reduced, 255.0)?;
        self.exact(b, largest, |rule, part, b| rule.numpy_product(part, a, b))
    }

    /// Product of bytes to 32-bit integers.
    pub fn matmul_integer(&mut self) -> Result<Handle> {
        let (a, b) = (self.input(0)?, self.input(1)?);
        let id = self.integer_product(a, b, [self.optional(2), self.optional(3)])?;
        let id = self.sums_as("", id, DType::I32)?;
        let rank = self.importer.lowering.shape(id).rank();
        Ok(self.made(Element::I32, super::values::plain(rank), id))
    }

    /// Product of bytes to bytes.
    pub fn qlinear_matmul(&mut self) -> Result<Handle> {
        let (a, b) = (self.input(0)?, self.input(3)?);
        let id = self.integer_product(a, b, [self.optional(2), self.optional(5)])?;
        let id = self.sums_as("float", id, DType::F32)?;
        let rank = self.importer.lowering.shape(id).rank();
        let scales = [self.input(1)?, self.input(4)?, self.input(6)?];
        let zero = self.input(7)?;
        let id = self.requantized(id, scales, zero, rank, rank.saturating_sub(1))?;
        Ok(self.made(self.element(zero), super::values::plain(rank), id))
    }
}
