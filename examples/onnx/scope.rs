//! What of ONNX is not for striate, each with the reason.

use striate::{Error, ErrorKind};

/// Why a case of this name does not apply: what ONNX 1.16 expects there is wrong, or about something else.
pub fn of_case(name: &str) -> Option<&'static str> {
    Some(match name {
        _ if name.starts_with("test_qlinearmatmul_") && name.contains("_int8_") => {
            "wrong vectors: numpy wrapped around where QLinearMatMul saturates (onnx/onnx#7835, mended since)"
        }
        "test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True" => {
            "wrong vectors: the mean counts taps beyond the padding (onnx/onnx#5276); PyTorch and ONNX Runtime do not"
        }
        "test_resize_downsample_scales_linear_align_corners" | "test_resize_downsample_scales_cubic_align_corners" => {
            "vectors that align corners of a fractional output (onnx/onnx#2462); PyTorch and ONNX Runtime take the whole one"
        }
        _ if name.starts_with("test_cast") && name.contains("BFLOAT16") => {
            "bfloat16, which ONNX' data hold as 16-bit integers; striate reads it in weights"
        }
        _ if name.starts_with("test_maxpool_with_argmax") => "the indices of maxima, which are for MaxUnpool",
        _ if name.contains("window") => "sound",
        _ if name.starts_with("test_training_dropout") => "training",
        "test_identity_opt" | "test_identity_sequence" | "test_if_opt" | "test_if_seq" => {
            "sequences and optional values"
        }
        _ => return None,
    })
}

/// Why cases with this operator do not apply.
pub fn reason(operator: &str) -> Option<&'static str> {
    Some(match operator {
        _ if operator.contains('.') => "operators of other domains (ML, training)",
        "NegativeLogLikelihoodLoss" | "SoftmaxCrossEntropyLoss" => "losses of training",
        "Adagrad" | "Adam" | "Momentum" | "Gradient" => "training",
        "RNN" | "LSTM" | "GRU" => "recurrent networks",
        "Loop" | "Scan" => "loops",
        "StringConcat" | "StringSplit" | "StringNormalizer" | "RegexFullMatch" | "TfIdfVectorizer" => "text",
        "DFT" | "STFT" | "HammingWindow" | "HannWindow" | "BlackmanWindow" | "MelWeightMatrix" => "sound",
        "Bernoulli" | "RandomUniformLike" | "RandomNormalLike" | "RandomUniform" | "RandomNormal" | "Multinomial" => {
            "random numbers"
        }
        "BitShift" | "BitwiseAnd" | "BitwiseOr" | "BitwiseXor" | "BitwiseNot" => "bits of integers",
        "NonZero" | "Unique" | "Compress" => "results whose shape depends on values",
        "Scatter" | "ScatterElements" | "ScatterND" => "writing by index",
        "ReverseSequence" => "sequences of varying length",
        "GridSample" | "AffineGrid" | "RoiAlign" | "DeformConv" => "reading at computed positions",
        "MaxUnpool" | "Col2Im" => "overlapping writes",
        "ImageDecoder" => "image files: the browser decodes those",
        "Det" => "linear algebra",
        _ if operator.starts_with("Sequence") || operator.starts_with("Optional") => "sequences and optional values",
        "SplitToSequence" | "ConcatFromSequence" => "sequences and optional values",
        _ => return None,
    })
}

/// Why a case that could not be read, imported or run does not apply, if that is what the error says.
pub fn of_error(error: &Error) -> Option<String> {
    let message = error.message();
    let reasons = [
        ("the element type", "element types that striate has not (strings, 8-bit floats, 4-bit integers, complex)"),
        ("training mode", "training"),
        ("an input that is no tensor", "sequences and optional values"),
        ("of ONNX' operators", "operators before version 7"),
        ("products of 16-bit integers", "arithmetic of 16-bit integers"),
        ("is not supported: the shape of its result", "results whose shape depends on values"),
    ];
    let found = reasons.iter().find(|(part, _)| message.contains(part));
    found.filter(|_| error.kind() == ErrorKind::Unsupported).map(|(_, reason)| reason.to_string())
}
