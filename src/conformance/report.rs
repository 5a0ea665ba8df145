//! Comparing results, and the summary of a walk through the list.

use std::fmt;

use super::{Case, expected};
use crate::error::{Error, Result};
use crate::tensor::{Data, Tensor};

/// Who is being tested: decides tolerances and what is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The interpreter itself.
    Reference,
    /// The CPU backend, natively or as wasm.
    Cpu,
    /// The WebGPU backend.
    Gpu,
}

impl Backend {
    /// Cases (by prefix) that this backend does not run, each with the reason. An entry that matches no case fails the
    /// suite, so the lists cannot rot.
    pub fn ignored(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Backend::Reference => &[],
            Backend::Cpu => &[],
            Backend::Gpu => &[],
        }
    }

    fn ignores(self, case: &str) -> bool {
        self.ignored().iter().any(|(prefix, _)| case.starts_with(prefix))
    }
}

/// Largest error allowed: `absolute * max(1, largest expected magnitude of the tensor) + relative * |expected|`.
///
/// The first term scales with the tensor because a sum's rounding error depends on its terms, not on its result.
/// Integers are exact on every backend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Times the tensor's largest magnitude, or 1.
    pub absolute: f32,
    /// Times the element's magnitude.
    pub relative: f32,
}

impl Tolerance {
    /// What a backend may be off by: float32 sums in any order, and on the GPU the looser exp, log, pow, tanh and
    /// division that WGSL allows.
    pub fn for_backend(backend: Backend) -> Tolerance {
        match backend {
            Backend::Reference => Tolerance { absolute: 0.0, relative: 0.0 },
            Backend::Cpu => Tolerance { absolute: 4e-6, relative: 4e-6 },
            Backend::Gpu => Tolerance { absolute: 2e-5, relative: 2e-5 },
        }
    }
}

/// How a result differs from what was expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch(String);

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Compares outputs; on success returns the largest error as a fraction of what was allowed.
pub fn compare(got: &[Tensor], want: &[Tensor], tolerance: Tolerance) -> Result<f32, Mismatch> {
    let fail = |text: String| Err(Mismatch(text));
    if got.len() != want.len() {
        return fail(format!("{} outputs instead of {}", got.len(), want.len()));
    }
    let mut worst = 0f32;
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        if got.kind() != want.kind() {
            return fail(format!("output {i} is {} instead of {}", got.kind(), want.kind()));
        }
        let (Data::F32(g), Data::F32(w)) = (got.data(), want.data()) else {
            if got.data() != want.data() {
                return fail(format!("output {i} is {:?} instead of {:?}", Head(got), Head(want)));
            }
            continue;
        };
        let scale = w.iter().fold(1f32, |m, v| if v.is_finite() { m.max(v.abs()) } else { m });
        let mut bad = Vec::new();
        for (at, (&g, &w)) in g.iter().zip(w).enumerate() {
            if g == w || (g.is_nan() && w.is_nan()) {
                continue;
            }
            let used = (g - w).abs() / (tolerance.absolute * scale + tolerance.relative * w.abs());
            if used <= 1.0 {
                worst = worst.max(used);
            } else {
                bad.push((at, g, w));
            }
        }
        if let Some(&(at, g, w)) = bad.first() {
            let (count, shape) = (bad.len(), want.shape());
            return fail(format!(
                "output {i} {shape}: {count} of {} wrong, first at {at}: {g} instead of {w}",
                shape.elements()
            ));
        }
    }
    Ok(worst)
}

/// The first few elements of a tensor.
struct Head<'a>(&'a Tensor);

impl fmt::Debug for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 24;
        match self.0.data() {
            Data::F32(v) => write!(f, "{:?}", &v[..v.len().min(SHOWN)]),
            Data::I32(v) => write!(f, "{:?}", &v[..v.len().min(SHOWN)]),
            Data::U8(v) => write!(f, "{:?}", &v[..v.len().min(SHOWN)]),
        }
    }
}

/// Collects the outcome of every case.
#[derive(Debug)]
pub struct Report {
    backend: Backend,
    passed: usize,
    ignored: Vec<String>,
    worst: (f32, String),
    failures: Vec<String>,
}

impl Report {
    /// An empty report.
    pub fn new(backend: Backend) -> Self {
        Report { backend, passed: 0, ignored: Vec::new(), worst: (0.0, String::from("none")), failures: Vec::new() }
    }

    /// Whether this backend should run the case at all.
    pub fn wants(&self, case: &Case) -> bool {
        !self.backend.ignores(&case.name)
    }

    /// Compares what the backend made of a case with the reference.
    pub fn check(&mut self, case: &Case, outcome: Result<Vec<Tensor>>) {
        if !self.wants(case) {
            self.ignored.push(case.name.clone());
            return;
        }
        let compared = outcome.and_then(|got| {
            let tolerance = Tolerance::for_backend(self.backend);
            compare(&got, &expected(case)?, tolerance).map_err(|m| Error::invalid(m.to_string()))
        });
        match compared {
            Ok(used) => {
                self.passed += 1;
                if used > self.worst.0 {
                    self.worst = (used, case.name.clone());
                }
            }
            Err(error) => self.failures.push(format!("{}: {error}", case.name)),
        }
    }

    /// One line of summary, or the list of all that failed.
    pub fn finish(mut self) -> Result<String, String> {
        let all = if self.backend.ignored().is_empty() { Vec::new() } else { super::cases() };
        for (prefix, _) in self.backend.ignored() {
            if !all.iter().any(|case| case.name.starts_with(prefix)) {
                self.failures.push(format!("the ignore list names {prefix:?}, which is no case"));
            }
        }
        let total = self.passed + self.failures.len();
        let (worst, place) = &self.worst;
        let summary = format!(
            "{:?}: {} of {total} cases agree ({} ignored); worst error {:.0}% of the tolerance, at {place}",
            self.backend,
            self.passed,
            self.ignored.len(),
            worst * 100.0
        );
        if self.failures.is_empty() { Ok(summary) } else { Err(format!("{summary}\n{}", self.failures.join("\n"))) }
    }
}
