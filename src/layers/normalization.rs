//! Normalisation by statistics of the sample, by lengths, and by fixed numbers. Batch normalisation has a file of its own.

use serde_json::{Map, Value as Json};

use super::arguments::{Several, keras_layer};
use super::scope::{axis, known_channels, last_axis, one};
use super::{Constraint, Initializer, Layer, Regularizer, Scope, WeightSpec};
use crate::error::{Error, Result};
use crate::graph::{Dims, ValueId};
use crate::ops::{BinaryKind, MatMul, ReduceKind, ReshapeDim, Unary};
use crate::tensor::Tensor;

/// `(x - mean) / sqrt(variance + epsilon)` over some axes, statistics in two passes; then gamma and beta.
fn standardize(
    scope: &mut Scope,
    axes: &[isize],
    epsilon: f32,
    gamma: Option<ValueId>,
    beta: Option<ValueId>,
    x: ValueId,
) -> Result<ValueId> {
    let mean = scope.reduce(ReduceKind::Mean, axes, true, x)?;
    let centred = scope.binary(BinaryKind::Sub, x, mean)?;
    let scale = inverse_deviation(scope, axes, epsilon, centred)?;
    affine(scope, centred, scale, gamma, beta)
}

/// `1 / sqrt(mean(x^2) + epsilon)`.
fn inverse_deviation(scope: &mut Scope, axes: &[isize], epsilon: f32, centred: ValueId) -> Result<ValueId> {
    let square = scope.add(Unary::Square, &[centred])?;
    let variance = scope.reduce(ReduceKind::Mean, axes, true, square)?;
    let variance = scope.with(BinaryKind::Add, variance, epsilon)?;
    scope.add(Unary::Rsqrt, &[variance])
}

/// `x * scale * gamma + beta`.
fn affine(
    scope: &mut Scope,
    x: ValueId,
    scale: ValueId,
    gamma: Option<ValueId>,
    beta: Option<ValueId>,
) -> Result<ValueId> {
    let mut y = scope.binary(BinaryKind::Mul, x, scale)?;
    if let Some(gamma) = gamma {
        y = scope.binary(BinaryKind::Mul, y, gamma)?;
    }
    if let Some(beta) = beta {
        y = scope.binary(BinaryKind::Add, y, beta)?;
    }
    Ok(y)
}

keras_layer! {
    /// Every sample's values along `axis` (one or several) with mean 0 and variance 1, times gamma plus beta, which are of
    /// those axes' sizes. `rms_scaling` divides by the deviation without taking the mean off, and has no beta.
    LayerNormalization {
        ---
        axis: Several<isize> = Several(vec![-1]),
        epsilon: f32 = 1e-3,
        center: bool = true,
        scale: bool = true,
        rms_scaling: bool = false,
        beta_initializer: Initializer = Initializer::Zeros,
        gamma_initializer: Initializer = Initializer::Ones,
        beta_regularizer: Option<Regularizer> = None,
        gamma_regularizer: Option<Regularizer> = None,
        beta_constraint: Option<Constraint> = None,
        gamma_constraint: Option<Constraint> = None,
    }
}

/// Axes in order, without repetition.
fn sorted_axes(dims: &Dims, axes: &[isize]) -> Result<Vec<usize>> {
    let mut axes = axes.iter().map(|&a| axis(dims, a)).collect::<Result<Vec<_>>>()?;
    axes.sort_unstable();
    axes.dedup();
    Ok(axes)
}

/// The sizes of these axes, which must be known.
fn known_sizes(dims: &Dims, axes: &[usize]) -> Result<Vec<usize>> {
    let size =
        |&a: &usize| dims[a].ok_or_else(|| Error::mismatch("the axes of weights must be known", "known sizes", dims));
    axes.iter().map(size).collect()
}

impl LayerNormalization {
    fn has_gamma(&self) -> bool {
        self.scale || self.rms_scaling
    }

    fn has_beta(&self) -> bool {
        self.center && !self.rms_scaling
    }
}

impl Layer for LayerNormalization {
    fn class(&self) -> &'static str {
        "LayerNormalization"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        if self.axis.0.is_empty() {
            return Err(Error::mismatch("`axis` names no axis", "one or more", 0));
        }
        Ok(())
    }

    fn weights(&self, inputs: &[Dims]) -> Result<Vec<WeightSpec>> {
        let [dims] = inputs else { return Err(Error::mismatch("the layer takes one input", 1, inputs.len())) };
        let shape = known_sizes(dims, &sorted_axes(dims, &self.axis.0)?)?;
        let mut weights = Vec::new();
        if self.has_gamma() {
            weights.push(
                WeightSpec::new("gamma", shape.clone(), &self.gamma_initializer)
                    .with(&self.gamma_regularizer, &self.gamma_constraint),
            );
        }
        if self.has_beta() {
            weights.push(
                WeightSpec::new("beta", shape, &self.beta_initializer)
                    .with(&self.beta_regularizer, &self.beta_constraint),
            );
        }
        Ok(weights)
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        let dims = scope.dims(x);
        let axes = sorted_axes(&dims, &self.axis.0)?;
        // Weights broadcast from the first of the axes on.
        let wide: Vec<ReshapeDim> = (axes[0]..dims.len())
            .map(|a| axes.iter().position(|&b| b == a).map_or(ReshapeDim::Size(1), ReshapeDim::Copy))
            .collect();
        let weight = |scope: &mut Scope, role: &str| {
            let weight = scope.weight(role)?;
            if wide.len() == axes.len() { Ok(weight) } else { scope.reshape(&wide, weight) }
        };
        let gamma = if self.has_gamma() { Some(weight(scope, "gamma")?) } else { None };
        let beta = if self.has_beta() { Some(weight(scope, "beta")?) } else { None };
        let axes: Vec<isize> = axes.iter().map(|&a| a as isize).collect();
        if self.rms_scaling {
            let mean = scope.reduce(ReduceKind::Mean, &axes, true, x)?;
            let centred = scope.binary(BinaryKind::Sub, x, mean)?;
            let scale = inverse_deviation(scope, &axes, self.epsilon, centred)?;
            return Ok(vec![affine(scope, x, scale, gamma, beta)?]);
        }
        Ok(vec![standardize(scope, &axes, self.epsilon, gamma, beta, x)?])
    }
}

keras_layer! {
    /// Every sample's groups of channels with mean 0 and variance 1, times gamma plus beta, one for each channel. -1
    /// groups are as many as channels: instance normalisation.
    GroupNormalization {
        ---
        groups: isize = 32,
        axis: isize = -1,
        epsilon: f32 = 1e-3,
        center: bool = true,
        scale: bool = true,
        beta_initializer: Initializer = Initializer::Zeros,
        gamma_initializer: Initializer = Initializer::Ones,
        beta_regularizer: Option<Regularizer> = None,
        gamma_regularizer: Option<Regularizer> = None,
        beta_constraint: Option<Constraint> = None,
        gamma_constraint: Option<Constraint> = None,
    }
}

impl GroupNormalization {
    /// The axis of the channels, their number, and that of the groups.
    fn sizes(&self, dims: &Dims) -> Result<(usize, usize, usize)> {
        let axis = axis(dims, self.axis)?;
        if axis == 0 {
            return Err(Error::mismatch("the channels cannot be the batch", "an axis from 1 on", self.axis));
        }
        let channels = known_sizes(dims, &[axis])?[0];
        let groups = if self.groups == -1 { channels } else { self.groups.max(0) as usize };
        if groups == 0 || !channels.is_multiple_of(groups) {
            return Err(Error::mismatch(
                "the groups do not divide the channels",
                format!("{channels} channels"),
                self.groups,
            ));
        }
        Ok((axis, channels, groups))
    }
}

impl Layer for GroupNormalization {
    fn class(&self) -> &'static str {
        "GroupNormalization"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn weights(&self, inputs: &[Dims]) -> Result<Vec<WeightSpec>> {
        let [dims] = inputs else { return Err(Error::mismatch("the layer takes one input", 1, inputs.len())) };
        let (_, channels, _) = self.sizes(dims)?;
        let mut weights = Vec::new();
        if self.scale {
            weights.push(
                WeightSpec::new("gamma", [channels], &self.gamma_initializer)
                    .with(&self.gamma_regularizer, &self.gamma_constraint),
            );
        }
        if self.center {
            weights.push(
                WeightSpec::new("beta", [channels], &self.beta_initializer)
                    .with(&self.beta_regularizer, &self.beta_constraint),
            );
        }
        Ok(weights)
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        let (axis, channels, groups) = self.sizes(&scope.dims(x))?;
        let gamma = if self.scale { Some(scope.weight("gamma")?) } else { None };
        let beta = if self.center { Some(scope.weight("beta")?) } else { None };
        let y = last_axis(scope, axis, x, |scope, x| {
            // Statistics of [batch, places, groups, channels of a group]; as [batch, 1, ..., channels] they broadcast, so
            // that the input keeps its shape, open sizes and all.
            let rank = scope.dims(x).len();
            let grouped =
                [ReshapeDim::Copy(0), ReshapeDim::Infer, ReshapeDim::Size(groups), ReshapeDim::Size(channels / groups)];
            let mut wide = vec![ReshapeDim::Size(1); rank];
            (wide[0], wide[rank - 1]) = (ReshapeDim::Copy(0), ReshapeDim::Size(channels));
            let each = Tensor::f32([channels / groups], vec![1.0; channels / groups])?;
            let each = scope.constant(each);
            let spread = |scope: &mut Scope, statistic: ValueId| {
                let statistic = scope.binary(BinaryKind::Mul, statistic, each)?;
                scope.reshape(&wide, statistic)
            };
            let all = scope.reshape(&grouped, x)?;
            let mean = scope.reduce(ReduceKind::Mean, &[1, 3], true, all)?;
            let centred = scope.binary(BinaryKind::Sub, all, mean)?;
            let scale = inverse_deviation(scope, &[1, 3], self.epsilon, centred)?;
            let (mean, scale) = (spread(scope, mean)?, spread(scope, scale)?);
            let centred = scope.binary(BinaryKind::Sub, x, mean)?;
            affine(scope, centred, scale, gamma, beta)
        })?;
        Ok(vec![y])
    }
}

keras_layer! {
    /// Divides by the Euclidean length over `axis`, one or several.
    UnitNormalization {
        ---
        axis: Several<isize> = Several(vec![-1]),
    }
}

impl Layer for UnitNormalization {
    fn class(&self) -> &'static str {
        "UnitNormalization"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        let dims = scope.dims(x);
        let axes = sorted_axes(&dims, &self.axis.0)?.iter().map(|&a| a as isize).collect::<Vec<_>>();
        Ok(vec![scope.normalize(&axes, 1e-12, x)?])
    }
}

keras_layer! {
    /// `(x - mean) / sqrt(variance)` with fixed statistics for every index along `axis` (`null`: the same for all): given
    /// here, or weights that data sets (`adapt`).
    Normalization {
        ---
        axis: Option<Several<isize>> = Some(Several(vec![-1])),
        mean: Option<Several<f32>> = None,
        variance: Option<Several<f32>> = None,
        /// `x * sqrt(variance) + mean` instead.
        invert: bool = false,
    }
}

impl Normalization {
    fn axes(&self, dims: &Dims) -> Result<Vec<usize>> {
        sorted_axes(dims, self.axis.as_ref().map_or(&[], |axes| &axes.0[..]))
    }
}

impl Layer for Normalization {
    fn class(&self) -> &'static str {
        "Normalization"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        match (&self.mean, &self.variance) {
            (Some(mean), Some(variance)) if mean.0.len() == variance.0.len() => Ok(()),
            (None, None) => Ok(()),
            _ => Err(Error::invalid("`mean` and `variance` come together, and have the same shape")),
        }
    }

    fn weights(&self, inputs: &[Dims]) -> Result<Vec<WeightSpec>> {
        let [dims] = inputs else { return Err(Error::mismatch("the layer takes one input", 1, inputs.len())) };
        let shape = known_sizes(dims, &self.axes(dims)?)?;
        if self.mean.is_some() {
            return Ok(Vec::new());
        }
        Ok(vec![
            WeightSpec::fixed("mean", shape.clone(), &Initializer::Zeros),
            WeightSpec::fixed("variance", shape, &Initializer::Ones),
            WeightSpec::fixed("count", [], &Initializer::Zeros),
        ])
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = scope.floats(one(inputs)?)?;
        let dims = scope.dims(x);
        let axes = self.axes(&dims)?;
        let (mean, variance) = match (&self.mean, &self.variance) {
            (Some(mean), Some(variance)) => {
                let n = mean.0.len();
                if n > 1 && axes.last().is_none_or(|&a| dims[a] != Some(n)) {
                    return Err(Error::mismatch("`mean` does not fit `axis`", &dims, n));
                }
                let shape = if n > 1 { vec![n] } else { vec![1; axes.len().min(1)] };
                let mean = scope.constant(Tensor::f32(shape.clone(), mean.0.clone())?);
                (mean, scope.constant(Tensor::f32(shape, variance.0.clone())?))
            }
            _ => (scope.weight("mean")?, scope.weight("variance")?),
        };
        let wide = |scope: &mut Scope, statistic: ValueId| {
            let Some(&first) = axes.first() else { return Ok(statistic) };
            let given = scope.dims(statistic).len();
            let skipped = axes.len() - given;
            let place = |a: usize| axes.iter().position(|&b| b == a).and_then(|i| i.checked_sub(skipped));
            let dims: Vec<ReshapeDim> =
                (first..dims.len()).map(|a| place(a).map_or(ReshapeDim::Size(1), ReshapeDim::Copy)).collect();
            scope.reshape(&dims, statistic)
        };
        let (mean, variance) = (wide(scope, mean)?, wide(scope, variance)?);
        let deviation = scope.add(Unary::Sqrt, &[variance])?;
        let deviation = scope.with(BinaryKind::Maximum, deviation, 1e-7)?;
        Ok(vec![if self.invert {
            let scaled = scope.binary(BinaryKind::Mul, x, deviation)?;
            scope.binary(BinaryKind::Add, scaled, mean)?
        } else {
            let centred = scope.binary(BinaryKind::Sub, x, mean)?;
            scope.binary(BinaryKind::Div, centred, deviation)?
        }])
    }
}

keras_layer! {
    /// `x * scale + offset`; both are numbers, or one for each channel.
    Rescaling {
        scale: Several<f32>,
        ---
        offset: Several<f32> = Several(vec![0.0]),
    }
}

impl Layer for Rescaling {
    fn class(&self) -> &'static str {
        "Rescaling"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = scope.floats(one(inputs)?)?;
        let number = |scope: &mut Scope, Several(values): &Several<f32>| -> Result<ValueId> {
            let shape = if values.len() == 1 { vec![] } else { vec![values.len()] };
            Ok(scope.constant(Tensor::f32(shape, values.clone())?))
        };
        let (scale, offset) = (number(scope, &self.scale)?, number(scope, &self.offset)?);
        let scaled = scope.binary(BinaryKind::Mul, x, scale)?;
        Ok(vec![if self.offset.0.iter().all(|&o| o == 0.0) {
            scaled
        } else {
            scope.binary(BinaryKind::Add, scaled, offset)?
        }])
    }
}

keras_layer! {
    /// Local response normalisation, `tf.nn.lrn`: `x / (bias + alpha * sum(x^2))^beta`, sums over the channels at most
    /// `depth_radius` away. Alpha is not divided by the width of that window, as Caffe and ONNX do.
    LRN {
        ---
        depth_radius: usize = 5,
        bias: f32 = 1.0,
        alpha: f32 = 1.0,
        beta: f32 = 0.5,
    }
}

impl Layer for LRN {
    fn class(&self) -> &'static str {
        "LRN"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        let channels = known_channels(&scope.dims(x))?;
        // The sums are a product with a band of ones.
        let mut band = vec![0.0; channels * channels];
        for (i, row) in band.chunks_mut(channels).enumerate() {
            let last = i.saturating_add(self.depth_radius).min(channels - 1);
            row[i.saturating_sub(self.depth_radius)..=last].fill(self.alpha);
        }
        let band = scope.constant(Tensor::f32([channels, channels], band)?);
        let square = scope.add(Unary::Square, &[x])?;
        let sum = scope.add(MatMul::default(), &[square, band])?;
        let sum = scope.with(BinaryKind::Add, sum, self.bias)?;
        let power = scope.with(BinaryKind::Pow, sum, -self.beta)?;
        Ok(vec![scope.binary(BinaryKind::Mul, x, power)?])
    }
}
