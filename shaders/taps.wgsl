// A sparse linear map along the middle axis of [outer, n, inner]: one pass of a separable resize. Every output is a
// weighted sum of `width` neighbouring inputs; the first of them and the weights come in tables. WIDTH 4: four inner
// elements at once.

#include "common.wgsl"

#if WIDTH == 4
#define REAL vec4<f32>
#else
#define REAL f32
#endif

struct Params {
    count: u32,
    inner: u32, // in REALs
    input: u32,
    output: u32,
    width: u32,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
@group(0) @binding(__COUNTER__) var<storage, read> x: array<REAL>;
@group(0) @binding(__COUNTER__) var<storage, read> starts: array<u32>;
@group(0) @binding(__COUNTER__) var<storage, read> weights: array<f32>;
@group(0) @binding(__COUNTER__) var<storage, read_write> y: array<REAL>;

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
    let row = i / params.inner;
    let place = row % params.output;
    let outer = row / params.output;
    let base = (outer * params.input + starts[place]) * params.inner + inner;
    let first = place * params.width;
    var sum = REAL(0.0);
    for (var k = 0u; k < params.width; k++) {
        sum += weights[first + k] * x[base + k * params.inner];
    }
    y[i] = sum;
}
