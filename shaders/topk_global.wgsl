// Top-k without workgroup memory, for any k: every line is sorted (bitonic) in a buffer padded to a power of two, one
// dispatch a step. STAGE start fills the buffer, exchange makes one step, finish writes the first k.

#include "common.wgsl"
#include "topk_order.wgsl"

struct Params {
    count: u32, // threads
    size: u32, // of the axis
    padded: u32, // the next power of two
    k: u32,
    run: u32,
    step: u32,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
#if STAGE == start
@group(0) @binding(__COUNTER__) var<storage, read> x: array<f32>;
@group(0) @binding(__COUNTER__) var<storage, read_write> candidates: array<vec2<u32>>;
#elif STAGE == exchange
@group(0) @binding(__COUNTER__) var<storage, read_write> candidates: array<vec2<u32>>;
#else
@group(0) @binding(__COUNTER__) var<storage, read> x: array<f32>;
@group(0) @binding(__COUNTER__) var<storage, read> candidates: array<vec2<u32>>;
@group(0) @binding(__COUNTER__) var<storage, read_write> values: array<f32>;
@group(0) @binding(__COUNTER__) var<storage, read_write> indices: array<u32>;
#endif

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
#if STAGE == start
    let c = i % params.padded;
    if c < params.size {
        candidates[i] = candidate(x[i / params.padded * params.size + c], c);
    } else {
        candidates[i] = PADDING;
    }
#elif STAGE == exchange
    // A line's size is a power of two, so pairs never cross lines.
    let low = i / params.step * params.step * 2u + i % params.step;
    let a = candidates[low];
    let b = candidates[low + params.step];
    if comes_first(b, a) == ((low & params.run & (params.padded - 1u)) == 0u) {
        candidates[low] = b;
        candidates[low + params.step] = a;
    }
#else
    let line = i / params.k;
    let index = min(candidates[line * params.padded + i % params.k].y, params.size - 1u);
    values[i] = x[line * params.size + index];
    indices[i] = index;
#endif
}
