//! Optimised graphs compute what the graphs computed, over the whole conformance list.
#![cfg(feature = "conformance")]

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
