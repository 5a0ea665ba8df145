//! TensorFlow Lite: a flatbuffer with the graph and its weights.
//!
//! float16 constants stand behind `DEQUANTIZE`, which disappears. Quantised models (uint8, int8, int16) become networks of
//! reals: weights are dequantised at load, and every activation is clamped to what its integers can express, for that is
//! often the only activation function there is. Nothing is rounded in between; how near that comes to integer arithmetic is
//! measured by `cargo xtask expect`. A quantised uint8 input takes bytes, as pictures have them; other quantised inputs and
//! all quantised outputs are the reals themselves.

mod flatbuffer;
mod flexbuffer;
mod kernel;
mod names;
mod ops;
mod quantisation;
mod schema;

use std::collections::{HashMap, HashSet};

use self::kernel::KernelLayout;
use self::schema::{Element, Model, OperatorDef, TensorDef};
use super::inspect::{self as looking, Declared, Inspection as Look};
use super::lower::Lowering;
use super::{ImportOptions, Imported};
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::ops::{Binary, BinaryKind, Cast};
use crate::tensor::{DType, Tensor};

/// Bytes 4 to 8 of every file.
pub const IDENTIFIER: &[u8] = b"TFL3";

/// Imports a `.tflite` file.
pub fn import(file: &[u8], options: &ImportOptions) -> Result<Imported> {
    if file.get(4..8) != Some(IDENTIFIER) {
        return Err(Error::invalid("not a TensorFlow Lite file: bytes 4 to 8 are not TFL3"));
    }
    lower(&Model::parse(file)?, options, None)
}

/// Imports a file, or looks at all of its operators and notes what they say.
fn lower(model: &Model, options: &ImportOptions, mut look: Option<&mut Look>) -> Result<Imported> {
    let outputs = match &options.outputs {
        None => model.outputs.clone(),
        Some(names) => {
            let find = |name: &String| {
                let tensor = model.tensors.iter().position(|t| t.name == name);
                tensor.ok_or_else(|| Error::invalid(format!("the model has no tensor {name:?}")))
            };
            names.iter().map(find).collect::<Result<Vec<_>>>()?
        }
    };
    if outputs.is_empty() {
        return Err(Error::invalid("the model has no outputs"));
    }
    let needed = needed(model, &outputs);

    let mut importer = Importer {
        lowering: Lowering::default(),
        model,
        values: vec![None; model.tensors.len()],
        widened: (0..model.tensors.len()).collect(),
        kernels: HashMap::new(),
    };
    for &input in &model.inputs {
        let tensor = &model.tensors[input];
        if needed.tensors[input] && importer.values[input].is_none() {
            let value = importer.input(tensor).map_err(|e| e.at(format!("input {:?}", tensor.name)))?;
            importer.values[input] = Some(value);
        }
    }
    let mut missing = HashSet::new();
    for (index, operator) in model.operators.iter().enumerate() {
        if needed.operators[index] {
            match &mut look {
                None => importer.run(index, operator)?,
                Some(look) => importer.look(index, operator, &mut missing, look),
            }
        }
    }
    for output in outputs {
        let name = model.tensors[output].name;
        let value = importer.value(output).map_err(|e| e.at(name))?;
        importer.lowering.output(name, value)?;
    }
    Ok(Imported { graph: importer.lowering.into_graph()?, description: model.description.to_string() })
}

/// Looks at a file's operators and tensors.
pub(super) fn look(file: &[u8], options: &ImportOptions) -> Result<Look> {
    if file.get(4..8) != Some(IDENTIFIER) {
        return Err(Error::invalid("not a TensorFlow Lite file: bytes 4 to 8 are not TFL3"));
    }
    let model = Model::parse(file)?;
    let mut look = Look::default();
    let declared = |&tensor: &usize| {
        let tensor = &model.tensors[tensor];
        // Only bytes stay what they are.
        let dtype = match (tensor.quantised(), tensor.element) {
            (Some(_), Element::U8) => DType::U8,
            _ => tensor.dtype().unwrap_or(DType::F32),
        };
        let dims = tensor.dims().unwrap_or_default();
        Declared { name: tensor.name.to_string(), dtype, dims }
    };
    look.inputs = model.inputs.iter().map(declared).collect();
    look.outputs = model.outputs.iter().map(declared).collect();
    (look.parameters, look.weight_bytes) = model.totals();
    let imported = lower(&model, options, Some(&mut look));
    if look.unsupported.is_empty() {
        look.finish(imported)?;
    }
    Ok(look)
}

struct Needed {
    tensors: Vec<bool>,
    operators: Vec<bool>,
}

/// What the outputs depend on: operators stand in execution order, so one walk backwards finds it.
fn needed(model: &Model, outputs: &[usize]) -> Needed {
    let mut needed =
        Needed { tensors: vec![false; model.tensors.len()], operators: vec![false; model.operators.len()] };
    outputs.iter().for_each(|&tensor| needed.tensors[tensor] = true);
    for (i, operator) in model.operators.iter().enumerate().rev() {
        if operator.outputs.iter().any(|&tensor| needed.tensors[tensor]) {
            needed.operators[i] = true;
            operator.inputs.iter().flatten().for_each(|&tensor| needed.tensors[tensor] = true);
        }
    }
    needed
}

struct Importer<'a> {
    lowering: Lowering,
    model: &'a Model<'a>,
    /// The value of every tensor seen so far.
    values: Vec<Option<ValueId>>,
    /// For every tensor the one that holds its data: itself, or the constant it was dequantised from.
    widened: Vec<usize>,
    /// Kernels in their new layout. Each is rearranged once, straight from the file: weights are most of the memory.
    kernels: HashMap<(usize, KernelLayout), ValueId>,
}

impl Importer<'_> {
    /// Declares an input: bytes become the reals that they stand for.
    fn input(&mut self, tensor: &TensorDef) -> Result<ValueId> {
        let (dtype, dims) = (tensor.dtype()?, tensor.dims()?);
        let (Some(quantisation), Element::U8) = (tensor.quantised(), tensor.element) else {
            return self.lowering.input(tensor.name, dtype, dims);
        };
        let (scale, zero) = quantisation.single()?;
        let bytes = self.lowering.input(tensor.name, DType::U8, dims)?;
        let name = |part: &str| format!("{}/{part}", tensor.name);
        let [zero, scale] = [("zero", zero as f32), ("scale", scale)]
            .map(|(part, v)| self.lowering.constant(&name(part), Tensor::scalar(v)));
        let value = self.lowering.add(&name("float"), Cast { to: DType::F32 }, &[bytes])?;
        let value = self.lowering.add(&name("shifted"), Binary::new(BinaryKind::Sub), &[value, zero])?;
        self.lowering.add(&name("reals"), Binary::new(BinaryKind::Mul), &[value, scale])
    }

    /// What an operator's only result can express, if that may be less than what it computes.
    fn range(&self, operator: &OperatorDef) -> Result<Option<[f32; 2]>> {
        let [output] = operator.outputs[..] else { return Ok(None) };
        let tensors = &self.model.tensors;
        let Some(quantisation) = tensors[output].quantised() else { return Ok(None) };
        // Constants are exact; only what was computed can reach further.
        let alike = |&tensor: &usize| tensors[tensor].quantised().is_none_or(|q| q == quantisation);
        if names::is_within(operator.code) && operator.inputs.iter().flatten().all(alike) {
            return Ok(None);
        }
        quantisation.range(tensors[output].element)
    }

    /// The value of a tensor: computed before, or a constant of the file.
    fn value(&mut self, tensor: usize) -> Result<ValueId> {
        let tensor = self.widened[tensor];
        if let Some(value) = self.values[tensor] {
            return Ok(value);
        }
        let declared = &self.model.tensors[tensor];
        let Some(constant) = self.model.constant(declared)? else {
            return Err(Error::invalid(format!("the tensor {:?} is used before it is made", declared.name)));
        };
        let value = self.lowering.constant(declared.name, constant);
        self.values[tensor] = Some(value);
        Ok(value)
    }

    /// A constant kernel in the layout of the graph.
    fn kernel(&mut self, tensor: usize, layout: KernelLayout) -> Result<ValueId> {
        let tensor = self.widened[tensor];
        let declared = &self.model.tensors[tensor];
        if let Some(&kernel) = self.kernels.get(&(tensor, layout)) {
            return Ok(kernel);
        }
        let constant = self.model.constant(declared)?.filter(|_| self.values[tensor].is_none());
        let constant = constant.ok_or_else(|| Error::unsupported("a kernel that is not constant"))?;
        let kernel = self.lowering.constant(declared.name, layout.apply(constant)?);
        self.kernels.insert((tensor, layout), kernel);
        Ok(kernel)
    }

    /// Lowers an operator, or notes why that does not go; inputs of the declared shapes then stand for its results. Where even
    /// those are `missing`, the operator alone is looked at.
    fn look(&mut self, index: usize, operator: &OperatorDef, missing: &mut HashSet<usize>, look: &mut Look) {
        let name = names::name(operator.code);
        look.count(&name);
        let tensors = &self.model.tensors;
        let layer = operator.outputs.first().map_or("", |&tensor| tensors[tensor].name);
        let refused = if operator.inputs.iter().flatten().any(|tensor| missing.contains(tensor)) {
            let probed = ops::lower(&mut self.lowering, layer, operator, &[], None, Some(DType::F32));
            if looking::is_unknown(&probed) { probed.err() } else { None }
        } else {
            match self.run(index, operator) {
                Ok(()) => return,
                Err(error) => Some(error),
            }
        };
        if let Some(error) = refused {
            look.refuse(layer, &name, &error);
        }
        for &output in &operator.outputs {
            let tensor = &tensors[output];
            let stand_in = tensor.dtype().and_then(|dtype| Ok((dtype, tensor.dims()?)));
            let stand_in = stand_in.and_then(|(dtype, dims)| self.lowering.input(tensor.name, dtype, dims));
            self.values[output] = self.values[output].or(stand_in.ok());
            if self.values[output].is_none() {
                missing.insert(output);
            }
        }
    }

    /// Lowers one operator.
    fn run(&mut self, index: usize, operator: &OperatorDef) -> Result<()> {
        let tensors = &self.model.tensors;
        let layer = operator.outputs.first().map_or("", |&tensor| tensors[tensor].name);
        let op = names::name(operator.code);
        let fail = |e: Error| e.at(format!("{layer} (operator {index}, {op})"));
        for &tensor in &operator.outputs {
            tensors[tensor].dtype().map_err(fail)?;
        }
        if let (names::DEQUANTIZE, [Some(half)], [wide]) =
            (operator.code.builtin, &operator.inputs[..], &operator.outputs[..])
            && (tensors[*half].element == Element::F16 || tensors[*half].quantised().is_some())
            && self.values[*half].is_none()
        {
            self.widened[*wide] = self.widened[*half];
            return Ok(());
        }
        let mut inputs: Vec<Option<ValueId>> = Vec::with_capacity(operator.inputs.len());
        for (i, &tensor) in operator.inputs.iter().enumerate() {
            let value = tensor.map(|tensor| {
                tensors[tensor].dtype()?;
                let image = inputs.first().copied().flatten().map(|x| self.lowering.shape(x));
                match KernelLayout::of(operator.code, image) {
                    Some(layout) if i == 1 => self.kernel(tensor, layout),
                    _ => self.value(tensor),
                }
            });
            inputs.push(value.transpose().map_err(fail)?);
        }
        let range = self.range(operator).map_err(fail)?;
        let made = match operator.outputs.first() {
            Some(&output) if tensors[output].element != Element::Bool => Some(tensors[output].dtype().map_err(fail)?),
            _ => None,
        };
        let results = ops::lower(&mut self.lowering, layer, operator, &inputs, range, made).map_err(fail)?;
        if results.len() < operator.outputs.len() {
            return Err(fail(Error::invalid(format!(
                "the operator has {} results, but {} tensors for them",
                results.len(),
                operator.outputs.len()
            ))));
        }
        for (&tensor, value) in operator.outputs.iter().zip(results) {
            if self.values[tensor].replace(value).is_some() {
                return Err(fail(Error::invalid(format!("the tensor {:?} is made twice", tensors[tensor].name))));
            }
        }
        Ok(())
    }
}
