// Every kernel without workgroup memory runs 64 threads a group, one thread per item; groups fold into two dimensions
// because one holds 65535 at most.

const THREADS: u32 = 64u;

fn item(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
    return (group.y * groups.x + group.x) * THREADS + local;
}
