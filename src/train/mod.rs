//! What training needs beside the network and its gradients: losses, and configurations in Keras' naming.
//!
//! Losses are built as ordinary ops, so that both backends run them and autodiff differentiates them.

mod config;
mod expr;
pub mod losses;

pub use config::Config;
pub use expr::Operand;

/// Position of the largest value, the first of equals; 0 for none.
pub(crate) fn arg_max(values: &[f32]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}
