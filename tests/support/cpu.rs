//! Running a conformance case on the CPU backend, natively and in the browser.

use striate::backend::cpu::{Executable, InputMut};
use striate::conformance::Case;
use striate::{Data, Result, Tensor};

/// The outputs of a case.
pub fn run(case: &Case) -> Result<Vec<Tensor>> {
    let types: Vec<_> = case.inputs.iter().map(Tensor::kind).collect();
    let mut executable = Executable::compile(&case.graph, &types)?;
    // Twice: nothing of the first run may show in the second.
    for _ in 0..2 {
        for (i, input) in case.inputs.iter().enumerate() {
            match (executable.input_mut(i), input.data()) {
                (InputMut::F32(to), Data::F32(from)) => to.copy_from_slice(from),
                (InputMut::I32(to), Data::I32(from)) => to.copy_from_slice(from),
                (InputMut::U8(to), Data::U8(from)) => to.copy_from_slice(from),
                _ => unreachable!("compiled for these types"),
            }
        }
        executable.run()?;
    }
    Ok((0..case.graph.outputs().len()).map(|i| executable.output(i).to_tensor()).collect())
}
