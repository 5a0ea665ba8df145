//! A network ready to run: the graph optimised once, compiled for each set of input types, on one device.

#[cfg(feature = "webgpu")]
mod pictures;
mod variables;

#[cfg(feature = "webgpu")]
pub use pictures::Picture;
pub use variables::Variables;

use crate::backend::cpu::{self, InputMut};
#[cfg(feature = "webgpu")]
use crate::backend::gpu::{self, Gpu};
#[cfg(feature = "webgpu")]
use crate::error::ErrorKind;
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::passes;
use crate::shape::Shape;
use crate::tensor::{Data, Tensor, TensorType};

/// Where networks run.
#[derive(Clone)]
pub enum Device {
    /// SIMD kernels, on as many threads as the pool has.
    Cpu,
    /// Compute shaders.
    #[cfg(feature = "webgpu")]
    Gpu(Gpu),
}

impl Device {
    /// `cpu` or `webgpu`.
    pub fn name(&self) -> &'static str {
        match self {
            Device::Cpu => "cpu",
            #[cfg(feature = "webgpu")]
            Device::Gpu(_) => "webgpu",
        }
    }
}

/// How far a compilation has come, in steps of its own making.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Steps done.
    pub done: usize,
    /// Steps in all.
    pub total: usize,
}

/// What a network costs, and where it runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// [`Device::name`].
    pub backend: &'static str,
    /// Bytes of intermediate results and scratch memory of the executable used last; 0 before one is compiled.
    pub peak_bytes: usize,
    /// Bytes of its weights on the device.
    pub weight_bytes: usize,
    /// Bytes of the graph's variables.
    pub variable_bytes: usize,
    /// Arithmetic operations of one run, 2 per multiply-accumulate.
    pub flops: u64,
    /// Every node of the optimised graph.
    pub placement: Vec<Placement>,
    /// How often the device was lost and had again.
    pub losses: usize,
}

/// One node of a [`Report`].
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// The layer's name.
    pub node: String,
    /// The op's name.
    pub op: &'static str,
    /// [`Device::name`].
    pub backend: &'static str,
    /// Shape of the (first) result.
    pub shape: Shape,
    /// Arithmetic operations.
    pub flops: u64,
}

/// Executables kept for different input types. Each holds its own memory, and on the CPU its own packed weights.
const KEPT: usize = 3;

/// A graph on a device.
pub struct Session {
    graph: Graph,
    variables: Variables,
    device: Device,
    /// The one used last at the end.
    compiled: Vec<Compiled>,
    losses: usize,
}

struct Compiled {
    inputs: Vec<TensorType>,
    executable: Executable,
    /// Writes the browser's pictures into the first input, once one was given.
    #[cfg(all(feature = "webgpu", target_arch = "wasm32"))]
    picture: Option<pictures::Writer>,
    /// Paints its outputs, once one was asked for.
    #[cfg(feature = "webgpu")]
    painter: Option<gpu::Painter>,
}

enum Executable {
    Cpu(Box<cpu::Executable>),
    #[cfg(feature = "webgpu")]
    Gpu(Box<gpu::Executable>),
}

impl Executable {
    /// Bytes of intermediate results, and of weights.
    fn bytes(&self) -> (usize, usize) {
        match self {
            Executable::Cpu(executable) => (executable.peak_bytes(), executable.weight_bytes()),
            #[cfg(feature = "webgpu")]
            Executable::Gpu(executable) => (executable.peak_bytes(), executable.weight_bytes()),
        }
    }
}

impl Session {
    /// Optimises the graph. Nothing is compiled before the input types are known ([`Session::prepare`]). Its variables
    /// are its own.
    pub fn new(graph: Graph, device: Device) -> Result<Session> {
        Self::with_variables(graph, Variables::new(device))
    }

    /// As [`Session::new`], on these variables and their device. Errors: two variables of the graph have one name, or one
    /// has another type there.
    pub fn with_variables(graph: Graph, variables: Variables) -> Result<Session> {
        Self::of_optimized(passes::optimize(&graph)?, variables)
    }

    /// As [`Session::with_variables`], for these inputs in less memory: cheap values that are needed again much later are
    /// computed again.
    pub fn recomputing(graph: Graph, variables: Variables, inputs: &[TensorType]) -> Result<Session> {
        Self::of_optimized(passes::recompute(&passes::optimize(&graph)?, inputs)?, variables)
    }

    fn of_optimized(graph: Graph, variables: Variables) -> Result<Session> {
        variables.bind(&graph)?;
        let device = variables.device();
        Ok(Session { graph, variables, device, compiled: Vec::new(), losses: 0 })
    }

    /// The optimised graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The variables, the graph's and maybe others'.
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// The device; another one than at first if that was lost.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Compiles for these input types, unless that is done already. Errors name the input or the node.
    ///
    /// A GPU that was lost is opened again, here and in [`Session::run`], and the work done once more.
    pub async fn prepare(&mut self, inputs: &[TensorType], progress: &mut dyn FnMut(Progress)) -> Result<()> {
        match self.compile(inputs, progress).await {
            #[cfg(feature = "webgpu")]
            Err(error) if error.kind() == ErrorKind::DeviceLost => {
                self.renew(error).await?;
                self.compile(inputs, progress).await
            }
            result => result,
        }
    }

    /// Runs the network; outputs in the graph's order. Compiles first if these input types are new.
    ///
    /// If the GPU is lost, the run is done once more from what [`Variables`] were restored to.
    pub async fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        self.start(inputs).await?;
        match self.outputs().await {
            #[cfg(feature = "webgpu")]
            Err(error) if error.kind() == ErrorKind::DeviceLost => {
                self.renew(error).await?;
                self.attempt(inputs).await?;
                self.outputs().await
            }
            result => result,
        }
    }

    /// As [`Session::run`], for what it does to the variables: waits for no result. On the GPU it returns when the work
    /// is handed over; a page that never reads anything queues up work without end.
    pub async fn start(&mut self, inputs: &[Tensor]) -> Result<()> {
        match self.attempt(inputs).await {
            #[cfg(feature = "webgpu")]
            Err(error) if error.kind() == ErrorKind::DeviceLost => {
                self.renew(error).await?;
                self.attempt(inputs).await
            }
            result => result,
        }
    }

    /// Some outputs of the last run, by their positions; tables of boxes end with the last one ([`Graph::trimmed`]). Errors:
    /// there was no run, there is no such output, or the GPU was lost (and this run's outputs with it; the next run opens it
    /// again).
    pub async fn read(&self, outputs: &[usize]) -> Result<Vec<Tensor>> {
        let Some(Compiled { executable, .. }) = self.compiled.last() else {
            return Err(Error::invalid("nothing has run yet"));
        };
        let count = self.graph.outputs().len();
        if let Some(stray) = outputs.iter().find(|i| **i >= count) {
            return Err(Error::mismatch("no such output", format!("below {count}"), stray));
        }
        let tensors = match executable {
            Executable::Cpu(executable) => {
                outputs.iter().map(|&i| executable.output(i).to_tensor()).collect::<Vec<_>>()
            }
            #[cfg(feature = "webgpu")]
            Executable::Gpu(executable) => {
                executable.stage(outputs)?;
                executable.read_staged(outputs).await?
            }
        };
        outputs.iter().zip(tensors).map(|(&i, tensor)| self.graph.trimmed(i, tensor)).collect()
    }

    async fn outputs(&self) -> Result<Vec<Tensor>> {
        self.read(&(0..self.graph.outputs().len()).collect::<Vec<_>>()).await
    }

    /// Opens the GPU again after it was lost. The graph still has the weights; what was compiled is gone.
    #[cfg(feature = "webgpu")]
    async fn renew(&mut self, loss: Error) -> Result<()> {
        self.device = self.variables.renew(loss).await?;
        self.compiled.clear();
        self.losses += 1;
        Ok(())
    }

    async fn compile(&mut self, inputs: &[TensorType], progress: &mut dyn FnMut(Progress)) -> Result<()> {
        if let Some(found) = self.compiled.iter().position(|c| c.inputs == inputs) {
            let used = self.compiled.remove(found);
            self.compiled.push(used);
            return Ok(());
        }
        // Room first: two networks' memory at once may be too much for a phone.
        if self.compiled.len() >= KEPT {
            self.compiled.remove(0);
        }
        let executable = match &self.device {
            // A binary for WebGPU has no door to this device: the kernels stay out of it.
            Device::Cpu if !cfg!(feature = "cpu") => return Err(Error::unsupported("the CPU in a binary for WebGPU")),
            Device::Cpu => {
                progress(Progress { done: 0, total: 1 });
                let variables = self.variables.on_cpu(&self.graph)?;
                let executable = cpu::Executable::compile_with(&self.graph, inputs, variables)?;
                progress(Progress { done: 1, total: 1 });
                Executable::Cpu(Box::new(executable))
            }
            #[cfg(feature = "webgpu")]
            Device::Gpu(gpu) => {
                let mut tell = |done, total| progress(Progress { done, total });
                let (graph, variables) = (&self.graph, self.variables.on_gpu(&self.graph)?);
                let compiled = gpu::Executable::compile_with(gpu, graph, inputs, variables, &mut tell).await?;
                Executable::Gpu(Box::new(compiled))
            }
        };
        self.compiled.push(Compiled {
            inputs: inputs.to_vec(),
            executable,
            #[cfg(all(feature = "webgpu", target_arch = "wasm32"))]
            picture: None,
            #[cfg(feature = "webgpu")]
            painter: None,
        });
        Ok(())
    }

    async fn attempt(&mut self, inputs: &[Tensor]) -> Result<()> {
        let kinds: Vec<TensorType> = inputs.iter().map(Tensor::kind).collect();
        self.compile(&kinds, &mut |_| ()).await?;
        let Some(Compiled { executable, .. }) = self.compiled.last_mut() else {
            return Err(Error::invalid("nothing is compiled"));
        };
        match executable {
            Executable::Cpu(executable) => {
                for (i, input) in inputs.iter().enumerate() {
                    fill(executable.input_mut(i), input)?;
                }
                executable.run()
            }
            #[cfg(feature = "webgpu")]
            Executable::Gpu(executable) => {
                for (i, input) in inputs.iter().enumerate() {
                    executable.write_input(i, input)?;
                }
                executable.run()
            }
        }
    }

    /// What the network costs: for the input types used last, or else for the declared ones with a batch of one.
    pub fn report(&self) -> Report {
        let backend = self.device.name();
        let (peak_bytes, weight_bytes) = self.compiled.last().map_or((0, 0), |c| c.executable.bytes());
        let inputs = self.compiled.last().map_or_else(|| self.graph.default_inputs(), |c| c.inputs.clone());
        let placement = match self.graph.infer(&inputs) {
            Ok(types) => {
                let place = |node: &crate::graph::Node| {
                    let (op, outputs) = (node.op.operator(), types.of(&node.outputs));
                    let flops = op.flops(&types.of(&node.inputs), &outputs);
                    let shape = outputs.first().map(|t| t.shape.clone()).unwrap_or_default();
                    Placement { node: node.name.clone(), op: op.name(), backend, shape, flops }
                };
                self.graph.nodes().iter().map(place).collect()
            }
            // Dimensions that only a picture will tell.
            Err(_) => Vec::new(),
        };
        let flops = placement.iter().map(|p: &Placement| p.flops).sum();
        let variable_bytes = self.graph.variables().iter().map(|v| v.initial.kind().bytes()).sum();
        Report { backend, peak_bytes, weight_bytes, variable_bytes, flops, placement, losses: self.losses }
    }
}

/// Copies a tensor of the type that was compiled for.
fn fill(slot: InputMut, tensor: &Tensor) -> Result<()> {
    match (slot, tensor.data()) {
        (InputMut::F32(to), Data::F32(from)) if to.len() == from.len() => to.copy_from_slice(from),
        (InputMut::I32(to), Data::I32(from)) if to.len() == from.len() => to.copy_from_slice(from),
        (InputMut::U8(to), Data::U8(from)) if to.len() == from.len() => to.copy_from_slice(from),
        _ => return Err(Error::invalid("the input is not what was compiled for")),
    }
    Ok(())
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::ops::{BatchNorm, Binary, BinaryKind, Conv2d, Unary};
    use crate::shape::Padding;
    use crate::tensor::DType;

    /// `relu(bn(conv(x)) + x)` with numbers that are easy to follow: the convolution doubles, batch norm subtracts 1.
    fn network() -> Graph {
        let mut graph = Graph::new();
        let x = graph.input("image", DType::F32, vec![None, None, None, Some(1)]);
        let kernel = graph.constant("kernel", Tensor::f32([1, 1, 1, 1], vec![2.0]).unwrap());
        let conv = Conv2d { padding: Padding::Same, ..Conv2d::default() };
        let y = graph.add("conv", conv, &[x, kernel]).unwrap();
        let statistics = [1.0, -1.0, 0.0, 0.75].map(|v| graph.constant("s", Tensor::f32([1], vec![v]).unwrap()));
        let y = graph.add("bn", BatchNorm { epsilon: 0.25 }, &[&[y], &statistics[..]].concat()).unwrap();
        let y = graph.add("sum", Binary::new(BinaryKind::Add), &[y, x]).unwrap();
        let y = graph.add("relu", Unary::Relu, &[y]).unwrap();
        graph.output("y", y);
        graph
    }

    fn image(width: usize) -> Tensor {
        let values: Vec<f32> = (0..width).map(|i| i as f32).collect();
        Tensor::f32([1, 1, width, 1], values).unwrap()
    }

    fn expected(width: usize) -> Tensor {
        let values: Vec<f32> = (0..width).map(|i| (3.0 * i as f32 - 1.0).max(0.0)).collect();
        Tensor::f32([1, 1, width, 1], values).unwrap()
    }

    #[test]
    fn runs_and_reports() {
        let mut session = Session::new(network(), Device::Cpu).unwrap();
        let outputs = pollster::block_on(session.run(&[image(5)])).unwrap();
        assert_eq!(outputs, [expected(5)]);
        let report = session.report();
        assert_eq!((report.backend, report.flops, report.losses), ("cpu", 2 * 5, 0));
        assert_eq!(report.placement.len(), 1, "one fused layer: {:?}", report.placement);
        assert_eq!((report.placement[0].node.as_str(), report.placement[0].op), ("conv", "Conv2d"));
        assert!(report.weight_bytes > 0);
    }

    #[test]
    fn keeps_the_executables_used_last() {
        let mut session = Session::new(network(), Device::Cpu).unwrap();
        for width in [4, 5, 6, 4, 7, 5] {
            assert_eq!(pollster::block_on(session.run(&[image(width)])).unwrap(), [expected(width)]);
        }
        let kept: Vec<usize> = session.compiled.iter().map(|c| c.inputs[0].shape[2]).collect();
        assert_eq!(kept, [4, 7, 5], "6 was used longest ago when 7 came, 5 is new again");
        // Prepared is prepared: no progress to report.
        let mut calls = 0;
        let kinds = [image(7).kind()];
        pollster::block_on(session.prepare(&kinds, &mut |_| calls += 1)).unwrap();
        assert_eq!(calls, 0);
        let kinds = [image(9).kind()];
        pollster::block_on(session.prepare(&kinds, &mut |p| calls += (p.done == p.total) as usize)).unwrap();
        assert_eq!(calls, 1);
    }

    #[test]
    fn no_images_need_no_memory_however_large_they_are() {
        let mut session = Session::new(network(), Device::Cpu).unwrap();
        let none = TensorType::f32([0, 1 << 14, 1 << 14, 1]);
        pollster::block_on(session.prepare(std::slice::from_ref(&none), &mut |_| ())).unwrap();
        assert!(session.report().peak_bytes < 1 << 20, "{} bytes", session.report().peak_bytes);
        let outputs = pollster::block_on(session.run(&[Tensor::zeros(&none)])).unwrap();
        assert_eq!(outputs[0].kind(), none);
    }

    #[test]
    fn a_wrong_input_is_an_error_and_the_session_lives_on() {
        let mut session = Session::new(network(), Device::Cpu).unwrap();
        let wrong = Tensor::f32([1, 1, 1, 3], vec![0.0; 3]).unwrap();
        let error = pollster::block_on(session.run(&[wrong])).unwrap_err();
        assert_eq!((error.kind(), error.layer()), (ErrorKind::ShapeMismatch, Some("image")));
        assert_eq!(error.expected(), Some("float32 [?, ?, ?, 1]"));
        assert!(pollster::block_on(session.run(&[])).is_err());
        assert_eq!(pollster::block_on(session.run(&[image(3)])).unwrap(), [expected(3)]);
    }

    #[cfg(feature = "webgpu")]
    #[test]
    fn a_lost_gpu_is_opened_again() {
        let options = gpu::GpuOptions { allow_software: true, ..Default::default() };
        let gpu = match pollster::block_on(Gpu::new(options)) {
            Ok(gpu) => gpu,
            Err(error) => return eprintln!("NOT RUN: {error}; `cargo xtask setup` installs a software Vulkan"),
        };
        let mut session = Session::new(network(), Device::Gpu(gpu.clone())).unwrap();
        assert_eq!(pollster::block_on(session.run(&[image(5)])).unwrap(), [expected(5)]);
        gpu.destroy();
        assert_eq!(pollster::block_on(session.run(&[image(5)])).unwrap(), [expected(5)]);
        let report = session.report();
        assert_eq!((report.backend, report.losses), ("webgpu", 1));
        // What comes to the dead device later finds a way too.
        let mut other = Session::new(network(), Device::Gpu(gpu)).unwrap();
        assert_eq!(pollster::block_on(other.run(&[image(3)])).unwrap(), [expected(3)]);
    }
}
