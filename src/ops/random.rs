//! Random numbers from a counter: the same everywhere, and nothing to keep between runs but the count.

use super::{Operator, Reference, expect_inputs};
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor, TensorType};

/// A distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RandomKind {
    /// `0 <= x < 1`, multiples of 2^-24: the same bits on every backend.
    Uniform,
    /// Mean 0, standard deviation 1 (Box and Muller 1958): the same to a few units in the last place.
    Normal,
}

/// Random numbers in the shape of `like`: inputs `like` (any type; only its shape counts) and `counter`, an int32 of one
/// element.
///
/// An element depends on the seed, the counter and its position, and on nothing else. So give every layer a seed of its
/// own, and count the steps in a variable: the same seeds give the same training. Dropout of `x` at rate `r` is
/// `x * Cast(GreaterEqual(Random(x, step), r)) / (1 - r)`; for masks that are one along some axes (spatial dropout) let
/// `like` be a [`Slice`](super::Slice) of `x`. No gradient goes through the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Random {
    /// The distribution.
    pub kind: RandomKind,
    /// Which stream of numbers.
    pub seed: u32,
}

/// The generator `pcg3d` of Jarzynski and Olano, "Hash Functions for GPU Rendering" (2020): three words to three random
/// ones, by sums and products of 32 bits alone, so that WGSL and Rust agree on every bit.
pub(crate) fn hash(words: [u32; 3]) -> [u32; 3] {
    let [mut x, mut y, mut z] = words.map(|w| w.wrapping_mul(1664525).wrapping_add(1013904223));
    let mut mix = || {
        x = x.wrapping_add(y.wrapping_mul(z));
        y = y.wrapping_add(z.wrapping_mul(x));
        z = z.wrapping_add(x.wrapping_mul(y));
        [x, y, z] = [x, y, z].map(|w| w ^ (w >> 16));
        [x, y, z]
    };
    mix();
    // The last shift of the second round is not in the paper's, and costs the upper bits nothing.
    mix()
}

/// 24 random bits as a float in `0..1`.
pub(crate) fn fraction(word: u32) -> f32 {
    (word >> 8) as f32 / (1 << 24) as f32
}

impl Operator for Random {
    fn name(&self) -> &'static str {
        match self.kind {
            RandomKind::Uniform => "RandomUniform",
            RandomKind::Normal => "RandomNormal",
        }
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 2)?;
        if inputs[1].dtype != DType::I32 || inputs[1].shape.elements() != 1 {
            return Err(Error::mismatch("a counter is one number", "int32, one element", &inputs[1]));
        }
        Ok(vec![TensorType::f32(inputs[0].shape.clone())])
    }
}

impl Reference for Random {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let counter = inputs[1].as_i32()?[0] as u32;
        let number = |i: usize| {
            let [a, b, _] = hash([i as u32, counter, self.seed]);
            match self.kind {
                RandomKind::Uniform => fraction(a),
                RandomKind::Normal => {
                    // From above 0 to 1, for the logarithm.
                    let (radius, angle) = (1.0 - fraction(a) as f64, fraction(b) as f64);
                    ((-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()) as f32
                }
            }
        };
        let numbers: Vec<f32> = (0..shape.elements()).map(number).collect();
        Ok(vec![Tensor::f32(shape, numbers)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(kind: RandomKind, seed: u32, counter: i32, count: usize) -> Vec<f64> {
        let (like, counter) = (Tensor::u8([count], vec![0; count]).unwrap(), Tensor::i32([1], vec![counter]).unwrap());
        let random = Random { kind, seed }.reference(&[&like, &counter]).unwrap().remove(0);
        random.as_f32().unwrap().iter().map(|&v| v as f64).collect()
    }

    fn correlation(a: &[f64], b: &[f64]) -> f64 {
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let (ma, mb) = (mean(a), mean(b));
        let product = |x: &[f64], mx: f64, y: &[f64], my: f64| -> f64 {
            x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>()
        };
        product(a, ma, b, mb) / (product(a, ma, a, ma) * product(b, mb, b, mb)).sqrt()
    }

    #[test]
    fn uniform_numbers_fill_the_range_evenly() {
        const BINS: usize = 64;
        let n = 1 << 16;
        for (seed, counter) in [(0, 0), (0, 1), (1, 0), (u32::MAX, -1), (12345, 1_000_000)] {
            let values = numbers(RandomKind::Uniform, seed, counter, n);
            assert!(values.iter().all(|v| (0.0..1.0).contains(v)));
            let mut counts = [0.0; BINS];
            values.iter().for_each(|v| counts[(v * BINS as f64) as usize] += 1.0);
            let expected = (n / BINS) as f64;
            let chi: f64 = counts.iter().map(|c| (c - expected) * (c - expected) / expected).sum();
            // 63 degrees of freedom: mean 63, standard deviation 11.2.
            assert!((20.0..120.0).contains(&chi), "seed {seed}, counter {counter}: chi squared {chi}");
        }
    }

    #[test]
    fn streams_and_neighbours_have_nothing_in_common() {
        let n = 1 << 14;
        let first = numbers(RandomKind::Uniform, 7, 3, n);
        // Four standard deviations of the correlation of independent numbers.
        let limit = 4.0 / (n as f64).sqrt();
        for (seed, counter) in [(7, 4), (8, 3), (3, 7)] {
            assert!(correlation(&first, &numbers(RandomKind::Uniform, seed, counter, n)).abs() < limit);
        }
        for lag in [1, 2, 64, 1000] {
            assert!(correlation(&first[lag..], &first[..n - lag]).abs() < limit, "{lag} apart");
        }
        assert_eq!(first, numbers(RandomKind::Uniform, 7, 3, n), "the same again");
    }

    #[test]
    fn normal_numbers_have_the_moments_of_the_distribution() {
        let values = numbers(RandomKind::Normal, 5, 9, 1 << 17);
        let moment = |p: i32| values.iter().map(|v| v.powi(p)).sum::<f64>() / values.len() as f64;
        for (power, want, allowed) in [(1, 0.0, 0.012), (2, 1.0, 0.016), (3, 0.0, 0.05), (4, 3.0, 0.12)] {
            assert!((moment(power) - want).abs() < allowed, "moment {power}: {}", moment(power));
        }
        let beyond_two = values.iter().filter(|v| v.abs() > 2.0).count() as f64 / values.len() as f64;
        assert!((beyond_two - 0.0455).abs() < 0.003, "{beyond_two}");
    }
}
