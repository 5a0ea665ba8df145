// `activate`: the function ACTIVATION of one float or four (type REAL); alpha and beta are the op's attributes.

fn activate(x: REAL, alpha: f32, beta: f32) -> REAL {
#if ACTIVATION == None
    return x;
#elif ACTIVATION == Relu
    return max(x, REAL(0.0));
#elif ACTIVATION == Relu6
    return clamp(x, REAL(0.0), REAL(6.0));
#elif ACTIVATION == LeakyRelu
    return select(alpha * x, x, x > REAL(0.0));
#elif ACTIVATION == Elu
    return select(alpha * (exp(min(x, REAL(0.0))) - 1.0), x, x > REAL(0.0));
#elif ACTIVATION == Selu
    // Klambauer et al. 2017: scale 1.0507009873554805, scale * alpha 1.7580993408473766.
    return select(1.7580993408473766 * (exp(min(x, REAL(0.0))) - 1.0), 1.0507009873554805 * x, x > REAL(0.0));
#elif ACTIVATION == Sigmoid
    return sigmoid(x);
#elif ACTIVATION == HardSigmoid
    return clamp(alpha * x + beta, REAL(0.0), REAL(1.0));
#elif ACTIVATION == HardSwish
    return x * clamp(x + 3.0, REAL(0.0), REAL(6.0)) / 6.0;
#elif ACTIVATION == Swish
    return x * sigmoid(x);
#elif ACTIVATION == Tanh
    return bounded_tanh(x);
#elif ACTIVATION == Gelu
    return 0.5 * x * (1.0 + erf(x * 0.7071067811865476));
#elif ACTIVATION == GeluTanh
    return 0.5 * x * (1.0 + bounded_tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
#elif ACTIVATION == Clip
    return min(max(x, REAL(alpha)), REAL(beta));
#elif ACTIVATION == Softplus
    return max(x, REAL(0.0)) + log(1.0 + exp(-abs(x)));
#elif ACTIVATION == Softsign
    return x / (1.0 + abs(x));
#elif ACTIVATION == Mish
    return x * mish_gate(x);
#elif ACTIVATION == LogSigmoid
    return min(x, REAL(0.0)) - log(1.0 + exp(-abs(x)));
#elif ACTIVATION == Celu
    return select(alpha * (exp(min(x, REAL(0.0)) / alpha) - 1.0), x, x > REAL(0.0));
#elif ACTIVATION == ThresholdedRelu
    return select(x, REAL(0.0), x <= REAL(alpha));
#elif ACTIVATION == Shrink
    return select(select(REAL(0.0), x - beta, x > REAL(alpha)), x + beta, x < REAL(-alpha));
#elif ACTIVATION == TanhShrink
    return x - bounded_tanh(x);
#elif ACTIVATION == Squareplus
    // Of a negative number the difference of two that are nearly equal, written as a quotient.
    let root = sqrt(x * x + alpha);
    return select(0.5 * (x + root), 0.5 * alpha / (root - min(x, REAL(0.0))), x < REAL(0.0));
#elif ACTIVATION == SparsePlus
    return select(select(0.25 * (x + 1.0) * (x + 1.0), x, x >= REAL(1.0)), REAL(0.0), x <= REAL(-1.0));
#elif ACTIVATION == Erf
    return erf(x);
#elif ACTIVATION == Exp
    return exp(x);
#elif ACTIVATION == Log
    return log(x);
#elif ACTIVATION == Sqrt
    return sqrt(x);
#elif ACTIVATION == Rsqrt
    return inverseSqrt(x);
#elif ACTIVATION == Square
    return x * x;
#elif ACTIVATION == Reciprocal
    return 1.0 / x;
#elif ACTIVATION == Neg
    return -x;
#elif ACTIVATION == Abs
    return abs(x);
#elif ACTIVATION == Sign
    return sign(x);
#elif ACTIVATION == Floor
    return floor(x);
#elif ACTIVATION == Ceil
    return ceil(x);
#elif ACTIVATION == Round
    return round(x);
#elif ACTIVATION == Sin
    return sine(x, 0.0);
#elif ACTIVATION == Cos
    return sine(x, 1.0);
#elif ACTIVATION == Tan
    return sine(x, 0.0) / sine(x, 1.0);
#elif ACTIVATION == Asin
    return arc_sine(x);
#elif ACTIVATION == Acos
    return 1.5707963267948966 - arc_sine(x);
#elif ACTIVATION == Atan
    return arc_tangent(x);
#elif ACTIVATION == Sinh
    return sinh_(x);
#elif ACTIVATION == Cosh
    return cosh_(x);
#elif ACTIVATION == Asinh
    return asinh_(x);
#elif ACTIVATION == Acosh
    let less = x - 1.0;
    return log(1.0 + (less + sqrt(less * (less + 2.0))));
#elif ACTIVATION == Atanh
    return atanh_(x);
#endif
}

// The functions that WGSL leaves to the driver, which may be off by 2^-11 (sine) or 2^-12 (arc sine) and is on some.
#if ACTIVATION == Sin
#include "trigonometry.wgsl"
#elif ACTIVATION == Cos
#include "trigonometry.wgsl"
#elif ACTIVATION == Tan
#include "trigonometry.wgsl"
#elif ACTIVATION == Asin
#include "trigonometry.wgsl"
#elif ACTIVATION == Acos
#include "trigonometry.wgsl"
#elif ACTIVATION == Atan
#include "trigonometry.wgsl"
#elif ACTIVATION == Sinh
#include "trigonometry.wgsl"
#elif ACTIVATION == Cosh
#include "trigonometry.wgsl"
#elif ACTIVATION == Asinh
#include "trigonometry.wgsl"
#elif ACTIVATION == Atanh
#include "trigonometry.wgsl"
#endif

// Bounded so that e^-x stays finite: WGSL lets implementations assume that no infinity occurs.
fn sigmoid(x: REAL) -> REAL {
    return 1.0 / (1.0 + exp(-max(x, REAL(-87.0))));
}

// tanh(ln(1 + e^x)), as a quotient of polynomials in e^x; beyond 20 it is 1.
fn mish_gate(x: REAL) -> REAL {
    let e = exp(min(x, REAL(20.0)));
    let p = e * (e + 2.0);
    return p / (p + 2.0);
}

// The hyperbolic tangent as a quotient of polynomials (Eigen's, as on the CPU): WGSL lets the driver's be off by 1e-5,
// and some compute it from exponentials that overflow. Beyond 7.905311 it is 1 in float32.
fn bounded_tanh(v: REAL) -> REAL {
    let x = clamp(v, REAL(-7.905311), REAL(7.905311));
    let z = x * x;
    let p = ((((((-2.7607685e-16 * z + 2.000188e-13) * z - 8.604672e-11) * z + 5.1222973e-8) * z + 1.4857222e-5) * z
        + 6.3726194e-4) * z + 4.8935246e-3) * x;
    let q = ((1.1982584e-6 * z + 1.1853471e-4) * z + 2.2684346e-3) * z + 4.8935253e-3;
    return select(p / q, v, abs(v) < REAL(4e-4));
}

// Abramowitz and Stegun 7.1.26, absolute error at most 1.5e-7.
fn erf(x: REAL) -> REAL {
    let a = abs(x);
    let t = 1.0 / (1.0 + 0.3275911 * a);
    let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    return sign(x) * (1.0 - p * exp(-a * a));
}
