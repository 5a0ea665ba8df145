// The body for GPUs: 8x8 threads make a tile of 8 ROWS x 32, ROWS x 4 each, from slices of 32 of k in workgroup memory.
// ROWS is 4, or 1 where there are few rows (dense layers, small feature maps).
// The sums have names because Tint keeps arrays that are indexed in memory.

const STEP: u32 = 8u; // groups of four of k in one slice

var<workgroup> tile_a: array<array<vec4<f32>, 8>, TILE_ROWS>; // [row][k / 4]
var<workgroup> tile_b: array<array<vec4<f32>, 8>, 32>;        // [k][column / 4]

fn product(a: vec4<f32>, b0: vec4<f32>, b1: vec4<f32>, b2: vec4<f32>, b3: vec4<f32>, sum: vec4<f32>) -> vec4<f32> {
    return fma(vec4(a.w), b3, fma(vec4(a.z), b2, fma(vec4(a.y), b1, fma(vec4(a.x), b0, sum))));
}

@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let block = block_at(group.y * groups.x + group.x);
    if !block.valid {
        return;
    }
    let m0 = block.row * u32(TILE_ROWS);
    let n0 = block.column * 32u;
    // The rows this thread loads: all threads of a column take neighbouring groups of k.
    let row0 = row_at(block, m0 + local.y);
#if ROWS == 4
    let row1 = row_at(block, m0 + local.y + 8u);
    let row2 = row_at(block, m0 + local.y + 16u);
    let row3 = row_at(block, m0 + local.y + 24u);
#endif
    let first = block.split * params.gemm.slice;
    let last = min(first + params.gemm.slice, params.gemm.depth);
    let column = n0 + 4u * local.x;

    var sum0 = vec4<f32>();
#if ROWS == 4
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
#endif
    for (var k = first; k < last; k += STEP) {
        let zero = vec4<f32>();
        if k + local.x < last {
            let tap = tap_at(k + local.x);
            tile_a[local.y][local.x] = load_a(row0, tap);
#if ROWS == 4
            tile_a[local.y + 8u][local.x] = load_a(row1, tap);
            tile_a[local.y + 16u][local.x] = load_a(row2, tap);
            tile_a[local.y + 24u][local.x] = load_a(row3, tap);
#endif
        } else {
            tile_a[local.y][local.x] = zero;
#if ROWS == 4
            tile_a[local.y + 8u][local.x] = zero;
            tile_a[local.y + 16u][local.x] = zero;
            tile_a[local.y + 24u][local.x] = zero;
#endif
        }
        let line = 4u * local.y;
        if k + local.y < last {
            let tap = tap_at(k + local.y);
            tile_b[line][local.x] = load_b(block, tap, 0u, column);
            tile_b[line + 1u][local.x] = load_b(block, tap, 1u, column);
            tile_b[line + 2u][local.x] = load_b(block, tap, 2u, column);
            tile_b[line + 3u][local.x] = load_b(block, tap, 3u, column);
        } else {
            tile_b[line][local.x] = zero;
            tile_b[line + 1u][local.x] = zero;
            tile_b[line + 2u][local.x] = zero;
            tile_b[line + 3u][local.x] = zero;
        }
        workgroupBarrier();
        for (var i = 0u; i < STEP; i++) {
            let b0 = tile_b[4u * i][local.x];
            let b1 = tile_b[4u * i + 1u][local.x];
            let b2 = tile_b[4u * i + 2u][local.x];
            let b3 = tile_b[4u * i + 3u][local.x];
            let r = local.y * u32(ROWS);
            sum0 = product(tile_a[r][i], b0, b1, b2, b3, sum0);
#if ROWS == 4
            sum1 = product(tile_a[r + 1u][i], b0, b1, b2, b3, sum1);
            sum2 = product(tile_a[r + 2u][i], b0, b1, b2, b3, sum2);
            sum3 = product(tile_a[r + 3u][i], b0, b1, b2, b3, sum3);
#endif
        }
        workgroupBarrier();
    }
    let m = m0 + local.y * u32(ROWS);
    store(block, m, column, sum0);
#if ROWS == 4
    store(block, m + 1u, column, sum1);
    store(block, m + 2u, column, sum2);
    store(block, m + 3u, column, sum3);
#endif
}
