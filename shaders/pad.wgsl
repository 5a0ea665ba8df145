// Padding with a value, the edge, or a mirror image. Any element type.

#include "common.wgsl"

struct Params {
    count: u32,
    rank: u32,
    value: u32, // the bits of what Constant writes
    out_size: array<vec4<u32>, 2>,
    in_size: array<vec4<u32>, 2>,
    before: array<vec4<u32>, 2>,
    x_stride: array<vec4<u32>, 2>,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
@group(0) @binding(__COUNTER__) var<storage, read> x: array<u32>;
@group(0) @binding(__COUNTER__) var<storage, read_write> y: array<u32>;

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
    var rest = i;
    var index = 0u;
    var inside = true;
    for (var d = params.rank; d > 0u; d--) {
        let axis = d - 1u;
        let out_size = params.out_size[axis / 4u][axis % 4u];
        let n = i32(params.in_size[axis / 4u][axis % 4u]);
        var c = i32(rest % out_size) - i32(params.before[axis / 4u][axis % 4u]);
        rest = rest / out_size;
#if MODE == Constant
        inside = inside && c >= 0 && c < n;
#elif MODE == Reflect
        c = select(c, -c, c < 0);
        c = select(c, 2 * n - 2 - c, c >= n);
#elif MODE == Symmetric
        c = select(c, -1 - c, c < 0);
        c = select(c, 2 * n - 1 - c, c >= n);
#else
        c = clamp(c, 0, n - 1);
#endif
        index += u32(c) * params.x_stride[axis / 4u][axis % 4u];
    }
    if inside {
        y[i] = x[index];
    } else {
        y[i] = params.value;
    }
}
