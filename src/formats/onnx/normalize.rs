//! Normalisations and softmax.

use super::conv::fixed;
use super::values::{Handle, Order, Rule, axis_of, channels_last, plain, position};
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::ops::{
    BatchNorm, Binary, BinaryKind, LogSoftmax, Op, Reduce, ReduceKind, Reshape, ReshapeDim, Softmax, Unary,
};

impl Rule<'_, '_> {
    /// By given statistics of each channel.
    pub fn batch_norm(&mut self) -> Result<Handle> {
        if self.flag("training_mode")? {
            return Err(Error::unsupported("batch normalisation in training mode"));
        }
        if self.int("spatial", 1)? == 0 {
            return Err(Error::unsupported("batch normalisation with statistics for every pixel (spatial = 0)"));
        }
        let x = self.input(0)?;
        let rank = self.rank(x);
        let order = if rank == 1 { plain(1) } else { channels_last(rank) };
        let mut inputs = vec![self.form(x, &order)?];
        for i in 1..5 {
            let statistic = self.input(i)?;
            inputs.push(self.plain(statistic)?);
        }
        let id = self.push("", BatchNorm { epsilon: self.float("epsilon", 1e-5)? }, &inputs)?;
        Ok(self.made(self.element(x), order, id))
    }

    fn mean(&mut self, part: &str, id: ValueId, axes: &[isize]) -> Result<ValueId> {
        self.push(part, Reduce { kind: ReduceKind::Mean, axes: axes.to_vec(), keep_dims: true }, &[id])
    }

    /// `(x - mean) / sqrt(variance + epsilon)` over storage axes; the result, the mean, one over the deviation.
    fn standardised(&mut self, id: ValueId, axes: &[isize], epsilon: f32) -> Result<[ValueId; 3]> {
        let mean = self.mean("mean", id, axes)?;
        let centred = self.push("centred", Binary::new(BinaryKind::Sub), &[id, mean])?;
        let squares = self.push("squares", Unary::Square, &[centred])?;
        let variance = self.mean("variance", squares, axes)?;
        let epsilon = self.scalar("epsilon", epsilon);
        let variance = self.push("stabilised", Binary::new(BinaryKind::Add), &[variance, epsilon])?;
        let inverse = self.push("inverse", Unary::Rsqrt, &[variance])?;
        let result = self.push("standardised", Binary::new(BinaryKind::Mul), &[centred, inverse])?;
        Ok([result, mean, inverse])
    }

    fn scaled(&mut self, id: ValueId, scale: ValueId, bias: Option<ValueId>) -> Result<ValueId> {
        let Some(bias) = bias else { return self.push("", Binary::new(BinaryKind::Mul), &[id, scale]) };
        let id = self.push("scaled", Binary::new(BinaryKind::Mul), &[id, scale])?;
        self.push("", Binary::new(BinaryKind::Add), &[id, bias])
    }

    /// By the statistics of each image and channel.
    pub fn instance_norm(&mut self) -> Result<Handle> {
        let (x, scale, bias) = (self.input(0)?, self.input(1)?, self.input(2)?);
        let order = channels_last(self.rank(x));
        if order.len() < 3 {
            return Err(Error::mismatch("instance normalisation needs images", "3 dimensions or more", order.len()));
        }
        let id = self.form(x, &order)?;
        let axes: Vec<isize> = (1..order.len() as isize - 1).collect();
        let [id, ..] = self.standardised(id, &axes, self.float("epsilon", 1e-5)?)?;
        let (scale, bias) = (self.plain(scale)?, self.plain(bias)?);
        let id = self.scaled(id, scale, Some(bias))?;
        Ok(self.made(self.element(x), order, id))
    }

    /// By the statistics of the last axes.
    pub fn layer_norm(&mut self) -> Result<Vec<Handle>> {
        let (x, scale) = (self.input(0)?, self.input(1)?);
        let axis = self.axis(x, self.int("axis", -1)?)?;
        let (order, id) = self.stored(x)?;
        let axes: Vec<isize> = (axis..order.len()).map(|axis| position(&order, axis) as isize).collect();
        let [id, mean, inverse] = self.standardised(id, &axes, self.float("epsilon", 1e-5)?)?;
        let scale = self.broadcastable(scale, &order)?;
        let bias = self.optional(2).map(|bias| self.broadcastable(bias, &order)).transpose()?;
        let id = self.scaled(id, scale, bias)?;
        let element = self.element(x);
        Ok([id, mean, inverse].map(|id| self.made(element, order.clone(), id)).to_vec())
    }

    /// By the root of the mean square of the last axes.
    pub fn rms_norm(&mut self) -> Result<Handle> {
        let (x, scale) = (self.input(0)?, self.input(1)?);
        let axis = self.axis(x, self.int("axis", -1)?)?;
        let (order, id) = self.stored(x)?;
        let axes: Vec<isize> = (axis..order.len()).map(|axis| position(&order, axis) as isize).collect();
        let squares = self.push("squares", Unary::Square, &[id])?;
        let mean = self.mean("mean", squares, &axes)?;
        let epsilon = self.float("epsilon", 1e-5)?;
        let epsilon = self.scalar("epsilon", epsilon);
        let mean = self.push("stabilised", Binary::new(BinaryKind::Add), &[mean, epsilon])?;
        let inverse = self.push("inverse", Unary::Rsqrt, &[mean])?;
        let id = self.push("standardised", Binary::new(BinaryKind::Mul), &[id, inverse])?;
        let scale = self.broadcastable(scale, &order)?;
        let id = self.scaled(id, scale, None)?;
        Ok(self.made(self.element(x), order, id))
    }

    /// By the statistics of each image and group of channels. The scale is one number per group before version 21 of the
    /// operators, and one per channel since.
    pub fn group_norm(&mut self) -> Result<Handle> {
        let (x, scale, bias) = (self.input(0)?, self.input(1)?, self.input(2)?);
        let order = channels_last(self.rank(x));
        let channels =
            fixed(*self.dims(x).get(1).ok_or_else(|| Error::invalid("no channels"))?, "group normalisation")?;
        let groups = usize::try_from(self.int("num_groups", 0)?).unwrap_or(0);
        if groups == 0 || !channels.is_multiple_of(groups) || order.len() < 3 {
            return Err(Error::mismatch("groups that divide the channels", groups, channels));
        }
        let id = self.form(x, &order)?;
        let split =
            [ReshapeDim::Copy(0), ReshapeDim::Infer, ReshapeDim::Size(groups), ReshapeDim::Size(channels / groups)];
        let grouped = self.push("groups", Reshape { dims: split.to_vec() }, &[id])?;
        let [grouped, ..] = self.standardised(grouped, &[1, 3], self.float("epsilon", 1e-5)?)?;
        let per_channel = self.dims(scale) == [[channels; 2]];
        let shape = [ReshapeDim::Size(groups), if per_channel { ReshapeDim::Infer } else { ReshapeDim::Size(1) }];
        let [scale, bias] = [("scale", scale), ("bias", bias)].map(|(part, value)| {
            let id = self.plain(value)?;
            self.push(part, Reshape { dims: shape.to_vec() }, &[id])
        });
        let scaled = self.push("scaled", Binary::new(BinaryKind::Mul), &[grouped, scale?])?;
        let shifted = self.push("shifted", Binary::new(BinaryKind::Add), &[scaled, bias?])?;
        let stored: Vec<_> = {
            let dims = self.dims(x);
            order.iter().map(|&axis| dims[axis].map(|n| n as i64)).collect()
        };
        let id = self.importer.lowering.reshape(self.name, shifted, &stored)?;
        Ok(self.made(self.element(x), order, id))
    }

    /// `(x - mean) / deviation` over some axes.
    pub fn mean_variance_norm(&mut self) -> Result<Handle> {
        let x = self.input(0)?;
        let axes = self.node.ints("axes")?.unwrap_or_else(|| vec![0, 2, 3]);
        let (order, id) = self.stored(x)?;
        let place = |&axis: &i64| Ok(position(&order, axis_of(axis, order.len())?) as isize);
        let axes = axes.iter().map(place).collect::<Result<Vec<_>>>()?;
        let [id, ..] = self.standardised(id, &axes, 1e-9)?;
        Ok(self.made(self.element(x), order, id))
    }

    /// To length 1 along an axis.
    pub fn lp_norm(&mut self) -> Result<Handle> {
        let x = self.input(0)?;
        let axis = self.axis(x, self.int("axis", -1)?)?;
        let (order, id) = self.stored(x)?;
        let axes = vec![position(&order, axis) as isize];
        let sum = Reduce { kind: ReduceKind::Sum, axes, keep_dims: true };
        let length = match self.int("p", 2)? {
            1 => {
                let id = self.push("abs", Unary::Abs, &[id])?;
                self.push("length", sum, &[id])?
            }
            2 => {
                let id = self.push("squares", Unary::Square, &[id])?;
                let id = self.push("sum", sum, &[id])?;
                self.push("length", Unary::Sqrt, &[id])?
            }
            p => return Err(Error::unsupported(format!("a normalisation with p = {p}"))),
        };
        let id = self.push("", Binary::new(BinaryKind::Div), &[id, length])?;
        Ok(self.made(self.element(x), order, id))
    }

    /// By the squares of neighbouring channels. ONNX divides alpha by the number of channels summed.
    pub fn local_response_norm(&mut self) -> Result<Handle> {
        let x = self.input(0)?;
        let size = self.int("size", 0)?;
        if size < 1 || size % 2 == 0 {
            return Err(Error::unsupported(format!(
                "local response normalisation over {size} channels: not an odd number"
            )));
        }
        if self.rank(x) != 4 {
            return Err(Error::unsupported("local response normalisation of anything but images"));
        }
        let constants = [self.float("bias", 1.0)?, self.float("alpha", 1e-4)? / size as f32, self.float("beta", 0.75)?];
        let order = channels_last(4);
        let id = self.form(x, &order)?;
        let id = self.importer.lowering.local_response_norm(self.name, id, (size - 1) / 2, constants)?;
        Ok(self.made(self.element(x), order, id))
    }

    /// `Softmax` and `LogSoftmax`. Before version 13 they are taken over all axes from `axis` on.
    pub fn softmax(&mut self) -> Result<Handle> {
        let x = self.input(0)?;
        let old = self.importer.opset < 13;
        let axis = self.axis(x, self.int("axis", if old { 1 } else { -1 })?)?;
        let op = |axis: usize| -> Op {
            match self.node.op {
                "Softmax" => Softmax { axis: axis as isize }.into(),
                _ => LogSoftmax { axis: axis as isize }.into(),
            }
        };
        let dims = self.dims(x);
        if !old || dims[axis + 1..].iter().all(|d| *d == [1, 1]) {
            let (order, _) = self.stored(x)?;
            return self.like(x, "", op(position(&order, axis)));
        }
        let op = op(1);
        let product = |part: &[[usize; 2]]| [0, 1].map(|g| part.iter().map(|d| d[g] as i64).product::<i64>());
        let matrix = [product(&dims[..axis]), product(&dims[axis..])];
        let id = self.plain(x)?;
        let (name, whole): (_, Vec<_>) = (self.part("matrix"), dims.iter().map(|d| d.map(|n| n as i64)).collect());
        let id = self.importer.lowering.reshape(&name, id, &matrix)?;
        let id = self.push("softmax", op, &[id])?;
        let id = self.importer.lowering.reshape(self.name, id, &whole)?;
        let order: Order = plain(dims.len());
        Ok(self.made(self.element(x), order, id))
    }
}
