// Gradient of pooling: every input pixel gathers from the windows that hold it. KIND Max: from those whose first maximum
// it is (pool_first.wgsl); Average: from all, by the weight of one pixel. WIDTH 4: of four channels.

#include "common.wgsl"
#include "window.wgsl"

#if WIDTH == 4
#define REAL vec4<f32>
#define INDEX vec4<u32>
#else
#define REAL f32
#define INDEX u32
#endif

struct Params {
    count: u32,
    channels: u32, // in REALs
    in_size: vec2<u32>, // height, width
    out_size: vec2<u32>,
    stride: vec2<i32>,
    dilation: vec2<i32>,
    before: vec2<i32>,
    taps: vec2<u32>,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
#if KIND == Max
@group(0) @binding(__COUNTER__) var<storage, read> first: array<INDEX>;
#else
@group(0) @binding(__COUNTER__) var<storage, read> weights: array<f32>; // of rows of windows, then of columns
#endif
@group(0) @binding(__COUNTER__) var<storage, read> dy: array<REAL>;
@group(0) @binding(__COUNTER__) var<storage, read_write> dx: array<REAL>;

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
    let channel = i % params.channels;
    var rest = i / params.channels;
    let x = rest % params.in_size.y;
    rest = rest / params.in_size.y;
    let y = rest % params.in_size.x;
    let image = rest / params.in_size.x;

    var sum = REAL();
    for (var ky = 0u; ky < params.taps.x; ky++) {
        let oy = window_of(y, ky, params.before.x, params.stride.x, params.dilation.x);
        if oy >= params.out_size.x {
            continue;
        }
        let row = (image * params.out_size.x + oy) * params.out_size.y;
        for (var kx = 0u; kx < params.taps.y; kx++) {
            let ox = window_of(x, kx, params.before.y, params.stride.y, params.dilation.y);
            if ox >= params.out_size.y {
                continue;
            }
            let window = (row + ox) * params.channels + channel;
#if KIND == Max
            sum += select(REAL(), dy[window], first[window] == INDEX(ky * params.taps.y + kx));
#else
            sum += dy[window] * (weights[oy] * weights[params.out_size.x + ox]);
#endif
        }
    }
    dx[i] = sum;
}
