//! Running a conformance case on the WebGPU backend, natively and in the browser.

use striate::backend::gpu::{Executable, Gpu};
use striate::conformance::Case;
use striate::{Result, Tensor};

/// The outputs of a case.
pub async fn run(gpu: &Gpu, case: &Case) -> Result<Vec<Tensor>> {
    let types: Vec<_> = case.inputs.iter().map(Tensor::kind).collect();
    let executable = Executable::compile(gpu, &case.graph, &types, &mut |_, _| ()).await?;
    for (i, input) in case.inputs.iter().enumerate() {
        executable.write_input(i, input)?;
    }
    // Twice: nothing of one run may leak into the next.
    executable.submit()?;
    executable.read_outputs().await?;
    executable.submit()?;
    executable.read_outputs().await
}
