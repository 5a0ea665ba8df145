// The body for software adapters (no workgroup memory, no barrier): a thread makes ROWS x 4 sums from global memory.

#include "common.wgsl"

fn product(a: vec4<f32>, b0: vec4<f32>, b1: vec4<f32>, b2: vec4<f32>, b3: vec4<f32>, sum: vec4<f32>) -> vec4<f32> {
    return sum + a.x * b0 + a.y * b1 + a.z * b2 + a.w * b3;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let block = block_at(item(group, groups, local));
    if !block.valid {
        return;
    }
    let m = block.row * u32(ROWS);
    let n = block.column * 4u;
    let row0 = row_at(block, m);
#if ROWS == 4
    let row1 = row_at(block, m + 1u);
    let row2 = row_at(block, m + 2u);
    let row3 = row_at(block, m + 3u);
#endif
    let first = block.split * params.gemm.slice;
    let last = min(first + params.gemm.slice, params.gemm.depth);

    var sum0 = vec4<f32>();
#if ROWS == 4
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
#endif
    var tap = tap_at(first);
    for (var k = first; k < last; k++) {
        let b0 = load_b(block, tap, 0u, n);
        let b1 = load_b(block, tap, 1u, n);
        let b2 = load_b(block, tap, 2u, n);
        let b3 = load_b(block, tap, 3u, n);
        sum0 = product(load_a(row0, tap), b0, b1, b2, b3, sum0);
#if ROWS == 4
        sum1 = product(load_a(row1, tap), b0, b1, b2, b3, sum1);
        sum2 = product(load_a(row2, tap), b0, b1, b2, b3, sum2);
        sum3 = product(load_a(row3, tap), b0, b1, b2, b3, sum3);
#endif
        tap = next_tap(tap);
    }
    store(block, m, n, sum0);
#if ROWS == 4
    store(block, m + 1u, n, sum1);
    store(block, m + 2u, n, sum2);
    store(block, m + 3u, n, sum3);
#endif
}
