// Random numbers from a seed, a counter and a position: the hash pcg3d (Jarzynski and Olano 2020), sums and products of
// 32 bits, so that every backend has the same bits.

#include "common.wgsl"

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
    // Box and Muller; the cosine's argument is folded to where WGSL promises accuracy.
    let radius = sqrt(-2.0 * log(1.0 - fraction(random.x)));
    let angle = 6.283185307179586 * (fraction(random.y) - 0.5);
    y[i] = -radius * cos(angle);
#endif
}
