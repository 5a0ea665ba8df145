// Along one axis: the window whose tap k lies on pixel i; NONE, above every window, if there is none.

const NONE: u32 = 0xffffffffu;

fn window_of(i: u32, k: u32, before: i32, stride: i32, dilation: i32) -> u32 {
    let distance = i32(i) + before - i32(k) * dilation;
    if distance < 0 || distance % stride != 0 {
        return NONE;
    }
    return u32(distance / stride);
}
