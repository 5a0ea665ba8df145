// From a picture to a network's input: stretches a part of the picture to the input's size (half-pixel bilinear) and
// normalises, value = pixel * scale + offset for each channel, pixels 0..255. Reads texels and interpolates in float32: a
// sampler's weights have 8 bits, and boxes would differ from the CPU's.

#include "common.wgsl"
#include "tap.wgsl"

struct Params {
    size: vec2<u32>, // of the input: height, width
    channels: u32,
    _pad: u32,
    scale: vec4<f32>,
    offset: vec4<f32>,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
@group(0) @binding(__COUNTER__) var picture: texture_2d<f32>;
@group(0) @binding(__COUNTER__) var<storage, read> taps: array<Tap>; // rows, then columns
@group(0) @binding(__COUNTER__) var<storage, read_write> y: array<f32>;

fn texel(x: u32, row: u32) -> vec4<f32> {
    // Exact bytes again: drivers may divide by 255 with a rounding.
    return round(textureLoad(picture, vec2(x, row), 0) * 255.0);
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = item(group, groups, local);
    if i >= params.size.x * params.size.y {
        return;
    }
    let row = taps[i / params.size.y];
    let column = taps[params.size.x + i % params.size.y];
    let a = texel(column.low, row.low);
    let b = texel(column.high, row.low);
    let c = texel(column.low, row.high);
    let d = texel(column.high, row.high);
    let above = a + (b - a) * column.weight;
    let below = c + (d - c) * column.weight;
    let value = (above + (below - above) * row.weight) * params.scale + params.offset;
    let at = i * params.channels;
    y[at] = value.x;
    if params.channels > 1u {
        y[at + 1u] = value.y;
        y[at + 2u] = value.z;
    }
    if params.channels > 3u {
        y[at + 3u] = value.w;
    }
}
