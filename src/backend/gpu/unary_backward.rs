//! Gradients of functions of one value.

use bytemuck::{Pod, Zeroable};

use super::lower::{Lowering, output, threads};
use super::variant::{Activation, Defines, Kernel};
use crate::error::Result;
use crate::graph::Node;
use crate::ops::{Unary, UnaryBackward};

/// The gradient of a function, from its operand or its result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnaryBackwardKey {
    of: Activation,
    /// An ELU with a negative slope is differentiated from its operand.
    from_operand: bool,
}

impl Kernel for UnaryBackwardKey {
    fn file(&self) -> &'static str {
        "unary_backward.wgsl"
    }
    fn defines(&self) -> Defines {
        let (_, of) = self.of.define();
        let of = if self.from_operand { "EluOperand".into() } else { of };
        vec![("OF", of), Activation::NONE.define()]
    }
    fn all() -> Vec<Self> {
        let flat = [Unary::Sign, Unary::Floor, Unary::Ceil, Unary::Round].map(|u| Activation::of(Some(u)).0);
        let steep = |of: &Activation| *of != Activation::NONE && !flat.contains(of);
        let keys = Activation::all().into_iter().filter(steep);
        let elu = Activation::of(Some(Unary::Elu { alpha: -1.0 })).0;
        keys.map(|of| UnaryBackwardKey { of, from_operand: false })
            .chain([UnaryBackwardKey { of: elu, from_operand: true }])
            .collect()
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    vectors: u32,
    attributes: [f32; 2],
    _pad: u32,
}

pub(super) fn lower(lowering: &mut Lowering, op: UnaryBackward, node: &Node) -> Result<()> {
    let (of, attributes) = Activation::of(Some(op.of));
    let vectors = lowering.shape(output(node)).elements().div_ceil(4);
    let params = Params { vectors: vectors as u32, attributes, _pad: 0 };
    let from_operand = matches!(op.of, Unary::Elu { alpha } if alpha < 0.0);
    let operands = vec![node.inputs[0].into(), node.inputs[1].into(), output(node).into()];
    lowering.push(UnaryBackwardKey { of, from_operand }, operands, &params, threads(vectors));
    Ok(())
}
