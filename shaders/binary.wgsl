// Arithmetic and comparison of two tensors that broadcast. The host merges dimensions, so most cases have rank 1 or 2.
// WIDTH 4: four elements a thread; the last dimension is a multiple of 4 and an operand's last stride is 1 (a vector) or
// 0 (A_SPLAT, B_SPLAT: one element for all four).

#include "common.wgsl"

#if WIDTH == 4
#define REAL vec4<f32>
#define IN vec4<ELEMENT>
#define OUT vec4<RESULT>
#define ONES vec4<u32>
#else
#define REAL f32
#define IN ELEMENT
#define OUT RESULT
#define ONES u32
#endif
#if ELEMENT == f32
#include "activation.wgsl"
#endif

struct Params {
    count: u32, // threads
    rank: u32,
    alpha: f32,
    beta: f32,
    size: array<vec4<u32>, 2>,
    a_stride: array<vec4<u32>, 2>, // in elements
    b_stride: array<vec4<u32>, 2>,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
#if A_SPLAT
@group(0) @binding(__COUNTER__) var<storage, read> a: array<ELEMENT>;
#else
@group(0) @binding(__COUNTER__) var<storage, read> a: array<IN>;
#endif
#if B_SPLAT
@group(0) @binding(__COUNTER__) var<storage, read> b: array<ELEMENT>;
#else
@group(0) @binding(__COUNTER__) var<storage, read> b: array<IN>;
#endif
@group(0) @binding(__COUNTER__) var<storage, read_write> y: array<OUT>;

#if KIND == Div
#if ELEMENT == i32
#define INTEGER_DIVISION 1
#endif
#elif KIND == FloorDiv
#if ELEMENT == i32
#define INTEGER_DIVISION 1
#endif
#elif KIND == FloorMod
#if ELEMENT == i32
#define INTEGER_DIVISION 1
#endif
#endif

#ifdef INTEGER_DIVISION
// Division by zero gives 0; the smallest integer by -1 wraps (WGSL defines `x / -1` so).
fn quotient(x: IN, y: IN) -> IN {
    let safe = select(y, IN(1), y == IN(0));
    return select(x / safe, IN(0), y == IN(0));
}
#endif

#if KIND == Pow
// WGSL leaves powers of negative numbers open; whole exponents are defined here as in C.
fn power(x: REAL, y: REAL) -> REAL {
    let magnitude = pow(abs(x), y);
    let odd = abs(y) - 2.0 * floor(abs(y) * 0.5) == REAL(1.0);
    let value = select(magnitude, -magnitude, odd & (x < REAL(0.0)));
    return select(select(value, x * x, y == REAL(2.0)), REAL(1.0), y == REAL(0.0));
}
#endif

#if KIND == NotEqual
#if ELEMENT == f32
fn not_sign(x: REAL) -> ONES {
    return bitcast<ONES>(x) & ONES(0x7fffffffu);
}
#endif
#endif

fn combine(x: IN, y: IN) -> OUT {
#if KIND == Add
    return x + y;
#elif KIND == Sub
    return x - y;
#elif KIND == Mul
    return x * y;
#elif KIND == Div
#if ELEMENT == i32
    return quotient(x, y);
#else
    return x / y;
#endif
#elif KIND == Maximum
    return max(x, y);
#elif KIND == Minimum
    return min(x, y);
#elif KIND == Pow
    return power(x, y);
#elif KIND == SquaredDifference
    return (x - y) * (x - y);
#elif KIND == FloorDiv
#if ELEMENT == i32
    let q = quotient(x, y);
    // Rounded towards zero where it should go down.
    return q - select(IN(0), IN(1), (y != IN(0)) & (q * y != x) & ((x < IN(0)) != (y < IN(0))));
#else
    return floor(x / y);
#endif
#elif KIND == FloorMod
#if ELEMENT == i32
    let r = x - quotient(x, y) * y;
    return select(r + select(IN(0), y, (r != IN(0)) & ((r < IN(0)) != (y < IN(0)))), IN(0), y == IN(0));
#else
    let r = x % y;
    return r + select(IN(0.0), y, (r != IN(0.0)) & ((r < IN(0.0)) != (y < IN(0.0))));
#endif
#elif KIND == Equal
    return select(ONES(0u), ONES(1u), x == y);
#elif KIND == NotEqual
#if ELEMENT == f32
    // A NaN differs from everything, itself too. Its bits tell: compilers may take it that there are none, and drop `x != x`.
    let nan = (not_sign(x) > ONES(0x7f800000u)) | (not_sign(y) > ONES(0x7f800000u));
    return select(ONES(0u), ONES(1u), (x != y) | nan);
#else
    return select(ONES(0u), ONES(1u), x != y);
#endif
#elif KIND == Less
    return select(ONES(0u), ONES(1u), x < y);
#elif KIND == LessEqual
    return select(ONES(0u), ONES(1u), x <= y);
#elif KIND == Greater
    return select(ONES(0u), ONES(1u), x > y);
#elif KIND == GreaterEqual
    return select(ONES(0u), ONES(1u), x >= y);
#endif
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = item(group, groups, local);
    if i >= params.count {
        return;
    }
    var rest = i * u32(WIDTH);
    var ia = 0u;
    var ib = 0u;
    for (var d = params.rank; d > 1u; d--) {
        let axis = d - 1u;
        let size = params.size[axis / 4u][axis % 4u];
        let c = rest % size;
        rest = rest / size;
        ia += c * params.a_stride[axis / 4u][axis % 4u];
        ib += c * params.b_stride[axis / 4u][axis % 4u];
    }
    ia += rest * params.a_stride[0].x;
    ib += rest * params.b_stride[0].x;
#if A_SPLAT
    let va = IN(a[ia]);
#else
    let va = a[ia / u32(WIDTH)];
#endif
#if B_SPLAT
    let vb = IN(b[ib]);
#else
    let vb = b[ib / u32(WIDTH)];
#endif
#if ELEMENT == f32
#if RESULT == f32
    y[i] = activate(combine(va, vb), params.alpha, params.beta);
#else
    y[i] = combine(va, vb);
#endif
#else
    y[i] = combine(va, vb);
#endif
}
