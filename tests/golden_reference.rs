//! The reference kernels against Keras.

mod golden;

#[test]
fn the_reference_agrees_with_keras() {
    let cases = golden::cases();
    let check = |case: &golden::Golden| match striate::reference::run(&case.graph, &case.inputs) {
        Ok(outputs) => case.check(&outputs[0], 1.0).err(),
        Err(error) => Some(format!("{}: {error}", case.id)),
    };
    let failures: Vec<String> = cases.iter().filter_map(check).collect();
    assert!(failures.is_empty(), "{} of {} fail:\n{}", failures.len(), cases.len(), failures.join("\n"));
    assert!(cases.len() > 240, "only {} cases found", cases.len());
}
