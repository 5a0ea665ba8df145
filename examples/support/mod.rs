//! What the programs share that hold backends to a folder of cases.

use std::path::PathBuf;
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
fn device(name: &str, usage: &str) -> Result<Option<Device>, String> {
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

/// What a program is asked for.
pub struct Asked {
    /// The folder of cases.
    pub folder: PathBuf,
    /// The backends, by name.
    pub devices: Vec<(String, Option<Device>)>,
    options: Vec<(String, String)>,
}

impl Asked {
    /// Reads `DIR`, any number of `--backend NAME`, options of the program's own with a value, and flags without one.
    pub fn read(
        arguments: Vec<String>,
        usage: &str,
        backends: &[&str],
        options: &[&str],
        flags: &[&str],
    ) -> Result<Asked, String> {
        let (mut folder, mut names) = (None, Vec::new());
        let mut found = Vec::new();
        let mut rest = arguments.into_iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().ok_or(usage.to_string());
            match argument.as_str() {
                "--backend" => names.push(value()?),
                option if options.contains(&option) => found.push((option.to_string(), value()?)),
                flag if flags.contains(&flag) => found.push((flag.to_string(), String::new())),
                _ if folder.is_none() && !argument.starts_with('-') => folder = Some(argument.into()),
                _ => return Err(usage.into()),
            }
        }
        if names.is_empty() {
            names = backends.iter().map(|name| name.to_string()).collect();
        }
        let folder = folder.ok_or(usage)?;
        let device = |name: String| device(&name, usage).map(|device| (name, device));
        Ok(Asked { folder, devices: names.into_iter().map(device).collect::<Result<_, _>>()?, options: found })
    }

    /// Every value of an option.
    pub fn all(&self, option: &str) -> impl Iterator<Item = &str> {
        self.options.iter().filter(move |(name, _)| name == option).map(|(_, value)| value.as_str())
    }

    /// The value of an option that counts: the last.
    pub fn last(&self, option: &str) -> Option<&str> {
        self.all(option).last()
    }
}
