//! One axis of a resize as a table: which input elements an output element is made of, and their weights.
//!
//! Weights are computed in float32, in the order in which TensorFlow computes them: a coordinate that its rounding moves
//! over a kernel's edge must move here too. Every backend runs these tables, the reference kernel too.

use super::{Border, ResizeMode, Sampling, SamplingKernel};

/// A sparse linear map of one axis: output `o` is the sum of `weights[o * width + k]` times input `starts[o] + k`,
/// over `k` in `0..width`. All of these inputs exist; what a row does not need has weight 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Taps {
    /// Length of the input axis.
    pub input: usize,
    /// Inputs that an output reads.
    pub width: usize,
    /// The first input of every output.
    pub starts: Vec<u32>,
    /// `width` weights for every output.
    pub weights: Vec<f32>,
}

impl Taps {
    /// From `(first input, weights)` of every output; zeros at both ends are dropped.
    ///
    /// Every span must lie inside the input.
    pub fn from_rows(input: usize, rows: impl IntoIterator<Item = (usize, Vec<f32>)>) -> Taps {
        let trim = |(start, weights): (usize, Vec<f32>)| {
            let first = weights.iter().position(|&w| w != 0.0).unwrap_or(0);
            let end = weights.iter().rposition(|&w| w != 0.0).map_or(first, |last| last + 1);
            (start + first, weights[first..end].to_vec())
        };
        let rows: Vec<(usize, Vec<f32>)> = rows.into_iter().map(trim).collect();
        let width = rows.iter().map(|(_, weights)| weights.len()).max().unwrap_or(0).max(1);
        let mut table =
            Taps { input, width, starts: Vec::with_capacity(rows.len()), weights: vec![0.0; rows.len() * width] };
        for (o, (start, weights)) in rows.into_iter().enumerate() {
            // At the far border the span moves back, and its weights forward.
            let first = start.min(input - width);
            table.starts.push(first as u32);
            table.weights[o * width + start - first..][..weights.len()].copy_from_slice(&weights);
        }
        table
    }

    /// Length of the output axis.
    pub fn output(&self) -> usize {
        self.starts.len()
    }

    /// The first input of output `o`, and the weights from there on.
    pub fn row(&self, o: usize) -> (usize, &[f32]) {
        (self.starts[o] as usize, &self.weights[o * self.width..][..self.width])
    }

    /// Whether every output is the input at the same place.
    pub fn is_identity(&self) -> bool {
        self.output() == self.input
            && (0..self.input).all(|o| {
                let (start, weights) = self.row(o);
                weights.iter().enumerate().all(|(k, &w)| w == (start + k == o) as u8 as f32)
            })
    }

    /// The map back: from gradients of the outputs to gradients of the inputs.
    pub fn transposed(&self) -> Taps {
        let output = self.output();
        let mut columns = vec![(output, Vec::new()); self.input];
        for o in 0..output {
            let (start, weights) = self.row(o);
            for (k, &weight) in weights.iter().enumerate().filter(|&(_, &w)| w != 0.0) {
                let (first, column): &mut (usize, Vec<f32>) = &mut columns[start + k];
                *first = o.min(*first);
                column.resize(o - *first, 0.0);
                column.push(weight);
            }
        }
        // An input that nothing reads has an empty column, which may start anywhere.
        Taps::from_rows(output, columns.into_iter().map(|(first, column)| (first.min(output - 1), column)))
    }
}

/// Where the outputs of one axis lie in the input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub input: usize,
    pub output: usize,
    /// Input elements for one output element.
    pub ratio: f32,
    /// `Some` for half-pixel centres, with what is added to the coordinate; `None` where output 0 lies on input 0.
    pub half_pixel: Option<f32>,
}

impl Axis {
    /// The coordinate of output `o`, rounded as TensorFlow rounds it; input 0 has coordinate 0.
    fn position(&self, o: usize) -> f32 {
        match self.half_pixel {
            Some(shift) => (o as f32 + 0.5) * self.ratio - 0.5 + shift,
            None => o as f32 * self.ratio,
        }
    }

    /// The table of a mode.
    pub fn taps(&self, mode: ResizeMode, nearest: impl Fn(usize) -> usize) -> Taps {
        let Axis { input, output, .. } = *self;
        let rows = 0..output;
        match mode {
            ResizeMode::Nearest(_) => Taps::from_rows(input, rows.map(|o| (nearest(o), vec![1.0]))),
            ResizeMode::Bilinear => Taps::from_rows(input, rows.map(|o| self.between(o))),
            ResizeMode::Area => Taps::from_rows(input, rows.map(|o| area(o, input, output))),
            ResizeMode::Sampled(sampling) => Taps::from_rows(input, rows.map(|o| self.sampled(&sampling, o))),
        }
    }

    fn between(&self, o: usize) -> (usize, Vec<f32>) {
        let last = self.input - 1;
        let position = self.position(o).clamp(0.0, last as f32);
        let (low, t) = (position as usize, position.fract());
        // On a pixel the neighbour is not read at all: there may be none.
        if t == 0.0 { (low, vec![1.0]) } else { (low, vec![1.0 - t, t]) }
    }

    fn sampled(&self, sampling: &Sampling, o: usize) -> (usize, Vec<f32>) {
        let Sampling { kernel, antialias, border } = *sampling;
        // A shrinking resize widens the kernel, a growing one does not narrow it.
        let stretch = if antialias { self.ratio.max(1.0) } else { 1.0 };
        let narrow = 1.0 / stretch;
        // TensorFlow measures from the edge of the first pixel, of which the centre is at 0.5.
        let centre = match (kernel, self.half_pixel) {
            (SamplingKernel::TabulatedCubic { .. }, _) => {
                let position = self.position(o);
                let whole = position.floor();
                whole + ((position - whole) * 1024.0).round_ties_even() / 1024.0 + 0.5
            }
            (_, Some(0.0)) => (o as f32 + 0.5) * self.ratio,
            _ => self.position(o) + 0.5,
        };
        let reach = kernel.radius() * stretch;
        let (first, last) = ((centre - reach - 0.5).ceil() as i64, (centre + reach - 0.5).floor() as i64);
        let end = self.input as i64 - 1;
        let (first, last) = match border {
            Border::Exclude => (first.clamp(0, end), last.clamp(0, end)),
            Border::Repeat => (first, last),
        };
        let inside = |i: i64| i.clamp(0, end) as usize;
        let start = inside(first);
        let mut weights = vec![0.0; inside(last) - start + 1];
        let mut total = 0.0;
        for i in first..=last {
            let weight = kernel.weight((i as f32 + 0.5 - centre).abs() * narrow);
            total += weight;
            weights[inside(i) - start] += weight;
        }
        // As in TensorFlow: what has no weight at all gives 0.
        let scale = if total.abs() >= 1000.0 * f32::MIN_POSITIVE { 1.0 / total } else { 0.0 };
        weights.iter_mut().for_each(|w| *w *= scale);
        (start, weights)
    }
}

/// The parts of the inputs that output `o` covers, as fractions of it.
fn area(o: usize, input: usize, output: usize) -> (usize, Vec<f32>) {
    // In units of 1 / output of an input element.
    let (low, high) = (o * input, (o + 1) * input);
    let cells = low / output..high.div_ceil(output);
    let covered = |i: usize| (high.min((i + 1) * output) - low.max(i * output)) as f32 / input as f32;
    (cells.start, cells.map(covered).collect())
}

impl SamplingKernel {
    /// The kernel is 0 beyond this distance.
    pub fn radius(self) -> f32 {
        match self {
            SamplingKernel::Triangle => 1.0,
            SamplingKernel::Gaussian => 1.5,
            SamplingKernel::Cubic { .. } | SamplingKernel::TabulatedCubic { .. } | SamplingKernel::MitchellCubic => 2.0,
            SamplingKernel::Lanczos3 => 3.0,
            SamplingKernel::Lanczos5 => 5.0,
        }
    }

    /// The weight at a distance of `x >= 0`, not normalised.
    pub fn weight(self, x: f32) -> f32 {
        match self {
            SamplingKernel::Triangle => (1.0 - x).max(0.0),
            SamplingKernel::Cubic { a } | SamplingKernel::TabulatedCubic { a } => match x {
                2.0.. => 0.0,
                1.0.. => ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a,
                _ => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
            },
            SamplingKernel::MitchellCubic => match x {
                2.0.. => 0.0,
                1.0.. => (((-7.0 / 18.0) * x + 2.0) * x - 10.0 / 3.0) * x + 16.0 / 9.0,
                _ => ((7.0 / 6.0) * x - 2.0) * x * x + 8.0 / 9.0,
            },
            SamplingKernel::Gaussian if x >= 1.5 => 0.0,
            // Standard deviation 1/2.
            SamplingKernel::Gaussian => (-2.0 * x * x).exp(),
            SamplingKernel::Lanczos3 | SamplingKernel::Lanczos5 => {
                let radius = self.radius();
                if x > radius {
                    0.0
                } else if x <= 1e-3 {
                    1.0
                } else {
                    let angle = std::f32::consts::PI * x;
                    radius * angle.sin() * (angle / radius).sin() / (angle * angle)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half_pixel(input: usize, output: usize) -> Axis {
        Axis { input, output, ratio: input as f32 / output as f32, half_pixel: Some(0.0) }
    }

    fn sampled(kernel: SamplingKernel, antialias: bool, border: Border, input: usize, output: usize) -> Taps {
        let mode = ResizeMode::Sampled(Sampling { kernel, antialias, border });
        half_pixel(input, output).taps(mode, |_| 0)
    }

    /// The row as a dense vector.
    fn dense(taps: &Taps, o: usize) -> Vec<f32> {
        let (start, weights) = taps.row(o);
        let mut row = vec![0.0; taps.input];
        row[start..start + taps.width].copy_from_slice(weights);
        row
    }

    fn near(got: &[f32], want: &[f32]) {
        assert!(got.len() == want.len() && got.iter().zip(want).all(|(g, w)| (g - w).abs() < 2e-6), "{got:?}");
    }

    #[test]
    fn area_weights_are_the_covered_parts() {
        let taps = half_pixel(5, 2).taps(ResizeMode::Area, |_| 0);
        near(&dense(&taps, 0), &[0.4, 0.4, 0.2, 0.0, 0.0]);
        near(&dense(&taps, 1), &[0.0, 0.0, 0.2, 0.4, 0.4]);
        let up = half_pixel(2, 3).taps(ResizeMode::Area, |_| 0);
        near(&dense(&up, 1), &[0.5, 0.5]);
        assert_eq!(up.row(2), (0, &[0.0, 1.0][..]));
    }

    #[test]
    fn cubic_weights_by_hand() {
        let cubic = |a, border| sampled(SamplingKernel::Cubic { a }, false, border, 4, 8);
        // Output 3 lies at 1.25: the textbook weights for a quarter.
        near(&dense(&cubic(-0.5, Border::Exclude), 3), &[-0.0703125, 0.8671875, 0.2265625, -0.0234375]);
        near(&dense(&cubic(-0.75, Border::Repeat), 3), &[-0.10546875, 0.87890625, 0.26171875, -0.03515625]);
        // Output 0 lies at -0.25: two taps are outside.
        near(&dense(&cubic(-0.75, Border::Repeat), 0), &[-0.03515625 + 0.26171875 + 0.87890625, -0.10546875, 0.0, 0.0]);
        let kept = 0.8671875 - 0.0703125;
        near(&dense(&cubic(-0.5, Border::Exclude), 0), &[0.8671875 / kept, -0.0703125 / kept, 0.0, 0.0]);
    }

    #[test]
    fn antialiasing_widens_only_when_shrinking() {
        let taps = sampled(SamplingKernel::Triangle, true, Border::Exclude, 8, 4);
        near(&dense(&taps, 1)[..6], &[0.0, 0.125, 0.375, 0.375, 0.125, 0.0]);
        let up = |antialias| sampled(SamplingKernel::Lanczos3, antialias, Border::Exclude, 5, 7);
        assert_eq!(up(true), up(false));
    }

    #[test]
    fn every_kernel_keeps_a_constant_and_its_symmetry() {
        let kernels = [
            SamplingKernel::Triangle,
            SamplingKernel::Cubic { a: -0.75 },
            SamplingKernel::TabulatedCubic { a: -0.5 },
            SamplingKernel::MitchellCubic,
            SamplingKernel::Gaussian,
            SamplingKernel::Lanczos3,
            SamplingKernel::Lanczos5,
        ];
        for kernel in kernels {
            for (input, output) in [(9, 4), (4, 9), (1, 5), (7, 1), (16, 8), (6, 6), (40, 3)] {
                for (antialias, border) in [(false, Border::Exclude), (true, Border::Exclude), (true, Border::Repeat)] {
                    let taps = sampled(kernel, antialias, border, input, output);
                    for o in 0..output {
                        let row = dense(&taps, o);
                        assert!(
                            (row.iter().sum::<f32>() - 1.0).abs() < 1e-5,
                            "{kernel:?} {input} to {output}: {row:?}"
                        );
                        let mut mirrored = dense(&taps, output - 1 - o);
                        mirrored.reverse();
                        let same = row.iter().zip(&mirrored).all(|(a, b)| (a - b).abs() < 1e-3);
                        assert!(same, "{kernel:?} {input} to {output}: {row:?} and {mirrored:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_transposed_table_is_the_transposed_matrix() {
        for (input, output) in [(9, 4), (4, 9), (1, 3), (5, 1), (12, 2)] {
            for mode in [
                ResizeMode::Area,
                ResizeMode::Bilinear,
                ResizeMode::tensorflow("bicubic", false).unwrap(),
                ResizeMode::tensorflow("lanczos3", true).unwrap(),
            ] {
                let taps = half_pixel(input, output).taps(mode, |_| 0);
                let back = taps.transposed();
                assert_eq!((back.input, back.output()), (output, input));
                for o in 0..output {
                    for i in 0..input {
                        assert_eq!(dense(&taps, o)[i], dense(&back, i)[o], "{mode:?} {input} to {output}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_identity_is_known() {
        assert!(half_pixel(5, 5).taps(ResizeMode::Area, |_| 0).is_identity());
        assert!(sampled(SamplingKernel::Cubic { a: -0.5 }, true, Border::Exclude, 5, 5).is_identity());
        assert!(!sampled(SamplingKernel::MitchellCubic, true, Border::Exclude, 5, 5).is_identity());
        assert!(!half_pixel(5, 4).taps(ResizeMode::Bilinear, |_| 0).is_identity());
    }
}
