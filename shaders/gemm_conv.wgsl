// A convolution as a matrix product: row m is an output pixel, column n a filter of the group, and k runs over taps and,
// within a tap, over the group's channels in fours. Kernel [kh, kw, in / groups, out].
//
// A transposed convolution is one such product for each phase of output pixels (those that see the same taps): its
// dilations are negative, its taps every `tap_step`-th of the kernel, and its outputs stand `out_step` apart.

struct Params {
    gemm: Gemm,
    in_size: vec2<u32>, // height, width
    out_size: vec2<u32>, // of this phase
    stride: vec2<i32>,
    dilation: vec2<i32>,
    before: vec2<i32>, // padding
    taps: vec2<u32>,
    tap_step: vec2<u32>, // from tap to tap, in taps of the kernel
    tap_base: u32,
    channels: u32, // of one group
    in_channels: u32,
    out_channels: u32,
    y_size: vec2<u32>, // of the whole output
    out_step: vec2<u32>,
    out_base: vec2<u32>,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;

// Output pixels: (image, y, x) of row m.
fn pixel(m: u32) -> vec3<u32> {
    let x = m % params.out_size.y;
    let rest = m / params.out_size.y;
    return vec3(rest / params.out_size.x, rest % params.out_size.x, x);
}

fn output_row(batch: u32, m: u32) -> u32 {
    let p = pixel(m);
    let at = p.yz * params.out_step + params.out_base;
    return ((p.x * params.y_size.x + at.x) * params.y_size.y + at.y) * params.out_channels;
}

fn channel_of(batch: u32, n: u32) -> u32 {
    return batch * params.gemm.columns + n;
}

#if BODY != sum
struct Row {
    origin: vec2<i32>, // input pixel of tap 0
    base: u32, // of the image and the group, in floats
    valid: bool,
}

struct Tap {
    offset: vec2<i32>,
    place: vec2<u32>, // which tap, vertical and horizontal
    channel: u32, // of the group
    lanes: u32, // channels there are of the four
}

fn row_at(block: Block, m: u32) -> Row {
    let p = pixel(m);
    let base = p.x * params.in_size.x * params.in_size.y * params.in_channels + block.batch * params.channels;
    return Row(vec2<i32>(p.yz) * params.stride - params.before, base, m < params.gemm.rows);
}

fn tap_of(place: vec2<u32>, channel: u32) -> Tap {
    return Tap(vec2<i32>(place) * params.dilation, place, channel, min(4u, params.channels - channel));
}

// The tap of group k of four channels.
fn tap_at(k: u32) -> Tap {
    let fours = (params.channels + 3u) / 4u;
    let t = k / fours;
    return tap_of(vec2(t / params.taps.y, t % params.taps.y), (k % fours) * 4u);
}

fn next_tap(tap: Tap) -> Tap {
    if tap.channel + 4u < params.channels {
        return Tap(tap.offset, tap.place, tap.channel + 4u, min(4u, params.channels - tap.channel - 4u));
    }
    if tap.place.y + 1u < params.taps.y {
        return tap_of(vec2(tap.place.x, tap.place.y + 1u), 0u);
    }
    return tap_of(vec2(tap.place.x + 1u, 0u), 0u);
}

fn load_a(row: Row, tap: Tap) -> vec4<f32> {
    let at = vec2<u32>(row.origin + tap.offset);
    // Negative coordinates are huge as unsigned ones.
    if !row.valid || any(at >= params.in_size) {
        return vec4<f32>();
    }
    let i = row.base + (at.x * params.in_size.y + at.y) * params.in_channels + tap.channel;
#if A_WIDTH == 4
    return a[i / 4u];
#else
    var v = vec4(a[i], 0.0, 0.0, 0.0);
    if tap.lanes > 1u {
        v.y = a[i + 1u];
    }
    if tap.lanes > 2u {
        v.z = a[i + 2u];
    }
    if tap.lanes > 3u {
        v.w = a[i + 3u];
    }
    return v;
#endif
}

// Columns n..n+3 of line `lane` of the tap's four.
fn load_b(block: Block, tap: Tap, lane: u32, n: u32) -> vec4<f32> {
    if lane >= tap.lanes || n >= params.gemm.columns {
        return vec4<f32>();
    }
    let steps = tap.place * params.tap_step;
    let line = (params.tap_base + steps.x + steps.y) * params.channels + tap.channel + lane;
    let i = line * params.out_channels + channel_of(block.batch, n);
#if B_WIDTH == 4
    return b[i / 4u];
#else
    let left = params.gemm.columns - n;
    var v = vec4(b[i], 0.0, 0.0, 0.0);
    if left > 1u {
        v.y = b[i + 1u];
    }
    if left > 2u {
        v.z = b[i + 2u];
    }
    if left > 3u {
        v.w = b[i + 3u];
    }
    return v;
#endif
}
#endif
