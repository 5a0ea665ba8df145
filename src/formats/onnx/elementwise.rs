//! Element-wise operators: functions of one value, arithmetic and logic of several, casts.

use super::tensor::Element;
use super::values::{Handle, Rule};
use crate::error::{Error, Result};
use crate::ops::{Binary, BinaryKind, Cast, Unary};
use crate::tensor::{DType, Tensor};

impl Rule<'_, '_> {
    /// A function of one value, if the operator is one.
    pub fn unary(&mut self) -> Result<Option<Handle>> {
        let op = match self.node.op {
            "Relu" => Unary::Relu,
            "LeakyRelu" => Unary::LeakyRelu { alpha: self.float("alpha", 0.01)? },
            "Elu" => Unary::Elu { alpha: self.float("alpha", 1.0)? },
            "Sigmoid" => Unary::Sigmoid,
            "HardSigmoid" => Unary::HardSigmoid { alpha: self.float("alpha", 0.2)?, beta: self.float("beta", 0.5)? },
            "HardSwish" => Unary::HardSwish,
            "Swish" if self.float("alpha", 1.0)? == 1.0 => Unary::Swish,
            "Tanh" => Unary::Tanh,
            "Gelu" => Unary::Gelu { approximate: self.node.text("approximate")? == Some("tanh") },
            "Softplus" => Unary::Softplus,
            "Softsign" => Unary::Softsign,
            "Mish" => Unary::Mish,
            "Celu" => Unary::Celu { alpha: self.float("alpha", 1.0)? },
            "ThresholdedRelu" => Unary::ThresholdedRelu { theta: self.float("alpha", 1.0)? },
            "Shrink" => Unary::Shrink { threshold: self.float("lambd", 0.5)?, bias: self.float("bias", 0.0)? },
            "Erf" => Unary::Erf,
            "Exp" => Unary::Exp,
            "Log" => Unary::Log,
            "Sqrt" => Unary::Sqrt,
            "Reciprocal" => Unary::Reciprocal,
            "Neg" => Unary::Neg,
            "Abs" => Unary::Abs,
            "Sign" => Unary::Sign,
            "Floor" => Unary::Floor,
            "Ceil" => Unary::Ceil,
            "Round" => Unary::Round,
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
            _ => return Ok(None),
        };
        let x = self.input(0)?;
        if self.element(x).storage() == DType::I32 {
            return self.unary_of_integers(x, op).map(Some);
        }
        self.like(x, "", op).map(Some)
    }

    /// The functions that integers have, from arithmetic of two.
    fn unary_of_integers(&mut self, x: Handle, op: Unary) -> Result<Handle> {
        let element = self.element(x);
        let zero = self.number("zero", element, 0.0)?;
        match op {
            Unary::Floor | Unary::Ceil | Unary::Round => Ok(x),
            Unary::Neg => self.arithmetic("", BinaryKind::Sub, zero, x),
            Unary::Relu => self.arithmetic("", BinaryKind::Maximum, x, zero),
            Unary::Abs => {
                let negated = self.arithmetic("negated", BinaryKind::Sub, zero, x)?;
                self.arithmetic("", BinaryKind::Maximum, x, negated)
            }
            Unary::Sign => {
                let [one, minus] = [self.number("one", element, 1.0)?, self.number("minus", element, -1.0)?];
                let capped = self.arithmetic("capped", BinaryKind::Minimum, x, one)?;
                self.arithmetic("", BinaryKind::Maximum, capped, minus)
            }
            _ => Err(Error::unsupported("this function of integers")),
        }
    }

    /// Functions of one value that are spelled in several operations.
    pub fn composed(&mut self) -> Result<Option<Handle>> {
        if !matches!(self.node.op, "Selu" | "Swish" | "IsNaN" | "IsInf" | "Not") {
            return Ok(None);
        }
        let x = self.input(0)?;
        let (order, id) = self.stored(x)?;
        let (element, float) = (self.element(x), DType::F32 == self.element(x).storage());
        if !float && self.node.op != "Not" {
            return Err(Error::unsupported("this function of integers"));
        }
        let binary = |rule: &mut Self, part: &str, kind, a, b| rule.push(part, Binary::new(kind), &[a, b]);
        let (result, element) = match self.node.op {
            "Selu" => {
                let (alpha, gamma) = (self.float("alpha", 1.673_263_2)?, self.float("gamma", 1.050_701)?);
                let elu = self.push("elu", Unary::Elu { alpha }, &[id])?;
                let gamma = self.scalar("gamma", gamma);
                (binary(self, "", BinaryKind::Mul, elu, gamma)?, element)
            }
            "Swish" => {
                let alpha = self.float("alpha", 1.0)?;
                let alpha = self.scalar("alpha", alpha);
                let scaled = binary(self, "scaled", BinaryKind::Mul, id, alpha)?;
                let gate = self.push("gate", Unary::Sigmoid, &[scaled])?;
                (binary(self, "", BinaryKind::Mul, id, gate)?, element)
            }
            "IsNaN" => (binary(self, "", BinaryKind::NotEqual, id, id)?, Element::Bool),
            "IsInf" => {
                let infinite = self.scalar("infinity", f32::INFINITY);
                let (positive, negative) = (self.int("detect_positive", 1)? != 0, self.int("detect_negative", 1)? != 0);
                let compared = match (positive, negative) {
                    (true, true) => self.push("abs", Unary::Abs, &[id])?,
                    (true, false) => id,
                    (false, true) => self.push("negated", Unary::Neg, &[id])?,
                    (false, false) => return Err(Error::unsupported("IsInf that detects nothing")),
                };
                (binary(self, "", BinaryKind::Equal, compared, infinite)?, Element::Bool)
            }
            _ => {
                let number = self.push("number", Cast { to: DType::I32 }, &[id])?;
                let zero = self.number("zero", Element::I32, 0.0)?;
                let zero = self.plain(zero)?;
                (binary(self, "", BinaryKind::Equal, number, zero)?, Element::Bool)
            }
        };
        Ok(Some(self.made(element, order, result)))
    }

    /// Arithmetic, comparison or logic of two values, if the operator is one.
    pub fn binary(&mut self) -> Result<Option<Handle>> {
        let kind = match self.node.op {
            "Add" => BinaryKind::Add,
            "Sub" => BinaryKind::Sub,
            "Mul" => BinaryKind::Mul,
            "Div" => BinaryKind::Div,
            "Equal" => BinaryKind::Equal,
            "Less" => BinaryKind::Less,
            "LessOrEqual" => BinaryKind::LessEqual,
            "Greater" => BinaryKind::Greater,
            "GreaterOrEqual" => BinaryKind::GreaterEqual,
            // On 0 and 1.
            "And" => BinaryKind::Minimum,
            "Or" => BinaryKind::Maximum,
            "Xor" => BinaryKind::NotEqual,
            _ => return Ok(None),
        };
        let (a, b) = (self.input(0)?, self.input(1)?);
        self.arithmetic("", kind, a, b).map(Some)
    }

    /// Two values of one element type; integers of 8 and 16 bits wrap around.
    pub fn arithmetic(&mut self, part: &str, kind: BinaryKind, a: Handle, b: Handle) -> Result<Handle> {
        let element = self.element(a);
        if self.element(b) != element {
            return Err(Error::mismatch(
                "both operands need one element type",
                format!("{element:?}"),
                format!("{:?}", self.element(b)),
            ));
        }
        let (mut ids, order) = self.align(&[a, b])?;
        if element == Element::Bool {
            for id in &mut ids {
                *id = self.push("number", Cast { to: DType::I32 }, &[*id])?;
            }
            let result = self.push(&format!("{part}_"), Binary::new(kind), &ids)?;
            let result = self.push(part, Cast { to: DType::U8 }, &[result])?;
            return Ok(self.made(element, order, result));
        }
        if kind.is_comparison() {
            let result = self.push(part, Binary::new(kind), &ids)?;
            return Ok(self.made(Element::Bool, order, result));
        }
        let wraps = element.small_range().is_some() && !matches!(kind, BinaryKind::Maximum | BinaryKind::Minimum);
        let inner = if wraps { format!("{part}_") } else { part.to_string() };
        let mut result = self.push(&inner, Binary::new(kind), &ids)?;
        if let (Some(range), true) = (element.small_range(), wraps) {
            if kind == BinaryKind::Mul && range[1] > 255.0 {
                return Err(Error::unsupported("products of 16-bit integers"));
            }
            result = match kind {
                BinaryKind::Div => self.truncate(part, result)?,
                _ => self.wrap(part, result, range)?,
            };
        }
        Ok(self.made(element, order, result))
    }

    /// Whole numbers in float32 as an integer of this range would hold them.
    fn wrap(&mut self, part: &str, id: crate::graph::ValueId, [low, high]: [f32; 2]) -> Result<crate::graph::ValueId> {
        let size = self.scalar("range", high - low + 1.0);
        let mut id = id;
        let low_id = self.scalar("low", low);
        if low != 0.0 {
            id = self.push("raised", Binary::new(BinaryKind::Sub), &[id, low_id])?;
        }
        let name = if low != 0.0 { "wrapped" } else { part };
        id = self.push(name, Binary::new(BinaryKind::FloorMod), &[id, size])?;
        if low != 0.0 {
            id = self.push(part, Binary::new(BinaryKind::Add), &[id, low_id])?;
        }
        Ok(id)
    }

    /// Towards zero; the numbers must fit 32 bits.
    fn truncate(&mut self, part: &str, id: crate::graph::ValueId) -> Result<crate::graph::ValueId> {
        let whole = self.push("truncated", Cast { to: DType::I32 }, &[id])?;
        self.push(part, Cast { to: DType::F32 }, &[whole])
    }

    /// `Max`, `Min`, `Sum`, `Mean` of any number of values.
    pub fn variadic(&mut self) -> Result<Handle> {
        let kind = match self.node.op {
            "Max" => BinaryKind::Maximum,
            "Min" => BinaryKind::Minimum,
            _ => BinaryKind::Add,
        };
        let values = self.all()?;
        let Some((&first, rest)) = values.split_first() else {
            return Err(Error::mismatch("wrong number of inputs", "at least 1", 0));
        };
        let mut total = first;
        for (i, &value) in rest.iter().enumerate() {
            total = self.arithmetic(&format!("{i}"), kind, total, value)?;
        }
        if self.node.op == "Mean" && !rest.is_empty() {
            let element = self.element(total);
            let share = self.number("share", element, 1.0 / values.len() as f64)?;
            total = self.arithmetic("", BinaryKind::Mul, total, share)?;
        }
        Ok(total)
    }

    /// Powers; the result has the base's type.
    pub fn power(&mut self) -> Result<Handle> {
        let (base, exponent) = (self.input(0)?, self.input(1)?);
        let element = self.element(base);
        if element.is_float() && self.importer.is_constant(exponent) {
            let exponents = self.numbers(exponent, "exponent")?;
            match exponents[..] {
                [2.0] if self.rank(exponent) <= self.rank(base) => return self.like(base, "", Unary::Square),
                [0.5] if self.rank(exponent) <= self.rank(base) => return self.like(base, "", Unary::Sqrt),
                _ => {}
            }
        }
        let (mut ids, order) = self.align(&[base, exponent])?;
        for (id, value) in ids.iter_mut().zip([base, exponent]) {
            if self.element(value).storage() != DType::F32 {
                *id = self.push("float", Cast { to: DType::F32 }, &[*id])?;
            }
        }
        let mut result = self.push("", Binary::new(BinaryKind::Pow), &ids)?;
        if !element.is_float() {
            // The power of two whole numbers is off by less than a half where it fits float32.
            result = self.push("whole", Unary::Round, &[result])?;
            result = self.push("cast", Cast { to: element.storage() }, &[result])?;
        }
        Ok(self.made(element, order, result))
    }

    /// The remainder with the sign of the divisor, or of the dividend (`fmod`).
    pub fn modulo(&mut self) -> Result<Handle> {
        let (a, b) = (self.input(0)?, self.input(1)?);
        if !self.flag("fmod")? {
            return self.arithmetic("", BinaryKind::FloorMod, a, b);
        }
        if self.element(a).storage() == DType::I32 {
            let quotient = self.arithmetic("quotient", BinaryKind::Div, a, b)?;
            let whole = self.arithmetic("whole", BinaryKind::Mul, quotient, b)?;
            return self.arithmetic("", BinaryKind::Sub, a, whole);
        }
        let sign = self.like(a, "sign", Unary::Sign)?;
        let [a, b] = [self.like(a, "dividend", Unary::Abs)?, self.like(b, "divisor", Unary::Abs)?];
        let rest = self.arithmetic("rest", BinaryKind::FloorMod, a, b)?;
        self.arithmetic("", BinaryKind::Mul, rest, sign)
    }

    /// `min(max(x, min), max)`; the bounds are attributes before version 11 and operands since.
    pub fn clip(&mut self) -> Result<Handle> {
        let x = self.input(0)?;
        let bounds = [self.optional(1), self.optional(2)];
        let constant = |rule: &mut Self, i: usize, name: &str, none: f32| match bounds[i] {
            None => Ok(Some(rule.float(name, none)?)),
            Some(bound) if rule.importer.is_constant(bound) => Ok(Some(rule.only(bound, name)? as f32)),
            Some(_) => Ok::<_, Error>(None),
        };
        let low = constant(self, 0, "min", f32::NEG_INFINITY)?;
        let high = constant(self, 1, "max", f32::INFINITY)?;
        if let (Some(min), Some(max), DType::F32) = (low, high, self.element(x).storage()) {
            return self.like(x, "", Unary::Clip { min: min.min(max), max });
        }
        let mut result = x;
        for (bound, part, kind) in [(bounds[0], "low", BinaryKind::Maximum), (bounds[1], "", BinaryKind::Minimum)] {
            if let Some(bound) = bound {
                result = self.arithmetic(part, kind, result, bound)?;
            }
        }
        Ok(result)
    }

    /// `x` where positive, else `slope * x`.
    pub fn prelu(&mut self) -> Result<Handle> {
        let (x, slope) = (self.input(0)?, self.input(1)?);
        let (ids, order) = self.align(&[x, slope])?;
        let id = self.importer.lowering.prelu(self.name, ids[0], ids[1])?;
        Ok(self.made(self.element(x), order, id))
    }

    /// `Cast` and `CastLike`.
    pub fn cast(&mut self) -> Result<Handle> {
        let x = self.input(0)?;
        let to = match self.node.op {
            "CastLike" => self.element(self.input(1)?),
            _ => Element::parse(self.int("to", 0)?)?,
        };
        self.convert(x, to)
    }

    /// The value as another element type: fractions are dropped, integers wrap around, floats that do not fit saturate.
    pub fn convert(&mut self, x: Handle, to: Element) -> Result<Handle> {
        let (from, (order, mut id)) = (self.element(x), self.stored(x)?);
        if to == Element::Bool && from != Element::Bool {
            let zero = self.number("zero", from, 0.0)?;
            let zero = self.plain(zero)?;
            id = self.push("", Binary::new(BinaryKind::NotEqual), &[id, zero])?;
            return Ok(self.made(to, order, id));
        }
        match to.small_range() {
            Some([min, max]) if from.is_float() => {
                id = self.push("clipped", Unary::Clip { min, max }, &[id])?;
                id = self.truncate("", id)?;
            }
            Some(range) if from != to && from != Element::Bool => {
                if from.storage() == DType::I32 {
                    // The lowest bits are those that stay; what is left of them fits a float.
                    let size = self.number("size", from, range[1] as f64 - range[0] as f64 + 1.0)?;
                    let size = self.plain(size)?;
                    id = self.push("bits", Binary::new(BinaryKind::FloorMod), &[id, size])?;
                    id = self.push("float", Cast { to: DType::F32 }, &[id])?;
                }
                id = self.wrap("", id, range)?;
            }
            _ if to.storage() != from.storage() => id = self.push("", Cast { to: to.storage() }, &[id])?,
            _ => {}
        }
        Ok(self.made(to, order, id))
    }

    /// One of two values, element by element.
    pub fn choose(&mut self) -> Result<Handle> {
        let values: Vec<Handle> = (0..3).map(|i| self.input(i)).collect::<Result<_>>()?;
        let element = self.element(values[1]);
        if let Some(known) = self.choose_known(&values)? {
            return Ok(known);
        }
        let (ids, order) = self.align(&values)?;
        let id = self.select("", ids[0], ids[1], ids[2])?;
        Ok(self.made(element, order, id))
    }

    /// The choice among known numbers, which may depend on open dimensions: shape arithmetic.
    fn choose_known(&mut self, values: &[Handle]) -> Result<Option<Handle>> {
        let mut numbers = Vec::with_capacity(3);
        let mut shape = Vec::new();
        for &value in values {
            let (order, id) = self.stored(value)?;
            if self.importer.lowering.tensor(id).is_none() || order.len() > 1 {
                return Ok(None);
            }
            let list = self.importer.lowering.numbers(id, "condition")?;
            if list.len() > 64 {
                return Ok(None);
            }
            if order.len() == 1 && (shape.is_empty() || shape == [1]) {
                shape = vec![list.len()];
            }
            numbers.push(list);
        }
        let count = shape.first().copied().unwrap_or(1);
        if numbers.iter().any(|list| list.len() != count && list.len() != 1) {
            return Ok(None);
        }
        let at = |list: &[[f64; 2]], i: usize| list[if list.len() == 1 { 0 } else { i }];
        let chosen = (0..count).map(|i| {
            let [c, x, y] = [0, 1, 2].map(|n| at(&numbers[n], i));
            [0, 1].map(|guess| if c[guess] != 0.0 { x[guess] } else { y[guess] })
        });
        let (element, rank) = (self.element(values[1]), shape.len());
        let id = self.importer.lowering.known(self.name, element.storage(), shape.into(), chosen.collect())?;
        Ok(Some(self.made(element, super::values::plain(rank), id)))
    }

    /// A constant tensor as a value.
    pub fn constant_value(&mut self, element: Element, tensor: Tensor) -> Handle {
        let rank = tensor.shape().rank();
        let id = self.constant("", tensor);
        self.made(element, super::values::plain(rank), id)
    }
}
