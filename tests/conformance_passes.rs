//! Optimised graphs compute what the graphs computed, over the whole conformance list and Keras' layers.
#![cfg(feature = "conformance")]

mod golden;

use striate::conformance::{self, Backend, Report};
use striate::passes::optimize;

#[test]
fn passes_keep_the_meaning_of_every_case() {
    let mut report = Report::new(Backend::Cpu);
    let mut simplified = 0;
    for case in conformance::cases() {
        let outcome = optimize(&case.graph).and_then(|graph| {
            simplified += (graph.nodes().len() < case.graph.nodes().len()) as usize;
            striate::reference::run(&graph, &case.inputs)
        });
        report.check(&case, outcome);
    }
    println!("{}", report.finish().unwrap());
    assert!(simplified > 20, "only {simplified} graphs became smaller");
}

#[test]
fn passes_keep_what_keras_computes() {
    let check = |case: &golden::Golden| {
        let outcome = optimize(&case.graph).and_then(|graph| striate::reference::run(&graph, &case.inputs));
        match outcome {
            Ok(outputs) => case.check(&outputs[0], 1.0).err(),
            Err(error) => Some(format!("{}: {error}", case.id)),
        }
    };
    let failures: Vec<String> = golden::cases().iter().filter_map(check).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
