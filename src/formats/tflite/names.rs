//! TensorFlow Lite's operators by number and name.

use super::schema::OperatorCode;

/// `BuiltinOperator` by number.
#[rustfmt::skip]
const NAMES: [&str; 127] = [
    "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE", "DEQUANTIZE",
    "EMBEDDING_LOOKUP", "FLOOR", "FULLY_CONNECTED", "HASHTABLE_LOOKUP", "L2_NORMALIZATION", "L2_POOL_2D",
    "LOCAL_RESPONSE_NORMALIZATION", "LOGISTIC", "LSH_PROJECTION", "LSTM", "MAX_POOL_2D", "MUL", "RELU",
    "RELU_N1_TO_1", "RELU6", "RESHAPE", "RESIZE_BILINEAR", "RNN", "SOFTMAX", "SPACE_TO_DEPTH", "SVDF", "TANH",
    "CONCAT_EMBEDDINGS", "SKIP_GRAM", "CALL", "CUSTOM", "EMBEDDING_LOOKUP_SPARSE", "PAD",
    "UNIDIRECTIONAL_SEQUENCE_RNN", "GATHER", "BATCH_TO_SPACE_ND", "SPACE_TO_BATCH_ND", "TRANSPOSE", "MEAN", "SUB",
    "DIV", "SQUEEZE", "UNIDIRECTIONAL_SEQUENCE_LSTM", "STRIDED_SLICE", "BIDIRECTIONAL_SEQUENCE_RNN", "EXP", "TOPK_V2",
    "SPLIT", "LOG_SOFTMAX", "DELEGATE", "BIDIRECTIONAL_SEQUENCE_LSTM", "CAST", "PRELU", "MAXIMUM", "ARG_MAX",
    "MINIMUM", "LESS", "NEG", "PADV2", "GREATER", "GREATER_EQUAL", "LESS_EQUAL", "SELECT", "SLICE", "SIN",
    "TRANSPOSE_CONV", "SPARSE_TO_DENSE", "TILE", "EXPAND_DIMS", "EQUAL", "NOT_EQUAL", "LOG", "SUM", "SQRT", "RSQRT",
    "SHAPE", "POW", "ARG_MIN", "FAKE_QUANT", "REDUCE_PROD", "REDUCE_MAX", "PACK", "LOGICAL_OR", "ONE_HOT",
    "LOGICAL_AND", "LOGICAL_NOT", "UNPACK", "REDUCE_MIN", "FLOOR_DIV", "REDUCE_ANY", "SQUARE", "ZEROS_LIKE", "FILL",
    "FLOOR_MOD", "RANGE", "RESIZE_NEAREST_NEIGHBOR", "LEAKY_RELU", "SQUARED_DIFFERENCE", "MIRROR_PAD", "ABS",
    "SPLIT_V", "UNIQUE", "CEIL", "REVERSE_V2", "ADD_N", "GATHER_ND", "COS", "WHERE", "RANK", "ELU",
    "REVERSE_SEQUENCE", "MATRIX_DIAG", "QUANTIZE", "MATRIX_SET_DIAG", "ROUND", "HARD_SWISH", "IF", "WHILE",
    "NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5", "SCATTER_ND", "SELECT_V2", "DENSIFY", "SEGMENT_SUM",
    "BATCH_MATMUL",
];

/// `BuiltinOperator` of what widens half-precision constants, or makes reals of integers.
pub const DEQUANTIZE: i32 = 6;

/// Operators whose results lie among their operands: where both are quantised alike, nothing is out of range.
#[rustfmt::skip]
const WITHIN: [&str; 27] = [
    "AVERAGE_POOL_2D", "BATCH_TO_SPACE_ND", "CONCATENATION", "DEPTH_TO_SPACE", "DEQUANTIZE", "EXPAND_DIMS", "GATHER",
    "GATHER_ND", "MAXIMUM", "MAX_POOL_2D", "MEAN", "MINIMUM", "MIRROR_PAD", "PACK", "PAD", "REDUCE_MAX", "REDUCE_MIN",
    "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SLICE", "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH", "SQUEEZE",
    "STRIDED_SLICE", "TRANSPOSE", "UNPACK",
];

/// MediaPipe's transposed convolution with a bias.
pub const TRANSPOSE_BIAS: &str = "Convolution2DTransposeBias";

/// A builtin operator's name, as the schema spells it.
pub fn builtin(code: OperatorCode) -> Option<&'static str> {
    match code.builtin {
        150 => Some("GELU"),
        158 => Some("SIGN"),
        n => NAMES.get(usize::try_from(n).ok()?).copied(),
    }
}

/// Whether an operator's result lies among its operands.
pub fn is_within(code: OperatorCode) -> bool {
    builtin(code).is_some_and(|name| WITHIN.contains(&name))
}

/// What errors call an operator.
pub fn name(code: OperatorCode) -> String {
    match builtin(code) {
        Some("CUSTOM") => format!("custom {:?}", code.custom),
        Some(name) => name.to_string(),
        None => format!("builtin {}", code.builtin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operator_numbers_of_the_schema() {
        let named = |builtin| name(OperatorCode { builtin, custom: "" });
        let known =
            [(0, "ADD"), (3, "CONV_2D"), (25, "SOFTMAX"), (32, "custom \"\""), (40, "MEAN"), (67, "TRANSPOSE_CONV")];
        known.iter().for_each(|&(code, op)| assert_eq!(named(code), op));
        let known = [(83, "PACK"), (97, "RESIZE_NEAREST_NEIGHBOR"), (117, "HARD_SWISH"), (126, "BATCH_MATMUL")];
        known.iter().for_each(|&(code, op)| assert_eq!(named(code), op));
        assert_eq!((named(158).as_str(), named(-1).as_str()), ("SIGN", "builtin -1"));
    }
}
