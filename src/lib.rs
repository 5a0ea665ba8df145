//! Convolutional vision networks in the browser: fast and exact.
//!
//! One [`graph::Graph`] of [`ops::Op`]s, two backends ([`backend`]): SIMD on the CPU and WebGPU. See `docs/DESIGN.md`
//! for the map of the modules; each leans only on those named before it here.

pub mod error;
pub mod shape;
pub mod tensor;

pub mod ops;

pub mod graph;

pub mod reference;

#[cfg(feature = "conformance")]
pub mod conformance;

pub mod autodiff;
pub mod passes;

pub mod plan;

pub mod backend;
pub mod parallel;

pub mod session;

pub mod layers;
pub mod train;
pub mod zoo;

pub mod formats;
pub mod vision;

#[cfg(all(feature = "conformance", not(target_arch = "wasm32")))]
pub mod golden;

#[cfg(target_arch = "wasm32")]
pub mod js;

pub use error::{Error, ErrorKind, Result};
pub use shape::{Padding, Shape};
pub use tensor::{DType, Data, Tensor, TensorType, TensorView, View};

/// The README's Rust program, run by `cargo test`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
