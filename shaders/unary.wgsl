// A function of one float, element by element. Buffers are padded to whole vectors, so there are no odd ends.

#define REAL vec4<f32>
#include "common.wgsl"
#include "activation.wgsl"

struct Params {
    vectors: u32,
    alpha: f32,
    beta: f32,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
@group(0) @binding(__COUNTER__) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(__COUNTER__) var<storage, read_write> y: array<vec4<f32>>;

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
    y[i] = activate(x[i], params.alpha, params.beta);
}
