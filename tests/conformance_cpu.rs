//! The conformance list on the CPU backend; run it with and without feature `threads`. (`web_cpu.rs` runs it as wasm.)
#![cfg(all(feature = "conformance", not(target_arch = "wasm32")))]

#[path = "support/cpu.rs"]
mod cpu;

use striate::conformance::{Backend, Report, cases};

#[test]
fn cpu_agrees_with_the_reference() {
    let mut report = Report::new(Backend::Cpu);
    for case in cases() {
        if report.wants(&case) {
            report.check(&case, cpu::run(&case));
        }
    }
    println!("{}", report.finish().unwrap_or_else(|e| panic!("{e}")));
}
