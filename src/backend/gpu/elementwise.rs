//! Functions of one value, arithmetic of two, casts.

use bytemuck::{Pod, Zeroable};

use super::lower::{Axis, Lowering, MAX_RANK, merge, output, packed, threads};
use super::variant::{Activation, Defines, Kernel, flag};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::ops::{Binary, BinaryKind, Cast, Unary};
use crate::tensor::DType;

/// The name of an element type in a shader; bytes are words there.
fn word(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "f32",
        DType::I32 => "i32",
        DType::U8 => "u32",
    }
}

/// A function of one float.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnaryKey {
    activation: Activation,
}

impl Kernel for UnaryKey {
    fn file(&self) -> &'static str {
        "unary.wgsl"
    }
    fn defines(&self) -> Defines {
        vec![self.activation.define()]
    }
    fn all() -> Vec<Self> {
        Activation::all().into_iter().map(|activation| UnaryKey { activation }).collect()
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct UnaryParams {
    vectors: u32,
    attributes: [f32; 2],
    _pad: u32,
}

pub(super) fn unary(lowering: &mut Lowering, op: Unary, node: &Node) -> Result<()> {
    let (activation, attributes) = Activation::of(Some(op));
    let vectors = lowering.shape(output(node)).elements().div_ceil(4);
    let params = UnaryParams { vectors: vectors as u32, attributes, _pad: 0 };
    let operands = vec![node.inputs[0].into(), output(node).into()];
    lowering.push(UnaryKey { activation }, operands, &params, threads(vectors));
    Ok(())
}

/// Arithmetic or comparison of two broadcast tensors.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BinaryKey {
    kind: BinaryKind,
    dtype: DType,
    activation: Activation,
    /// Four elements a thread.
    vector: bool,
    /// With `vector`: an operand gives one element for all four.
    splat: [bool; 2],
}

impl Kernel for BinaryKey {
    fn file(&self) -> &'static str {
        "binary.wgsl"
    }
    fn defines(&self) -> Defines {
        let element = word(self.dtype);
        vec![
            ("KIND", format!("{:?}", self.kind)),
            ("ELEMENT", element.into()),
            ("RESULT", if self.kind.is_comparison() { "u32" } else { element }.into()),
            ("WIDTH", if self.vector { "4" } else { "1" }.into()),
            ("A_SPLAT", flag(self.splat[0])),
            ("B_SPLAT", flag(self.splat[1])),
            self.activation.define(),
        ]
    }
    fn all() -> Vec<Self> {
        use BinaryKind::*;
        let kinds = [
            Add,
            Sub,
            Mul,
            Div,
            Maximum,
            Minimum,
            Pow,
            SquaredDifference,
            FloorDiv,
            FloorMod,
            Equal,
            NotEqual,
            Less,
            LessEqual,
            Greater,
            GreaterEqual,
        ];
        let widths = [(false, [false; 2]), (true, [false; 2]), (true, [true, false]), (true, [false, true])];
        let mut keys = Vec::new();
        for kind in kinds {
            for dtype in [DType::F32, DType::I32] {
                let activations = if dtype == DType::F32 && !kind.is_comparison() {
                    Activation::all()
                } else if kind == Pow {
                    continue;
                } else {
                    vec![Activation::NONE]
                };
                for activation in activations {
                    keys.extend(widths.map(|(vector, splat)| BinaryKey { kind, dtype, activation, vector, splat }));
                }
            }
        }
        keys
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct BinaryParams {
    count: u32,
    rank: u32,
    attributes: [f32; 2],
    size: [u32; MAX_RANK],
    a_stride: [u32; MAX_RANK],
    b_stride: [u32; MAX_RANK],
}

pub(super) fn binary(lowering: &mut Lowering, op: &Binary, node: &Node) -> Result<()> {
    let (a, b, y) = (lowering.kind(node.inputs[0]), lowering.shape(node.inputs[1]), lowering.shape(output(node)));
    let rank = y.rank();
    let stride = |s: &crate::Shape, i: usize| match (i + s.rank()).checked_sub(rank) {
        Some(d) if s[d] != 1 => s.strides()[d] as isize,
        _ => 0,
    };
    let axes = merge((0..rank).map(|i| Axis { size: y[i], strides: [stride(&a.shape, i), stride(b, i)] }))?;
    let (last, outer) = axes.split_last().ok_or_else(|| Error::invalid("a walk has at least one axis"))?;
    // One axis ends in the padding of its buffer; with more, vectors must not cross rows.
    let whole = outer.is_empty() || last.size.is_multiple_of(4);
    let aligned = outer.iter().all(|x| (0..2).all(|i| last.strides[i] == 0 || x.strides[i] % 4 == 0));
    let vector = whole && aligned && last.strides != [0, 0];
    let splat = last.strides.map(|s| vector && s == 0);

    let (activation, attributes) = Activation::of(op.activation);
    let count = if vector { y.elements().div_ceil(4) } else { y.elements() };
    let params = BinaryParams {
        count: count as u32,
        rank: axes.len() as u32,
        attributes,
        size: packed(axes.iter().map(|x| x.size), 1),
        a_stride: packed(axes.iter().map(|x| x.strides[0] as usize), 0),
        b_stride: packed(axes.iter().map(|x| x.strides[1] as usize), 0),
    };
    let key = BinaryKey { kind: op.kind, dtype: a.dtype, activation, vector, splat };
    let operands = vec![node.inputs[0].into(), node.inputs[1].into(), output(node).into()];
    lowering.push(key, operands, &params, threads(count));
    Ok(())
}

/// A conversion between two different element types.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CastKey {
    from: DType,
    to: DType,
}

impl Kernel for CastKey {
    fn file(&self) -> &'static str {
        "cast.wgsl"
    }
    fn defines(&self) -> Defines {
        vec![("FROM", word(self.from).into()), ("TO", word(self.to).into())]
    }
    fn all() -> Vec<Self> {
        let types = [DType::F32, DType::I32, DType::U8];
        types
            .iter()
            .flat_map(|&from| types.iter().map(move |&to| CastKey { from, to }))
            .filter(|k| k.from != k.to)
            .collect()
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct CastParams {
    count: u32,
    _pad: [u32; 3],
}

pub(super) fn cast(lowering: &mut Lowering, op: &Cast, node: &Node) -> Result<()> {
    let x = lowering.kind(node.inputs[0]);
    if x.dtype == op.to {
        return super::layout::copy(lowering, node);
    }
    let count = x.shape.elements();
    let params = CastParams { count: count as u32, _pad: [0; 3] };
    let operands = vec![node.inputs[0].into(), output(node).into()];
    lowering.push(CastKey { from: x.dtype, to: op.to }, operands, &params, threads(count));
    Ok(())
}
