//! A network: raw outputs for `predict`, boxes for `detect`.

use js_sys::{Array, Function, Promise, Uint8Array};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;

#[cfg(feature = "webgpu")]
use super::paint::{Recipe, Source};
use super::promise::Turns;
use super::report::costs;
use super::{convert, declared, now};
use crate::error::{Error, Result};
use crate::graph::Graph;
#[cfg(feature = "webgpu")]
use crate::session::Picture;
use crate::session::{Device, Session};
use crate::tensor::{Data, Tensor, TensorType};
use crate::vision::image::Resizer;
use crate::vision::{DetectOptions, Detector};

/// An imported network on a device.
#[wasm_bindgen]
pub struct Net {
    graph: Graph,
    detects: bool,
    state: Turns<State>,
}

/// What the network runs with. Sessions are made when they are first needed, since each packs weights for itself.
struct State {
    graph: Graph,
    device: Device,
    /// Runs it as it was imported.
    raw: Option<Session>,
    detector: Option<Detector>,
    /// Runs it with the detector's own tail.
    boxes: Option<Boxes>,
}

/// A detector at work; all memory is kept from frame to frame.
struct Boxes {
    detector: Detector,
    session: Session,
    resizer: Option<([usize; 2], Resizer)>,
    rgba: Vec<u8>,
    input: Tensor,
}

/// What the page may ask of a detection.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Asked {
    score_threshold: Option<f32>,
    iou_threshold: Option<f32>,
    max_detections: Option<f64>,
}

/// A thing found (`Detection`).
#[derive(Serialize)]
struct Found<'a> {
    label: &'a str,
    class: usize,
    score: f32,
    x: f32,
    y: f32,
    width: f32,
    height: f32,
}

impl Net {
    pub(super) fn new(graph: Graph, device: Device) -> Result<Net> {
        let detector = Detector::recognise(&graph);
        let detects = detector.is_some();
        let state = State { graph: graph.clone(), device, raw: None, detector, boxes: None };
        Ok(Net { graph, detects, state: Turns::new(state) })
    }
}

#[wasm_bindgen]
impl Net {
    /// `TensorInfo[]` of the inputs.
    pub fn inputs(&self) -> Result<JsValue, JsValue> {
        declared::inputs(&self.graph).map_err(|e| convert::error(&e))
    }

    /// `TensorInfo[]` of the outputs.
    pub fn outputs(&self) -> Result<JsValue, JsValue> {
        declared::outputs(&self.graph).map_err(|e| convert::error(&e))
    }

    /// It is one of the detectors that this crate knows.
    pub fn detects(&self) -> bool {
        self.detects
    }

    /// Compiles for the declared shapes, so that the first run is as fast as the others. `progress(done, total)`.
    pub fn prepare(&self, progress: Option<Function>) -> Promise {
        self.state.promise(async move |state| {
            let (session, inputs) = if state.detector.is_some() {
                let boxes = state.boxes()?;
                (&mut boxes.session, vec![boxes.input.kind()])
            } else if state.graph.inputs().iter().all(|i| i.dims.iter().skip(1).all(Option::is_some)) {
                {
                    let inputs = state.graph.default_inputs();
                    (state.raw()?, inputs)
                }
            } else {
                // Height and width are open: the first run tells them.
                return Ok(JsValue::UNDEFINED);
            };
            let mut tell = |p: crate::session::Progress| {
                if let Some(progress) = &progress {
                    // A callback that throws is the page's affair, not the network's.
                    let _ = progress.call2(&JsValue::NULL, &p.done.into(), &p.total.into());
                }
            };
            session.prepare(&inputs, &mut tell).await?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// `{ data, shape? }[]` in, `TensorOutput[]` out.
    pub fn predict(&self, inputs: Array) -> Promise {
        self.state.promise(async move |state| {
            let inputs = convert::tensors(&state.graph, &inputs)?;
            let outputs = state.raw()?.run(&inputs).await?;
            convert::results(&state.graph, &outputs)
        })
    }

    /// Finds things in a picture of RGBA bytes: `{ detections, preprocess, inference, decode }`, times in milliseconds.
    pub fn detect(&self, rgba: Uint8Array, width: usize, height: usize, options: JsValue) -> Promise {
        self.state.promise(async move |state| state.boxes()?.detect(&rgba, [width, height], options).await)
    }

    /// As [`Net::detect`] on the GPU, for a picture that the browser holds: its pixels never leave the GPU. Preparing it
    /// is part of the inference then.
    #[cfg(feature = "webgpu")]
    #[wasm_bindgen(js_name = detectBitmap)]
    pub fn detect_bitmap(&self, bitmap: web_sys::ImageBitmap, options: JsValue) -> Promise {
        self.state.promise(async move |state| state.boxes()?.detect_bitmap(&bitmap, options).await)
    }

    /// Runs the network on tensors or a picture and paints one of its outputs where it is; see [`Source`] and [`Recipe`] for the
    /// arguments.
    #[cfg(feature = "webgpu")]
    pub fn paint(&self, given: JsValue, place: Vec<f64>, recipe: Vec<f64>, palette: Vec<u32>, read: bool) -> Promise {
        self.state.promise(async move |state| {
            let (source, recipe) = (Source::new(&state.graph, given, &place)?, Recipe::new(&recipe, palette)?);
            recipe.paint(state.raw()?, &source, read).await
        })
    }

    /// What it costs and where its layers run (`Report`), as it was run last: as a detector, or as it was imported.
    pub fn report(&self) -> Result<JsValue, JsValue> {
        let costs = |state: &mut State| costs(&state.session()?.report());
        self.state.with(costs).map_err(|e| convert::error(&e))
    }

    /// How often the GPU was lost and had again.
    pub fn losses(&self) -> usize {
        let count = |session: &Session| session.report().losses;
        let sum = |state: &mut State| {
            let boxes = state.boxes.as_ref().map(|boxes| &boxes.session);
            Ok(state.raw.iter().chain(boxes).map(count).sum())
        };
        self.state.with(sum).unwrap_or_default()
    }
}

impl State {
    /// The network as it was imported.
    fn raw(&mut self) -> Result<&mut Session> {
        let raw = match self.raw.take() {
            Some(raw) => raw,
            None => Session::new(self.graph.clone(), self.device.clone())?,
        };
        Ok(self.raw.insert(raw))
    }

    /// The network as a detector.
    fn boxes(&mut self) -> Result<&mut Boxes> {
        let boxes = match (self.boxes.take(), &self.detector) {
            (Some(boxes), _) => boxes,
            (None, Some(detector)) => Boxes::new(detector.clone(), self.graph.clone(), self.device.clone())?,
            (None, None) => return Err(Error::unsupported(NO_DETECTOR)),
        };
        Ok(self.boxes.insert(boxes))
    }

    fn session(&mut self) -> Result<&Session> {
        if self.raw.is_none() && self.detector.is_some() { Ok(&self.boxes()?.session) } else { Ok(self.raw()?) }
    }
}

const NO_DETECTOR: &str = "this network is no detector that striate knows; use predict() and decode its outputs";

impl Boxes {
    fn new(detector: Detector, graph: Graph, device: Device) -> Result<Boxes> {
        let graph = match &device {
            Device::Cpu => detector.head_graph(graph)?,
            #[cfg(feature = "webgpu")]
            Device::Gpu(_) => detector.extend_graph(graph)?,
        };
        let [height, width] = detector.input().size;
        let input = Tensor::zeros(&TensorType::f32([1, height, width, 3]));
        Ok(Boxes { detector, session: Session::new(graph, device)?, resizer: None, rgba: Vec::new(), input })
    }

    async fn detect(&mut self, rgba: &Uint8Array, size: [usize; 2], options: JsValue) -> Result<JsValue> {
        let options = limits(asked(options)?, self.detector.default_options())?;
        let start = now();
        self.preprocess(rgba, size)?;
        let ready = now();
        let outputs = self.session.run(std::slice::from_ref(&self.input)).await?;
        self.found(&outputs, size, &options, [start, ready])
    }

    #[cfg(feature = "webgpu")]
    async fn detect_bitmap(&mut self, bitmap: &web_sys::ImageBitmap, options: JsValue) -> Result<JsValue> {
        let options = limits(asked(options)?, self.detector.default_options())?;
        let start = now();
        let crate::vision::InputSpec { size, scale, offset } = self.detector.input();
        let picture = Picture::Bitmap { bitmap, size, part: None, normalise: [scale, offset] };
        let outputs = self.session.run_picture(&picture).await?;
        let size = [bitmap.width() as usize, bitmap.height() as usize];
        self.found(&outputs, size, &options, [start, start])
    }

    /// `{ detections, preprocess, inference, decode }` of outputs that are just there; `times` are when preprocessing and
    /// inference began.
    fn found(&self, outputs: &[Tensor], size: [usize; 2], options: &DetectOptions, times: [f64; 2]) -> Result<JsValue> {
        let ([start, ready], ran) = (times, now());
        let found = self.detector.decode(outputs, size, options)?;
        let labels = self.detector.labels();
        let found = found.iter().map(|d| Found {
            label: labels.get(d.class).copied().unwrap_or("?"),
            class: d.class,
            score: d.score,
            x: d.x,
            y: d.y,
            width: d.width,
            height: d.height,
        });
        let detections =
            serde_wasm_bindgen::to_value(&found.collect::<Vec<_>>()).map_err(|e| Error::invalid(e.to_string()))?;
        convert::object(&[
            ("detections", detections),
            ("preprocess", (ready - start).into()),
            ("inference", (ran - ready).into()),
            ("decode", (now() - ran).into()),
        ])
    }

    /// The picture at the network's size, straight into its input.
    fn preprocess(&mut self, rgba: &Uint8Array, size: [usize; 2]) -> Result<()> {
        self.rgba.resize(rgba.length() as usize, 0);
        rgba.copy_to(&mut self.rgba);
        let resizer = match self.resizer.take() {
            Some((known, resizer)) if known == size => resizer,
            _ => Resizer::new(size, &self.detector.input())?,
        };
        let (_, resizer) = self.resizer.insert((size, resizer));
        match self.input.data_mut() {
            Data::F32(input) => resizer.run(&self.rgba, input),
            _ => Err(Error::invalid("a detector takes floats")),
        }
    }
}

/// The options of a detection; `undefined` is the default.
fn asked(options: JsValue) -> Result<Asked> {
    if options.is_undefined() {
        return Ok(Asked::default());
    }
    serde_wasm_bindgen::from_value(options).map_err(|e| Error::invalid(format!("wrong options: {e}")))
}

/// What was asked for, and the network's own defaults for the rest.
fn limits(asked: Asked, defaults: DetectOptions) -> Result<DetectOptions> {
    let share = |name: &str, asked: Option<f32>, default: f32| match asked {
        Some(value) if !(0.0..=1.0).contains(&value) => {
            Err(Error::invalid(format!("{name} is {value}, not in 0 to 1")))
        }
        value => Ok(value.unwrap_or(default)),
    };
    Ok(DetectOptions {
        score_threshold: share("scoreThreshold", asked.score_threshold, defaults.score_threshold)?,
        iou_threshold: share("iouThreshold", asked.iou_threshold, defaults.iou_threshold)?,
        // As a float, so that `Infinity` is a number too.
        max_detections: asked.max_detections.map_or(defaults.max_detections, |n| n as usize),
    })
}
