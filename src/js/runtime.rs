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

#[cfg(feature = "files")]
pub(super) use files::shapes;

/// Model files.
#[cfg(feature = "files")]
mod files {
    use std::collections::BTreeMap;

    use js_sys::Uint8Array;
    use wasm_bindgen::prelude::*;

    use super::super::{Net, convert};
    use super::Runtime;
    use crate::error::{Error, Result};
    #[cfg(feature = "onnx")]
    use crate::formats::onnx;
    use crate::formats::{ImportOptions, tfjs, tflite};

    #[wasm_bindgen]
    impl Runtime {
        /// Imports a model. `weights` are the weight files one after the other, and nothing for TFLite and ONNX;
        /// `input_shapes` are dimensions by name, as JSON.
        pub fn load(
            &self,
            format: &str,
            model: Vec<u8>,
            weights: &Uint8Array,
            outputs: Option<Vec<String>>,
            input_shapes: Option<String>,
        ) -> Result<Net, JsValue> {
            let import = || {
                let input_shapes = shapes(input_shapes)?;
                self.import(format, model, weights, ImportOptions { outputs, input_shapes, ..ImportOptions::default() })
            };
            import().map_err(|e| convert::error(&e))
        }
    }

    impl Runtime {
        fn import(&self, format: &str, model: Vec<u8>, weights: &Uint8Array, options: ImportOptions) -> Result<Net> {
            if format != "onnx" && !options.input_shapes.is_empty() {
                return Err(Error::invalid("`inputShapes` are for ONNX; other formats' open dimensions stay open"));
            }
            let imported = match format {
                "tfjs" => tfjs::import(&model, &weights.to_vec(), &options)?,
                "tflite" => tflite::import(&model, &options)?,
                #[cfg(feature = "onnx")]
                "onnx" => onnx::import(&model, &options)?,
                _ => {
                    return Err(Error::unsupported(format!(
                        "models of format {format}; there is tfjs, tflite and onnx"
                    )));
                }
            };
            Net::new(imported.graph, self.device.clone())
        }
    }

    /// Dimensions by name, of JSON if there is any.
    pub fn shapes(json: Option<String>) -> Result<BTreeMap<String, Vec<usize>>> {
        let Some(json) = json else { return Ok(BTreeMap::new()) };
        let size = |size: &serde_json::Value| size.as_u64().and_then(|size| usize::try_from(size).ok());
        let shape = |(name, sizes): (String, serde_json::Value)| {
            let sizes = sizes.as_array().and_then(|sizes| sizes.iter().map(size).collect());
            Ok((name.clone(), sizes.ok_or_else(|| Error::invalid("a shape is a list of whole numbers").at(name))?))
        };
        match convert::parse(&json)? {
            serde_json::Value::Object(map) => map.into_iter().map(shape).collect(),
            _ => Err(Error::invalid("`inputShapes` are lists of whole numbers by the inputs' names")),
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
