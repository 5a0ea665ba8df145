//! First values of weights, as Keras draws them: seeded, and the same on every machine.
//!
//! Each weight has a stream of its own, keyed by the model's seed and the weight's name, so a layer more or less does not
//! change the others. The numbers are not TensorFlow's (no implementation reproduces those), the distributions are.

use serde_json::{Map, Value as Json, json};

use super::arguments::{Argument, Arguments, wrong};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// How the variance of `VarianceScaling` is scaled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fan {
    /// By the number of inputs.
    In,
    /// By the number of outputs.
    Out,
    /// By their mean.
    Average,
}

/// The shape of a random distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// Between two bounds.
    Uniform,
    /// Bell curve.
    Normal,
    /// Bell curve, drawn again beyond two standard deviations.
    TruncatedNormal,
}

/// How a weight begins.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Initializer {
    Zeros,
    Ones,
    Constant(f32),
    RandomUniform {
        min: f32,
        max: f32,
    },
    RandomNormal {
        mean: f32,
        stddev: f32,
    },
    TruncatedNormal {
        mean: f32,
        stddev: f32,
    },
    /// Glorot, He and LeCun are of this kind.
    VarianceScaling {
        scale: f32,
        fan: Fan,
        distribution: Distribution,
    },
    /// Saxe et al. 2014: a random orthogonal matrix over the last axis.
    Orthogonal {
        gain: f32,
    },
    /// A matrix's diagonal is `gain`.
    Identity {
        gain: f32,
    },
}

/// `Glorot & Bengio 2010`, the default of kernels.
pub const GLOROT_UNIFORM: Initializer =
    Initializer::VarianceScaling { scale: 1.0, fan: Fan::Average, distribution: Distribution::Uniform };

/// The named special cases of variance scaling: class, scale, fan, distribution.
const SCALINGS: [(&str, f32, Fan, Distribution); 6] = [
    ("GlorotUniform", 1.0, Fan::Average, Distribution::Uniform),
    ("GlorotNormal", 1.0, Fan::Average, Distribution::TruncatedNormal),
    ("HeUniform", 2.0, Fan::In, Distribution::Uniform),
    ("HeNormal", 2.0, Fan::In, Distribution::TruncatedNormal),
    ("LecunUniform", 1.0, Fan::In, Distribution::Uniform),
    ("LecunNormal", 1.0, Fan::In, Distribution::TruncatedNormal),
];

/// Standard deviation of a normal distribution cut off at two.
const TRUNCATED_STDDEV: f64 = 0.879_625_661_034_239_8;

/// `(fan in, fan out)` of a weight (Keras' `compute_fans`).
pub fn fans(shape: &[usize]) -> (usize, usize) {
    match *shape {
        [] => (1, 1),
        [n] => (n, n),
        [ref taps @ .., inputs, outputs] => {
            let field: usize = taps.iter().product();
            (inputs * field, outputs * field)
        }
    }
}

impl Initializer {
    /// `he_normal` as well as `HeNormal`.
    fn named(name: &str, config: &Map<String, Json>) -> Result<Option<Initializer>> {
        let plain: String = name.chars().filter(|c| *c != '_').collect::<String>().to_ascii_lowercase();
        // A seed makes the draw reproducible; here every draw is.
        let mut arguments = Arguments::new(config, false);
        arguments.optional("seed", None::<usize>).ok();
        let a = &mut arguments;
        if let Some(&(_, scale, fan, distribution)) =
            SCALINGS.iter().find(|(class, ..)| class.to_ascii_lowercase() == plain)
        {
            arguments.finish()?;
            return Ok(Some(Initializer::VarianceScaling { scale, fan, distribution }));
        }
        let initializer = match plain.as_str() {
            "zeros" | "zero" => Initializer::Zeros,
            "ones" | "one" => Initializer::Ones,
            "constant" => Initializer::Constant(a.optional("value", 0.0)?),
            "randomuniform" | "uniform" => {
                Initializer::RandomUniform { min: a.optional("minval", -0.05)?, max: a.optional("maxval", 0.05)? }
            }
            "randomnormal" | "normal" => {
                Initializer::RandomNormal { mean: a.optional("mean", 0.0)?, stddev: a.optional("stddev", 0.05)? }
            }
            "truncatednormal" => {
                Initializer::TruncatedNormal { mean: a.optional("mean", 0.0)?, stddev: a.optional("stddev", 0.05)? }
            }
            "variancescaling" => Initializer::VarianceScaling {
                scale: a.optional("scale", 1.0)?,
                fan: a.optional("mode", Fan::In)?,
                distribution: a.optional("distribution", Distribution::TruncatedNormal)?,
            },
            "orthogonal" => Initializer::Orthogonal { gain: a.optional("gain", 1.0)? },
            "identity" => Initializer::Identity { gain: a.optional("gain", 1.0)? },
            _ => return Ok(None),
        };
        arguments.finish()?;
        Ok(Some(initializer))
    }

    /// A weight's first value. `name` and `seed` decide the random numbers.
    pub fn tensor(&self, shape: &[usize], name: &str, seed: u64) -> Result<Tensor> {
        let shape = Shape::checked(shape)?;
        let count = shape.elements();
        let mut random = Random::new(name, seed);
        let values: Vec<f32> = match *self {
            Initializer::Zeros => vec![0.0; count],
            Initializer::Ones => vec![1.0; count],
            Initializer::Constant(value) => vec![value; count],
            Initializer::RandomUniform { min, max } => {
                (0..count).map(|_| (min as f64 + random.uniform() * (max as f64 - min as f64)) as f32).collect()
            }
            Initializer::RandomNormal { mean, stddev } => {
                (0..count).map(|_| (mean as f64 + stddev as f64 * random.normal()) as f32).collect()
            }
            Initializer::TruncatedNormal { mean, stddev } => {
                (0..count).map(|_| (mean as f64 + stddev as f64 * random.truncated()) as f32).collect()
            }
            Initializer::VarianceScaling { scale, fan, distribution } => {
                let (fan_in, fan_out) = fans(&shape);
                let n = match fan {
                    Fan::In => fan_in as f64,
                    Fan::Out => fan_out as f64,
                    Fan::Average => (fan_in + fan_out) as f64 / 2.0,
                };
                let variance = scale as f64 / n.max(1.0);
                let stddev = variance.sqrt();
                let mut draw = || match distribution {
                    Distribution::Uniform => (2.0 * random.uniform() - 1.0) * (3.0 * variance).sqrt(),
                    Distribution::Normal => stddev * random.normal(),
                    Distribution::TruncatedNormal => stddev / TRUNCATED_STDDEV * random.truncated(),
                };
                (0..count).map(|_| draw() as f32).collect()
            }
            Initializer::Orthogonal { gain } => orthogonal(&shape, gain, &mut random)?,
            Initializer::Identity { gain } => {
                let [_, columns] = shape.dims("a matrix, for the identity initialiser")?;
                (0..count).map(|i| if i / columns.max(1) == i % columns.max(1) { gain } else { 0.0 }).collect()
            }
        };
        Tensor::f32(shape, values)
    }
}

impl Argument for Fan {
    fn read(json: &Json) -> Result<Self> {
        match json.as_str() {
            Some("fan_in") => Ok(Fan::In),
            Some("fan_out") => Ok(Fan::Out),
            Some("fan_avg") => Ok(Fan::Average),
            _ => wrong("fan_in, fan_out or fan_avg", json),
        }
    }
    fn write(&self) -> Json {
        match self {
            Fan::In => "fan_in".into(),
            Fan::Out => "fan_out".into(),
            Fan::Average => "fan_avg".into(),
        }
    }
}

impl Argument for Distribution {
    fn read(json: &Json) -> Result<Self> {
        match json.as_str() {
            Some("uniform") => Ok(Distribution::Uniform),
            Some("untruncated_normal") => Ok(Distribution::Normal),
            Some("truncated_normal" | "normal") => Ok(Distribution::TruncatedNormal),
            _ => wrong("uniform, truncated_normal or untruncated_normal", json),
        }
    }
    fn write(&self) -> Json {
        match self {
            Distribution::Uniform => "uniform".into(),
            Distribution::Normal => "untruncated_normal".into(),
            Distribution::TruncatedNormal => "truncated_normal".into(),
        }
    }
}

impl Argument for Initializer {
    fn read(json: &Json) -> Result<Self> {
        let empty = Map::new();
        let named = match (json.as_str(), json.get("class_name").and_then(Json::as_str)) {
            (Some(name), _) => Initializer::named(name, &empty)?,
            (None, Some(name)) => {
                Initializer::named(name, json.get("config").and_then(Json::as_object).unwrap_or(&empty))?
            }
            _ => None,
        };
        match named {
            Some(initializer) => Ok(initializer),
            None => wrong("a Keras initialiser (glorot_uniform, he_normal, zeros ...)", json),
        }
    }

    fn write(&self) -> Json {
        let object = |class: &str, config: Json| json!({"class_name": class, "config": config});
        match self {
            Initializer::Zeros => object("Zeros", json!({})),
            Initializer::Ones => object("Ones", json!({})),
            Initializer::Constant(value) => object("Constant", json!({"value": value.write()})),
            Initializer::RandomUniform { min, max } => {
                object("RandomUniform", json!({"minval": min.write(), "maxval": max.write(), "seed": null}))
            }
            Initializer::RandomNormal { mean, stddev } => {
                object("RandomNormal", json!({"mean": mean.write(), "stddev": stddev.write(), "seed": null}))
            }
            Initializer::TruncatedNormal { mean, stddev } => {
                object("TruncatedNormal", json!({"mean": mean.write(), "stddev": stddev.write(), "seed": null}))
            }
            Initializer::VarianceScaling { scale, fan, distribution } => {
                match SCALINGS.iter().find(|(_, s, f, d)| s == scale && f == fan && d == distribution) {
                    Some((class, ..)) => object(class, json!({"seed": null})),
                    None => object(
                        "VarianceScaling",
                        json!({"scale": scale.write(), "mode": fan.write(), "distribution": distribution.write(), "seed": null}),
                    ),
                }
            }
            Initializer::Orthogonal { gain } => object("Orthogonal", json!({"gain": gain.write(), "seed": null})),
            Initializer::Identity { gain } => object("Identity", json!({"gain": gain.write()})),
        }
    }
}

/// Orthonormal rows or columns, whichever are fewer, times `gain`: modified Gram-Schmidt of a normal matrix, in double
/// precision (the same as QR with the signs of R's diagonal made positive).
fn orthogonal(shape: &Shape, gain: f32, random: &mut Random) -> Result<Vec<f32>> {
    let [outer @ .., columns] = &shape[..] else {
        return Err(Error::mismatch("an orthogonal initialiser needs a matrix", "rank 2 or more", shape));
    };
    if outer.is_empty() {
        return Err(Error::mismatch("an orthogonal initialiser needs a matrix", "rank 2 or more", shape));
    }
    let rows: usize = outer.iter().product();
    let (count, length) = (rows.min(*columns), rows.max(*columns));
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(count);
    while vectors.len() < count {
        let mut v: Vec<f64> = (0..length).map(|_| random.normal()).collect();
        for other in &vectors {
            let product: f64 = v.iter().zip(other).map(|(a, b)| a * b).sum();
            v.iter_mut().zip(other).for_each(|(a, b)| *a -= product * b);
        }
        let norm = v.iter().map(|a| a * a).sum::<f64>().sqrt();
        // Nearly dependent: draw another.
        if norm > 1e-6 {
            v.iter_mut().for_each(|a| *a /= norm);
            vectors.push(v);
        }
    }
    let at = |row: usize, column: usize| {
        if rows < *columns { vectors[row][column] } else { vectors[column][row] }
    };
    Ok((0..rows)
        .flat_map(|r| (0..*columns).map(move |c| (r, c)))
        .map(|(r, c)| (at(r, c) * gain as f64) as f32)
        .collect())
}

/// SplitMix64 (Steele, Lea & Flood 2014), keyed by a name and a seed.
pub struct Random {
    state: u64,
    /// The second of a pair of normal numbers.
    spare: Option<f64>,
}

impl Random {
    /// A stream of its own for each name and seed.
    pub fn new(name: &str, seed: u64) -> Random {
        // FNV-1a.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ b as u64).wrapping_mul(0x0100_0000_01b3));
        let mut random = Random { state: hash ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), spare: None };
        // Neighbouring seeds must not give neighbouring states.
        random.state = random.next();
        random
    }

    /// 64 random bits.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In `[0, 1)`.
    pub fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal (Marsaglia's polar method).
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (u, v) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                let scale = (-2.0 * s.ln() / s).sqrt();
                self.spare = Some(v * scale);
                return u * scale;
            }
        }
    }

    /// Standard normal, drawn again beyond 2.
    pub fn truncated(&mut self) -> f64 {
        loop {
            let value = self.normal();
            if value.abs() < 2.0 {
                return value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(initializer: Initializer, shape: &[usize]) -> (f64, f64, f64) {
        let tensor = initializer.tensor(shape, "layer/kernel", 42).unwrap();
        let values = tensor.as_f32().unwrap();
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| v as f64).sum::<f64>() / n;
        let variance = values.iter().map(|&v| (v as f64 - mean).powi(2)).sum::<f64>() / n;
        (mean, variance.sqrt(), values.iter().fold(0.0f64, |m, v| m.max(v.abs() as f64)))
    }

    #[test]
    fn fans_are_keras() {
        // keras.src.initializers.random_initializers.compute_fans
        let table: [(&[usize], (usize, usize)); 6] = [
            (&[5], (5, 5)),
            (&[3, 4], (3, 4)),
            (&[3, 3, 4, 8], (36, 72)),
            (&[3, 3, 4, 1], (36, 9)),
            (&[2, 3, 3, 4, 8], (72, 144)),
            (&[5, 4, 8], (20, 40)),
        ];
        for (shape, expected) in table {
            assert_eq!(fans(shape), expected, "{shape:?}");
        }
    }

    #[test]
    fn distributions_have_their_moments() {
        let shape = [3, 3, 64, 64];
        let limit = (6.0f64 / (9.0 * 128.0)).sqrt();
        let (mean, stddev, largest) = moments(GLOROT_UNIFORM, &shape);
        assert!(
            mean.abs() < 1e-3 && (stddev - limit / 3f64.sqrt()).abs() < 5e-4 && largest <= limit,
            "{mean} {stddev}"
        );
        let he = Initializer::read(&json!("he_normal")).unwrap();
        let wanted = (2.0f64 / (9.0 * 64.0)).sqrt();
        let (mean, stddev, largest) = moments(he, &shape);
        assert!(mean.abs() < 1e-3 && (stddev / wanted - 1.0).abs() < 0.01, "{mean} {stddev} {wanted}");
        assert!(largest <= 2.0 * wanted / TRUNCATED_STDDEV);
    }

    #[test]
    fn orthogonal_rows_or_columns() {
        for shape in [vec![3, 3, 2, 5], vec![4, 7]] {
            let tensor = Initializer::Orthogonal { gain: 2.0 }.tensor(&shape, "w", 1).unwrap();
            let (v, columns) = (tensor.as_f32().unwrap(), *shape.last().unwrap());
            let rows = v.len() / columns;
            let at = |r: usize, c: usize| v[r * columns + c] as f64;
            let product = |i: usize, j: usize| -> f64 {
                if rows < columns {
                    (0..columns).map(|c| at(i, c) * at(j, c)).sum()
                } else {
                    (0..rows).map(|r| at(r, i) * at(r, j)).sum()
                }
            };
            for i in 0..rows.min(columns) {
                for j in 0..rows.min(columns) {
                    let expected = if i == j { 4.0 } else { 0.0 };
                    assert!((product(i, j) - expected).abs() < 1e-5, "{shape:?} {i} {j}");
                }
            }
        }
    }

    #[test]
    fn names_and_seeds_decide() {
        let draw = |name: &str, seed| GLOROT_UNIFORM.tensor(&[4, 4], name, seed).unwrap();
        assert_eq!(draw("a/kernel", 1), draw("a/kernel", 1));
        assert_ne!(draw("a/kernel", 1), draw("b/kernel", 1));
        assert_ne!(draw("a/kernel", 1), draw("a/kernel", 2));
    }

    #[test]
    fn written_as_read() {
        for name in ["GlorotUniform", "HeNormal", "LecunUniform", "Zeros", "Orthogonal", "TruncatedNormal"] {
            let read = Initializer::read(&json!({"class_name": name, "config": {}})).unwrap();
            assert_eq!(Initializer::read(&read.write()).unwrap(), read);
            assert_eq!(read.write()["class_name"], name);
        }
        assert!(Initializer::read(&json!("glorot")).is_err());
        assert!(Initializer::read(&json!({"class_name": "Zeros", "config": {"gain": 1}})).is_err());
    }
}
