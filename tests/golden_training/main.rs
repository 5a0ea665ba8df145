//! Training as Keras 3.15 on TensorFlow 2.21 computes it: losses, optimizers, metrics. (Pictures and
//! boxes, which lie there too, are in `golden_reference.rs`.)
//!
//! `tests/data/golden-training/cases.json` lists the cases in Keras' own naming, the tensors lie beside it.
//! `STRIATE_GOLDEN_TRAINING` names another directory of the same form.
#![cfg(not(target_arch = "wasm32"))]

mod losses;
mod metrics;
mod optimizers;
mod support;
