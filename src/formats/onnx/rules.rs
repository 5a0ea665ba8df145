//! One rule per operator: which function of this folder lowers it.

use super::tensor::Element;
use super::values::{Handle, Rule};
use crate::error::{Error, Result};
use crate::tensor::DType;

impl Rule<'_, '_> {
    /// The node's results, in order.
    pub fn lower(mut self) -> Result<Vec<Handle>> {
        let simple = match self.unary()? {
            Some(result) => Some(result),
            None => match self.composed()? {
                Some(result) => Some(result),
                None => self.binary()?,
            },
        };
        if let Some(result) = simple {
            return Ok(vec![result]);
        }
        Ok(vec![match self.node.op {
            "Identity" => self.input(0)?,
            "Dropout" => return self.dropout(),
            "Cast" | "CastLike" => self.cast()?,
            "Clip" => self.clip()?,
            "PRelu" => self.prelu()?,
            "Pow" => self.power()?,
            "Mod" => self.modulo()?,
            "Max" | "Min" | "Sum" | "Mean" => self.variadic()?,
            "Where" => self.choose()?,

            "Conv" => self.conv()?,
            "ConvTranspose" => self.conv_transpose()?,
            "MaxPool" | "AveragePool" | "LpPool" => self.pool()?,
            "GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool" => self.global_pool()?,
            "Resize" | "Upsample" => self.resize()?,
            "Gemm" => self.gemm()?,
            "MatMul" => self.matmul()?,
            "Einsum" => self.einsum()?,

            "BatchNormalization" => self.batch_norm()?,
            "InstanceNormalization" => self.instance_norm()?,
            "LayerNormalization" => return self.layer_norm(),
            "RMSNormalization" => self.rms_norm()?,
            "GroupNormalization" => self.group_norm()?,
            "MeanVarianceNormalization" => self.mean_variance_norm()?,
            "LpNormalization" => self.lp_norm()?,
            "LRN" => self.local_response_norm()?,
            "Softmax" | "LogSoftmax" => self.softmax()?,
            "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceL1" | "ReduceL2"
            | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceSumSquare" => self.reduce()?,

            "CumSum" => self.cumulative_sum()?,

            "ArgMax" | "ArgMin" => self.arg_max()?,
            "TopK" => return self.top_k(),
            "NonMaxSuppression" => self.suppress()?,
            "Trilu" => self.triangle()?,
            "Hardmax" => self.hardmax()?,
            "OneHot" => self.one_hot()?,
            "Gather" => self.gather()?,
            "GatherElements" => self.gather_elements()?,
            "GatherND" => self.gather_nd()?,

            "Constant" => self.constant_node()?,
            "ConstantOfShape" => self.constant_of_shape()?,
            "Range" => self.range()?,
            "EyeLike" => self.eye_like()?,
            "Shape" => self.shape()?,
            "Size" => self.size()?,
            "Reshape" => self.reshape()?,
            "Flatten" => self.flatten()?,
            "Expand" => self.expand()?,
            "Tile" => self.tile()?,
            "Squeeze" => self.squeeze()?,
            "Unsqueeze" => self.unsqueeze()?,
            "Transpose" => self.transpose()?,
            "Concat" => self.concat()?,
            "Split" => return self.split(),
            "Slice" => self.slice()?,
            "Pad" => self.pad()?,
            "DepthToSpace" => self.depth_to_space()?,
            "SpaceToDepth" => self.space_to_depth()?,
            "CenterCropPad" => self.center_crop_pad()?,

            "QuantizeLinear" => self.quantize_linear()?,
            "DequantizeLinear" => self.dequantize_linear()?,
            "DynamicQuantizeLinear" => return self.dynamic_quantize_linear(),
            "QLinearConv" => self.qlinear_conv()?,
            "ConvInteger" => self.conv_integer()?,
            "QLinearMatMul" => self.qlinear_matmul()?,
            "MatMulInteger" => self.matmul_integer()?,

            "If" => return self.branch(),
            op @ ("Loop" | "Scan") => return Err(Error::unsupported(format!("the loop {op} is not supported"))),
            "NonZero" | "Unique" | "Compress" => {
                return Err(Error::unsupported(format!(
                    "the operator {} is not supported: the shape of its result depends on what it is given. Ask for the \
                     outputs before it (`outputs` at import)",
                    self.node.op
                )));
            }
            op => return Err(Error::unsupported(format!("the ONNX operator {op} is not supported"))),
        }])
    }

    /// Nothing, at inference; the mask, if somebody reads it, keeps everything.
    fn dropout(&mut self) -> Result<Vec<Handle>> {
        let x = self.input(0)?;
        if let Some(training) = self.optional(2)
            && self.only(training, "training_mode")? != 0.0
        {
            return Err(Error::unsupported("dropout in training mode"));
        }
        let mask = self.node.outputs.get(1).copied().unwrap_or_default();
        if mask.is_empty() || !self.importer.read.contains(mask) {
            return Ok(vec![x]);
        }
        let shape = self.fixed_dims(x, "the mask of a dropout")?;
        let (name, rank) = (self.part("mask"), shape.len());
        let id = self.importer.lowering.filled(&name, shape.into(), 1.0, DType::U8)?;
        let mask = self.made(Element::Bool, super::values::plain(rank), id);
        Ok(vec![x, mask])
    }
}
