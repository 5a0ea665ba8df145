//! The conformance list itself: enough cases, each runnable, finite and small.
#![cfg(feature = "conformance")]

use std::collections::HashSet;

use striate::Data;
use striate::conformance::{self, Backend, Report};

#[test]
fn every_case_runs_and_is_finite() {
    let cases = conformance::cases();
    let mut report = Report::new(Backend::Reference);
    for case in &cases {
        let outputs = striate::reference::run(&case.graph, &case.inputs);
        for output in outputs.iter().flatten() {
            let Data::F32(values) = output.data() else { continue };
            assert!(values.iter().all(|v| v.is_finite()), "{} has infinite results", case.name);
        }
        report.check(case, outputs);
    }
    println!("{}", report.finish().unwrap());
    assert!(cases.len() >= 450, "only {} cases", cases.len());
}

#[test]
fn names_are_unique_and_the_list_is_the_same_every_time() {
    let (first, second) = (conformance::cases(), conformance::cases());
    let names: HashSet<&str> = first.iter().map(|c| c.name.as_str()).collect();
    let duplicates: Vec<&str> = {
        let mut seen = HashSet::new();
        first.iter().map(|c| c.name.as_str()).filter(|n| !seen.insert(*n)).collect()
    };
    assert_eq!(names.len(), first.len(), "duplicates: {duplicates:?}");
    for (a, b) in first.iter().zip(&second) {
        // As text, in which a NaN is the same as another.
        let text = |case: &conformance::Case| (case.name.clone(), format!("{:?}", case.inputs), case.graph.to_string());
        assert_eq!(text(a), text(b));
    }
}

#[test]
fn cases_are_small() {
    for case in conformance::cases() {
        let inputs: Vec<_> = case.inputs.iter().map(|t| t.kind()).collect();
        let types = case.graph.infer(&inputs).unwrap();
        let flops = |n: &striate::graph::Node| n.op.operator().flops(&types.of(&n.inputs), &types.of(&n.outputs));
        let total: u64 = case.graph.nodes().iter().map(flops).sum();
        assert!(total <= 4_000_000, "{} needs {total} operations", case.name);
    }
}

#[test]
fn a_wrong_result_is_noticed() {
    let case = conformance::cases().into_iter().find(|c| c.name == "conv/pixels_7").unwrap();
    let mut wrong = conformance::expected(&case).unwrap();
    if let Data::F32(values) = wrong[0].data_mut() {
        values[5] += 1e-3;
    }
    for backend in [Backend::Reference, Backend::Cpu, Backend::Gpu] {
        let mut report = Report::new(backend);
        report.check(&case, Ok(wrong.clone()));
        let text = report.finish().unwrap_err();
        assert!(text.contains("conv/pixels_7") && text.contains("first at 5"), "{text}");
    }
}
