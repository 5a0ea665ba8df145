// Top-k in workgroup memory: a workgroup sorts a block of 1024 candidates of a line (bitonic) and keeps the first k. Passes
// repeat on what is left until one block holds it. FIRST reads the input, LAST writes the results.

#include "topk_order.wgsl"

const BLOCK: u32 = 1024u;
const GROUP: u32 = 256u;

struct Params {
    lines: u32,
    size: u32, // of the axis
    candidates: u32, // of one line in this pass
    blocks: u32, // of one line
    k: u32,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
#if FIRST
@group(0) @binding(__COUNTER__) var<storage, read> x: array<f32>;
#else
#if LAST
@group(0) @binding(__COUNTER__) var<storage, read> x: array<f32>;
#endif
@group(0) @binding(__COUNTER__) var<storage, read> candidates: array<vec2<u32>>;
#endif
#if LAST
@group(0) @binding(__COUNTER__) var<storage, read_write> values: array<f32>;
@group(0) @binding(__COUNTER__) var<storage, read_write> indices: array<u32>;
#else
@group(0) @binding(__COUNTER__) var<storage, read_write> survivors: array<vec2<u32>>;
#endif

var<workgroup> block: array<vec2<u32>, BLOCK>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group.y * groups.x + group.x;
    if i >= params.lines * params.blocks {
        return;
    }
    let line = i / params.blocks;
    let start = i % params.blocks * BLOCK;
    for (var c = local; c < BLOCK; c += GROUP) {
        var entry = PADDING;
        if start + c < params.candidates {
#if FIRST
            entry = candidate(x[line * params.size + start + c], start + c);
#else
            entry = candidates[line * params.candidates + start + c];
#endif
        }
        block[c] = entry;
    }
    for (var run = 2u; run <= BLOCK; run = run * 2u) {
        for (var step = run / 2u; step > 0u; step = step / 2u) {
            workgroupBarrier();
            for (var p = local; p < BLOCK / 2u; p += GROUP) {
                let low = p / step * step * 2u + p % step;
                let a = block[low];
                let b = block[low + step];
                // Runs alternate between falling and rising order.
                if comes_first(b, a) == ((low & run) == 0u) {
                    block[low] = b;
                    block[low + step] = a;
                }
            }
        }
    }
    workgroupBarrier();
    let kept = min(params.k, BLOCK);
    for (var c = local; c < kept; c += GROUP) {
#if LAST
        let at = line * params.k + c;
        let index = min(block[c].y, params.size - 1u);
        values[at] = x[line * params.size + index];
        indices[at] = index;
#else
        survivors[i * params.k + c] = block[c];
#endif
    }
}
