//! One rule per TensorFlow operation.

use super::Importer;
use super::node::NodeDef;
use crate::error::{Error, Result};
use crate::formats::lower::{self, StridedSliceMasks, TransposedConv};
use crate::graph::ValueId;
use crate::ops::{
    ArgMax, BatchNorm, BinaryKind, Cast, Concat, Conv2d, DepthwiseConv2d, Epilogue, Gather, MatMul, NonMaxSuppression,
    PadMode, Pool2d, PoolKind, Softmax, TopK, Unary,
};
use crate::shape::Shape;

impl Importer<'_> {
    /// Lowers a node whose operands have been; its results, in order.
    pub(super) fn lower(&mut self, index: usize) -> Result<Vec<ValueId>> {
        let topology = self.topology;
        let node = &topology.nodes[index];
        if node.op == "Const" {
            let tensor = self.manifest.tensor(node.name, self.weights)?;
            return Ok(vec![self.lowering.constant(node.name, tensor)]);
        }
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for &input in &node.inputs {
            let (producer, output) = topology.find(input)?;
            inputs.push(self.value(producer, output)?);
        }
        Rule { lowering: &mut self.lowering, node, name: node.name, inputs: &inputs }.apply()
    }
}

/// What the rule of a node says without operands: that it knows no such operation, or that they are missing.
pub(super) fn probe(node: &NodeDef) -> Result<Vec<ValueId>> {
    Rule { lowering: &mut lower::Lowering::default(), node, name: node.name, inputs: &[] }.apply()
}

/// A node about to be lowered.
struct Rule<'a, 'n> {
    lowering: &'a mut lower::Lowering,
    node: &'a NodeDef<'n>,
    name: &'n str,
    inputs: &'a [ValueId],
}

impl Rule<'_, '_> {
    /// The operands, if there are as many as the operation has.
    fn operands<const N: usize>(&self) -> Result<[ValueId; N]> {
        self.inputs.try_into().map_err(|_| Error::mismatch("wrong number of inputs", N, self.inputs.len()))
    }

    fn first(&self) -> Result<ValueId> {
        self.inputs.first().copied().ok_or_else(|| Error::mismatch("wrong number of inputs", "at least 1", 0))
    }

    fn apply(mut self) -> Result<Vec<ValueId>> {
        let (node, name) = (self.node, self.name);
        if let Some(op) = lower::unary(node.op) {
            let [x] = self.operands()?;
            return self.lowering.push(name, op, &[x]);
        }
        if let Some(kind) = lower::binary(node.op) {
            let operands = self.operands()?;
            return Ok(vec![self.lowering.binary(name, kind, operands, None)?]);
        }
        if let Some(kind) = lower::reduction(node.op) {
            let [x, axes] = self.operands()?;
            let axes = self.lowering.ints(axes, "axes")?;
            let keep = node.flag("keep_dims")? || node.flag("keepdims")?;
            return Ok(vec![self.lowering.reduce(name, kind, x, &axes, keep)?]);
        }
        Ok(vec![match node.op {
            "Identity"
            | "StopGradient"
            | "PreventGradient"
            | "Snapshot"
            | "CheckNumerics"
            | "PlaceholderWithDefault" => self.first()?,
            "IdentityN" => return Ok(self.inputs.to_vec()),
            "Conv2D" | "_FusedConv2D" => self.conv()?,
            "DepthwiseConv2dNative" | "DepthwiseConv2d" | "FusedDepthwiseConv2dNative" => self.depthwise()?,
            "Conv2DBackpropInput" => self.conv_transpose()?,
            "MatMul" | "_FusedMatMul" | "BatchMatMul" | "BatchMatMulV2" => self.matmul()?,
            "BiasAdd" | "BiasAddV1" => self.bias_add()?,
            "FusedBatchNorm" | "FusedBatchNormV2" | "FusedBatchNormV3" => self.batch_norm()?,
            "MaxPool" => self.pool(PoolKind::Max)?,
            "AvgPool" => self.pool(PoolKind::Average { include_padding: false })?,
            "LeakyRelu" => {
                let alpha = node.float("alpha", 0.2)?;
                self.lowering.add(name, Unary::LeakyRelu { alpha }, &[self.first()?])?
            }
            "Prelu" => {
                let [x, alpha] = self.operands()?;
                self.lowering.prelu(name, x, alpha)?
            }
            "ClipByValue" => {
                let [x, min, max] = self.operands()?;
                let [min, max] = [self.lowering.number(min, "min")? as f32, self.lowering.number(max, "max")? as f32];
                self.lowering.add(name, Unary::Clip { min, max }, &[x])?
            }
            "AddN" => self.lowering.sum(name, self.inputs)?,
            "Softmax" => self.lowering.add(name, Softmax { axis: -1 }, &[self.first()?])?,
            "LRN" => {
                let constants = [node.float("bias", 1.0)?, node.float("alpha", 1.0)?, node.float("beta", 0.5)?];
                let radius = node.int("depth_radius", 5)?;
                self.lowering.local_response_norm(name, self.first()?, radius, constants)?
            }
            "Cast" => self.cast()?,
            "ConcatV2" | "Concat" => self.concat()?,
            "Pad" | "PadV2" | "MirrorPad" => self.pad()?,
            "Reshape" => {
                let [x, shape] = self.operands()?;
                let target = self.lowering.sizes(shape, "shape")?;
                self.lowering.reshape(name, x, &target)?
            }
            "Squeeze" => {
                let axes = [node.ints("squeeze_dims")?, node.ints("axis")?].concat();
                self.lowering.squeeze(name, self.first()?, &axes)?
            }
            "ExpandDims" => {
                let [x, axis] = self.operands()?;
                let axis = self.lowering.int(axis, "axis")?;
                self.lowering.expand_dims(name, x, axis)?
            }
            "Transpose" => {
                let [x, perm] = self.operands()?;
                let perm = self.lowering.ints(perm, "perm")?;
                self.lowering.transpose(name, x, &perm)?
            }
            "Slice" => {
                let [x, begin, size] = self.operands()?;
                let [begin, size] = [self.lowering.ints(begin, "begin")?, self.lowering.ints(size, "size")?];
                self.lowering.slice(name, x, &begin, &size)?
            }
            "StridedSlice" => self.strided_slice()?,
            "Split" => {
                let [axis, x] = self.operands()?;
                let (axis, count) = (self.lowering.int(axis, "axis")?, node.int("num_split", 1)?);
                return self.lowering.split_evenly(name, x, axis, count);
            }
            "SplitV" => {
                let [x, sizes, axis] = self.operands()?;
                let (sizes, axis) = (self.lowering.ints(sizes, "size_splits")?, self.lowering.int(axis, "axis")?);
                return self.lowering.split(name, x, axis, &sizes);
            }
            "Pack" => self.lowering.pack(name, self.inputs, node.int("axis", 0)?)?,
            "Unpack" => return self.lowering.unpack(name, self.first()?, node.int("axis", 0)?),
            "ResizeBilinear" | "ResizeNearestNeighbor" => {
                let [x, size] = self.operands()?;
                let size = self.lowering.sizes(size, "size")?;
                let [corners, half] = [node.flag("align_corners")?, node.flag("half_pixel_centers")?];
                self.lowering.resize(name, x, &size, node.op == "ResizeBilinear", corners, half)?
            }
            "GatherV2" | "Gather" => self.gather()?,
            "TopKV2" => {
                let [x, k] = self.operands()?;
                let k = self.lowering.int(k, "k")?;
                let k = usize::try_from(k).map_err(|_| Error::invalid(format!("top-k with k = {k}")))?;
                return self.lowering.push(name, TopK { k }, &[x]);
            }
            "NonMaxSuppressionV2" | "NonMaxSuppressionV3" | "NonMaxSuppressionV4" | "NonMaxSuppressionV5" => {
                return self.suppress();
            }
            "ArgMax" | "ArgMin" => {
                let [mut x, axis] = self.operands()?;
                let axis = self.lowering.int(axis, "dimension")? as isize;
                if node.op == "ArgMin" {
                    x = self.lowering.add(&format!("{name}/negated"), Unary::Neg, &[x])?;
                }
                self.lowering.add(name, ArgMax { axis, keep_dims: false }, &[x])?
            }
            "GatherNd" => {
                let [values, indices] = self.operands()?;
                self.lowering.gather_nd(name, values, indices)?
            }
            "SpaceToBatchND" | "BatchToSpaceND" => {
                let [x, blocks, edges] = self.operands()?;
                let (blocks, edges) = (self.lowering.ints(blocks, "block_shape")?, self.lowering.ints(edges, "edges")?);
                if node.op == "SpaceToBatchND" {
                    self.lowering.space_to_batch(name, x, &blocks, &edges)?
                } else {
                    self.lowering.batch_to_space(name, x, &blocks, &edges)?
                }
            }
            "Shape" => self.lowering.shape_of(name, self.first()?)?,
            "Fill" => {
                let [dims, value] = self.operands()?;
                let (dims, dtype) = (self.lowering.ints(dims, "dims")?, self.lowering.dtype(value));
                let dims = dims.into_iter().map(|d| usize::try_from(d).unwrap_or(0)).collect::<Shape>();
                let value = self.lowering.number(value, "value")?;
                self.lowering.filled(name, dims, value, dtype)?
            }
            "SparseToDense" => self.sparse_to_dense()?,
            "DepthToSpace" | "SpaceToDepth" => {
                if node.text("data_format")?.is_some_and(|f| f != "NHWC") {
                    return Err(Error::unsupported(format!("{} in a layout other than NHWC", node.op)));
                }
                let (x, block) = (self.first()?, node.int("block_size", 0)?);
                if node.op == "DepthToSpace" {
                    self.lowering.depth_to_space(name, x, block)?
                } else {
                    self.lowering.space_to_depth(name, x, block)?
                }
            }
            op => return Err(Error::unsupported(format!("the TensorFlow operation {op:?} is not supported"))),
        }])
    }

    /// Suppression: indices; since version 4 padded on demand, with their number; in version 5 soft, with scores.
    fn suppress(&mut self) -> Result<Vec<ValueId>> {
        let [boxes, scores, most, settings @ ..] = self.inputs else {
            return Err(Error::mismatch("wrong number of inputs", "at least 3", self.inputs.len()));
        };
        let setting = |i: usize, what: &str, default: f64| match settings.get(i) {
            Some(value) => self.lowering.number(*value, what),
            None => Ok(default),
        };
        let most = self.lowering.number(*most, "max_output_size")?.clamp(0.0, 1e6) as usize;
        let op = NonMaxSuppression {
            max_output: most,
            iou_threshold: setting(0, "iou_threshold", 0.5)? as f32,
            score_threshold: setting(1, "score_threshold", f64::NEG_INFINITY)? as f32,
            soft_sigma: setting(2, "soft_nms_sigma", 0.0)? as f32,
            centred: false,
        };
        let padded = self.node.flag("pad_to_max_output_size")?.then_some(most);
        let [indices, scores, count] = self.lowering.suppress(self.name, [*boxes, *scores], op, padded)?[..] else {
            return Err(Error::invalid("suppression has three results"));
        };
        Ok(match self.node.op {
            "NonMaxSuppressionV5" => vec![indices, scores, count],
            "NonMaxSuppressionV4" => vec![indices, count],
            _ => vec![indices],
        })
    }

    /// Whether the node's layout is NCHW: such operations run between two transpositions, as tfjs' own do.
    fn nchw(&self) -> Result<bool> {
        match self.node.text("data_format")?.as_deref() {
            None | Some("NHWC" | "channels_last") => Ok(false),
            Some("NCHW" | "channels_first") => Ok(true),
            Some(other) => Err(Error::unsupported(format!("the layout {other:?}"))),
        }
    }

    fn nhwc(&mut self, suffix: &str, value: ValueId, nchw: bool) -> Result<ValueId> {
        let name = format!("{}/{suffix}", self.name);
        if nchw { self.lowering.transpose(&name, value, &[0, 2, 3, 1]) } else { Ok(value) }
    }

    /// Runs `body` in NHWC on the node's first operand; `body` is given the name for its last node.
    fn in_nhwc(&mut self, body: impl FnOnce(&mut Self, &str, ValueId, bool) -> Result<ValueId>) -> Result<ValueId> {
        let nchw = self.nchw()?;
        let x = self.first()?;
        let x = self.nhwc("to_nhwc", x, nchw)?;
        if !nchw {
            return body(self, self.name, x, false);
        }
        let y = body(self, &format!("{}/nhwc", self.name), x, true)?;
        self.lowering.transpose(self.name, y, &[0, 3, 1, 2])
    }

    /// What a fused operation does after its sum: the operands to append to its own two, the epilogue, and what has
    /// to follow as operations of its own because the epilogue has no place for it.
    fn fused(&mut self, channels: usize, nchw: bool) -> Result<Fused> {
        let mut fused = Fused::default();
        let (node, extra) = (self.node, self.inputs.get(2..).unwrap_or_default());
        let mut operands = extra.iter().copied();
        let mut next = || operands.next().ok_or_else(|| Error::invalid("a fused operation lacks its operand"));
        for op in node.texts("fused_ops")? {
            let done = fused.epilogue.activation.is_some() || fused.slopes.is_some();
            match op.as_str() {
                _ if done => return Err(Error::unsupported(format!("{op} fused after an activation"))),
                "BiasAdd" if !fused.epilogue.bias && !fused.epilogue.residual => {
                    let mut bias = next()?;
                    if self.lowering.shape(bias).rank() != 1 {
                        let name = format!("{}/bias", self.name);
                        bias = self.lowering.reshape(&name, bias, &[[channels as i64; 2]])?;
                    }
                    fused.epilogue.bias = true;
                    fused.operands.push(bias);
                }
                "Add" if !fused.epilogue.residual => {
                    let residual = next()?;
                    fused.epilogue.residual = true;
                    let residual = self.nhwc("residual", residual, nchw)?;
                    fused.operands.push(residual);
                }
                "Prelu" => fused.slopes = Some(next()?),
                "LeakyRelu" => {
                    let alpha = node.float("leakyrelu_alpha", 0.2)?;
                    fused.epilogue.activation = Some(Unary::LeakyRelu { alpha });
                }
                other => match lower::unary(other) {
                    Some(activation) => fused.epilogue.activation = Some(activation),
                    None => return Err(Error::unsupported(format!("{other:?} fused into {}", node.op))),
                },
            }
        }
        if fused.slopes.is_some() && nchw {
            return Err(Error::unsupported("a fused Prelu in NCHW"));
        }
        Ok(fused)
    }

    fn conv(&mut self) -> Result<ValueId> {
        self.in_nhwc(|rule, name, x, nchw| {
            let kernel = rule.kernel()?;
            let [_, _, per_group, out] = rule.lowering.shape(kernel).dims("[kh, kw, in, out]")?;
            let [.., channels] = rule.lowering.shape(x).dims::<4>("[batch, height, width, channels]")?;
            let groups = channels.checked_div(per_group).filter(|g| g * per_group == channels).unwrap_or(1);
            let fused = rule.fused(out, nchw)?;
            let (strides, dilations) = (rule.node.window("strides", nchw)?, rule.node.window("dilations", nchw)?);
            let padding = rule.node.padding(nchw)?;
            let op = Conv2d { strides, dilations, groups, padding, epilogue: fused.epilogue.clone() };
            rule.finish(name, op.into(), &[x, kernel], fused)
        })
    }

    fn depthwise(&mut self) -> Result<ValueId> {
        self.in_nhwc(|rule, name, x, nchw| {
            let kernel = rule.kernel()?;
            let [_, _, channels, multiplier] = rule.lowering.shape(kernel).dims("[kh, kw, in, multiplier]")?;
            let fused = rule.fused(channels.saturating_mul(multiplier), nchw)?;
            let (strides, dilations) = (rule.node.window("strides", nchw)?, rule.node.window("dilations", nchw)?);
            let padding = rule.node.padding(nchw)?;
            let op = DepthwiseConv2d { strides, dilations, padding, epilogue: fused.epilogue.clone() };
            rule.finish(name, op.into(), &[x, kernel], fused)
        })
    }

    fn kernel(&self) -> Result<ValueId> {
        self.inputs.get(1).copied().ok_or_else(|| Error::mismatch("wrong number of inputs", "at least 2", 1))
    }

    /// Emits the operation, with its fused operands and what could not be fused.
    fn finish(&mut self, name: &str, op: crate::ops::Op, operands: &[ValueId], fused: Fused) -> Result<ValueId> {
        let operands = [operands, &fused.operands].concat();
        let Some(slopes) = fused.slopes else { return self.lowering.add(name, op, &operands) };
        let sum = self.lowering.add(&format!("{name}/linear"), op, &operands)?;
        self.lowering.prelu(name, sum, slopes)
    }

    fn conv_transpose(&mut self) -> Result<ValueId> {
        let [sizes, kernel, x] = self.operands()?;
        if self.nchw()? {
            return Err(Error::unsupported("a transposed convolution in NCHW"));
        }
        if self.node.window("dilations", false)? != [1, 1] {
            return Err(Error::unsupported("a dilated transposed convolution"));
        }
        let (strides, padding) = (self.node.window("strides", false)?, self.node.padding(false)?);
        let mut sizes = self.lowering.sizes(sizes, "input_sizes")?;
        if sizes.len() == 2 {
            sizes = [&[[0; 2]], &sizes[..], &[[0; 2]]].concat();
        }
        let conv = TransposedConv { strides, padding, sizes, epilogue: Epilogue::default() };
        self.lowering.conv_transpose(self.name, &[x, kernel], conv)
    }

    fn matmul(&mut self) -> Result<ValueId> {
        let [a, b, ..] = *self.inputs else {
            return Err(Error::mismatch("wrong number of inputs", "at least 2", self.inputs.len()));
        };
        let flag = |names: [&str; 2]| Ok::<_, Error>(self.node.flag(names[0])? || self.node.flag(names[1])?);
        let (transpose_a, transpose_b) = (flag(["transpose_a", "adj_x"])?, flag(["transpose_b", "adj_y"])?);
        let shape = self.lowering.shape(b);
        let Some(axis) = shape.rank().checked_sub(if transpose_b { 2 } else { 1 }) else {
            return Err(Error::mismatch("a matrix product needs matrices", "rank 2 or more", shape));
        };
        let columns = shape[axis];
        let fused = self.fused(columns, false)?;
        let op = MatMul { transpose_a, transpose_b, epilogue: fused.epilogue.clone() };
        self.finish(self.name, op.into(), &[a, b], fused)
    }

    fn bias_add(&mut self) -> Result<ValueId> {
        let [x, mut bias] = self.operands()?;
        if self.nchw()? {
            let c = self.lowering.shape(bias).elements() as i64;
            let target = vec![[1; 2]; self.lowering.shape(x).rank().saturating_sub(2)];
            let target = [&[[c; 2]], &target[..]].concat();
            bias = self.lowering.reshape(&format!("{}/bias", self.name), bias, &target)?;
        }
        self.lowering.binary(self.name, BinaryKind::Add, [x, bias], None)
    }

    fn batch_norm(&mut self) -> Result<ValueId> {
        if self.node.flag("is_training")? {
            return Err(Error::unsupported("batch normalisation in training form"));
        }
        let [_, gamma, beta, mean, variance] = self.operands()?;
        let epsilon = self.node.float("epsilon", 1e-4)?;
        self.in_nhwc(|rule, name, x, _| {
            rule.lowering.add(name, BatchNorm { epsilon }, &[x, gamma, beta, mean, variance])
        })
    }

    fn pool(&mut self, kind: PoolKind) -> Result<ValueId> {
        self.in_nhwc(|rule, name, x, nchw| {
            let (kernel, strides) = (rule.node.window("ksize", nchw)?, rule.node.window("strides", nchw)?);
            let padding = rule.node.padding(nchw)?;
            rule.lowering.add(name, Pool2d { kind, kernel, strides, dilations: [1, 1], padding }, &[x])
        })
    }

    fn cast(&mut self) -> Result<ValueId> {
        let x = self.first()?;
        let (to, is_bool) =
            self.node.dtype("DstT")?.ok_or_else(|| Error::invalid("the attribute \"DstT\" is missing"))?;
        if is_bool {
            return self.lowering.truth(self.name, x);
        }
        if self.lowering.dtype(x) == to {
            return Ok(x);
        }
        self.lowering.add(self.name, Cast { to }, &[x])
    }

    fn concat(&mut self) -> Result<ValueId> {
        let (axis, values) = match (self.node.op, self.inputs) {
            ("ConcatV2", [values @ .., axis]) | ("Concat", [axis, values @ ..]) => (*axis, values),
            _ => return Err(Error::mismatch("wrong number of inputs", "at least 2", 0)),
        };
        let axis = self.lowering.int(axis, "axis")? as isize;
        if let [value] = *values {
            return Ok(value);
        }
        self.lowering.add(self.name, Concat { axis }, values)
    }

    fn pad(&mut self) -> Result<ValueId> {
        let [x, paddings, rest @ ..] = self.inputs else {
            return Err(Error::mismatch("wrong number of inputs", "at least 2", self.inputs.len()));
        };
        let paddings = self.lowering.ints(*paddings, "paddings")?;
        let mode = match (self.node.op, rest) {
            ("Pad", []) => PadMode::Constant(0.0),
            ("PadV2", [value]) => PadMode::Constant(self.lowering.number(*value, "constant_values")? as f32),
            ("MirrorPad", []) => match self.node.text("mode")?.as_deref() {
                Some("REFLECT") => PadMode::Reflect,
                Some("SYMMETRIC") => PadMode::Symmetric,
                other => return Err(Error::invalid(format!("the mode {other:?}"))),
            },
            _ => return Err(Error::mismatch("wrong number of inputs", 2, self.inputs.len())),
        };
        self.lowering.pad(self.name, *x, &paddings, mode)
    }

    fn strided_slice(&mut self) -> Result<ValueId> {
        let [x, begin, end, strides] = self.operands()?;
        let mask = |name| self.node.int(name, 0);
        let masks = StridedSliceMasks {
            begin: mask("begin_mask")?,
            end: mask("end_mask")?,
            ellipsis: mask("ellipsis_mask")?,
            new_axis: mask("new_axis_mask")?,
            shrink: mask("shrink_axis_mask")?,
        };
        let begin = self.lowering.ints(begin, "begin")?;
        let end = self.lowering.ints(end, "end")?;
        let strides = self.lowering.ints(strides, "strides")?;
        self.lowering.strided_slice(self.name, x, [&begin, &end, &strides], masks)
    }

    fn gather(&mut self) -> Result<ValueId> {
        let (values, axis) = match *self.inputs {
            [values, indices] => ([values, indices], 0),
            [values, indices, axis] => ([values, indices], self.lowering.int(axis, "axis")?),
            _ => return Err(Error::mismatch("wrong number of inputs", "2 or 3", self.inputs.len())),
        };
        if self.node.int("batch_dims", 0)? != 0 {
            return Err(Error::unsupported("a gather with batch dimensions"));
        }
        self.lowering.add(self.name, Gather { axis: axis as isize }, &values)
    }

    /// Only without any indices, which is how converters write a constant vector of one value.
    fn sparse_to_dense(&mut self) -> Result<ValueId> {
        let [indices, shape, _, default] = self.operands()?;
        if self.lowering.shape(indices).elements() != 0 {
            return Err(Error::unsupported("SparseToDense with indices"));
        }
        let (dims, dtype) = (self.lowering.ints(shape, "output_shape")?, self.lowering.dtype(default));
        let dims = dims.into_iter().map(|d| usize::try_from(d).unwrap_or(0)).collect::<Shape>();
        let value = self.lowering.number(default, "default_value")?;
        self.lowering.filled(self.name, dims, value, dtype)
    }
}

/// See [`Rule::fused`].
#[derive(Default)]
struct Fused {
    epilogue: Epilogue,
    operands: Vec<ValueId>,
    slopes: Option<ValueId>,
}
