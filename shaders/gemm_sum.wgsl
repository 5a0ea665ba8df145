// The second half of a product split along k: adds the partial sums and applies the epilogue. A thread makes 1 x 4.

#include "common.wgsl"

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let gemm = params.gemm;
    let i = item(group, groups, local);
    let width = (gemm.columns + 3u) / 4u;
    let stride = gemm.batches * gemm.rows * width;
    if i >= stride {
        return;
    }
    var sum = vec4<f32>();
    for (var s = 0u; s < gemm.splits; s++) {
        sum += partial[s * stride + i];
    }
    let line = i / width;
    let batch = line / gemm.rows;
    store(Block(batch, 0u, 0u, 0u, true), line % gemm.rows, (i % width) * 4u, sum);
}
