// Which tap of every pooling window holds its first maximum, in row-major order; NONE where the window lies wholly in
// the padding. WIDTH 4: of four channels.

#include "common.wgsl"

#if WIDTH == 4
#define REAL vec4<f32>
#define INDEX vec4<u32>
#else
#define REAL f32
#define INDEX u32
#endif

const NONE: u32 = 0xffffffffu;

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
@group(0) @binding(__COUNTER__) var<storage, read> x: array<REAL>;
@group(0) @binding(__COUNTER__) var<storage, read_write> first: array<INDEX>;

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
    let ox = rest % params.out_size.y;
    rest = rest / params.out_size.y;
    let oy = rest % params.out_size.x;
    let image = rest / params.out_size.x;
    let origin = vec2(i32(oy), i32(ox)) * params.stride - params.before;

    var best = REAL();
    var found = INDEX(NONE);
    for (var ky = 0u; ky < params.taps.x; ky++) {
        let iy = u32(origin.x + i32(ky) * params.dilation.x);
        if iy >= params.in_size.x {
            continue;
        }
        let row = (image * params.in_size.x + iy) * params.in_size.y;
        for (var kx = 0u; kx < params.taps.y; kx++) {
            let ix = u32(origin.y + i32(kx) * params.dilation.y);
            if ix < params.in_size.y {
                let value = x[(row + ix) * params.channels + channel];
                let larger = (value > best) | (found == INDEX(NONE));
                best = select(best, value, larger);
                found = select(found, INDEX(ky * params.taps.y + kx), larger);
            }
        }
    }
    first[i] = found;
}
