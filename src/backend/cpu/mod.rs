//! SIMD kernels on the CPU: in the browser (simd128, relaxed SIMD, threads) and, for tests, natively.
//!
//! [`Executable::compile`] does all the thinking: types, memory plan, weight packing, indirection buffers. A run walks
//! a list of kernels and allocates nothing. `simd.rs` holds the only intrinsics; everything is written over its
//! `F32x4`.

mod batch_norm;
mod columns;
mod conv;
mod conv_filter;
mod conv_transpose;
mod depthwise;
mod depthwise_backward;
mod elementwise;
mod epilogue;
mod gemm;
mod layout;
mod math;
mod matmul;
mod memory;
mod optimizer_step;
mod outer;
mod pool;
mod pool_backward;
mod random;
mod reduce;
mod resize;
mod select;
mod simd;
mod softmax;
mod strided;
mod suppress;
mod taps;
mod unary_backward;
mod variable;

pub use memory::ViewMut as InputMut;
pub use variable::Variable;

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::{Graph, Node, ValueId};
use crate::ops::Op;
use crate::plan::{self, Place, Plan};
use crate::tensor::{Tensor, TensorType, TensorView};
use memory::{Buffer, Inputs, Memory, Operand, Origin, Target, ViewMut};

/// Most outputs of a step.
const OUTPUTS: usize = 3;

/// Where a step's results go; places beyond its outputs are empty.
type Outputs<'a> = [ViewMut<'a>; OUTPUTS];

/// A compiled step: shapes resolved, weights packed, scratch memory allocated.
trait Kernel: Send {
    /// Computes the outputs from the inputs.
    fn run(&mut self, inputs: Inputs<'_>, outputs: Outputs<'_>) -> Result<()>;
    /// Bytes of packed weights.
    fn weight_bytes(&self) -> usize {
        0
    }
    /// Bytes of scratch memory and tables.
    fn scratch_bytes(&self) -> usize {
        0
    }
}

/// What a kernel is made from.
struct Spec<'a> {
    inputs: &'a [TensorType],
    outputs: &'a [TensorType],
    operands: &'a [Operand],
}

impl Spec<'_> {
    /// Dimensions of an image-like operand.
    fn dims<const N: usize>(&self, input: usize) -> Result<[usize; N]> {
        self.inputs[input].shape.dims("another rank")
    }
    /// The floats of a constant operand.
    fn constant(&self, input: usize) -> Option<&[f32]> {
        match &self.operands[input].origin {
            Origin::Constant(tensor) => tensor.as_f32().ok(),
            _ => None,
        }
    }
}

/// Results without elements: a batch of none may still have images of any size, and tables for their pixels.
struct Nothing;

impl Kernel for Nothing {
    fn run(&mut self, _: Inputs<'_>, _: Outputs<'_>) -> Result<()> {
        Ok(())
    }
}

fn kernel(op: &Op, spec: &Spec) -> Result<Box<dyn Kernel>> {
    if spec.outputs.iter().all(|kind| kind.shape.elements() == 0) {
        return Ok(Box::new(Nothing));
    }
    Ok(match op {
        Op::Conv2d(op) => conv::compile(op, spec)?,
        Op::DepthwiseConv2d(op) => depthwise::compile(op, spec)?,
        Op::ConvTranspose2d(op) => conv_transpose::compile(op, spec)?,
        Op::MatMul(op) => matmul::compile(op, spec)?,
        Op::Pool2d(op) => pool::compile(op, spec)?,
        Op::Reduce(op) => reduce::compile(op, spec)?,
        Op::Resize(op) => resize::compile(op, spec)?,
        Op::Unary(op) => elementwise::compile_unary(op),
        Op::Binary(op) => elementwise::compile_binary(op, spec)?,
        Op::Cast(op) => elementwise::compile_cast(op),
        Op::Softmax(op) => softmax::compile(op.axis, false, spec)?,
        Op::LogSoftmax(op) => softmax::compile(op.axis, true, spec)?,
        Op::Concat(op) => layout::compile_concat(op, spec)?,
        Op::Slice(op) => layout::compile_slice(op, spec)?,
        Op::Pad(op) => layout::compile_pad(op, spec)?,
        Op::Transpose(op) => layout::compile_transpose(op, spec)?,
        Op::Gather(op) => select::compile_gather(op, spec)?,
        Op::TopK(op) => select::compile_top_k(op, spec)?,
        Op::ArgMax(op) => select::compile_arg_max(op, spec)?,
        Op::NonMaxSuppression(op) if cfg!(feature = "files") => suppress::compile(op, spec)?,
        Op::Reshape(_) => return Err(Error::invalid("a reshape is no step of a plan")),
        Op::BatchNorm(_) => return Err(Error::unsupported("batch normalisation; fold it with `passes::optimize`")),
        // A constant: what only reads files does without these kernels.
        _ if cfg!(feature = "models") => training_kernel(op, spec)?,
        _ => return Err(Error::unsupported("training in a binary that only reads files")),
    })
}

/// Kernels that nothing but training asks for.
fn training_kernel(op: &Op, spec: &Spec) -> Result<Box<dyn Kernel>> {
    Ok(match op {
        Op::ResizeBackward(op) => taps::compile_backward(op, spec)?,
        Op::Conv2dBackwardInput(op) => conv_transpose::compile_backward(op, spec)?,
        Op::Conv2dBackwardFilter(op) => conv_filter::compile(op, spec)?,
        Op::DepthwiseConv2dBackwardInput(op) => depthwise_backward::compile_input(op, spec)?,
        Op::DepthwiseConv2dBackwardFilter(op) => depthwise_backward::compile_filter(op, spec)?,
        Op::MaxPool2dBackward(op) => pool_backward::compile_max(op, spec)?,
        Op::AvgPool2dBackward(op) => pool_backward::compile_average(op, spec)?,
        Op::BatchNormStatistics(_) => batch_norm::compile_statistics(spec)?,
        Op::BatchNormBackward(_) => batch_norm::compile_backward(spec)?,
        Op::UnaryBackward(op) => unary_backward::compile(op),
        Op::Random(op) => random::compile(op),
        Op::OptimizerStep(op) => optimizer_step::compile(op),
        _ => return Err(Error::unsupported(op.operator().name())),
    })
}

struct Step {
    name: String,
    kernel: Box<dyn Kernel>,
    operands: Vec<Operand>,
    results: Vec<Output>,
}

/// Where a step's result goes.
struct Output {
    target: Target,
    kind: TensorType,
    /// The operand that it is a changed copy of, if that is not there already.
    copied: Option<usize>,
}

/// What a run does.
enum Action {
    Compute(Step),
    /// Copies elements as they are.
    Copy(Operand, Target),
}

/// A graph compiled for one set of input types.
pub struct Executable {
    actions: Vec<Action>,
    memory: Memory,
    variables: Vec<Variable>,
    input_types: Vec<TensorType>,
    outputs: Vec<Operand>,
    peak_bytes: usize,
    weight_bytes: usize,
}

impl Executable {
    /// Compiles a graph for concrete input types, with variables of its own.
    ///
    /// Errors: what shape inference finds, and ops this backend does not have, by the node's name.
    pub fn compile(graph: &Graph, inputs: &[TensorType]) -> Result<Self> {
        Self::compile_with(graph, inputs, graph.variables().iter().map(|v| Variable::new(&v.initial)).collect())
    }

    /// As [`Executable::compile`], over variables that others may use too, in the graph's order.
    pub fn compile_with(graph: &Graph, inputs: &[TensorType], variables: Vec<Variable>) -> Result<Self> {
        let types = graph.infer(inputs)?;
        if !graph.variables().iter().map(|v| &types[v.value]).eq(variables.iter().map(Variable::kind)) {
            return Err(Error::invalid("the variables are not those of the graph"));
        }
        let plan = Plan::new(graph, &types, TensorType::bytes);
        let lying = |place: Place, kind: &TensorType| -> Result<Operand> {
            let origin = match place {
                Place::Input(i) => Origin::Input(i),
                Place::Slot(i) => Origin::Slot(i),
                Place::Variable(i) => Origin::Variable(i),
                Place::Constant(c) => Origin::Constant(Arc::<Tensor>::clone(
                    graph.constant_of(c).ok_or_else(|| Error::invalid("a constant without data"))?,
                )),
                Place::Unused => return Err(Error::invalid("a value that is used has no place")),
            };
            Ok(Operand { origin, kind: kind.clone() })
        };
        let operand = |v: ValueId| lying(plan.place(v), &types[v]);
        let target = |place: Place| match place {
            Place::Slot(slot) => Ok(Target::Slot(slot)),
            Place::Variable(i) => Ok(Target::Variable(i)),
            _ => Err(Error::invalid("a result without memory")),
        };
        let step = |node: &Node| -> Result<Step> {
            let operands = node.inputs.iter().map(|&v| operand(v)).collect::<Result<Vec<_>>>()?;
            let result = |(i, &v): (usize, &ValueId)| {
                let changes = node.op.operator().in_place(i);
                let copied = changes.filter(|&o| node.inputs.get(o).is_some_and(|&o| plan.place(o) != plan.place(v)));
                Ok(Output { target: target(plan.place(v))?, kind: types[v].clone(), copied })
            };
            let results = node.outputs.iter().enumerate().map(result).collect::<Result<Vec<_>>>()?;
            let (inputs, outputs) = (types.of(&node.inputs), types.of(&node.outputs));
            let kernel = kernel(&node.op, &Spec { inputs: &inputs, outputs: &outputs, operands: &operands })?;
            Ok(Step { name: node.name.clone(), kernel, operands, results })
        };
        let action = |step_: &plan::Step| match *step_ {
            plan::Step::Node(id) => {
                let node = &graph.nodes()[id.index()];
                Ok(Action::Compute(step(node).map_err(|e| e.at(&node.name))?))
            }
            plan::Step::Copy { value, from, to } => Ok(Action::Copy(lying(from, &types[value])?, target(to)?)),
        };
        let actions = plan.steps().iter().map(action).collect::<Result<Vec<_>>>()?;
        let output = |(i, o): (usize, &crate::graph::Output)| lying(plan.output(i), &types[o.value]);
        let outputs = graph.outputs().iter().enumerate().map(output).collect::<Result<Vec<_>>>()?;
        let kernels = || {
            actions.iter().filter_map(|action| match action {
                Action::Compute(step) => Some(&step.kernel),
                Action::Copy(..) => None,
            })
        };
        let scratch: usize = kernels().map(|k| k.scratch_bytes()).sum();
        Ok(Executable {
            peak_bytes: plan.peak_bytes() + scratch,
            weight_bytes: kernels().map(|k| k.weight_bytes()).sum(),
            memory: Memory {
                inputs: inputs.iter().map(|t| Buffer::new(t.bytes())).collect(),
                slots: plan.slots().iter().map(|&bytes| Buffer::new(bytes)).collect(),
                variables: variables.iter().map(|_| Buffer::default()).collect(),
            },
            input_types: inputs.to_vec(),
            outputs,
            actions,
            variables,
        })
    }

    /// The elements of input `i`, to be written in place before a run. They survive runs.
    pub fn input_mut(&mut self, i: usize) -> InputMut<'_> {
        let TensorType { dtype, shape } = &self.input_types[i];
        self.memory.inputs[i].view_mut(*dtype, shape.elements())
    }

    /// Runs the network on what the inputs and the variables hold. Allocates nothing.
    ///
    /// After an error the variables hold old and new values mixed.
    pub fn run(&mut self) -> Result<()> {
        let Executable { actions, memory, variables, .. } = self;
        // The variables' memory is this executable's for the time of the run.
        variables.iter().zip(&mut memory.variables).for_each(|(variable, buffer)| variable.swap(buffer));
        let done = actions.iter_mut().try_for_each(|action| match action {
            Action::Compute(step) => step.run(memory).map_err(|e| e.at(&step.name)),
            Action::Copy(from, to) => {
                let mut buffer = std::mem::take(memory.buffer(*to));
                buffer.copy(memory.view(from).data);
                *memory.buffer(*to) = buffer;
                Ok(())
            }
        });
        variables.iter().zip(&mut memory.variables).for_each(|(variable, buffer)| variable.swap(buffer));
        done
    }

    /// Output `i` of the last run, in the graph's order.
    pub fn output(&self, i: usize) -> TensorView<'_> {
        self.memory.view(&self.outputs[i])
    }

    /// Bytes of intermediate results, scratch memory and tables.
    pub fn peak_bytes(&self) -> usize {
        self.peak_bytes
    }

    /// Bytes of packed weights.
    pub fn weight_bytes(&self) -> usize {
        self.weight_bytes
    }
}

impl Step {
    fn run(&mut self, memory: &mut Memory) -> Result<()> {
        // The plan never gives a result the buffer of an operand, so results can leave the memory meanwhile.
        let mut buffers: [Buffer; OUTPUTS] = Default::default();
        for (buffer, output) in buffers.iter_mut().zip(&self.results) {
            std::mem::swap(buffer, memory.buffer(output.target));
        }
        for (buffer, output) in buffers.iter_mut().zip(&self.results) {
            if let Some(operand) = output.copied {
                buffer.copy(memory.view(&self.operands[operand]).data);
            }
        }
        let mut results = self.results.iter();
        let outputs = buffers.each_mut().map(|buffer| match results.next() {
            Some(Output { kind, .. }) => buffer.view_mut(kind.dtype, kind.shape.elements()),
            None => ViewMut::U8(&mut []),
        });
        let done = self.kernel.run(Inputs { memory, operands: &self.operands }, outputs);
        for (buffer, output) in buffers.iter_mut().zip(&self.results) {
            std::mem::swap(buffer, memory.buffer(output.target));
        }
        done
    }
}
