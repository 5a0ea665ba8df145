//! One rule per TensorFlow Lite operator. Option tables are read by field number, as in `schema.fbs`.

use std::cell::Cell;

use super::flatbuffer::Table;
use super::schema::OperatorDef;
use super::{flexbuffer, names};
use crate::error::{Error, Result};
use crate::formats::lower::{self, Detections, Lowering, StridedSliceMasks, TransposedConv};
use crate::graph::ValueId;
use crate::ops::{
    ArgMax, Cast, Concat, Conv2d, DepthwiseConv2d, Epilogue, Gather, MatMul, NonMaxSuppression, PadMode, Pool2d,
    PoolKind, ReduceKind, Softmax, TopK, Unary,
};
use crate::shape::{Padding, Shape};
use crate::tensor::DType;

/// Lowers an operator; its results, in order. `range` is what a quantised result can express, `made` the element type of the
/// first, `None` for truth values.
pub fn lower(
    lowering: &mut Lowering,
    name: &str,
    operator: &OperatorDef,
    inputs: &[Option<ValueId>],
    range: Option<[f32; 2]>,
    made: Option<DType>,
) -> Result<Vec<ValueId>> {
    let clamped = Cell::new(false);
    let mut results = Rule { lowering, name, operator, inputs, range, made, clamped: &clamped }.apply()?;
    if let (Some([min, max]), false, Some(result)) = (range, clamped.get(), results.first_mut()) {
        *result = lowering.add(&format!("{name}/range"), Unary::Clip { min, max }, &[*result])?;
    }
    Ok(results)
}

/// An operator about to be lowered.
struct Rule<'a, 'f> {
    lowering: &'a mut Lowering,
    name: &'a str,
    operator: &'a OperatorDef<'f>,
    inputs: &'a [Option<ValueId>],
    /// What the (first) result can express, if it is quantised: 8 bits hold no more, so it is an activation, too.
    range: Option<[f32; 2]>,
    /// The element type of the (first) result; `None` for truth values.
    made: Option<DType>,
    /// The activation has seen to it.
    clamped: &'a Cell<bool>,
}

impl<'f> Rule<'_, 'f> {
    /// Operand `i`, which must be there.
    fn operand(&self, i: usize) -> Result<ValueId> {
        let given = self.inputs.get(i).copied().flatten();
        given.ok_or_else(|| Error::mismatch("an operand is missing", format!("operand {i}"), self.inputs.len()))
    }

    fn operands<const N: usize>(&self) -> Result<[ValueId; N]> {
        let all: Option<Vec<_>> = self.inputs.iter().copied().collect();
        all.and_then(|all| all.try_into().ok())
            .ok_or_else(|| Error::mismatch("wrong number of inputs", N, self.inputs.len()))
    }

    /// Every operand.
    fn all(&self) -> Result<Vec<ValueId>> {
        (0..self.inputs.len()).map(|i| self.operand(i)).collect()
    }

    fn int(&self, field: usize, default: i32) -> Result<i64> {
        Ok(self.options().map_or(Ok(default), |t| t.i32(field, default))? as i64)
    }
    fn byte(&self, field: usize) -> Result<i8> {
        self.options().map_or(Ok(0), |t| t.i8(field, 0))
    }
    fn flag(&self, field: usize) -> Result<bool> {
        Ok(self.byte(field)? != 0)
    }
    fn float(&self, field: usize, default: f32) -> Result<f32> {
        self.options().map_or(Ok(default), |t| t.f32(field, default))
    }
    fn options(&self) -> Option<Table<'f>> {
        self.operator.options
    }

    /// The fused activation, narrowed to what the result can express.
    fn activation(&self, field: usize) -> Result<Option<Unary>> {
        let (unary, [low, high]) = match self.byte(field)? {
            0 => (None, [f32::NEG_INFINITY, f32::INFINITY]),
            1 => (Some(Unary::Relu), [0.0, f32::INFINITY]),
            2 => (Some(Unary::Clip { min: -1.0, max: 1.0 }), [-1.0, 1.0]),
            3 => (Some(Unary::Relu6), [0.0, 6.0]),
            4 => return Ok(Some(Unary::Tanh)),
            other => return Err(Error::unsupported(format!("the fused activation {other}"))),
        };
        let Some([min, max]) = self.range else { return Ok(unary) };
        self.clamped.set(true);
        let (min, max) = (min.max(low), max.min(high));
        // As written, where the range is no narrower.
        Ok(if [min, max] == [low, high] { unary } else { Some(Unary::Clip { min, max: max.max(min) }) })
    }

    fn padding(&self, field: usize) -> Result<Padding> {
        match self.byte(field)? {
            0 => Ok(Padding::Same),
            1 => Ok(Padding::Valid),
            other => Err(Error::invalid(format!("the padding {other}"))),
        }
    }

    /// Two fields, vertical first, of at least 1.
    fn pair(&self, vertical: usize, horizontal: usize, default: i32) -> Result<[usize; 2]> {
        let field = |field| {
            let n = self.int(field, default)?;
            usize::try_from(n).ok().filter(|&n| n > 0).ok_or_else(|| Error::invalid(format!("a stride or size of {n}")))
        };
        Ok([field(vertical)?, field(horizontal)?])
    }

    fn apply(mut self) -> Result<Vec<ValueId>> {
        let name = self.name;
        let op = names::builtin(self.operator.code).unwrap_or_default();
        if op == "CUSTOM" {
            return self.custom();
        }
        if let Some(unary) = self.unary(op)? {
            let [x] = self.operands()?;
            return self.lowering.push(name, unary, &[x]);
        }
        if let Some(kind) = binary(op) {
            let operands = self.operands()?;
            // Only the four arithmetic ones have a fused activation.
            let activation = if matches!(op, "ADD" | "SUB" | "MUL" | "DIV") { self.activation(0)? } else { None };
            return Ok(vec![self.lowering.binary(name, kind, operands, activation)?]);
        }
        if let Some(kind) = reduction(op) {
            let [x, axes] = self.operands()?;
            let axes = self.lowering.ints(axes, "axes")?;
            let keep = self.flag(0)?;
            return Ok(vec![self.lowering.reduce(name, kind, x, &axes, keep)?]);
        }
        Ok(vec![match op {
            // Reals all the way; what is quantised is clamped to its range.
            "DEQUANTIZE" | "QUANTIZE" => self.operand(0)?,
            "CONV_2D" => self.conv()?,
            "DEPTHWISE_CONV_2D" => self.depthwise()?,
            "TRANSPOSE_CONV" => self.conv_transpose()?,
            "FULLY_CONNECTED" => self.fully_connected()?,
            "BATCH_MATMUL" => {
                let (transpose_a, transpose_b) = (self.flag(0)?, self.flag(1)?);
                let op = MatMul { transpose_a, transpose_b, epilogue: Epilogue::default() };
                let [a, b] = self.operands()?;
                self.lowering.add(name, op, &[a, b])?
            }
            "AVERAGE_POOL_2D" => self.pool(PoolKind::Average { include_padding: false })?,
            "MAX_POOL_2D" => self.pool(PoolKind::Max)?,
            "ADD_N" => self.lowering.sum(name, &self.all()?)?,
            "PRELU" => {
                let [x, slopes] = self.operands()?;
                self.lowering.prelu(name, x, slopes)?
            }
            "SOFTMAX" => {
                if self.float(0, 0.0)? != 1.0 {
                    return Err(Error::unsupported("a softmax with beta other than 1"));
                }
                self.lowering.add(name, Softmax { axis: -1 }, &[self.operand(0)?])?
            }
            "LOCAL_RESPONSE_NORMALIZATION" => {
                let constants = [self.float(1, 0.0)?, self.float(2, 0.0)?, self.float(3, 0.0)?];
                let radius = self.int(0, 0)?;
                self.lowering.local_response_norm(name, self.operand(0)?, radius, constants)?
            }
            "CONCATENATION" => self.concat()?,
            "RESHAPE" => self.reshape()?,
            "SQUEEZE" => {
                let axes = self.options().map_or(Ok(Vec::new()), |t| t.ints(0))?;
                let axes: Vec<_> = axes.into_iter().map(i64::from).collect();
                self.lowering.squeeze(name, self.operand(0)?, &axes)?
            }
            "EXPAND_DIMS" => {
                let [x, axis] = self.operands()?;
                let axis = self.lowering.int(axis, "axis")?;
                self.lowering.expand_dims(name, x, axis)?
            }
            "TRANSPOSE" => {
                let [x, perm] = self.operands()?;
                let perm = self.lowering.ints(perm, "perm")?;
                self.lowering.transpose(name, x, &perm)?
            }
            "PAD" | "PADV2" | "MIRROR_PAD" => self.pad(op)?,
            "SLICE" => {
                let [x, begin, size] = self.operands()?;
                let [begin, size] = [self.lowering.ints(begin, "begin")?, self.lowering.ints(size, "size")?];
                self.lowering.slice(name, x, &begin, &size)?
            }
            "STRIDED_SLICE" => self.strided_slice()?,
            "SPLIT" => {
                let [axis, x] = self.operands()?;
                let (axis, count) = (self.lowering.int(axis, "axis")?, self.int(0, 0)?);
                return self.lowering.split_evenly(name, x, axis, count);
            }
            "SPLIT_V" => {
                let [x, sizes, axis] = self.operands()?;
                let (sizes, axis) = (self.lowering.ints(sizes, "size_splits")?, self.lowering.int(axis, "axis")?);
                return self.lowering.split(name, x, axis, &sizes);
            }
            "PACK" => self.lowering.pack(name, &self.all()?, self.int(1, 0)?)?,
            "UNPACK" => return self.lowering.unpack(name, self.operand(0)?, self.int(1, 0)?),
            "RESIZE_BILINEAR" | "RESIZE_NEAREST_NEIGHBOR" => {
                let bilinear = op == "RESIZE_BILINEAR";
                let [x, size] = self.operands()?;
                let size = self.lowering.sizes(size, "size")?;
                // The bilinear table begins with two deprecated fields.
                let field = if bilinear { 2 } else { 0 };
                let [corners, half] = [self.flag(field)?, self.flag(field + 1)?];
                self.lowering.resize(name, x, &size, bilinear, corners, half)?
            }
            "GATHER" => {
                let [values, indices] = self.operands()?;
                if self.int(1, 0)? != 0 {
                    return Err(Error::unsupported("a gather with batch dimensions"));
                }
                let axis = self.int(0, 0)? as isize;
                self.lowering.add(name, Gather { axis }, &[values, indices])?
            }
            "TOPK_V2" => {
                let [x, k] = self.operands()?;
                let k = self.lowering.int(k, "k")?;
                let k = usize::try_from(k).map_err(|_| Error::invalid(format!("top-k with k = {k}")))?;
                return self.lowering.push(name, TopK { k }, &[x]);
            }
            "NON_MAX_SUPPRESSION_V4" => return self.suppress(false),
            "NON_MAX_SUPPRESSION_V5" => return self.suppress(true),
            "ARG_MAX" | "ARG_MIN" => {
                let [mut x, axis] = self.operands()?;
                let axis = self.lowering.int(axis, "dimension")? as isize;
                if op == "ARG_MIN" {
                    x = self.lowering.add(&format!("{name}/negated"), Unary::Neg, &[x])?;
                }
                self.lowering.add(name, ArgMax { axis, keep_dims: false }, &[x])?
            }
            "GATHER_ND" => {
                let [values, indices] = self.operands()?;
                self.lowering.gather_nd(name, values, indices)?
            }
            "L2_NORMALIZATION" => self.with_activation(0, |rule, name| {
                let x = rule.operand(0)?;
                rule.lowering.l2_normalize(name, x)
            })?,
            "SPACE_TO_BATCH_ND" | "BATCH_TO_SPACE_ND" => {
                let [x, blocks, edges] = self.operands()?;
                let (blocks, edges) = (self.lowering.ints(blocks, "block_shape")?, self.lowering.ints(edges, "edges")?);
                if op == "SPACE_TO_BATCH_ND" {
                    self.lowering.space_to_batch(name, x, &blocks, &edges)?
                } else {
                    self.lowering.batch_to_space(name, x, &blocks, &edges)?
                }
            }
            "CAST" => {
                let x = self.operand(0)?;
                match self.made {
                    None => self.lowering.truth(name, x)?,
                    Some(to) if to == self.lowering.dtype(x) => x,
                    Some(to) => self.lowering.add(name, Cast { to }, &[x])?,
                }
            }
            "SHAPE" => self.lowering.shape_of(name, self.operand(0)?)?,
            "FILL" => {
                let [dims, value] = self.operands()?;
                let (dims, dtype) = (self.lowering.ints(dims, "dims")?, self.lowering.dtype(value));
                let dims = dims.into_iter().map(|d| usize::try_from(d).unwrap_or(0)).collect::<Shape>();
                let value = self.lowering.number(value, "value")?;
                self.lowering.filled(name, dims, value, dtype)?
            }
            "DEPTH_TO_SPACE" => self.lowering.depth_to_space(name, self.operand(0)?, self.int(0, 0)?)?,
            "SPACE_TO_DEPTH" => self.lowering.space_to_depth(name, self.operand(0)?, self.int(0, 0)?)?,
            _ => {
                let op = names::name(self.operator.code);
                return Err(Error::unsupported(format!("the TensorFlow Lite operator {op} is not supported")));
            }
        }])
    }

    fn unary(&self, op: &str) -> Result<Option<Unary>> {
        Ok(Some(match op {
            "RELU" => Unary::Relu,
            "RELU6" => Unary::Relu6,
            "RELU_N1_TO_1" => Unary::Clip { min: -1.0, max: 1.0 },
            "LEAKY_RELU" => Unary::LeakyRelu { alpha: self.float(0, 0.0)? },
            "ELU" => Unary::Elu { alpha: 1.0 },
            "GELU" => Unary::Gelu { approximate: self.flag(0)? },
            "LOGISTIC" => Unary::Sigmoid,
            "HARD_SWISH" => Unary::HardSwish,
            "TANH" => Unary::Tanh,
            "EXP" => Unary::Exp,
            "LOG" => Unary::Log,
            "SQRT" => Unary::Sqrt,
            "RSQRT" => Unary::Rsqrt,
            "SQUARE" => Unary::Square,
            "NEG" => Unary::Neg,
            "ABS" => Unary::Abs,
            "SIGN" => Unary::Sign,
            "FLOOR" => Unary::Floor,
            "CEIL" => Unary::Ceil,
            "ROUND" => Unary::Round,
            "SIN" => Unary::Sin,
            "COS" => Unary::Cos,
            _ => return Ok(None),
        }))
    }

    /// `[x, kernel]` and the bias, if operand `i` is one.
    fn with_bias(&self, x: ValueId, kernel: ValueId, i: usize) -> (Vec<ValueId>, Epilogue) {
        let bias = self.inputs.get(i).copied().flatten();
        let epilogue = Epilogue { bias: bias.is_some(), ..Epilogue::default() };
        ([x, kernel].into_iter().chain(bias).collect(), epilogue)
    }

    fn conv(&mut self) -> Result<ValueId> {
        let x = self.operand(0)?;
        let kernel = self.operand(1)?;
        let (inputs, mut epilogue) = self.with_bias(x, kernel, 2);
        epilogue.activation = self.activation(3)?;
        let [.., channels] = self.lowering.shape(x).dims::<4>("[batch, height, width, channels]")?;
        let per_group = self.lowering.shape(kernel)[2];
        let groups = channels.checked_div(per_group).filter(|g| g * per_group == channels).unwrap_or(1);
        let (padding, strides, dilations) = (self.padding(0)?, self.pair(2, 1, 0)?, self.pair(5, 4, 1)?);
        self.lowering.add(self.name, Conv2d { strides, dilations, groups, padding, epilogue }, &inputs)
    }

    fn depthwise(&mut self) -> Result<ValueId> {
        let x = self.operand(0)?;
        let kernel = self.operand(1)?;
        let (inputs, mut epilogue) = self.with_bias(x, kernel, 2);
        epilogue.activation = self.activation(4)?;
        let (padding, strides, dilations) = (self.padding(0)?, self.pair(2, 1, 0)?, self.pair(6, 5, 1)?);
        self.lowering.add(self.name, DepthwiseConv2d { strides, dilations, padding, epilogue }, &inputs)
    }

    fn conv_transpose(&mut self) -> Result<ValueId> {
        let (sizes, x) = (self.operand(0)?, self.operand(2)?);
        let kernel = self.operand(1)?;
        let (inputs, mut epilogue) = self.with_bias(x, kernel, 3);
        epilogue.activation = self.activation(3)?;
        let sizes = self.lowering.sizes(sizes, "output_shape")?;
        let conv = TransposedConv { strides: self.pair(2, 1, 0)?, padding: self.padding(0)?, sizes, epilogue };
        self.lowering.conv_transpose(self.name, &inputs, conv)
    }

    fn fully_connected(&mut self) -> Result<ValueId> {
        if self.byte(1)? != 0 {
            return Err(Error::unsupported("a fully connected layer with shuffled weights"));
        }
        let (mut x, keep_dims) = (self.operand(0)?, self.flag(2)?);
        let kernel = self.operand(1)?;
        let [k, _] = self.lowering.shape(kernel).dims("[in, out]")?;
        if !keep_dims && self.lowering.shape(x).rank() != 2 {
            x = self.lowering.reshape(&format!("{}/flat", self.name), x, &[[-1; 2], [k as i64; 2]])?;
        }
        let (inputs, mut epilogue) = self.with_bias(x, kernel, 2);
        epilogue.activation = self.activation(0)?;
        self.lowering.add(self.name, MatMul { epilogue, ..MatMul::default() }, &inputs)
    }

    fn pool(&mut self, kind: PoolKind) -> Result<ValueId> {
        let (padding, strides, kernel) = (self.padding(0)?, self.pair(2, 1, 0)?, self.pair(4, 3, 0)?);
        let op = Pool2d { kind, kernel, strides, dilations: [1, 1], padding };
        let x = self.operand(0)?;
        self.with_activation(5, |rule, name| rule.lowering.add(name, op, &[x]))
    }

    /// For operations whose activation cannot be fused here.
    fn with_activation(
        &mut self,
        field: usize,
        body: impl FnOnce(&mut Self, &str) -> Result<ValueId>,
    ) -> Result<ValueId> {
        match self.activation(field)? {
            None => body(self, self.name),
            Some(activation) => {
                let linear = body(self, &format!("{}/linear", self.name))?;
                self.lowering.add(self.name, activation, &[linear])
            }
        }
    }

    fn concat(&mut self) -> Result<ValueId> {
        let (axis, values) = (self.int(0, 0)? as isize, self.all()?);
        self.with_activation(1, |rule, name| match values[..] {
            [value] => Ok(value),
            _ => rule.lowering.add(name, Concat { axis }, &values),
        })
    }

    fn reshape(&mut self) -> Result<ValueId> {
        // The operand wins over the attribute, which old converters left to be the only one.
        let target = match self.inputs.get(1).copied().flatten() {
            Some(shape) => self.lowering.sizes(shape, "shape")?,
            None => {
                let shape = self.options().map_or(Ok(Vec::new()), |t| t.ints(0))?;
                shape.into_iter().map(|d| [d as i64; 2]).collect()
            }
        };
        self.lowering.reshape(self.name, self.operand(0)?, &target)
    }

    fn pad(&mut self, op: &str) -> Result<ValueId> {
        let (x, paddings) = (self.operand(0)?, self.lowering.ints(self.operand(1)?, "paddings")?);
        let mode = match op {
            "PADV2" => PadMode::Constant(self.lowering.number(self.operand(2)?, "constant_values")? as f32),
            "MIRROR_PAD" if self.byte(0)? == 0 => PadMode::Reflect,
            "MIRROR_PAD" => PadMode::Symmetric,
            _ => PadMode::Constant(0.0),
        };
        self.lowering.pad(self.name, x, &paddings, mode)
    }

    fn strided_slice(&mut self) -> Result<ValueId> {
        let [x, begin, end, strides] = self.operands()?;
        if self.flag(5)? {
            return Err(Error::unsupported("a strided slice whose ends are offsets"));
        }
        let masks = StridedSliceMasks {
            begin: self.int(0, 0)?,
            end: self.int(1, 0)?,
            ellipsis: self.int(2, 0)?,
            new_axis: self.int(3, 0)?,
            shrink: self.int(4, 0)?,
        };
        let begin = self.lowering.ints(begin, "begin")?;
        let end = self.lowering.ints(end, "end")?;
        let strides = self.lowering.ints(strides, "strides")?;
        self.lowering.strided_slice(self.name, x, [&begin, &end, &strides], masks)
    }

    /// Custom operations.
    fn custom(&mut self) -> Result<Vec<ValueId>> {
        match self.operator.code.custom {
            names::TRANSPOSE_BIAS => Ok(vec![self.transpose_bias()?]),
            "TFLite_Detection_PostProcess" => self.detections(),
            other => Err(Error::unsupported(format!("the custom operator {other:?} is not supported"))),
        }
    }

    fn detections(&mut self) -> Result<Vec<ValueId>> {
        let options = flexbuffer::numbers(self.operator.custom_options)?;
        let given = |key: &str| options.iter().find(|(k, _)| *k == key).map(|(_, number)| *number);
        let required = |key: &str| given(key).ok_or_else(|| Error::invalid(format!("the option {key:?} is missing")));
        let count = |number: f64| number.clamp(0.0, 1e6) as usize;
        let regular = given("use_regular_nms").unwrap_or(0.0) != 0.0;
        let options = Detections {
            most: count(required("max_detections")?),
            classes_each: if regular { 1 } else { count(required("max_classes_per_detection")?) },
            per_class: regular.then(|| count(given("detections_per_class").unwrap_or(100.0))),
            classes: count(required("num_classes")?),
            score: required("nms_score_threshold")? as f32,
            iou: required("nms_iou_threshold")? as f32,
            scales: [required("y_scale")?, required("x_scale")?, required("h_scale")?, required("w_scale")?]
                .map(|s| s as f32),
        };
        let operands = self.operands()?;
        self.lowering.detections(self.name, operands, &options)
    }

    /// `NON_MAX_SUPPRESSION_V4` and `V5`: indices, scores (V5) and their number, as many as asked for.
    fn suppress(&mut self, soft: bool) -> Result<Vec<ValueId>> {
        let (boxes, scores) = (self.operand(0)?, self.operand(1)?);
        let number = |rule: &Self, i: usize, what: &str| rule.lowering.number(rule.operand(i)?, what);
        let most = number(self, 2, "max_output_size")?.clamp(0.0, 1e6) as usize;
        let op = NonMaxSuppression {
            max_output: most,
            iou_threshold: number(self, 3, "iou_threshold")? as f32,
            score_threshold: number(self, 4, "score_threshold")? as f32,
            soft_sigma: if soft { number(self, 5, "soft_nms_sigma")? as f32 } else { 0.0 },
            centred: false,
        };
        let mut results = self.lowering.suppress(self.name, [boxes, scores], op, Some(most))?;
        if !soft {
            results.remove(1);
        }
        Ok(results)
    }

    fn transpose_bias(&mut self) -> Result<ValueId> {
        // TfLiteTransposeConvParams: padding (1 SAME, 2 VALID), width and height of the stride, as int32.
        let mut options =
            self.operator.custom_options.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let mut next = || options.next().ok_or_else(|| Error::invalid("the custom options are cut off"));
        let (padding, width, height) = (next()?, next()?, next()?);
        let padding = match padding {
            1 => Padding::Same,
            2 => Padding::Valid,
            other => return Err(Error::invalid(format!("the padding {other}"))),
        };
        let stride = |n: i32| {
            usize::try_from(n).ok().filter(|&n| n > 0).ok_or_else(|| Error::invalid(format!("a stride of {n}")))
        };
        let strides = [stride(height)?, stride(width)?];
        let x = self.operand(0)?;
        let kernel = self.operand(1)?;
        let (inputs, epilogue) = self.with_bias(x, kernel, 2);
        let op = crate::ops::ConvTranspose2d { strides, padding, epilogue, ..Default::default() };
        self.lowering.add(self.name, op, &inputs)
    }
}

fn binary(op: &str) -> Option<crate::ops::BinaryKind> {
    lower::binary(match op {
        "ADD" => "Add",
        "SUB" => "Sub",
        "MUL" => "Mul",
        "DIV" => "Div",
        "MAXIMUM" => "Maximum",
        "MINIMUM" => "Minimum",
        "POW" => "Pow",
        "SQUARED_DIFFERENCE" => "SquaredDifference",
        "FLOOR_DIV" => "FloorDiv",
        "FLOOR_MOD" => "FloorMod",
        "EQUAL" => "Equal",
        "NOT_EQUAL" => "NotEqual",
        "LESS" => "Less",
        "LESS_EQUAL" => "LessEqual",
        "GREATER" => "Greater",
        "GREATER_EQUAL" => "GreaterEqual",
        _ => return None,
    })
}

fn reduction(op: &str) -> Option<ReduceKind> {
    Some(match op {
        "MEAN" => ReduceKind::Mean,
        "SUM" => ReduceKind::Sum,
        "REDUCE_MAX" => ReduceKind::Max,
        "REDUCE_MIN" => ReduceKind::Min,
        "REDUCE_PROD" => ReduceKind::Prod,
        _ => return None,
    })
}
