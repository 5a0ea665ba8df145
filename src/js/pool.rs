//! Workers for [`crate::parallel`]: each runs this module on the shared memory and stands by.

use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::parallel::{recruit, stand_by};

#[wasm_bindgen(module = "/src/js/pool.js")]
extern "C" {
    /// Starts workers numbered from 0; settles when all of them are about to stand by, fails when one cannot start.
    #[wasm_bindgen(js_name = startWorkers)]
    fn start_workers(glue: &str, module: JsValue, memory: JsValue, count: usize) -> Promise;
}

#[wasm_bindgen]
extern "C" {
    /// Address of the JavaScript around this module.
    #[wasm_bindgen(thread_local_v2, js_namespace = ["import", "meta"], js_name = url)]
    static GLUE: String;
}

/// Starts the threads beside the calling one; `threads` counts that too. Call it once, from a worker: the main thread of
/// a page may not wait.
#[wasm_bindgen(js_name = initThreadPool)]
pub async fn init_thread_pool(threads: usize) -> Result<(), JsValue> {
    let others = threads.saturating_sub(1);
    let started = GLUE.with(|glue| start_workers(glue, wasm_bindgen::module(), wasm_bindgen::memory(), others));
    JsFuture::from(started).await?;
    recruit(others);
    Ok(())
}

/// What a worker of the pool runs, for good.
#[wasm_bindgen(js_name = standBy)]
pub fn stand_by_for_good(number: usize) {
    stand_by(number);
}
