//! Keras' layers on both backends, as sessions run them: optimised, then compiled.
#![cfg(not(target_arch = "wasm32"))]

mod golden;

use golden::Golden;
use pollster::block_on;
use striate::Tensor;
use striate::passes::optimize;

fn all_agree(slack: [f32; 2], run: impl Fn(&striate::graph::Graph, &[Tensor]) -> striate::Result<Vec<Tensor>>) {
    let filter = std::env::var("STRIATE_CASE").unwrap_or_default();
    let cases: Vec<Golden> = golden::cases().into_iter().filter(|c| c.id.contains(&filter)).collect();
    let [absolute, relative] = slack;
    let check = |case: Golden| {
        let case = Golden { atol: case.atol * absolute, rtol: case.rtol * relative, ..case };
        match optimize(&case.graph).and_then(|graph| run(&graph, &case.inputs)) {
            Ok(outputs) => case.check(&outputs[0], 1.0).err(),
            Err(error) => Some(format!("{}: {error}", case.id)),
        }
    };
    let count = cases.len();
    let failures: Vec<String> = cases.into_iter().filter_map(check).collect();
    assert!(failures.is_empty(), "{} of {count} fail:\n{}", failures.len(), failures.join("\n"));
    println!("{count} cases agree");
}

#[test]
fn the_cpu_agrees_with_keras() {
    use striate::backend::cpu::{Executable, InputMut};
    all_agree([1.0, 1.0], |graph, inputs| {
        let types: Vec<_> = inputs.iter().map(Tensor::kind).collect();
        let mut executable = Executable::compile(graph, &types)?;
        for (i, input) in inputs.iter().enumerate() {
            let InputMut::F32(to) = executable.input_mut(i) else { unreachable!("Keras' layers take floats") };
            to.copy_from_slice(input.as_f32()?);
        }
        executable.run()?;
        Ok(vec![executable.output(0).to_tensor()])
    });
}

/// With the tolerances of a GPU, whose exp, tanh, pow and division are looser.
#[cfg(feature = "webgpu")]
#[test]
fn the_gpu_agrees_with_keras() {
    use striate::backend::gpu::{Executable, Gpu, GpuOptions};
    let gpu = match block_on(Gpu::new(GpuOptions { allow_software: true, ..Default::default() })) {
        Ok(gpu) => gpu,
        Err(error) => {
            eprintln!("\n*** NOT TESTED: the WebGPU backend, for there is no adapter: {error}\n");
            assert!(std::env::var_os("STRIATE_REQUIRE_GPU").is_none(), "STRIATE_REQUIRE_GPU is set");
            return;
        }
    };
    all_agree([10.0, 10.0], |graph, inputs| {
        let types: Vec<_> = inputs.iter().map(Tensor::kind).collect();
        let executable = block_on(Executable::compile(&gpu, graph, &types, &mut |_, _| ()))?;
        for (i, input) in inputs.iter().enumerate() {
            executable.write_input(i, input)?;
        }
        executable.submit()?;
        block_on(executable.read_outputs())
    });
}
