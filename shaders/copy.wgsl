// Moves words from one strided walk to another: transposition, slices, concatenation. Any element type.
// WIDTH 4 moves vectors; strides and bases are then in vectors. Strides may be negative: the arithmetic wraps.

#include "common.wgsl"

#if WIDTH == 4
#define WORD vec4<u32>
#else
#define WORD u32
#endif

struct Params {
    count: u32,
    rank: u32,
    x_base: u32,
    y_base: u32,
    size: array<vec4<u32>, 2>,
    x_stride: array<vec4<u32>, 2>,
    y_stride: array<vec4<u32>, 2>,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
@group(0) @binding(__COUNTER__) var<storage, read> x: array<WORD>;
@group(0) @binding(__COUNTER__) var<storage, read_write> y: array<WORD>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    var rest = item(group, groups, local);
    if rest >= params.count {
        return;
    }
    var from_index = params.x_base;
    var to_index = params.y_base;
    for (var d = params.rank; d > 1u; d--) {
        let axis = d - 1u;
        let size = params.size[axis / 4u][axis % 4u];
        let c = rest % size;
        rest = rest / size;
        from_index += c * params.x_stride[axis / 4u][axis % 4u];
        to_index += c * params.y_stride[axis / 4u][axis % 4u];
    }
    from_index += rest * params.x_stride[0].x;
    to_index += rest * params.y_stride[0].x;
    y[to_index] = x[from_index];
}
