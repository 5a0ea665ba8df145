//! The device that networks run on. What a binary can do there depends on its edition: `files`, `models`, or both.

use js_sys::Promise;
use wasm_bindgen::prelude::*;

#[cfg(feature = "webgpu")]
use super::convert;
use super::{catch_panics, probe, promise};
use crate::session::Device;

/// A CPU or GPU; makes networks.
#[wasm_bindgen]
pub struct Runtime {
    device: Device,
}

#[wasm_bindgen]
impl Runtime {
    /// The SIMD backend.
    #[cfg(feature = "cpu")]
    pub fn cpu() -> Runtime {
        catch_panics();
        Runtime { device: Device::Cpu }
    }

    /// The WebGPU backend. The page must have made sure that there is WebGPU.
    #[cfg(feature = "webgpu")]
    pub fn webgpu(allow_software: bool) -> Promise {
        use crate::backend::gpu::{Gpu, GpuOptions};
        catch_panics();
        promise::promise(async move {
            let gpu = Gpu::new(GpuOptions { allow_software, ..GpuOptions::default() }).await?;
            Ok(Runtime { device: Device::Gpu(gpu) }.into())
        })
    }

    /// `AdapterInfo` of the GPU, or `undefined`.
    pub fn adapter(&self) -> Result<JsValue, JsValue> {
        match &self.device {
            Device::Cpu => Ok(JsValue::UNDEFINED),
            #[cfg(feature = "webgpu")]
            Device::Gpu(gpu) => {
                let info = gpu.info();
                convert::object(&[
                    ("name", info.name.as_str().into()),
                    ("vendor", info.vendor.as_str().into()),
                    ("software", info.is_fallback.into()),
                ])
                .map_err(|e| convert::error(&e))
            }
        }
    }

    /// Milliseconds for one run of a small convolution network; takes about 50 ms.
    pub fn probe(&self) -> Promise {
        let device = self.device.clone();
        promise::promise(async move { Ok(probe::milliseconds(device).await?.into()) })
    }
}

/// Model files.
#[cfg(feature = "files")]
mod files {
    use js_sys::Uint8Array;
    use wasm_bindgen::prelude::*;

    use super::super::{Net, convert, reading};
    use super::Runtime;

    #[wasm_bindgen]
    impl Runtime {
        /// Imports a model. `weights` are the weight files one after the other, and nothing for TFLite; `external` are the places
        /// of an ONNX file's among them, `[offset, bytes]` by name, `input_shapes` dimensions by name, both as JSON.
        pub fn load(
            &self,
            format: &str,
            model: Vec<u8>,
            weights: &Uint8Array,
            external: Option<String>,
            outputs: Option<Vec<String>>,
            input_shapes: Option<String>,
        ) -> Result<Net, JsValue> {
            let imported = reading::import(format, model, weights, external, outputs, input_shapes);
            imported.and_then(|it| Net::new(it.graph, self.device.clone())).map_err(|e| convert::error(&e))
        }
    }
}

/// Models of layers.
#[cfg(feature = "models")]
mod models {
    use wasm_bindgen::prelude::*;

    use super::super::{BuiltModel, convert};
    use super::Runtime;
    use crate::error::Result;
    use crate::layers::Model;
    use crate::zoo;

    #[wasm_bindgen]
    impl Runtime {
        /// Builds a model of its JSON (see `layers/json.rs`).
        pub fn build(&self, json: &str) -> Result<BuiltModel, JsValue> {
            self.model(|| Model::from_json(&convert::parse(json)?, false))
        }

        /// A network of the zoo, with options as JSON.
        pub fn zoo(&self, name: &str, options: &str) -> Result<BuiltModel, JsValue> {
            self.model(|| zoo::build(name, &convert::parse(options)?))
        }

        /// Names of the zoo's networks.
        #[wasm_bindgen(js_name = zooNames)]
        pub fn zoo_names(&self) -> Vec<String> {
            zoo::names().map(String::from).collect()
        }
    }

    impl Runtime {
        fn model(&self, build: impl FnOnce() -> Result<Model>) -> Result<BuiltModel, JsValue> {
            let model = build().map_err(|e| convert::error(&e))?;
            Ok(BuiltModel::new(model, self.device.clone()))
        }
    }
}
