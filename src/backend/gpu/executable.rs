//! A compiled network on the device.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

use super::lower::{Dispatch, Lowering, Operand};
use super::pipelines::Pipeline;
use super::readback::Readback;
use super::variant::Variant;
use super::{Gpu, Variable, Weights};
use crate::error::{Error, Result};
use crate::graph::{Graph, ValueId};
use crate::plan::{self, Place, Plan};
use crate::tensor::{Tensor, TensorType};

/// A network for one set of input types: everything made, ready to run any number of times.
///
/// One run at a time: write the inputs, [`submit`](Executable::submit), read the outputs. Or, where few runs' outputs
/// matter, [`run`](Executable::run) many times and [`stage`](Executable::stage) what is to be read.
pub struct Executable {
    gpu: Gpu,
    inputs: Vec<(TensorType, wgpu::Buffer)>,
    /// Buffers only this executable uses: slots, tables, scratch, uniforms.
    own: Vec<wgpu::Buffer>,
    /// Held, not read: bind groups refer to them, and the last holder frees them.
    _weights: Vec<Rc<Weights>>,
    _variables: Vec<Variable>,
    steps: Vec<Step>,
    outputs: Vec<Output>,
    peak_bytes: usize,
    weight_bytes: usize,
}

enum Step {
    Dispatch {
        pipeline: Rc<Pipeline>,
        bindings: wgpu::BindGroup,
        groups: [u32; 3],
    },
    /// Copies so many bytes from the first buffer to the second.
    Copy(wgpu::Buffer, wgpu::Buffer, u64),
}

struct Output {
    kind: TensorType,
    source: wgpu::Buffer,
    staging: wgpu::Buffer,
    /// A read is under way: the staging buffer is not free for the next run.
    reading: Cell<bool>,
}

/// Bytes of a value on the device: words, padded to whole vectors.
pub(super) fn device_bytes(kind: &TensorType) -> usize {
    (kind.shape.elements() * 4).next_multiple_of(16)
}

impl Executable {
    /// Compiles a graph for these input types, with variables of its own. `progress` hears of every pipeline built, as
    /// `(done, of)`.
    ///
    /// Errors name the node: an op that this backend lacks, a tensor larger than the device binds.
    pub async fn compile(
        gpu: &Gpu,
        graph: &Graph,
        inputs: &[TensorType],
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Executable> {
        let variables = graph.variables().iter().map(|v| Variable::new(gpu, &v.initial)).collect::<Result<_>>()?;
        Self::compile_with(gpu, graph, inputs, variables, progress).await
    }

    /// As [`Executable::compile`], over variables that others may use too, in the graph's order.
    pub async fn compile_with(
        gpu: &Gpu,
        graph: &Graph,
        inputs: &[TensorType],
        variables: Vec<Variable>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Executable> {
        gpu.check()?;
        let builder = Builder::new(gpu, graph, inputs, variables)?;
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

    /// The type and buffer of an output, for what reads it on the device after a run.
    pub(super) fn source(&self, index: usize) -> Result<(&TensorType, &wgpu::Buffer)> {
        let Output { kind, source, .. } = self.output(index)?;
        Ok((kind, source))
    }

    /// Starts a run whose outputs will all be read: [`run`](Executable::run), then [`stage`](Executable::stage) for each.
    pub fn submit(&self) -> Result<()> {
        self.run()?;
        self.stage(&(0..self.outputs.len()).collect::<Vec<_>>())
    }

    /// Starts a run: one command buffer (more if [`GpuOptions::batch`](super::GpuOptions) says so), nothing created.
    pub fn run(&self) -> Result<()> {
        self.gpu.check()?;
        let batch = match self.gpu.options().batch {
            0 => self.steps.len().max(1),
            batch => batch,
        };
        let encoder = || self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
        for steps in self.steps.chunks(batch) {
            let mut commands = encoder();
            let is_copy = |step: &Step| matches!(step, Step::Copy(..));
            for part in steps.chunk_by(|a, b| is_copy(a) == is_copy(b)) {
                record(part, &mut commands);
            }
            self.gpu.queue().submit([commands.finish()]);
        }
        Ok(())
    }

    /// Copies outputs of the last run to where they can be read; later runs do not change them there.
    pub fn stage(&self, outputs: &[usize]) -> Result<()> {
        self.gpu.check()?;
        let mut commands = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
        for &index in outputs {
            let output = self.output(index)?;
            if output.reading.get() {
                return Err(Error::invalid("the outputs of the last run are still being read"));
            }
            let bytes = output.kind.shape.elements() as u64 * 4;
            if bytes > 0 {
                commands.copy_buffer_to_buffer(&output.source, 0, &output.staging, 0, bytes);
            }
        }
        self.gpu.queue().submit([commands.finish()]);
        Ok(())
    }

    /// An output that was staged.
    pub async fn read_output(&self, index: usize) -> Result<Tensor> {
        self.start_read(self.output(index)?)?.finish(&self.gpu).await
    }

    fn output(&self, index: usize) -> Result<&Output> {
        let found = self.outputs.get(index);
        found.ok_or_else(|| Error::mismatch("no such output", format!("below {}", self.outputs.len()), index))
    }

    /// All outputs of the run that was submitted last; waits once, not once for each.
    pub async fn read_outputs(&self) -> Result<Vec<Tensor>> {
        self.read_staged(&(0..self.outputs.len()).collect::<Vec<_>>()).await
    }

    /// Some outputs that were staged; waits once.
    pub async fn read_staged(&self, outputs: &[usize]) -> Result<Vec<Tensor>> {
        let start = |&i: &usize| self.start_read(self.output(i)?);
        let reads = outputs.iter().map(start).collect::<Result<Vec<_>>>()?;
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
        self.steps.iter().filter(|s| matches!(s, Step::Dispatch { .. })).count()
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

/// Records dispatches, all in one pass, or copies.
fn record(steps: &[Step], commands: &mut wgpu::CommandEncoder) {
    if let Some(Step::Copy(..)) = steps.first() {
        for step in steps {
            if let Step::Copy(from, to, bytes) = step {
                commands.copy_buffer_to_buffer(from, 0, to, 0, *bytes);
            }
        }
        return;
    }
    let mut pass = commands.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    let mut current: Option<&Rc<Pipeline>> = None;
    for step in steps {
        let Step::Dispatch { pipeline, bindings, groups: [x, y, z] } = step else { continue };
        if !current.is_some_and(|p| Rc::ptr_eq(p, pipeline)) {
            pass.set_pipeline(&pipeline.pipeline);
            current = Some(pipeline);
        }
        pass.set_bind_group(0, bindings, &[]);
        pass.dispatch_workgroups(*x, *y, *z);
    }
}

/// A copy of a value's elements, before the dispatch of this number.
struct Move {
    before: usize,
    value: ValueId,
    from: Place,
    to: Place,
}

/// Everything known before the first buffer is made.
struct Builder<'a> {
    gpu: &'a Gpu,
    graph: &'a Graph,
    inputs: &'a [TensorType],
    types: crate::graph::Types,
    plan: Plan,
    variables: Vec<Variable>,
    dispatches: Vec<Dispatch>,
    moves: Vec<Move>,
    tables: Vec<Vec<u8>>,
    scratch: [usize; 2],
}

impl<'a> Builder<'a> {
    fn new(gpu: &'a Gpu, graph: &'a Graph, inputs: &'a [TensorType], variables: Vec<Variable>) -> Result<Self> {
        let types = graph.infer(inputs)?;
        if !graph.variables().iter().map(|v| &types[v.value]).eq(variables.iter().map(Variable::kind)) {
            return Err(Error::invalid("the variables are not those of the graph"));
        }
        let plan = Plan::new(graph, &types, device_bytes);
        let mut lowering = Lowering::new(graph, &types, gpu.workgroup_memory());
        let mut moves = Vec::new();
        for step in plan.steps() {
            let before = lowering.dispatches.len();
            let step = match *step {
                plan::Step::Node(id) => id,
                plan::Step::Copy { value, from, to } => {
                    moves.push(Move { before, value, from, to });
                    continue;
                }
            };
            let node = &graph.nodes()[step.index()];
            // What a node changes must be where its result is to be.
            for (i, &result) in node.outputs.iter().enumerate() {
                let changed = node.op.operator().in_place(i).and_then(|operand| node.inputs.get(operand));
                if let Some(&value) = changed.filter(|v| plan.place(**v) != plan.place(result)) {
                    moves.push(Move { before, value, from: plan.place(value), to: plan.place(result) });
                }
            }
            for &value in node.inputs.iter().chain(&node.outputs) {
                gpu.check_size(device_bytes(&types[value])).map_err(|e| e.at(&node.name))?;
            }
            lowering.node(step.index())?;
            for bytes in lowering.scratch.iter().chain(lowering.tables.last().map(Vec::len).iter()) {
                gpu.check_size(*bytes).map_err(|e| e.at(&node.name))?;
            }
        }
        let Lowering { dispatches, tables, scratch, .. } = lowering;
        Ok(Builder { gpu, graph, inputs, types, plan, variables, dispatches, moves, tables, scratch })
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
        let used = used.map(|v| plan.place(v)).chain(self.moves.iter().map(|m| m.from));
        for place in used.chain((0..graph.outputs().len()).map(|i| plan.output(i))) {
            if let Place::Constant(owner) = place
                && let Some(tensor) = graph.constant_of(owner)
            {
                gpu.check_size(tensor.shape().elements() * 4)?;
                constants.entry(owner).or_insert_with(|| gpu.weights(tensor));
            }
        }
        let buffer = |place: Place| match place {
            Place::Input(i) => Ok(&inputs[i].1),
            Place::Slot(i) => Ok(&slots[i]),
            Place::Variable(i) => Ok(self.variables[i].buffer()),
            Place::Constant(owner) => Ok(&constants[&owner].buffer),
            Place::Unused => Err(Error::invalid("a value without memory is used")),
        };

        let copy = |m: &Move| -> Result<Step> {
            // Whole vectors, and at least one: kernels may read the padding, and a copy of nothing is an error.
            let bytes = device_bytes(&types[m.value]).max(16) as u64;
            Ok(Step::Copy(buffer(m.from)?.clone(), buffer(m.to)?.clone(), bytes))
        };
        let mut moves = self.moves.iter().peekable();
        let mut steps = Vec::with_capacity(self.dispatches.len() + self.moves.len());
        for (i, (dispatch, block)) in self.dispatches.iter().zip(&blocks).enumerate() {
            while let Some(m) = moves.next_if(|m| m.before <= i) {
                steps.push(copy(m)?);
            }
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
                let bound = match *operand {
                    Operand::Value(value) => buffer(plan.place(value))?,
                    Operand::Table(i) => &tables[i],
                    Operand::Scratch(i) => &scratch[i],
                };
                let resource = bound.as_entire_binding();
                entries.push(wgpu::BindGroupEntry { binding: i as u32 + 1, resource });
            }
            let bindings = gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(&graph.nodes()[dispatch.node].name),
                layout: &pipeline.layout,
                entries: &entries,
            });
            steps.push(Step::Dispatch { pipeline: pipeline.clone(), bindings, groups: dispatch.groups });
        }
        for m in moves {
            steps.push(copy(m)?);
        }

        let outputs = graph.outputs().iter().enumerate().map(|(i, output)| {
            let kind = types[output.value].clone();
            let source = buffer(plan.output(i))?.clone();
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
            _variables: self.variables.clone(),
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
pub(super) fn filled(gpu: &Gpu, label: &str, data: &[u8], usage: wgpu::BufferUsages) -> wgpu::Buffer {
    let buffer = gpu.buffer(label, data.len(), usage | wgpu::BufferUsages::COPY_DST);
    gpu.queue().write_buffer(&buffer, 0, data);
    buffer
}
