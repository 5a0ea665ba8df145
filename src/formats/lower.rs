//! What importers share: a graph under construction whose types are always known, folding of shape arithmetic, and
//! TensorFlow's operations that striate spells in several.
//!
//! A file may leave dimensions open (the batch, mostly). Types are therefore inferred twice, for two guesses of the
//! open dimensions; whatever differs between the two depends on them. The same trick carries shape arithmetic
//! (`Shape -> StridedSlice -> Pack -> Reshape`): it is evaluated at import, under both guesses.

mod blocks;
mod boxes;
mod shapes;
mod spell;

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::{Graph, Source, ValueId};
use crate::ops::{BinaryKind, Op, ReduceKind, Unary};
use crate::shape::Shape;
use crate::tensor::{DType, Data, Tensor, TensorType};

pub(super) use boxes::Detections;
pub(super) use spell::{StridedSliceMasks, TransposedConv};

/// An open dimension is taken to be the first of these, and the second: of the batch, and of any other axis (which
/// must survive a backbone's strides).
const GUESSES: [[usize; 2]; 2] = [[1, 2], [256, 320]];

/// Tensors of at most this many elements take part in shape arithmetic.
const MAX_FOLDED: usize = 64;

// A small file must not become a large graph: operands are named again and again at little cost to the file.
/// Most dimensions of a tensor.
pub(super) const MAX_RANK: usize = 16;
/// Most values of a graph.
const MAX_VALUES: usize = 1 << 18;
/// Most pieces of a split.
const MAX_PIECES: usize = 1 << 12;
/// Most bytes of all constants that no file contains (fills, bands), unless the caller allows more.
const MAX_SYNTHETIC_BYTES: usize = 64 << 20;
/// Most elements that folding constants at import may write.
#[cfg(any(feature = "onnx", feature = "convert"))]
const MAX_FOLDING: usize = 1 << 24;

/// A number under both guesses.
pub(super) type Guessed<T> = [T; 2];

/// A graph under construction.
#[derive(Default)]
pub(super) struct Lowering {
    graph: Graph,
    /// The type of every value, under both guesses.
    types: Vec<Guessed<TensorType>>,
    /// The elements of values that are known at import and depend on open dimensions, or were folded.
    known: Vec<Option<Vec<Guessed<f64>>>>,
    /// Bytes of the constants made here.
    synthetic: usize,
    /// What they may come to.
    allowed: Option<usize>,
    /// Elements that folding constants may still write; `None` leaves it to the passes.
    folding: Option<usize>,
}

impl Lowering {
    /// For formats whose constants are computed by nodes: operations on constants alone are evaluated at once. `allowed`
    /// bytes may go into constants that the file does not contain.
    #[cfg(any(feature = "onnx", feature = "convert"))]
    pub fn folding(allowed: Option<usize>) -> Self {
        Lowering { folding: Some(MAX_FOLDING), allowed, ..Lowering::default() }
    }

    /// The graph, without the constants that only importing needed: shapes, axes, kernels in the file's layout.
    pub fn into_graph(self) -> Result<Graph> {
        let used = self.graph.use_counts();
        let mut graph = Graph::new();
        let mut moved: Vec<Option<ValueId>> = vec![None; used.len()];
        for (i, value) in self.graph.values().iter().enumerate() {
            match &value.source {
                Source::Input(n) => {
                    let input = &self.graph.inputs()[*n];
                    moved[i] = Some(graph.input(&value.name, input.dtype, input.dims.clone()));
                }
                Source::Constant(tensor) if used[i] > 0 => {
                    moved[i] = Some(graph.constant(&value.name, Arc::clone(tensor)));
                }
                // No file has variables.
                Source::Constant(_) | Source::Variable(_) => {}
                // A node's outputs follow each other; the first brings the node.
                Source::Node { node, output: 0 } => {
                    let node = &self.graph.nodes()[node.index()];
                    let inputs: Vec<_> = node.inputs.iter().filter_map(|v| moved[v.index()]).collect();
                    for (old, new) in node.outputs.iter().zip(graph.push(&node.name, node.op.clone(), &inputs)?) {
                        moved[old.index()] = Some(new);
                    }
                }
                Source::Node { .. } => {}
            }
        }
        for output in self.graph.outputs() {
            if let Some(value) = moved[output.value.index()] {
                graph.output(&output.name, value);
            }
        }
        Ok(graph)
    }

    /// Declares an input; `None` dimensions are open.
    pub fn input(&mut self, name: &str, dtype: DType, dims: Vec<Option<usize>>) -> Result<ValueId> {
        let guess = |g: usize| {
            if dims.len() > MAX_RANK {
                return Err(Error::unsupported(format!("an input of {} dimensions; at most {MAX_RANK}", dims.len())));
            }
            let dims = dims.iter().enumerate().map(|(i, d)| d.unwrap_or(GUESSES[(i > 0) as usize][g]));
            Ok::<_, Error>(TensorType::new(dtype, Shape::checked(dims.collect::<Shape>())?))
        };
        let types = [guess(0).map_err(|e| e.at(name))?, guess(1).map_err(|e| e.at(name))?];
        let value = self.graph.input(name, dtype, dims);
        self.types.push(types);
        self.known.push(None);
        Ok(value)
    }

    /// Adds a constant.
    pub fn constant(&mut self, name: &str, tensor: impl Into<Arc<Tensor>>) -> ValueId {
        let tensor = tensor.into();
        self.types.push([tensor.kind(), tensor.kind()]);
        self.known.push(None);
        self.graph.constant(name, tensor)
    }

    /// A constant of one value everywhere, of a size that the file does not pay for.
    pub fn filled(&mut self, name: &str, shape: Shape, value: f64, dtype: DType) -> Result<ValueId> {
        check_rank(&shape)?;
        let shape = Shape::checked(shape)?;
        self.spend(shape.elements() * dtype.size())?;
        let n = shape.elements();
        let data = match dtype {
            DType::F32 => Data::F32(vec![value as f32; n]),
            DType::I32 => Data::I32(vec![value as i32; n]),
            DType::U8 => Data::U8(vec![value as u8; n]),
        };
        Ok(self.constant(name, Tensor::new(shape, data)?))
    }

    /// Accounts for a constant that no file contains.
    pub fn spend(&mut self, bytes: usize) -> Result<()> {
        self.synthetic = self.synthetic.saturating_add(bytes);
        if self.synthetic > self.allowed.unwrap_or(MAX_SYNTHETIC_BYTES) {
            return Err(Error::resource("the graph expands into too large constants"));
        }
        Ok(())
    }

    /// Marks an output.
    pub fn output(&mut self, name: &str, value: ValueId) -> Result<()> {
        if self.is_open(value) {
            return Err(Error::unsupported("an output that is the size of an open dimension").at(name));
        }
        self.graph.output(name, value);
        Ok(())
    }

    /// Adds an operation, or its result where all operands are known numbers. Errors name the node.
    pub fn push(&mut self, name: &str, op: impl Into<Op>, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let op = op.into();
        if let Some(folded) = self.fold(name, &op, inputs).map_err(|e| e.at(name))? {
            return Ok(vec![folded]);
        }
        if let Some(folded) = self.fold_constants(name, &op, inputs).map_err(|e| e.at(name))? {
            return Ok(folded);
        }
        if let Some(open) = inputs.iter().find(|v| self.is_open(**v)) {
            let operand = &self.graph.values()[open.index()].name;
            return Err(Error::unsupported(format!(
                "{} depends on the number {operand:?}, which is not known before the input's open dimensions are",
                op.operator().name()
            ))
            .at(name));
        }
        let infer = |guess: usize| {
            let operands: Vec<_> = inputs.iter().map(|v| self.types[v.index()][guess].clone()).collect();
            op.operator().infer(&operands).map_err(|e| e.at(name))
        };
        let [first, second] = [infer(0)?, infer(1)?];
        first.iter().try_for_each(|result| check_rank(&result.shape)).map_err(|e| e.at(name))?;
        if self.types.len() + first.len() > MAX_VALUES {
            return Err(Error::resource(format!("the graph has more than {MAX_VALUES} values")).at(name));
        }
        let outputs = self.graph.push(name, op, inputs)?;
        for (a, b) in first.into_iter().zip(second) {
            self.types.push([a, b]);
            self.known.push(None);
        }
        Ok(outputs)
    }

    /// The results of an operation on constants, if that is wanted and the budget lasts.
    fn fold_constants(&mut self, name: &str, op: &Op, inputs: &[ValueId]) -> Result<Option<Vec<ValueId>>> {
        let Some(left) = self.folding else { return Ok(None) };
        if inputs.iter().any(|v| self.is_open(*v)) {
            return Ok(None);
        }
        let constants: Option<Vec<_>> = inputs.iter().map(|v| self.tensor(*v).cloned()).collect();
        let (Some(constants), Some(kernel)) = (constants, op.foldable()) else { return Ok(None) };
        let kinds: Vec<_> = constants.iter().map(|t| t.kind()).collect();
        let results = op.operator().infer(&kinds)?;
        let written = results.iter().map(|t| t.shape.elements()).sum();
        let Some(left) = left.checked_sub(written) else { return Ok(None) };
        results.iter().try_for_each(|result| check_rank(&result.shape))?;
        self.folding = Some(left);
        let operands: Vec<_> = constants.iter().map(|t| &**t).collect();
        let results = kernel.reference(&operands)?;
        Ok(Some(results.into_iter().map(|tensor| self.constant(name, tensor)).collect()))
    }

    /// Adds an operation with one output.
    pub fn add(&mut self, name: &str, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId> {
        Ok(self.push(name, op, inputs)?[0])
    }

    /// The shape under the first guess.
    pub fn shape(&self, value: ValueId) -> &Shape {
        &self.types[value.index()][0].shape
    }

    /// The element type.
    pub fn dtype(&self, value: ValueId) -> DType {
        self.types[value.index()][0].dtype
    }

    /// The dimensions, under both guesses.
    pub fn dims(&self, value: ValueId) -> Vec<Guessed<usize>> {
        let [a, b] = &self.types[value.index()];
        a.shape.iter().zip(b.shape.iter()).map(|(&a, &b)| [a, b]).collect()
    }

    /// The tensor of a constant.
    pub fn tensor(&self, value: ValueId) -> Option<&Arc<Tensor>> {
        self.graph.constant_of(value)
    }

    /// The elements of a value known at import, under both guesses, or an error that says which operand it is.
    pub fn numbers(&self, value: ValueId, what: &str) -> Result<Vec<Guessed<f64>>> {
        if let Some(known) = &self.known[value.index()] {
            return Ok(known.clone());
        }
        let Some(tensor) = self.tensor(value) else {
            let name = &self.graph.values()[value.index()].name;
            return Err(Error::unsupported(format!("the operand `{what}` ({name:?}) must be a constant")));
        };
        Ok(match tensor.data() {
            Data::F32(v) => v.iter().map(|&x| [x as f64; 2]).collect(),
            Data::I32(v) => v.iter().map(|&x| [x as f64; 2]).collect(),
            Data::U8(v) => v.iter().map(|&x| [x as f64; 2]).collect(),
        })
    }

    /// As [`Lowering::numbers`], but integers, within 32 bits: they can be cast to any pointer-sized integer.
    pub fn sizes(&self, value: ValueId, what: &str) -> Result<Vec<Guessed<i64>>> {
        let integer = |n: f64| n.clamp(i32::MIN as f64, i32::MAX as f64) as i64;
        Ok(self.numbers(value, what)?.into_iter().map(|pair| pair.map(integer)).collect())
    }

    /// The integers of a constant operand.
    pub fn ints(&self, value: ValueId, what: &str) -> Result<Vec<i64>> {
        let fixed = |[a, b]: Guessed<i64>| {
            if a == b {
                return Ok(a);
            }
            Err(Error::unsupported(format!("the operand `{what}` depends on the input's open dimensions")))
        };
        self.sizes(value, what)?.into_iter().map(fixed).collect()
    }

    /// The one number of a constant operand.
    pub fn number(&self, value: ValueId, what: &str) -> Result<f64> {
        match self.numbers(value, what)?[..] {
            [[a, b]] if a == b || (a.is_nan() && b.is_nan()) => Ok(a),
            _ => Err(Error::invalid(format!("the operand `{what}` must be one constant number"))),
        }
    }

    /// The one integer of a constant operand.
    pub fn int(&self, value: ValueId, what: &str) -> Result<i64> {
        match self.ints(value, what)?[..] {
            [n] => Ok(n),
            _ => Err(Error::invalid(format!("the operand `{what}` must be one constant number"))),
        }
    }

    /// Whether a value's elements are known and differ between the guesses.
    pub fn is_open(&self, value: ValueId) -> bool {
        self.known[value.index()].as_ref().is_some_and(|known| known.iter().any(|[a, b]| a != b))
    }

    /// A constant whose elements may depend on open dimensions.
    pub(super) fn known(
        &mut self,
        name: &str,
        dtype: DType,
        shape: Shape,
        numbers: Vec<Guessed<f64>>,
    ) -> Result<ValueId> {
        check_rank(&shape)?;
        let data = match dtype {
            DType::F32 => Data::F32(numbers.iter().map(|n| n[0] as f32).collect()),
            DType::I32 => Data::I32(numbers.iter().map(|n| n[0] as i32).collect()),
            DType::U8 => Data::U8(numbers.iter().map(|n| n[0] as u8).collect()),
        };
        let value = self.constant(name, Tensor::new(shape, data)?);
        self.known[value.index()] = Some(numbers);
        Ok(value)
    }
}

/// Errors for tensors of more dimensions than anyone needs.
pub(super) fn check_rank(shape: &[usize]) -> Result<()> {
    if shape.len() <= MAX_RANK {
        return Ok(());
    }
    Err(Error::unsupported(format!("a tensor of {} dimensions; at most {MAX_RANK}", shape.len())))
}

/// An operation that maps one to one, by its TensorFlow name: of one float.
pub(super) fn unary(op: &str) -> Option<Unary> {
    Some(match op {
        "Relu" => Unary::Relu,
        "Relu6" => Unary::Relu6,
        "Elu" => Unary::Elu { alpha: 1.0 },
        "Selu" => Unary::Selu,
        "Sigmoid" => Unary::Sigmoid,
        "HardSwish" => Unary::HardSwish,
        "Tanh" => Unary::Tanh,
        "Softplus" => Unary::Softplus,
        "Exp" => Unary::Exp,
        "Log" => Unary::Log,
        "Sqrt" => Unary::Sqrt,
        "Rsqrt" => Unary::Rsqrt,
        "Square" => Unary::Square,
        "Reciprocal" | "Inv" => Unary::Reciprocal,
        "Neg" => Unary::Neg,
        "Abs" => Unary::Abs,
        "Sign" => Unary::Sign,
        "Floor" => Unary::Floor,
        "Ceil" => Unary::Ceil,
        "Round" => Unary::Round,
        "Softsign" => Unary::Softsign,
        "Erf" => Unary::Erf,
        "Sin" => Unary::Sin,
        "Cos" => Unary::Cos,
        "Tan" => Unary::Tan,
        "Asin" => Unary::Asin,
        "Acos" => Unary::Acos,
        "Atan" => Unary::Atan,
        "Sinh" => Unary::Sinh,
        "Cosh" => Unary::Cosh,
        "Asinh" => Unary::Asinh,
        "Acosh" => Unary::Acosh,
        "Atanh" => Unary::Atanh,
        _ => return None,
    })
}

/// Likewise of two values.
pub(super) fn binary(op: &str) -> Option<BinaryKind> {
    Some(match op {
        "Add" | "AddV2" => BinaryKind::Add,
        "Sub" => BinaryKind::Sub,
        "Mul" => BinaryKind::Mul,
        "Div" | "RealDiv" => BinaryKind::Div,
        "Maximum" => BinaryKind::Maximum,
        "Minimum" => BinaryKind::Minimum,
        "Pow" => BinaryKind::Pow,
        "SquaredDifference" => BinaryKind::SquaredDifference,
        "FloorDiv" => BinaryKind::FloorDiv,
        "FloorMod" => BinaryKind::FloorMod,
        "Equal" => BinaryKind::Equal,
        "NotEqual" => BinaryKind::NotEqual,
        "Less" => BinaryKind::Less,
        "LessEqual" => BinaryKind::LessEqual,
        "Greater" => BinaryKind::Greater,
        "GreaterEqual" => BinaryKind::GreaterEqual,
        _ => return None,
    })
}

/// Likewise of reductions.
pub(super) fn reduction(op: &str) -> Option<ReduceKind> {
    Some(match op {
        "Mean" => ReduceKind::Mean,
        "Sum" => ReduceKind::Sum,
        "Max" => ReduceKind::Max,
        "Min" => ReduceKind::Min,
        "Prod" => ReduceKind::Prod,
        _ => return None,
    })
}
