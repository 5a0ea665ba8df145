// Lines of x [outer, size, inner] at int32 indices; WIDTH 4: inner in vectors. Indices are clamped to the axis, for a
// device cannot raise an error.

#include "common.wgsl"

#if WIDTH == 4
#define WORD vec4<u32>
#else
#define WORD u32
#endif

struct Params {
    count: u32,
    size: u32,
    inner: u32, // in WORDs
    indices: u32, // how many
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
@group(0) @binding(__COUNTER__) var<storage, read> x: array<WORD>;
@group(0) @binding(__COUNTER__) var<storage, read> indices: array<i32>;
@group(0) @binding(__COUNTER__) var<storage, read_write> y: array<WORD>;

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
    let inner = i % params.inner;
    let rest = i / params.inner;
    let index = clamp(indices[rest % params.indices], 0, i32(params.size) - 1);
    let outer = rest / params.indices;
    y[i] = x[(outer * params.size + u32(index)) * params.inner + inner];
}
