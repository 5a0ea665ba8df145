//! Reading the cases, and comparing with them.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::Value as Json;
use striate::session::Device;
use striate::{Data, Tensor};

/// The cases of some families with their tensors.
pub struct Golden {
    pub cases: Vec<Json>,
    tensors: HashMap<String, Tensor>,
}

/// A value of a case and what is wrong with it.
pub type Failures = Vec<String>;

impl Golden {
    pub fn load(families: &[&str], files: &[&str]) -> Golden {
        let directory = std::env::var_os("STRIATE_GOLDEN_TRAINING").map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden-training"),
            PathBuf::from,
        );
        let list: Vec<Json> = serde_json::from_slice(&std::fs::read(directory.join("cases.json")).unwrap()).unwrap();
        let wanted = |c: &Json| families.contains(&c["family"].as_str().unwrap());
        let mut tensors = HashMap::new();
        for file in files {
            read_safetensors(&std::fs::read(directory.join(file)).unwrap(), &mut tensors);
        }
        Golden { cases: list.into_iter().filter(wanted).collect(), tensors }
    }

    /// The tensor that an entry of a case names.
    pub fn tensor(&self, entry: &Json) -> &Tensor {
        &self.tensors[entry["tensor"].as_str().unwrap_or_else(|| panic!("no tensor in {entry}"))]
    }

    /// What differs from an entry with tolerances, which are multiplied by `slack`.
    pub fn compare(&self, what: &str, got: &Tensor, entry: &Json, slack: f64) -> Result<(), String> {
        let want = self.tensor(entry);
        let [atol, rtol] = ["atol", "rtol"].map(|key| slack * entry[key].as_f64().unwrap());
        if got.shape() != want.shape() {
            return Err(format!("{what}: shape {} instead of {}", got.shape(), want.shape()));
        }
        for (i, (got, want)) in numbers(got).into_iter().zip(numbers(want)).enumerate() {
            let close = (got - want).abs() <= atol + rtol * want.abs() || got == want;
            if !(close || got.is_nan() && want.is_nan()) {
                return Err(format!("{what}: element {i} is {got} instead of {want} (atol {atol:e})"));
            }
        }
        Ok(())
    }
}

/// The devices there are, with the slack that each needs: a GPU's exp, log and division are looser.
pub fn devices() -> Vec<(Device, f64)> {
    #[cfg_attr(not(feature = "webgpu"), allow(unused_mut))]
    let mut devices = vec![(Device::Cpu, 1.0)];
    #[cfg(feature = "webgpu")]
    {
        use striate::backend::gpu::{Gpu, GpuOptions};
        match pollster::block_on(Gpu::new(GpuOptions { allow_software: true, ..Default::default() })) {
            Ok(gpu) => devices.push((Device::Gpu(gpu), 10.0)),
            Err(error) => {
                eprintln!("\n*** NOT TESTED: training on the GPU, for there is no adapter: {error}\n");
                assert!(std::env::var_os("STRIATE_REQUIRE_GPU").is_none(), "STRIATE_REQUIRE_GPU is set");
            }
        }
    }
    devices
}

/// Elements as double precision.
pub fn numbers(tensor: &Tensor) -> Vec<f64> {
    match tensor.data() {
        Data::F32(v) => v.iter().map(|&x| x as f64).collect(),
        Data::I32(v) => v.iter().map(|&x| x as f64).collect(),
        Data::U8(v) => v.iter().map(|&x| x as f64).collect(),
    }
}

pub fn id(case: &Json) -> &str {
    case["id"].as_str().unwrap()
}

/// Fails with everything that is wrong.
pub fn report(failures: Failures, checked: usize, at_least: usize) {
    assert!(failures.is_empty(), "{} of {checked} are wrong:\n{}", failures.len(), failures.join("\n"));
    assert!(checked >= at_least, "only {checked} cases found");
}

fn read_safetensors(file: &[u8], into: &mut HashMap<String, Tensor>) {
    let (length, rest) = file.split_at(8);
    let (header, body) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
    let header: serde_json::Map<String, Json> = serde_json::from_slice(header).unwrap();
    for (name, entry) in header.iter().filter(|(name, _)| *name != "__metadata__") {
        let list = |key: &str| -> Vec<usize> {
            entry[key].as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as usize).collect()
        };
        let (shape, offsets) = (list("shape"), list("data_offsets"));
        let bytes = &body[offsets[0]..offsets[1]];
        let words = || bytes.chunks_exact(4).map(|b| <[u8; 4]>::try_from(b).unwrap());
        let data = match entry["dtype"].as_str().unwrap() {
            "F32" => Data::F32(words().map(f32::from_le_bytes).collect()),
            "I32" => Data::I32(words().map(i32::from_le_bytes).collect()),
            _ => Data::U8(bytes.to_vec()),
        };
        into.insert(name.clone(), Tensor::new(shape, data).unwrap());
    }
}
