// The gradient of a function OF one float: v is its operand or its result (`Unary::saved`), g the result's gradient.
// Buffers are padded to whole vectors, so there are no odd ends.

#define REAL vec4<f32>
#include "common.wgsl"
#include "activation.wgsl"
#if OF == Sin
#include "trigonometry.wgsl"
#elif OF == Cos
#include "trigonometry.wgsl"
#elif OF == Tan
#include "trigonometry.wgsl"
#elif OF == Sinh
#include "trigonometry.wgsl"
#elif OF == Cosh
#include "trigonometry.wgsl"
#endif

struct Params {
    vectors: u32,
    alpha: f32,
    beta: f32,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
@group(0) @binding(__COUNTER__) var<storage, read> saved: array<vec4<f32>>;
@group(0) @binding(__COUNTER__) var<storage, read> gradient: array<vec4<f32>>;
@group(0) @binding(__COUNTER__) var<storage, read_write> dx: array<vec4<f32>>;

fn backward(v: vec4<f32>, g: vec4<f32>, alpha: f32, beta: f32) -> vec4<f32> {
    let zero = vec4<f32>(0.0);
#if OF == Relu
    return select(zero, g, v > zero);
#elif OF == Relu6
    return select(zero, g, (v > zero) & (v < vec4<f32>(6.0)));
#elif OF == LeakyRelu
    return select(alpha * g, g, v > zero);
#elif OF == Elu
    return select(g * (v + alpha), g, v > zero);
#elif OF == EluOperand
    return select(alpha * exp(min(v, zero)) * g, g, v > zero);
#elif OF == Selu
    return g * select(vec4<f32>(1.0507009873554805), v + 1.7580993408473766, v < zero);
#elif OF == Sigmoid
    return g * v * (1.0 - v);
#elif OF == HardSigmoid
    return select(zero, alpha * g, (v > zero) & (v < vec4<f32>(1.0)));
#elif OF == HardSwish
    let slope = select(vec4<f32>(1.0), v / 3.0 + 0.5, v < vec4<f32>(3.0));
    return select(zero, slope * g, v > vec4<f32>(-3.0));
#elif OF == Swish
    return g * sigmoid(v) * (1.0 + v * sigmoid(-v));
#elif OF == Tanh
    return g * (1.0 - v * v);
#elif OF == Gelu
    // The normal distribution, and v times its density; the bound keeps the exponent finite.
    let density = 0.3989422804014327 * exp(-0.5 * min(v * v, vec4<f32>(174.0)));
    return g * (0.5 * (1.0 + erf(v * 0.7071067811865476)) + v * density);
#elif OF == GeluTanh
    // (1 + tanh u) / 2 is sigmoid(2 u), and 1 - tanh^2 u is 4 sigmoid(2 u) sigmoid(-2 u): no difference of what is
    // nearly equal. The bound, beyond which the slope is 0 or 1, keeps the powers finite.
    let x = clamp(v, vec4<f32>(-10.0), vec4<f32>(10.0));
    let twice = 1.5957691216057308 * (x + 0.044715 * x * x * x);
    return g * sigmoid(twice) * (1.0 + x * sigmoid(-twice) * 1.5957691216057308 * (1.0 + 0.134145 * x * x));
#elif OF == Clip
    return select(zero, g, (v >= vec4<f32>(alpha)) & (v <= vec4<f32>(beta)));
#elif OF == Softplus
    return g * sigmoid(v);
#elif OF == Softsign
    let reach = 1.0 + abs(v);
    return g / (reach * reach);
#elif OF == Mish
    let t = mish_gate(v);
    return g * (t + v * sigmoid(v) * (1.0 - t * t));
#elif OF == LogSigmoid
    return g * sigmoid(-v);
#elif OF == Celu
    return g * exp(min(v, zero) / alpha);
#elif OF == ThresholdedRelu
    return select(zero, g, v > vec4<f32>(alpha));
#elif OF == Shrink
    return select(zero, g, abs(v) > vec4<f32>(alpha));
#elif OF == TanhShrink
    let t = bounded_tanh(v);
    return g * t * t;
#elif OF == Squareplus
    return g * (0.5 + 0.5 * v * inverseSqrt(v * v + alpha));
#elif OF == SparsePlus
    return g * clamp(0.5 * (v + 1.0), zero, vec4<f32>(1.0));
#elif OF == Erf
    return g * 1.1283791670955126 * exp(-min(v * v, vec4<f32>(87.0)));
#elif OF == Sin
    return g * sine(v, 1.0);
#elif OF == Cos
    return -g * sine(v, 0.0);
#elif OF == Tan
    let c = sine(v, 1.0);
    return g / (c * c);
#elif OF == Asin
    return g * inverseSqrt((1.0 - v) * (1.0 + v));
#elif OF == Acos
    return -g * inverseSqrt((1.0 - v) * (1.0 + v));
#elif OF == Atan
    return g / (1.0 + v * v);
#elif OF == Sinh
    return g * cosh_(v);
#elif OF == Cosh
    return g * sinh_(v);
#elif OF == Asinh
    return g * inverseSqrt(v * v + 1.0);
#elif OF == Acosh
    return g * inverseSqrt((v - 1.0) * (v + 1.0));
#elif OF == Atanh
    return g / ((1.0 - v) * (1.0 + v));
#elif OF == Exp
    return g * v;
#elif OF == Log
    return g / v;
#elif OF == Sqrt
    return 0.5 * g / v;
#elif OF == Rsqrt
    return -0.5 * g * v * v * v;
#elif OF == Square
    return 2.0 * g * v;
#elif OF == Reciprocal
    return -g * v * v;
#elif OF == Neg
    return -g;
#elif OF == Abs
    return g * sign(v);
#endif
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = item(group, groups, local);
    if i >= params.vectors {
        return;
    }
    dx[i] = backward(saved[i], gradient[i], params.alpha, params.beta);
}
