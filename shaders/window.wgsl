// Which windows hold a pixel, along one axis: its taps from the first that lies on it, `step` apart, each in a window
// `back` before the last one's. The host solves tap * dilation = pixel + before, modulo stride.

struct Axis {
    before: u32,
    stride: u32,
    dilation: u32,
    taps: u32,
    windows: u32,
    divisor: u32, // greatest common divisor of stride and dilation
    step: u32, // stride / divisor
    back: u32, // dilation / divisor
    inverse: u32, // of back, modulo step
    _pad0: u32, // to a multiple of 16 bytes, as a uniform must be
    _pad1: u32,
    _pad2: u32,
}

struct Walk {
    tap: u32, // as many as there are if no window holds the pixel
    window: i32, // may lie before the first one or after the last one
}

fn walk_from(axis: Axis, pixel: u32) -> Walk {
    let at = pixel + axis.before;
    let phase = at % axis.stride;
    if phase % axis.divisor != 0u {
        return Walk(axis.taps, 0);
    }
    let tap = phase / axis.divisor * axis.inverse % axis.step;
    return Walk(tap, i32(at - tap * axis.dilation) / i32(axis.stride));
}

fn walk_on(axis: Axis, walk: Walk) -> Walk {
    return Walk(walk.tap + axis.step, walk.window - i32(axis.back));
}

// Negative windows are huge as unsigned ones.
fn holds(axis: Axis, walk: Walk) -> bool {
    return u32(walk.window) < axis.windows;
}
