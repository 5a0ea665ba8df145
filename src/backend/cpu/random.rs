//! Random numbers from a counter.

use super::memory::Inputs;
use super::{Kernel, Outputs};
use crate::error::Result;
use crate::ops::{Random, RandomKind, random_fraction, random_hash};
use crate::parallel::{Shared, parallel_for};

/// Elements per task.
const GRAIN: usize = 1 << 14;

impl Kernel for Random {
    fn run(&mut self, inputs: Inputs<'_>, [out, ..]: Outputs<'_>) -> Result<()> {
        let (counter, out) = (inputs.i32(1)[0] as u32, out.into_f32());
        let count = out.len();
        let shared = Shared::new(out);
        parallel_for(count.div_ceil(GRAIN), |task| {
            let start = task * GRAIN;
            // SAFETY: every chunk is written by one task.
            let out = unsafe { shared.get(start, GRAIN.min(count - start)) };
            for (i, out) in out.iter_mut().enumerate() {
                let [a, b, _] = random_hash([(start + i) as u32, counter, self.seed]);
                *out = match self.kind {
                    RandomKind::Uniform => random_fraction(a),
                    RandomKind::Normal => {
                        let radius = (-2.0 * (1.0 - random_fraction(a)).ln()).sqrt();
                        radius * (std::f32::consts::TAU * random_fraction(b)).cos()
                    }
                };
            }
        });
        Ok(())
    }
}

pub fn compile(op: &Random) -> Box<dyn Kernel> {
    Box::new(*op)
}
