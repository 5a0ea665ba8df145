//! A folder of cases: tensors by name, tolerances, outcomes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::Backend;
use crate::error::{Error, Result};
use crate::formats::safetensors;
use crate::tensor::{Data, Tensor};

/// A set of cases with its tensors.
pub struct Set {
    folder: PathBuf,
    cases: Vec<Json>,
    tensors: HashMap<String, Tensor>,
}

impl Set {
    /// Reads `cases.json` and every safetensors file that lies beside it.
    pub fn open(folder: impl AsRef<Path>) -> Result<Set> {
        let folder = folder.as_ref().to_path_buf();
        let failed = |what: &str, e: &dyn std::fmt::Display| Error::invalid(format!("{what}: {e}"));
        let json = read_json(&folder.join("cases.json"))?;
        let cases = json.get("cases").unwrap_or(&json).as_array().cloned();
        let cases = cases.ok_or_else(|| Error::invalid("cases.json has no list of cases"))?;
        let mut tensors = HashMap::new();
        let files = std::fs::read_dir(&folder).map_err(|e| failed("reading the folder", &e))?;
        for file in files.flatten().map(|f| f.path()).filter(|p| p.extension().is_some_and(|e| e == "safetensors")) {
            let bytes = std::fs::read(&file).map_err(|e| failed(&file.to_string_lossy(), &e))?;
            tensors.extend(safetensors::read(&bytes).map_err(|e| failed(&file.to_string_lossy(), &e))?);
        }
        Ok(Set { folder, cases, tensors })
    }

    /// The cases, in the file's order.
    pub fn cases(&self) -> &[Json] {
        &self.cases
    }

    /// A JSON file of the set.
    pub fn json(&self, name: &str) -> Result<Json> {
        read_json(&self.folder.join(name))
    }

    /// The path of a file of the set.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The tensor that an entry of a case names.
    pub fn tensor(&self, entry: &Json) -> Result<&Tensor> {
        let name = entry["tensor"].as_str().ok_or_else(|| Error::invalid(format!("{entry} names no tensor")))?;
        self.tensors.get(name).ok_or_else(|| Error::invalid(format!("no tensor {name:?}")))
    }

    /// The tensors of a list of entries.
    pub fn list(&self, entries: &Json) -> Result<Vec<Tensor>> {
        entries.as_array().into_iter().flatten().map(|entry| self.tensor(entry).cloned()).collect()
    }
}

fn read_json(path: &Path) -> Result<Json> {
    let failed = |e: &dyn std::fmt::Display| Error::invalid(format!("{}: {e}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| failed(&e))?;
    serde_json::from_str(&text).map_err(|e| failed(&e))
}

/// What a case is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Check {
    /// Results.
    Forward,
    /// Gradients of inputs and weights.
    Gradient,
}

/// How a case went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The case's name.
    pub id: String,
    /// Its family.
    pub family: String,
    /// The largest error of each kind of check, as a fraction of what is allowed.
    pub worst: HashMap<Check, f32>,
    /// What was wrong; a case may fail in several ways.
    pub failures: Vec<String>,
    /// Why (part of) it was not run.
    pub skipped: Option<String>,
}

impl Outcome {
    pub(super) fn new(case: &Json) -> Outcome {
        let text = |key: &str| case[key].as_str().unwrap_or("?").to_string();
        Outcome { id: text("id"), family: text("family"), worst: HashMap::new(), failures: Vec::new(), skipped: None }
    }

    /// Records a failure.
    pub fn fail(&mut self, why: impl Into<String>) {
        self.failures.push(why.into());
    }

    /// Compares a result with an entry of a case: `|got - want| <= atol + rtol |want|`.
    pub fn compare(
        &mut self,
        check: Check,
        set: &Set,
        backend: &Backend,
        what: &str,
        got: &Tensor,
        entry: &Json,
    ) -> Result<()> {
        let want = set.tensor(entry)?;
        if got.shape() != want.shape() {
            self.fail(format!("{what}: shape {} instead of {}", got.shape(), want.shape()));
            return Ok(());
        }
        let (factor, least) = backend.slack();
        let number = |key: &str| entry[key].as_f64().unwrap_or(0.0) as f32;
        let (atol, rtol) = (factor * number("atol"), number("rtol").max(least));
        let (got, want) = (floats(got), floats(want));
        let mut worst = (0.0f32, 0);
        for (i, (&g, &w)) in got.iter().zip(&want).enumerate() {
            let error = if g == w || g.is_nan() && w.is_nan() { 0.0 } else { (g - w).abs() / (atol + rtol * w.abs()) };
            // A NaN on one side only compares as the worst there is.
            if error > worst.0 || error.is_nan() {
                worst = (if error.is_nan() { f32::INFINITY } else { error }, i);
            }
        }
        self.note(check, worst.0);
        if worst.0 > 1.0 {
            let (g, w) = (got[worst.1], want[worst.1]);
            self.fail(format!("{what}[{}] is {g} instead of {w}, {:.1} times the tolerance", worst.1, worst.0));
        }
        Ok(())
    }

    /// Records an error that is a fraction of what is allowed.
    pub fn note(&mut self, check: Check, error: f32) {
        let worst = self.worst.entry(check).or_insert(0.0);
        *worst = worst.max(error);
    }

    /// Compares a number; the error names what it is.
    pub fn expect(&mut self, what: &str, got: f64, want: f64, tolerance: f64) {
        let error = (got - want).abs() / tolerance;
        self.note(Check::Forward, error as f32);
        if error.is_nan() || error > 1.0 {
            self.fail(format!("{what} is {got} instead of {want}"));
        }
    }
}

/// Any tensor's elements as floats.
pub(super) fn floats(tensor: &Tensor) -> Vec<f32> {
    match tensor.data() {
        Data::F32(v) => v.clone(),
        Data::I32(v) => v.iter().map(|&x| x as f32).collect(),
        Data::U8(v) => v.iter().map(|&x| x as f32).collect(),
    }
}
