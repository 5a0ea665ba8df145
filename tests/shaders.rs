//! Every shader variant that a graph can ask for is valid WGSL, checked without a GPU.
#![cfg(all(feature = "webgpu", not(target_arch = "wasm32")))]

use std::collections::{HashMap, HashSet};

use naga::valid::{Capabilities, ValidationFlags, Validator};
use striate::backend::gpu::Variant;

/// WebGPU guarantees this much workgroup memory.
const WORKGROUP_BYTES: u32 = 16384;
/// And this many invocations of one workgroup.
const INVOCATIONS: u32 = 256;

fn check(source: &str) -> Result<(), String> {
    let module = naga::front::wgsl::parse_str(source).map_err(|e| e.emit_to_string(source))?;
    // No capability beyond WebGPU's core: a browser has nothing else.
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
    validator.validate(&module).map_err(|e| e.emit_to_string(source))?;

    let [entry] = &module.entry_points[..] else { return Err("not exactly one entry point".into()) };
    let threads: u32 = entry.workgroup_size.iter().product();
    if entry.name != "main" || threads > INVOCATIONS {
        return Err(format!("entry point {} with {threads} threads", entry.name));
    }
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).map_err(|e| e.to_string())?;
    let shared = module.global_variables.iter().filter(|(_, v)| v.space == naga::AddressSpace::WorkGroup);
    let bytes: u32 = shared.map(|(_, v)| layouter[v.ty].size).sum();
    if bytes > WORKGROUP_BYTES {
        return Err(format!("{bytes} bytes of workgroup memory"));
    }
    Ok(())
}

#[test]
fn every_variant_is_valid() {
    let variants = Variant::all();
    let distinct: HashSet<&Variant> = variants.iter().collect();
    assert_eq!(distinct.len(), variants.len(), "a variant is listed twice");

    let mut files: HashMap<&str, usize> = HashMap::new();
    let mut failures = Vec::new();
    for variant in &variants {
        *files.entry(variant.file()).or_default() += 1;
        if let Err(error) = variant.source().map_err(|e| e.to_string()).and_then(|source| check(&source)) {
            failures.push(format!("{variant:?}\n{error}"));
        }
    }
    println!("{} variants of {} shaders: {files:?}", variants.len(), files.len());
    assert!(failures.is_empty(), "{} invalid, first: {}", failures.len(), failures[0]);
    assert!(variants.len() > 1000, "the list shrank");
}

#[test]
fn the_check_can_fail() {
    assert!(check("@compute @workgroup_size(64) fn main() { let x: u32 = 1.5; }").is_err());
    assert!(check("@compute @workgroup_size(512) fn main() {}").is_err());
    assert!(
        check("var<workgroup> a: array<f32, 5000>; @compute @workgroup_size(1) fn main() { a[0] = 1.0; }").is_err()
    );
    assert!(check("@compute @workgroup_size(64) fn main() {}").is_ok());
}
