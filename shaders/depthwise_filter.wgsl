// Gradient of a depthwise convolution by its kernel [kh, kw, in, multiplier]: for a tap and a filter the sum over output
// pixels of x at the tap, times dy. A thread makes the sum of one part of the pixels; a reduction adds the parts up,
// which lie one after the other in `dkernel`. WIDTH 4: of four channels (multiplier 1).

#include "common.wgsl"

#if WIDTH == 4
#define REAL vec4<f32>
#else
#define REAL f32
#endif

struct Params {
    count: u32,
    filters: u32, // in REALs
    multiplier: u32,
    pixels: u32,
    slice: u32, // pixels of a part
    taps: u32, // all of them
    width: u32, // of the kernel
    _pad: u32,
    in_size: vec2<u32>, // height, width
    out_size: vec2<u32>,
    stride: vec2<i32>,
    dilation: vec2<i32>,
    before: vec2<i32>,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
@group(0) @binding(__COUNTER__) var<storage, read> x: array<REAL>;
@group(0) @binding(__COUNTER__) var<storage, read> dy: array<REAL>;
@group(0) @binding(__COUNTER__) var<storage, read_write> dkernel: array<REAL>;

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
    let filter0 = i % params.filters;
    let rest = i / params.filters;
    let tap = rest % params.taps;
    let part = rest / params.taps;

    let channel = filter0 / params.multiplier;
    let channels = params.filters / params.multiplier;
    let place = vec2(i32(tap / params.width), i32(tap % params.width));
    let offset = place * params.dilation - params.before;
    let first = part * params.slice;
    let last = min(first + params.slice, params.pixels);

    var ox = first % params.out_size.y;
    var oy = first / params.out_size.y % params.out_size.x;
    var image = first / params.out_size.y / params.out_size.x;
    var sum = REAL();
    for (var p = first; p < last; p++) {
        let at = vec2<u32>(vec2(i32(oy), i32(ox)) * params.stride + offset);
        // Negative coordinates are huge as unsigned ones.
        if all(at < params.in_size) {
            let pixel = (image * params.in_size.x + at.x) * params.in_size.y + at.y;
            sum += x[pixel * channels + channel] * dy[p * params.filters + filter0];
        }
        ox++;
        if ox == params.out_size.y {
            ox = 0u;
            oy++;
            if oy == params.out_size.x {
                oy = 0u;
                image++;
            }
        }
    }
    dkernel[i] = sum;
}
