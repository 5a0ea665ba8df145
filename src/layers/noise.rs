//! Layers that add noise in training, and are the identity otherwise; and the penalty of activities.

use serde_json::{Map, Value as Json};

use super::arguments::keras_layer;
use super::conv::layout;
use super::scope::{expect_rank, one};
use super::{Layer, Mode, Regularizer, Scope};
use crate::error::{Error, Result};
use crate::graph::{Dims, ValueId};
use crate::ops::{BinaryKind, RandomKind, Slice, SliceAxis};

/// Errors unless the rate is a fraction.
fn check_rate(rate: f32) -> Result<()> {
    if (0.0..=1.0).contains(&rate) {
        return Ok(());
    }
    Err(Error::mismatch("`rate` is no fraction", "0 to 1", rate))
}

/// The shape of a mask: `null` where it is that of the input, 1 where all share.
type NoiseShape = Option<Vec<Option<isize>>>;

/// For every axis, whether the mask is the same all along it.
fn shared_axes(shape: &NoiseShape, dims: &Dims) -> Result<Vec<bool>> {
    let Some(shape) = shape else { return Ok(vec![false; dims.len()]) };
    let shared = |(given, size): (&Option<isize>, &Option<usize>)| match given {
        None => Some(false),
        Some(1) => Some(*size != Some(1)),
        Some(given) => (size.map(|n| n as isize) == Some(*given)).then_some(false),
    };
    let axes: Option<Vec<bool>> = shape.iter().zip(dims.iter()).map(shared).collect();
    match axes {
        Some(axes) if shape.len() == dims.len() => Ok(axes),
        _ => Err(Error::mismatch(
            "`noise_shape` does not fit the input",
            format!("{dims}, or 1 where all share"),
            format!("{shape:?}"),
        )),
    }
}

/// Uniform numbers from 0 up to 1 with one number along every shared axis, and 1 where they are at least `rate`.
fn kept(scope: &mut Scope, rate: f32, seed: Option<isize>, shared: &[bool], x: ValueId) -> Result<ValueId> {
    let mut like = x;
    if shared.contains(&true) {
        let axes = shared.iter().map(|&one| if one { SliceAxis::range(0, 1) } else { SliceAxis::ALL }).collect();
        like = scope.add(Slice { axes }, &[x])?;
    }
    let numbers = scope.random(RandomKind::Uniform, seed, like)?;
    let rate = scope.scalar(rate);
    scope.mask(BinaryKind::GreaterEqual, numbers, rate)
}

/// Zeros a part of the elements, and scales the others so that the mean stays.
fn drop(scope: &mut Scope, rate: f32, seed: Option<isize>, shared: &[bool], x: ValueId) -> Result<ValueId> {
    if scope.mode() == Mode::Inference || rate == 0.0 {
        return Ok(x);
    }
    let mask = kept(scope, rate, seed, shared, x)?;
    let scale = if rate < 1.0 { 1.0 / (1.0 - rate) } else { 0.0 };
    let mask = scope.with(BinaryKind::Mul, mask, scale)?;
    scope.binary(BinaryKind::Mul, x, mask)
}

keras_layer! {
    /// In training, zeros a `rate` of the elements and divides the others by `1 - rate`.
    Dropout {
        rate: f32,
        ---
        noise_shape: NoiseShape = None,
        seed: Option<isize> = None,
    }
}

impl Layer for Dropout {
    fn class(&self) -> &'static str {
        "Dropout"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        check_rate(self.rate)
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        let shared = shared_axes(&self.noise_shape, &scope.dims(x))?;
        Ok(vec![drop(scope, self.rate, self.seed, &shared, x)?])
    }
}

keras_layer! {
    /// In training, zeros a `rate` of whole channels and divides the others by `1 - rate`.
    SpatialDropout<N> {
        rate: f32,
        ---
        seed: Option<isize> = None,
    }
}

/// Over `[batch, steps, channels]`.
pub type SpatialDropout1D = SpatialDropout<1>;
/// Over `[batch, height, width, channels]`.
pub type SpatialDropout2D = SpatialDropout<2>;
/// Over `[batch, depth, height, width, channels]`.
pub type SpatialDropout3D = SpatialDropout<3>;

impl<const N: usize> Layer for SpatialDropout<N> {
    fn class(&self) -> &'static str {
        ["SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"][N - 1]
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        check_rate(self.rate)
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        expect_rank(&scope.dims(x), layout(N))?;
        let shared: Vec<bool> = (0..N + 2).map(|axis| (1..=N).contains(&axis)).collect();
        Ok(vec![drop(scope, self.rate, self.seed, &shared, x)?])
    }
}

keras_layer! {
    /// In training, adds normal noise of this standard deviation.
    GaussianNoise {
        stddev: f32,
        ---
        seed: Option<isize> = None,
    }
}

impl Layer for GaussianNoise {
    fn class(&self) -> &'static str {
        "GaussianNoise"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        if self.stddev.is_nan() || self.stddev < 0.0 {
            return Err(Error::mismatch("`stddev` must not be negative", "0 or more", self.stddev));
        }
        Ok(())
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        if scope.mode() == Mode::Inference || self.stddev == 0.0 {
            return Ok(vec![x]);
        }
        let noise = scope.random(RandomKind::Normal, self.seed, x)?;
        let noise = scope.with(BinaryKind::Mul, noise, self.stddev)?;
        Ok(vec![scope.binary(BinaryKind::Add, x, noise)?])
    }
}

keras_layer! {
    /// In training, multiplies by normal noise of mean 1 and standard deviation `sqrt(rate / (1 - rate))`.
    GaussianDropout {
        rate: f32,
        ---
        seed: Option<isize> = None,
    }
}

impl Layer for GaussianDropout {
    fn class(&self) -> &'static str {
        "GaussianDropout"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        check_rate(self.rate)?;
        if self.rate == 1.0 { Err(Error::mismatch("`rate` leaves nothing", "less than 1", 1)) } else { Ok(()) }
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        if scope.mode() == Mode::Inference || self.rate == 0.0 {
            return Ok(vec![x]);
        }
        let noise = scope.random(RandomKind::Normal, self.seed, x)?;
        let noise = scope.with(BinaryKind::Mul, noise, (self.rate / (1.0 - self.rate)).sqrt())?;
        let noise = scope.with(BinaryKind::Add, noise, 1.0)?;
        Ok(vec![scope.binary(BinaryKind::Mul, x, noise)?])
    }
}

keras_layer! {
    /// In training, sets a `rate` of the elements to SELU's limit at minus infinity, and all then so that mean and
    /// variance stay (Klambauer et al. 2017).
    AlphaDropout {
        rate: f32,
        ---
        noise_shape: NoiseShape = None,
        seed: Option<isize> = None,
    }
}

/// Minus the product of SELU's two constants.
const ALPHA: f32 = -1.758_099_3;

impl Layer for AlphaDropout {
    fn class(&self) -> &'static str {
        "AlphaDropout"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        check_rate(self.rate)?;
        if self.rate == 1.0 { Err(Error::mismatch("`rate` leaves nothing", "less than 1", 1)) } else { Ok(()) }
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let (x, rate) = (one(inputs)?, self.rate);
        let shared = shared_axes(&self.noise_shape, &scope.dims(x))?;
        if scope.mode() == Mode::Inference || rate == 0.0 {
            return Ok(vec![x]);
        }
        let scale = ((1.0 - rate) * (1.0 + rate * ALPHA * ALPHA)).sqrt().recip();
        // scale (x kept + alpha (1 - kept)) - scale alpha rate, as kept scale (x - alpha) + scale alpha (1 - rate)
        let mask = kept(scope, rate, self.seed, &shared, x)?;
        let mask = scope.with(BinaryKind::Mul, mask, scale)?;
        let y = scope.with(BinaryKind::Sub, x, ALPHA)?;
        let y = scope.binary(BinaryKind::Mul, y, mask)?;
        Ok(vec![scope.with(BinaryKind::Add, y, scale * ALPHA * (1.0 - rate))?])
    }
}

keras_layer! {
    /// Its input; in training, `l1 * sum(|x|) + l2 * sum(x^2)` is added to the loss.
    ActivityRegularization {
        ---
        l1: f32 = 0.0,
        l2: f32 = 0.0,
    }
}

impl Layer for ActivityRegularization {
    fn class(&self) -> &'static str {
        "ActivityRegularization"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        if self.l1 != 0.0 || self.l2 != 0.0 {
            scope.penalize(&Some(Regularizer { l1: self.l1, l2: self.l2 }), x);
        }
        Ok(vec![x])
    }
}
