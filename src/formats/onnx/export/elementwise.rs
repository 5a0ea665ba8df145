//! Functions of one and two values. Those that ONNX has no operator for are made of others.

use super::Exporter;
use super::file::{Attribute, TensorId, code};
use super::forms::{Order, is_plain, plain};
use crate::graph::Node;
use crate::ops::{Binary, BinaryKind, Cast, Unary};
use crate::tensor::DType;

impl Exporter<'_> {
    pub fn unary(&mut self, x: TensorId, op: Unary) -> TensorId {
        let alpha = |name: &'static str, value: f32| (name, value);
        let (name, attributes): (&'static str, Vec<(&str, f32)>) = match op {
            Unary::Relu => ("Relu", vec![]),
            Unary::LeakyRelu { alpha: a } => ("LeakyRelu", vec![alpha("alpha", a)]),
            Unary::Elu { alpha: a } => ("Elu", vec![alpha("alpha", a)]),
            Unary::Celu { alpha: a } => ("Celu", vec![alpha("alpha", a)]),
            Unary::Selu => ("Selu", vec![]),
            Unary::Sigmoid => ("Sigmoid", vec![]),
            Unary::HardSigmoid { alpha, beta } => ("HardSigmoid", vec![("alpha", alpha), ("beta", beta)]),
            Unary::HardSwish => ("HardSwish", vec![]),
            Unary::Tanh => ("Tanh", vec![]),
            Unary::Softplus => ("Softplus", vec![]),
            Unary::Softsign => ("Softsign", vec![]),
            Unary::ThresholdedRelu { theta } => ("ThresholdedRelu", vec![alpha("alpha", theta)]),
            Unary::Shrink { threshold, bias } => ("Shrink", vec![("lambd", threshold), ("bias", bias)]),
            Unary::Erf => ("Erf", vec![]),
            Unary::Exp => ("Exp", vec![]),
            Unary::Log => ("Log", vec![]),
            Unary::Sqrt => ("Sqrt", vec![]),
            Unary::Reciprocal => ("Reciprocal", vec![]),
            Unary::Neg => ("Neg", vec![]),
            Unary::Abs => ("Abs", vec![]),
            Unary::Sign => ("Sign", vec![]),
            Unary::Floor => ("Floor", vec![]),
            Unary::Ceil => ("Ceil", vec![]),
            Unary::Round => ("Round", vec![]),
            Unary::Sin => ("Sin", vec![]),
            Unary::Cos => ("Cos", vec![]),
            Unary::Tan => ("Tan", vec![]),
            Unary::Asin => ("Asin", vec![]),
            Unary::Acos => ("Acos", vec![]),
            Unary::Atan => ("Atan", vec![]),
            Unary::Sinh => ("Sinh", vec![]),
            Unary::Cosh => ("Cosh", vec![]),
            Unary::Asinh => ("Asinh", vec![]),
            Unary::Acosh => ("Acosh", vec![]),
            Unary::Atanh => ("Atanh", vec![]),
            Unary::Relu6
            | Unary::Clip { .. }
            | Unary::Swish
            | Unary::Gelu { .. }
            | Unary::Mish
            | Unary::LogSigmoid
            | Unary::TanhShrink
            | Unary::Squareplus { .. }
            | Unary::SparsePlus
            | Unary::Rsqrt
            | Unary::Square => return self.composed(x, op),
        };
        self.with(name, &[x], |message| {
            attributes.iter().for_each(|&(name, value)| message.attribute(name, Attribute::Float(value)));
        })
    }

    /// Functions of several operators.
    fn composed(&mut self, x: TensorId, op: Unary) -> TensorId {
        let scaled = |this: &mut Self, x: TensorId, factor: f32| {
            let factor = this.scalar(factor);
            this.emit("Mul", &[x, factor])
        };
        let plus = |this: &mut Self, x: TensorId, term: f32| {
            let term = this.scalar(term);
            this.emit("Add", &[x, term])
        };
        match op {
            Unary::Relu6 => self.clip(x, 0.0, 6.0),
            Unary::Clip { min, max } => self.clip(x, min, max),
            Unary::Swish => {
                let gate = self.emit("Sigmoid", &[x]);
                self.emit("Mul", &[x, gate])
            }
            Unary::Gelu { approximate } => {
                let inner = if approximate {
                    let three = self.scalar(3.0);
                    let cube = self.emit("Pow", &[x, three]);
                    let cube = scaled(self, cube, 0.044715);
                    let sum = self.emit("Add", &[x, cube]);
                    let inner = scaled(self, sum, std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::FRAC_1_SQRT_2);
                    self.emit("Tanh", &[inner])
                } else {
                    let inner = scaled(self, x, std::f32::consts::FRAC_1_SQRT_2);
                    self.emit("Erf", &[inner])
                };
                let gate = plus(self, inner, 1.0);
                let gated = self.emit("Mul", &[x, gate]);
                scaled(self, gated, 0.5)
            }
            Unary::Mish => {
                let gate = self.emit("Softplus", &[x]);
                let gate = self.emit("Tanh", &[gate]);
                self.emit("Mul", &[x, gate])
            }
            Unary::LogSigmoid => ["Neg", "Softplus", "Neg"].into_iter().fold(x, |x, op| self.emit(op, &[x])),
            Unary::TanhShrink => {
                let part = self.emit("Tanh", &[x]);
                self.emit("Sub", &[x, part])
            }
            Unary::Squareplus { b } => {
                let square = self.emit("Mul", &[x, x]);
                let sum = plus(self, square, b);
                let root = self.emit("Sqrt", &[sum]);
                let sum = self.emit("Add", &[x, root]);
                scaled(self, sum, 0.5)
            }
            // The parabola between -1 and 1, and what is above 1.
            Unary::SparsePlus => {
                let moved = plus(self, x, 1.0);
                let inside = self.clip(moved, 0.0, 2.0);
                let square = self.emit("Mul", &[inside, inside]);
                let parabola = scaled(self, square, 0.25);
                let above = plus(self, x, -1.0);
                let above = self.emit("Relu", &[above]);
                self.emit("Add", &[parabola, above])
            }
            Unary::Rsqrt => ["Sqrt", "Reciprocal"].into_iter().fold(x, |x, op| self.emit(op, &[x])),
            Unary::Square => self.emit("Mul", &[x, x]),
            other => self.unary(x, other),
        }
    }

    /// Limits that are infinite are left out.
    fn clip(&mut self, x: TensorId, min: f32, max: f32) -> TensorId {
        let mut operands = vec![Some(x), (min != f32::NEG_INFINITY).then(|| self.scalar(min))];
        operands.push((max != f32::INFINITY).then(|| self.scalar(max)));
        while operands.last() == Some(&None) {
            operands.pop();
        }
        self.file.node(self.label, "Clip", &operands, 1, Default::default())[0]
    }

    pub fn binary(&mut self, node: &Node, op: &Binary) {
        let rank = self.rank(node.outputs[0]);
        // What is channels first already stays so; constants do not mind.
        let mut order: Order = plain(rank);
        for &input in &node.inputs {
            if is_plain(&order) && self.varies(input) && self.rank(input) == rank {
                order = self.native(input).0;
            }
        }
        let [a, b] = [0, 1].map(|i| self.spread(node.inputs[i], &order));
        let float = self.kind(node.inputs[0]).dtype == DType::F32;
        let y = match op.kind {
            BinaryKind::Add => self.emit("Add", &[a, b]),
            BinaryKind::Sub => self.emit("Sub", &[a, b]),
            BinaryKind::Mul => self.emit("Mul", &[a, b]),
            BinaryKind::Div => self.emit("Div", &[a, b]),
            BinaryKind::Maximum => self.emit("Max", &[a, b]),
            BinaryKind::Minimum => self.emit("Min", &[a, b]),
            BinaryKind::Pow => self.emit("Pow", &[a, b]),
            BinaryKind::SquaredDifference => {
                let difference = self.emit("Sub", &[a, b]);
                self.emit("Mul", &[difference, difference])
            }
            BinaryKind::FloorDiv if float => {
                let quotient = self.emit("Div", &[a, b]);
                self.emit("Floor", &[quotient])
            }
            // Without the remainder nothing is left to round.
            BinaryKind::FloorDiv => {
                let rest = self.emit("Mod", &[a, b]);
                let multiple = self.emit("Sub", &[a, rest]);
                self.emit("Div", &[multiple, b])
            }
            BinaryKind::FloorMod if float => self.floor_mod(a, b),
            BinaryKind::FloorMod => self.emit("Mod", &[a, b]),
            BinaryKind::Equal => self.emit("Equal", &[a, b]),
            BinaryKind::NotEqual => {
                let equal = self.emit("Equal", &[a, b]);
                self.emit("Not", &[equal])
            }
            BinaryKind::Less => self.emit("Less", &[a, b]),
            BinaryKind::LessEqual => self.emit("LessOrEqual", &[a, b]),
            BinaryKind::Greater => self.emit("Greater", &[a, b]),
            BinaryKind::GreaterEqual => self.emit("GreaterOrEqual", &[a, b]),
        };
        let y = if op.kind.is_comparison() { self.cast_to(y, DType::U8) } else { y };
        let y = op.activation.map_or(y, |activation| self.unary(y, activation));
        self.set(node.outputs[0], order, y);
    }

    /// The remainder with the sign of the divisor, from that with the sign of the dividend.
    fn floor_mod(&mut self, a: TensorId, b: TensorId) -> TensorId {
        let rest = self.with("Mod", &[a, b], |message| message.attribute("fmod", Attribute::Int(1)));
        let moved = self.emit("Add", &[rest, b]);
        let [sign, other] = [rest, b].map(|x| self.emit("Sign", &[x]));
        let product = self.emit("Mul", &[sign, other]);
        let zero = self.scalar(0.0);
        let differ = self.emit("Less", &[product, zero]);
        self.emit("Where", &[differ, moved, rest])
    }

    pub fn cast_to(&mut self, x: TensorId, dtype: DType) -> TensorId {
        self.with("Cast", &[x], |message| message.attribute("to", Attribute::Int(code(dtype))))
    }

    pub fn cast(&mut self, node: &Node, op: &Cast) {
        let (from, (order, mut x)) = (self.kind(node.inputs[0]).dtype, self.native(node.inputs[0]));
        if from == op.to {
            return self.alias(node.outputs[0], node.inputs[0]);
        }
        // Bytes saturate here; what ONNX does with other floats is up to whoever runs the file.
        if (from, op.to) == (DType::F32, DType::U8) {
            x = self.clip(x, 0.0, 255.0);
        }
        let y = self.cast_to(x, op.to);
        self.set(node.outputs[0], order, y);
    }
}
