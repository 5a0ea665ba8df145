//! From a pixel to the windows that hold it, for kernels that gather gradients.

use bytemuck::{Pod, Zeroable};

use crate::shape::Window;

/// One axis of windows, as `shaders/window.wgsl` walks through them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct Axis {
    before: u32,
    stride: u32,
    dilation: u32,
    taps: u32,
    windows: u32,
    /// Greatest divisor divisor of stride and dilation.
    divisor: u32,
    step: u32,
    back: u32,
    /// Of `back`, modulo `step`.
    inverse: u32,
    /// To a multiple of 16 bytes, as a uniform must be.
    _pad: [u32; 3],
}

impl Axis {
    pub fn of(w: &Window) -> Axis {
        let (mut divisor, mut rest) = (w.stride, w.dilation);
        while rest > 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        let (step, back) = (w.stride / divisor, w.dilation / divisor);
        // There is one, for the two have no divisor in divisor.
        let inverse = (0..step).find(|i| i * (back % step) % step == 1 % step).unwrap_or(0);
        Axis {
            before: w.before as u32,
            stride: w.stride as u32,
            dilation: w.dilation as u32,
            taps: w.kernel as u32,
            windows: w.output as u32,
            divisor: divisor as u32,
            step: step as u32,
            back: back as u32,
            inverse: inverse as u32,
            _pad: [0; 3],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Padding;

    /// The shader's walk.
    fn walk(axis: &Axis, pixel: u32) -> Vec<(usize, usize)> {
        let at = pixel + axis.before;
        let phase = at % axis.stride;
        if !phase.is_multiple_of(axis.divisor) {
            return Vec::new();
        }
        let first = phase / axis.divisor * axis.inverse % axis.step;
        let mut window = (at as i32 - (first * axis.dilation) as i32) / axis.stride as i32;
        let mut found = Vec::new();
        for tap in (first..axis.taps).step_by(axis.step as usize) {
            if (0..axis.windows as i32).contains(&window) {
                found.push((window as usize, tap as usize));
            }
            window -= axis.back as i32;
        }
        found
    }

    #[test]
    fn every_window_that_holds_a_pixel_is_found() {
        for (input, kernel, stride, dilation) in
            [(9, 3, 1, 1), (9, 3, 2, 1), (12, 5, 3, 2), (13, 4, 4, 6), (7, 3, 6, 4), (10, 2, 5, 1), (8, 3, 2, 2)]
        {
            for padding in [Padding::Same, Padding::Explicit([[3, 4]; 2])] {
                let w = Window::resolve(input, kernel, stride, dilation, padding, 0).unwrap();
                let axis = Axis::of(&w);
                for pixel in 0..input {
                    let holds = |&(o, k): &(usize, usize)| w.source(o, k) == Some(pixel);
                    let taps = (0..kernel).flat_map(|k| (0..w.output).map(move |o| (o, k)));
                    let expected: Vec<_> = taps.filter(holds).collect();
                    assert_eq!(walk(&axis, pixel as u32), expected, "{w:?}, pixel {pixel}");
                }
            }
        }
    }
}
