//! The wasm-bindgen surface: thin, converts and forwards. `npm/src/wasm.ts` is its other side, and the only caller.
//!
//! Errors leave as plain objects with the fields of [`crate::Error`]; the TypeScript side makes classes of them. A panic
//! is a fault of this crate: its message is kept for [`last_panic`], and the page throws the instance away.

#[cfg(feature = "augment")]
mod augment;
#[cfg(any(feature = "files", feature = "models"))]
mod convert;
#[cfg(feature = "convert")]
mod converter;
#[cfg(feature = "files")]
mod declared;
#[cfg(any(feature = "files", feature = "models", feature = "augment"))]
mod given;
#[cfg(feature = "files")]
mod inspect;
#[cfg(any(feature = "files", feature = "convert"))]
mod layered;
#[cfg(feature = "models")]
mod model;
#[cfg(feature = "files")]
mod net;
#[cfg(all(feature = "files", feature = "webgpu"))]
mod paint;
mod plain;
#[cfg(feature = "threads")]
mod pool;
#[cfg(any(feature = "files", feature = "models"))]
mod probe;
#[cfg(any(feature = "files", feature = "models"))]
mod promise;
#[cfg(feature = "files")]
mod reading;
#[cfg(any(feature = "files", feature = "models"))]
mod report;
#[cfg(any(feature = "files", feature = "models"))]
mod runtime;
#[cfg(feature = "models")]
mod training;
#[cfg(feature = "vision")]
mod vision;

use std::sync::{Mutex, PoisonError};

use wasm_bindgen::prelude::*;

#[cfg(feature = "augment")]
pub use augment::Augmenter;
#[cfg(any(feature = "files", feature = "convert"))]
pub use layered::Layered;
#[cfg(feature = "models")]
pub use model::BuiltModel;
#[cfg(feature = "files")]
pub use net::Net;
#[cfg(any(feature = "files", feature = "models"))]
pub use runtime::Runtime;

#[cfg(feature = "threads")]
pub use pool::init_thread_pool;

/// What the panic that stopped this instance said; nothing if it was the allocator that gave up.
static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);

/// The message of the panic that stopped this instance, if one did.
#[wasm_bindgen(js_name = lastPanic)]
pub fn last_panic() -> Option<String> {
    LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Prints panics to the console, with their place, and keeps the message.
#[cfg(any(feature = "files", feature = "models"))]
fn catch_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            console_error_panic_hook::hook(info);
            *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(info.to_string());
        }));
    });
}

#[cfg(any(feature = "files", feature = "models"))]
#[wasm_bindgen]
extern "C" {
    /// Milliseconds, with fractions; in windows, workers and Node.
    #[wasm_bindgen(js_namespace = performance)]
    fn now() -> f64;
}
