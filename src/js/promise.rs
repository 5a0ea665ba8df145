//! Promises of futures that mostly need not wait.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::future_to_promise;

use super::convert;
use crate::error::{Error, Result};

/// Something that one call at a time works on, across the waits of a GPU call.
pub struct Turns<T>(Rc<Cell<Option<Box<T>>>>);

impl<T: 'static> Turns<T> {
    pub fn new(value: T) -> Self {
        Turns(Rc::new(Cell::new(Some(Box::new(value)))))
    }

    /// Works on the value at once; an error while another call has it.
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        let mut value = self.0.take().ok_or_else(busy)?;
        let result = work(&mut value);
        self.0.set(Some(value));
        result
    }

    /// A promise of work on the value.
    pub fn promise(&self, work: impl AsyncFnOnce(&mut T) -> Result<JsValue> + 'static) -> Promise {
        let slot = Rc::clone(&self.0);
        promise(async move {
            let mut value = slot.take().ok_or_else(busy)?;
            let result = work(&mut value).await;
            slot.set(Some(value));
            result
        })
    }
}

fn busy() -> Error {
    Error::invalid("a call to this network is still running: await it before the next")
}

/// A promise of a future, polled once at once: on the CPU that is all it takes, the result is there without a turn of
/// the event loop, and a trap is thrown into the caller's face instead of leaving a promise that never settles.
pub fn promise(future: impl Future<Output = Result<JsValue>> + 'static) -> Promise {
    let mut future = Box::pin(future);
    match pin!(&mut future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(value)) => Promise::resolve(&value),
        Poll::Ready(Err(error)) => Promise::reject(&convert::error(&error)),
        // Polled again from the event loop, which leaves its own waker behind.
        Poll::Pending => future_to_promise(async move { future.await.map_err(|e| convert::error(&e)) }),
    }
}
