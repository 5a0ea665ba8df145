//! Keras' layers on the reference kernels, before and after the optimising passes: results, gradients, output shapes,
//! refusals.
#![cfg(all(feature = "conformance", not(target_arch = "wasm32")))]

#[path = "support/golden.rs"]
mod golden;

use striate::golden::Backend;

#[test]
fn the_reference_agrees_with_keras() {
    let counts = golden::all_agree(&Backend::Reference, "golden", &["layer", "shape", "error"]);
    assert!(counts == [376, 338] || std::env::var_os("STRIATE_CASE").is_some(), "{counts:?} cases and gradients");
}

/// Suppression, overlaps, crops, average precision, YOLO's boxes, preprocessing, and pictures changed.
#[test]
fn boxes_and_pictures_agree_with_tensorflow() {
    let [count, _] = golden::all_agree(&Backend::Reference, "golden-training", &["vision"]);
    assert!(count >= 67 || std::env::var_os("STRIATE_CASE").is_some(), "only {count} cases found");
}

#[test]
fn passes_keep_what_keras_computes() {
    golden::all_agree(&Backend::Optimized, "golden", &["layer"]);
}
