// Conversions between the three element types with the meaning of Rust's `as`. All are words of 32 bits on the device.

#include "common.wgsl"

struct Params {
    count: u32,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
@group(0) @binding(__COUNTER__) var<storage, read> x: array<u32>;
@group(0) @binding(__COUNTER__) var<storage, read_write> y: array<u32>;

#if FROM == f32
fn is_nan(bits: u32) -> bool {
    return (bits & 0x7fffffffu) > 0x7f800000u;
}
#endif

fn convert(bits: u32) -> u32 {
#if FROM == f32
    let value = bitcast<f32>(bits);
    if is_nan(bits) {
        return 0u;
    }
#if TO == i32
    if value >= 2147483648.0 {
        return 0x7fffffffu;
    }
    if value < -2147483648.0 {
        return 0x80000000u;
    }
    return bitcast<u32>(i32(value));
#else
    return u32(clamp(value, 0.0, 255.0));
#endif
#elif FROM == i32
#if TO == f32
    return bitcast<u32>(f32(bitcast<i32>(bits)));
#else
    return bits & 0xffu;
#endif
#else
#if TO == f32
    return bitcast<u32>(f32(bits));
#else
    return bits;
#endif
#endif
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
    y[i] = convert(x[i]);
}
