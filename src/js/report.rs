//! What a network costs, for the page.

use js_sys::Array;
use wasm_bindgen::JsValue;

use super::convert::object;
use crate::error::Result;
use crate::session::{Placement, Report};

/// A report as `Report` of TypeScript.
pub fn costs(report: &Report) -> Result<JsValue> {
    // The page knows the CPU backend as the wasm one.
    let name = |backend| if backend == "cpu" { "wasm" } else { backend };
    let place = |p: &Placement| {
        object(&[("layer", p.node.as_str().into()), ("op", p.op.into()), ("backend", name(p.backend).into())])
    };
    object(&[
        ("backend", name(report.backend).into()),
        ("flops", (report.flops as f64).into()),
        ("weightBytes", (report.weight_bytes as f64).into()),
        ("peakBytes", (report.peak_bytes as f64).into()),
        ("placement", report.placement.iter().map(place).collect::<Result<Array>>()?.into()),
    ])
}
