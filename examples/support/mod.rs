//! What the programs share that hold backends to a folder of cases.

use std::process::ExitCode;

use striate::backend::gpu::{Gpu, GpuOptions};
use striate::session::Device;

/// Runs a program on its arguments: whether all was well, or what stopped it.
pub fn main(run: fn(Vec<String>) -> Result<bool, String>) -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The device of a backend by its name, or none: the reference interpreter. `usage` is what an unknown name gets to read.
pub fn device(name: &str, usage: &str) -> Result<Option<Device>, String> {
    match name {
        "reference" => Ok(None),
        "cpu" => Ok(Some(Device::Cpu)),
        "webgpu" => {
            let options = GpuOptions { allow_software: true, ..GpuOptions::default() };
            let gpu = pollster::block_on(Gpu::new(options)).map_err(|e| e.to_string())?;
            Ok(Some(Device::Gpu(gpu)))
        }
        _ => Err(usage.into()),
    }
}
