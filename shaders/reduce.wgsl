// Reduction over any axes. A thread makes one result (WIDTH 4: four neighbouring ones), or one part of a long one;
// COOPERATIVE: a workgroup makes one result, for few results of many elements.

#include "common.wgsl"

#if WIDTH == 4
#define REAL vec4<f32>
#else
#define REAL f32
#endif

struct Params {
    count: u32, // results, or parts of them, in REALs
    reduced: u32, // elements of one
    kept_rank: u32,
    reduced_rank: u32,
    start: f32,
    scale: f32,
    parts: u32, // of each result; a further dispatch puts them together
    part: u32, // elements of one
    kept_size: array<vec4<u32>, 2>,
    kept_stride: array<vec4<u32>, 2>, // in REALs
    reduced_size: array<vec4<u32>, 2>,
    reduced_stride: array<vec4<u32>, 2>,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
@group(0) @binding(__COUNTER__) var<storage, read> x: array<REAL>;
@group(0) @binding(__COUNTER__) var<storage, read_write> y: array<REAL>;

fn kept_offset(index: u32) -> u32 {
    var rest = index;
    var offset = 0u;
    for (var d = params.kept_rank; d > 1u; d--) {
        let axis = d - 1u;
        let size = params.kept_size[axis / 4u][axis % 4u];
        offset += rest % size * params.kept_stride[axis / 4u][axis % 4u];
        rest = rest / size;
    }
    return offset + rest * params.kept_stride[0].x;
}

fn reduced_offset(index: u32) -> u32 {
    var rest = index;
    var offset = 0u;
    for (var d = params.reduced_rank; d > 1u; d--) {
        let axis = d - 1u;
        let size = params.reduced_size[axis / 4u][axis % 4u];
        offset += rest % size * params.reduced_stride[axis / 4u][axis % 4u];
        rest = rest / size;
    }
    return offset + rest * params.reduced_stride[0].x;
}

fn combine(a: REAL, b: REAL) -> REAL {
#if KIND == Sum
    return a + b;
#elif KIND == Prod
    return a * b;
#elif KIND == Max
    return max(a, b);
#else
    return min(a, b);
#endif
}

#if COOPERATIVE
var<workgroup> parts: array<REAL, 64>;
#endif

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
#if COOPERATIVE
    let i = group.y * groups.x + group.x;
    let first = local;
    let end = params.reduced;
    let step = THREADS;
#else
    let i = item(group, groups, local);
    let first = i % params.parts * params.part;
    let end = min(first + params.part, params.reduced);
    let step = 1u;
#endif
    if i >= params.count {
        return;
    }
    let base = kept_offset(i / params.parts);
    var result = REAL(params.start);
    for (var r = first; r < end; r += step) {
        result = combine(result, x[base + reduced_offset(r)]);
    }
#if COOPERATIVE
    parts[local] = result;
    for (var half = THREADS / 2u; half > 0u; half = half / 2u) {
        workgroupBarrier();
        if local < half {
            parts[local] = combine(parts[local], parts[local + half]);
        }
    }
    if local > 0u {
        return;
    }
    result = parts[0];
#endif
    y[i] = result * params.scale;
}
