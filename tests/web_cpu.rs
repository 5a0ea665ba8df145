//! The conformance list on the CPU backend as wasm, in a dedicated worker of a browser, as pages run it.
//!
//! `cargo xtask test --only web` runs this file once for each flavour of the binary.
#![cfg(all(feature = "conformance", target_arch = "wasm32"))]

#[path = "support/cpu.rs"]
mod cpu;

use striate::conformance::{Backend, Report, cases};
use wasm_bindgen_test::{console_log, wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// As many as the smallest machine has cores.
#[cfg(feature = "threads")]
const THREADS: usize = 2;

/// A flag that is lost on the way would leave every test green and every page slow.
#[wasm_bindgen_test]
fn the_binary_is_of_the_flavour_that_was_asked_for() {
    let Some(flavour) = option_env!("STRIATE_FLAVOUR") else { panic!("not run by cargo xtask test") };
    const { assert!(cfg!(target_feature = "simd128")) };
    assert_eq!(cfg!(target_feature = "relaxed-simd"), flavour != "simd");
    assert_eq!(cfg!(target_feature = "atomics"), flavour == "threads");
    assert_eq!(cfg!(feature = "threads"), flavour == "threads");
}

#[wasm_bindgen_test]
async fn cpu_agrees_with_the_reference() {
    agrees();
    // The binary with threads has relaxed SIMD too: with the list run on one thread as well, a third build for relaxed SIMD alone,
    // four minutes on two cores, would show nothing more.
    #[cfg(feature = "threads")]
    {
        striate::js::init_thread_pool(THREADS).await.expect("threads start");
        assert_eq!(striate::parallel::threads(), THREADS);
        agrees();
    }
}

fn agrees() {
    let mut report = Report::new(Backend::Cpu);
    for case in cases() {
        if report.wants(&case) {
            report.check(&case, cpu::run(&case));
        }
    }
    console_log!("{}", report.finish().unwrap_or_else(|failures| panic!("{failures}")));
}
