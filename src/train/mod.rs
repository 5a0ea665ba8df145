//! What training needs beside the network and its gradients: losses, optimizers, learning rates, penalties,
//! constraints and metrics, in Keras' naming.
//!
//! Losses and updates are built as ordinary ops, so that both backends run them and autodiff differentiates the losses.
//! What a person chooses comes as Keras' JSON configuration; unknown settings are errors.

mod attribution;
pub mod augment;
pub mod callbacks;
mod config;
pub mod constraints;
pub mod data;
mod expr;
pub mod losses;
pub mod metrics;
pub mod optimizers;
pub mod schedules;
mod trainer;

pub use attribution::attribution;
pub use config::Config;
pub use expr::Operand;
pub use trainer::{Batch, Compile, Logs, Trainer};

/// Position of the largest value, the first of equals; 0 for none.
pub(crate) fn arg_max(values: &[f32]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}
