// Depthwise convolution. Kernel [kh, kw, in, multiplier]; output channel = in * multiplier + m.
// A thread makes four neighbouring outputs of a row, so that a weight is read once for four; WIDTH 4: of four channels
// each (multiplier 1). The sums have names because Tint keeps arrays that are indexed in memory.

#include "common.wgsl"

#if WIDTH == 4
#define REAL vec4<f32>
#else
#define REAL f32
#endif
#include "activation.wgsl"

struct Params {
    count: u32, // threads
    channels: u32, // of the output, in REALs
    multiplier: u32,
    strips: u32, // of four outputs in a row
    in_size: vec2<u32>, // height, width
    out_size: vec2<u32>,
    stride: vec2<i32>,
    dilation: vec2<i32>,
    before: vec2<i32>,
    taps: vec2<u32>,
    alpha: f32,
    beta: f32,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
@group(0) @binding(__COUNTER__) var<storage, read> x: array<REAL>;
@group(0) @binding(__COUNTER__) var<storage, read> kernel: array<REAL>;
#if BIAS
@group(0) @binding(__COUNTER__) var<storage, read> bias: array<REAL>;
#endif
#if RESIDUAL
@group(0) @binding(__COUNTER__) var<storage, read> residual: array<REAL>;
#endif
@group(0) @binding(__COUNTER__) var<storage, read_write> y: array<REAL>;

// The input at a column of the row that starts at `row`, 0 in the padding.
fn load(row: u32, column: i32, channel: u32, channels: u32) -> REAL {
    // Negative columns are huge as unsigned ones.
    if u32(column) >= params.in_size.y {
        return REAL();
    }
    return x[(row + u32(column)) * channels + channel];
}

fn store(sum: REAL, channel: u32, index: u32) {
    var value = sum;
#if BIAS
    value += bias[channel];
#endif
#if RESIDUAL
    value += residual[index];
#endif
    y[index] = activate(value, params.alpha, params.beta);
}

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
    let ox = (rest % params.strips) * 4u;
    rest = rest / params.strips;
    let oy = rest % params.out_size.x;
    let image = rest / params.out_size.x;

    let in_channel = channel / params.multiplier;
    let in_channels = params.channels / params.multiplier;
    let origin = vec2(i32(oy), i32(ox)) * params.stride - params.before;
    let step = params.stride.y;

    var sum0 = REAL();
    var sum1 = REAL();
    var sum2 = REAL();
    var sum3 = REAL();
    for (var ky = 0u; ky < params.taps.x; ky++) {
        let iy = u32(origin.x + i32(ky) * params.dilation.x);
        if iy >= params.in_size.x {
            continue;
        }
        let row = (image * params.in_size.x + iy) * params.in_size.y;
        for (var kx = 0u; kx < params.taps.y; kx++) {
            let weight = kernel[(ky * params.taps.y + kx) * params.channels + channel];
            let ix = origin.y + i32(kx) * params.dilation.y;
            sum0 += weight * load(row, ix, in_channel, in_channels);
            sum1 += weight * load(row, ix + step, in_channel, in_channels);
            sum2 += weight * load(row, ix + 2 * step, in_channel, in_channels);
            sum3 += weight * load(row, ix + 3 * step, in_channel, in_channels);
        }
    }
    let index = ((image * params.out_size.x + oy) * params.out_size.y + ox) * params.channels + channel;
    let left = params.out_size.y - ox;
    store(sum0, channel, index);
    if left > 1u {
        store(sum1, channel, index + params.channels);
    }
    if left > 2u {
        store(sum2, channel, index + 2u * params.channels);
    }
    if left > 3u {
        store(sum3, channel, index + 3u * params.channels);
    }
}
