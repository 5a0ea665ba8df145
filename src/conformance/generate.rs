//! Building cases: seeded numbers and a graph under construction.

use super::Case;
use crate::graph::{Graph, ValueId};
use crate::ops::Op;
use crate::tensor::{DType, Tensor, TensorType};

/// A small counter-based generator (the finaliser of MurmurHash3 over a Weyl sequence): the same on every platform.
#[derive(Clone, Debug)]
pub(super) struct Random(u32);

impl Random {
    /// Seeded by FNV-1a of a name.
    pub(super) fn from_name(name: &str) -> Self {
        Random(name.bytes().fold(0x811c9dc5, |h, b| (h ^ b as u32).wrapping_mul(0x01000193)))
    }

    pub(super) fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e3779b9);
        let z = (self.0 ^ (self.0 >> 16)).wrapping_mul(0x85ebca6b);
        let z = (z ^ (z >> 13)).wrapping_mul(0xc2b2ae35);
        z ^ (z >> 16)
    }

    /// A float in `low..high`.
    pub(super) fn float(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * ((self.next() >> 8) as f32 / (1 << 24) as f32)
    }

    /// An integer in `low..high`.
    pub(super) fn int(&mut self, low: i32, high: i32) -> i32 {
        low + (self.next() % (high - low) as u32) as i32
    }

    pub(super) fn tensor(&mut self, shape: &[usize], low: f32, high: f32) -> Tensor {
        let data: Vec<f32> = (0..shape.iter().product()).map(|_| self.float(low, high)).collect();
        Tensor::f32(shape, data).expect("counts agree")
    }

    pub(super) fn ints(&mut self, shape: &[usize], low: i32, high: i32) -> Tensor {
        let data: Vec<i32> = (0..shape.iter().product()).map(|_| self.int(low, high)).collect();
        Tensor::i32(shape, data).expect("counts agree")
    }

    /// Whole numbers of any dtype, with every byte value possible.
    pub(super) fn any(&mut self, dtype: DType, shape: &[usize]) -> Tensor {
        match dtype {
            DType::F32 => self.tensor(shape, -1.0, 1.0),
            DType::I32 => self.ints(shape, -1_000_000, 1_000_000),
            DType::U8 => {
                let data: Vec<u8> = (0..shape.iter().product()).map(|_| self.next() as u8).collect();
                Tensor::u8(shape, data).expect("counts agree")
            }
        }
    }
}

/// A case under construction. The list is written here, so what does not fit together is a bug and panics.
pub(super) struct Net {
    name: String,
    graph: Graph,
    inputs: Vec<Tensor>,
    pub(super) random: Random,
}

impl Net {
    pub(super) fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        Net { random: Random::from_name(&name), name, graph: Graph::new(), inputs: Vec::new() }
    }

    /// A float input with values in -1..1.
    pub(super) fn input(&mut self, shape: &[usize]) -> ValueId {
        let tensor = self.random.tensor(shape, -1.0, 1.0);
        self.feed(tensor)
    }

    /// An input with this content; its outermost dimension is left open, as importers leave it.
    pub(super) fn feed(&mut self, tensor: Tensor) -> ValueId {
        let dims = tensor.shape().iter().enumerate().map(|(axis, &n)| (axis > 0).then_some(n)).collect::<Vec<_>>();
        let value = self.graph.input(format!("x{}", self.inputs.len()), tensor.dtype(), dims);
        self.inputs.push(tensor);
        value
    }

    /// A constant with values in -1..1.
    pub(super) fn weight(&mut self, shape: &[usize]) -> ValueId {
        let tensor = self.random.tensor(shape, -1.0, 1.0);
        self.constant(tensor)
    }

    pub(super) fn constant(&mut self, tensor: Tensor) -> ValueId {
        self.graph.constant("constant", tensor)
    }

    pub(super) fn op(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> ValueId {
        self.ops(op, inputs)[0]
    }

    pub(super) fn ops(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Vec<ValueId> {
        let op = op.into();
        let name = format!("{}{}", op.operator().name(), self.graph.nodes().len());
        self.graph.push(name, op, inputs).expect("a case's values are its own")
    }

    /// Types of values, for shapes that depend on an op.
    pub(super) fn kinds(&self, values: &[ValueId]) -> Vec<TensorType> {
        let given: Vec<TensorType> = self.inputs.iter().map(Tensor::kind).collect();
        self.graph.infer(&given).expect("the case fits together").of(values)
    }

    /// The finished case with these outputs.
    pub(super) fn done(mut self, outputs: &[ValueId]) -> Case {
        for (i, &value) in outputs.iter().enumerate() {
            self.graph.output(format!("y{i}"), value);
        }
        Case { name: self.name, graph: self.graph, inputs: self.inputs }
    }
}

/// A case of one op over float inputs.
pub(super) fn single(name: impl Into<String>, op: impl Into<Op>, shapes: &[&[usize]]) -> Case {
    let mut net = Net::new(name);
    let inputs: Vec<ValueId> = shapes.iter().map(|shape| net.input(shape)).collect();
    let outputs = net.ops(op, &inputs);
    net.done(&outputs)
}

/// `3x5` for `[3, 5]`.
pub(super) fn by(sizes: &[usize]) -> String {
    sizes.iter().map(|n| n.to_string()).collect::<Vec<_>>().join("x")
}
