//! The one place that reads the clock.

use wasm_bindgen::prelude::*;

use crate::base::Instant;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// Milliseconds since the page, or the worker, began. Monotonic.
pub fn now() -> Instant {
    Instant::from_millis(performance_now() as u64)
}
