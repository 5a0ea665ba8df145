//! A compiled network on the device.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

use super::lower::{Dispatch, Lowering, Operand};
use super::pipelines::Pipeline;
use super::readback::Readback;
use super::variant::Variant;
use super::{Gpu, Weights};
use crate::error::{Error, Result};
use crate::graph::{Graph, ValueId};
use crate::plan::{Place, Plan};
use crate::tensor::{Tensor, TensorType};

/// A network for one set of input types: everything made, ready to run any number of times.
///
/// One run at a time: write the inputs, [`submit`](Executable::submit), read the outputs.
pub struct Executable {
    gpu: Gpu,
    inputs: Vec<(TensorType, wgpu::Buffer)>,
    /// Buffers only this executable uses: slots, tables, scratch, uniforms.
    own: Vec<wgpu::Buffer>,
    /// Held, not read: bind groups refer to them, and the last holder frees them.
    _weights: Vec<Rc<Weights>>,
    steps: Vec<Step>,
    outputs: Vec<Output>,
    peak_bytes: usize,
    weight_bytes: usize,
}

struct Step {
    pipeline: Rc<Pipeline>,
    bindings: wgpu::BindGroup,
    groups: [u32; 3],
}

struct Output {
    kind: TensorType,
    source: wgpu::Buffer,
    staging: wgpu::Buffer,
    /// A read is under way: the staging buffer is not free for the next run.
    reading: Cell<bool>,
}

/// Bytes of a value on the device: words, padded to whole vectors.
fn device_bytes(kind: &TensorType) -> usize {
    (kind.shape.elements() * 4).next_multiple_of(16)
}

impl Executable {
    /// Compiles a graph for these input types. `progress` hears of every pipeline built, as `(done, of)`.
    ///
    /// Errors name the node: an op that this backend lacks, a tensor larger than the device binds.
    pub async fn compile(
        gpu: &Gpu,
        graph: &Graph,
        inputs: &[TensorType],
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Executable> {
        gpu.check()?;
        let builder = Builder::new(gpu, graph, inputs)?;
        let pipelines = builder.pipelines(progress).await?;
        gpu.scoped(|| builder.build(pipelines)).await
    }

    /// Writes an input for the next run.
    pub fn write_input(&self, index: usize, tensor: &Tensor) -> Result<()> {
        let (kind, buffer) = self.input(index)?;
        if tensor.kind() != *kind {
            return Err(Error::mismatch(format!("input {index} does not fit"), kind, tensor.kind()));
        }
        self.gpu.check()?;
        self.gpu.write(buffer, tensor.data());
        Ok(())
    }

    /// Writes a float input for the next run, without a tensor around it.
    pub fn write_input_f32(&self, index: usize, data: &[f32]) -> Result<()> {
        let (kind, buffer) = self.input(index)?;
        if kind.dtype != crate::DType::F32 || kind.shape.elements() != data.len() {
            return Err(Error::mismatch(format!("input {index} does not fit"), kind, format!("{} floats", data.len())));
        }
        self.gpu.check()?;
        self.gpu.queue().write_buffer(buffer, 0, bytemuck::cast_slice(data));
        Ok(())
    }

    /// The type and buffer of an input, for what fills it on the device.
    pub(super) fn input(&self, index: usize) -> Result<(&TensorType, &wgpu::Buffer)> {
        let found = self.inputs.get(index).map(|(kind, buffer)| (kind, buffer));
        found.ok_or_else(|| Error::mismatch("no such input", format!("below {}", self.inputs.len()), index))
    }

    /// Starts a run: one command buffer (more if [`GpuOptions::batch`](super::GpuOptions) says so), nothing created.
    pub fn submit(&self) -> Result<()> {
        self.gpu.check()?;
        if self.outputs.iter().any(|o| o.reading.get()) {
            return Err(Error::invalid("the outputs of the last run are still being read"));
        }
        let batch = match self.gpu.options().batch {
            0 => self.steps.len().max(1),
            batch => batch,
        };
        let encoder = || self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
        for steps in self.steps.chunks(batch) {
            let mut commands = encoder();
            let mut pass = commands.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            let mut current: Option<&Rc<Pipeline>> = None;
            for step in steps {
                if !current.is_some_and(|p| Rc::ptr_eq(p, &step.pipeline)) {
                    pass.set_pipeline(&step.pipeline.pipeline);
                    current = Some(&step.pipeline);
                }
                pass.set_bind_group(0, &step.bindings, &[]);
                let [x, y, z] = step.groups;
                pass.dispatch_workgroups(x, y, z);
            }
            drop(pass);
            self.gpu.queue().submit([commands.finish()]);
        }
        let mut commands = encoder();
        for output in &self.outputs {
            let bytes = output.kind.shape.elements() as u64 * 4;
            if bytes > 0 {
                commands.copy_buffer_to_buffer(&output.source, 0, &output.staging, 0, bytes);
            }
        }
        self.gpu.queue().submit([commands.finish()]);
        Ok(())
    }

    /// An output of the last run.
    pub async fn read_output(&self, index: usize) -> Result<Tensor> {
        let output = self.outputs.get(index);
        let output =
            output.ok_or_else(|| Error::mismatch("no such output", format!("below {}", self.outputs.len()), index))?;
        self.start_read(output)?.finish(&self.gpu).await
    }

    /// All outputs of the last run; waits once, not once for each.
    pub async fn read_outputs(&self) -> Result<Vec<Tensor>> {
        let reads = self.outputs.iter().map(|o| self.start_read(o)).collect::<Result<Vec<_>>>()?;
        let mut tensors = Vec::with_capacity(reads.len());
        for read in reads {
            tensors.push(read.finish(&self.gpu).await?);
        }
        Ok(tensors)
    }

    fn start_read<'a>(&'a self, output: &'a Output) -> Result<Readback<'a>> {
        self.gpu.check()?;
        Readback::start(&output.kind, &output.staging, &output.reading)
    }

    /// Bytes of all buffers for intermediate results.
    pub fn peak_bytes(&self) -> usize {
        self.peak_bytes
    }

    /// Bytes of weights and tables.
    pub fn weight_bytes(&self) -> usize {
        self.weight_bytes
    }

    /// Dispatches of one run.
    pub fn dispatches(&self) -> usize {
        self.steps.len()
    }

    /// The device it was compiled for.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }
}

impl Drop for Executable {
    fn drop(&mut self) {
        // On the web dropping a handle frees nothing.
        let inputs = self.inputs.iter().map(|(_, buffer)| buffer);
        let staging = self.outputs.iter().map(|o| &o.staging);
        self.own.iter().chain(inputs).chain(staging).for_each(wgpu::Buffer::destroy);
    }
}

/// Everything known before the first buffer is made.
struct Builder<'a> {
    gpu: &'a Gpu,
    graph: &'a Graph,
    inputs: &'a [TensorType],
    types: crate::graph::Types,
    plan: Plan,
    dispatches: Vec<Dispatch>,
    tables: Vec<Vec<u8>>,
    scratch: [usize; 2],
}

impl<'a> Builder<'a> {
    fn new(gpu: &'a Gpu, graph: &'a Graph, inputs: &'a [TensorType]) -> Result<Self> {
        let types = graph.infer(inputs)?;
        let plan = Plan::new(graph, &types, device_bytes);
        let mut lowering = Lowering::new(graph, &types, gpu.workgroup_memory());
        for step in plan.steps() {
            let node = &graph.nodes()[step.index()];
            for &value in node.inputs.iter().chain(&node.outputs) {
                gpu.check_size(device_bytes(&types[value])).map_err(|e| e.at(&node.name))?;
            }
            lowering.node(step.index())?;
            for bytes in lowering.scratch.iter().chain(lowering.tables.last().map(Vec::len).iter()) {
                gpu.check_size(*bytes).map_err(|e| e.at(&node.name))?;
            }
        }
        let Lowering { dispatches, tables, scratch, .. } = lowering;
        Ok(Builder { gpu, graph, inputs, types, plan, dispatches, tables, scratch })
    }

    fn build(self, pipelines: HashMap<Variant, Rc<Pipeline>>) -> Result<Executable> {
        let Builder { gpu, graph, types, plan, .. } = &self;
        use wgpu::BufferUsages as Usage;
        let storage = Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST;

        let inputs: Vec<_> =
            self.inputs.iter().map(|kind| (kind.clone(), gpu.buffer("input", device_bytes(kind), storage))).collect();
        let slots: Vec<_> = plan.slots().iter().map(|&bytes| gpu.buffer("slot", bytes, storage)).collect();
        let scratch = self.scratch.map(|bytes| gpu.buffer("scratch", bytes, Usage::STORAGE));
        let tables: Vec<_> = self.tables.iter().map(|data| filled(gpu, "table", data, Usage::STORAGE)).collect();
        let align = gpu.device().limits().min_uniform_buffer_offset_alignment as usize;
        let (uniforms, blocks) = self.uniforms(align);
        let uniforms = filled(gpu, "uniforms", &uniforms, Usage::UNIFORM);

        let mut constants: HashMap<ValueId, Rc<Weights>> = HashMap::new();
        let used = self.dispatches.iter().flat_map(|d| &d.operands).filter_map(|o| match o {
            Operand::Value(value) => Some(*value),
            _ => None,
        });
        for value in used.chain(graph.outputs().iter().map(|o| o.value)) {
            if let Place::Constant(owner) = plan.place(value)
                && let Some(tensor) = graph.constant_of(owner)
            {
                gpu.check_size(tensor.shape().elements() * 4)?;
                constants.entry(owner).or_insert_with(|| gpu.weights(tensor));
            }
        }
        let place = |value: ValueId| match plan.place(value) {
            Place::Input(i) => Ok(&inputs[i].1),
            Place::Slot(i) => Ok(&slots[i]),
            Place::Constant(owner) => Ok(&constants[&owner].buffer),
            Place::Unused => Err(Error::invalid("a value without memory is used")),
        };

        let mut steps = Vec::with_capacity(self.dispatches.len());
        for (dispatch, block) in self.dispatches.iter().zip(&blocks) {
            let pipeline = &pipelines[&dispatch.variant];
            if pipeline.bindings.len() != dispatch.operands.len() + 1 {
                return Err(Error::invalid(format!("{} binds otherwise", dispatch.variant.file())));
            }
            let uniform = wgpu::BufferBinding {
                buffer: &uniforms,
                offset: block.start as u64,
                size: wgpu::BufferSize::new(block.len() as u64),
            };
            let mut entries =
                vec![wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(uniform) }];
            for (i, operand) in dispatch.operands.iter().enumerate() {
                let buffer = match *operand {
                    Operand::Value(value) => place(value)?,
                    Operand::Table(i) => &tables[i],
                    Operand::Scratch(i) => &scratch[i],
                };
                let resource = buffer.as_entire_binding();
                entries.push(wgpu::BindGroupEntry { binding: i as u32 + 1, resource });
            }
            let bindings = gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(&graph.nodes()[dispatch.node].name),
                layout: &pipeline.layout,
                entries: &entries,
            });
            steps.push(Step { pipeline: pipeline.clone(), bindings, groups: dispatch.groups });
        }

        let outputs = graph.outputs().iter().map(|output| {
            let kind = types[output.value].clone();
            let source = place(output.value)?.clone();
            let staging = gpu.buffer("output", device_bytes(&kind), Usage::MAP_READ | Usage::COPY_DST);
            Ok(Output { kind, source, staging, reading: Cell::new(false) })
        });
        let outputs = outputs.collect::<Result<Vec<_>>>()?;
        let constant_bytes: usize = constants.values().map(|w| w.buffer.size() as usize).sum();
        Ok(Executable {
            gpu: (*gpu).clone(),
            peak_bytes: plan.peak_bytes() + self.scratch.iter().sum::<usize>(),
            weight_bytes: constant_bytes + self.tables.iter().map(Vec::len).sum::<usize>(),
            own: slots.into_iter().chain(tables).chain(scratch).chain([uniforms]).collect(),
            _weights: constants.into_values().collect(),
            inputs,
            steps,
            outputs,
        })
    }

    /// The pipeline of every variant.
    async fn pipelines(&self, progress: &mut dyn FnMut(usize, usize)) -> Result<HashMap<Variant, Rc<Pipeline>>> {
        let mut variants: Vec<&Variant> = Vec::new();
        let mut nodes = Vec::new();
        let mut known = std::collections::HashSet::new();
        for dispatch in self.dispatches.iter().filter(|d| known.insert(&d.variant)) {
            variants.push(&dispatch.variant);
            nodes.push(dispatch.node);
        }
        let built = self.gpu.pipelines(&variants, progress).await;
        let built = built.map_err(|(i, e)| e.at(&self.graph.nodes()[nodes[i]].name))?;
        Ok(variants.into_iter().cloned().zip(built).collect())
    }

    /// All uniform blocks in one buffer, each where a binding may start, and where each is.
    fn uniforms(&self, align: usize) -> (Vec<u8>, Vec<std::ops::Range<usize>>) {
        let mut data = Vec::new();
        let mut blocks = Vec::with_capacity(self.dispatches.len());
        for dispatch in &self.dispatches {
            let start = data.len();
            data.extend_from_slice(&dispatch.params);
            data.resize(data.len().next_multiple_of(16), 0);
            blocks.push(start..data.len());
            data.resize(data.len().next_multiple_of(align), 0);
        }
        (data, blocks)
    }
}

/// A buffer with content.
fn filled(gpu: &Gpu, label: &str, data: &[u8], usage: wgpu::BufferUsages) -> wgpu::Buffer {
    let buffer = gpu.buffer(label, data.len(), usage | wgpu::BufferUsages::COPY_DST);
    gpu.queue().write_buffer(&buffer, 0, data);
    buffer
}
