// Gradient of a depthwise convolution by its input: every input pixel gathers from the windows that hold it. Kernel
// [kh, kw, in, multiplier]; WIDTH 4: of four channels (multiplier 1).

#include "common.wgsl"

#if WIDTH == 4
#define REAL vec4<f32>
#else
#define REAL f32
#endif

struct Params {
    count: u32,
    channels: u32, // of the input, in REALs
    multiplier: u32,
    _pad: u32,
    in_size: vec2<u32>, // height, width
    out_size: vec2<u32>,
    stride: vec2<i32>,
    dilation: vec2<i32>,
    before: vec2<i32>,
    taps: vec2<u32>,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
@group(0) @binding(__COUNTER__) var<storage, read> dy: array<REAL>;
@group(0) @binding(__COUNTER__) var<storage, read> kernel: array<REAL>;
@group(0) @binding(__COUNTER__) var<storage, read_write> dx: array<REAL>;

#include "window.wgsl"

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

    let filters = params.channels * params.multiplier;
    let filter0 = channel * params.multiplier;
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
            let gradient = (row + ox) * filters + filter0;
            let weight = (ky * params.taps.y + kx) * filters + filter0;
            for (var m = 0u; m < params.multiplier; m++) {
                sum += dy[gradient + m] * kernel[weight + m];
            }
        }
    }
    dx[i] = sum;
}
