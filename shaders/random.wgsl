// Random numbers from a seed, a counter and a position: the hash pcg3d (Jarzynski and Olano 2020), sums and products of
// 32 bits, so that every backend has the same bits.

#define REAL f32
#include "common.wgsl"
#if KIND == Normal
#include "trigonometry.wgsl"
#endif

struct Params {
    count: u32,
    seed: u32,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
@group(0) @binding(__COUNTER__) var<storage, read> counter: array<i32>;
@group(0) @binding(__COUNTER__) var<storage, read_write> y: array<f32>;

fn mix(v: vec3<u32>) -> vec3<u32> {
    let x = v.x + v.y * v.z;
    let y = v.y + v.z * x;
    let z = v.z + x * y;
    let w = vec3<u32>(x, y, z);
    return w ^ (w >> vec3<u32>(16u));
}

// 24 bits in 0..1.
fn fraction(word: u32) -> f32 {
    return f32(word >> 8u) * 5.9604644775390625e-8;
}

#if KIND == Normal
// -ln(m / 2^24) for m of 1..2^24, Cephes' polynomial. WGSL lets the driver's logarithm be off by 2^-21 near 1, where
// the result is as small; this one is off by 9e-8 of the result (every m tried).
fn minus_log(m: u32) -> f32 {
    let bits = bitcast<u32>(f32(m));
    // m = (1 + x) 2^k with 1 + x from sqrt(1 / 2) to sqrt(2); 0x3f3504f3 are the bits of sqrt(1 / 2).
    let k = (bits - 0x3f3504f3u) >> 23u;
    let x = bitcast<f32>(bits - (k << 23u)) - 1.0;
    let p = x * (x * (x * (x * (x * (x * (x * (x * 7.0376836292e-2 - 1.1514610310e-1) + 1.1676998740e-1)
        - 1.2420140846e-1) + 1.4249322787e-1) - 1.6668057665e-1) + 2.0000714765e-1) - 2.4999993993e-1)
        + 3.3333331174e-1;
    // ln 2 in two parts, the first of few digits.
    let less = 24.0 - f32(k);
    return less * 0.693359375 - (x + (x * x * (x * p - 0.5) + less * 2.12194440e-4));
}
#endif

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
    let words = vec3<u32>(i, bitcast<u32>(counter[0]), params.seed) * 1664525u + 1013904223u;
    let random = mix(mix(words));
#if KIND == Uniform
    y[i] = fraction(random.x);
#else
    // Box and Muller. A quarter of a turn is 2^22 steps of the angle, so it is folded exactly; the cosine is off by
    // 1.1e-7 (every angle tried), where WGSL lets the driver's be off by 2^-11.
    let radius = sqrt(2.0 * minus_log(16777216u - (random.x >> 8u)));
    let quarter = ((random.y >> 8u) + 2097152u) >> 22u;
    let rest = i32(random.y >> 8u) - i32(quarter << 22u);
    y[i] = radius * folded_sine(f32(rest) * 3.7450702829239286e-7, f32(quarter) + 1.0);
#endif
}
