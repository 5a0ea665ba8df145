//! Updates of parameters, in place.

use super::memory::{Inputs, ViewMut};
use super::simd::{F32x4, LANES};
use super::{Kernel, Outputs};
use crate::error::Result;
use crate::ops::{OptimizerStep, UpdateRule};
use crate::parallel::{Shared, parallel_for};

/// Elements per task.
const GRAIN: usize = 1 << 14;

/// The weight and what is kept.
type Values = (F32x4, F32x4, F32x4);

/// Updates every element; a slot that the rule does not keep is empty.
#[inline(always)]
fn each(w: &mut [f32], g: &[f32], s: &mut [f32], t: &mut [f32], f: impl Fn(F32x4, F32x4, F32x4, F32x4) -> Values) {
    let n = w.len().min(g.len());
    let (has_s, has_t) = (s.len() >= n, t.len() >= n);
    let whole = n / LANES * LANES;
    for i in (0..whole).step_by(LANES) {
        // SAFETY: below the last whole vector of every slice that is there.
        unsafe {
            let load =
                |from: &[f32], there: bool| if there { F32x4::load(from.as_ptr().add(i)) } else { F32x4::zero() };
            let (new_w, new_s, new_t) = f(load(w, true), load(g, true), load(s, has_s), load(t, has_t));
            new_w.store(w.as_mut_ptr().add(i));
            if has_s {
                new_s.store(s.as_mut_ptr().add(i));
            }
            if has_t {
                new_t.store(t.as_mut_ptr().add(i));
            }
        }
    }
    if whole < n {
        // The rest through vectors of its own.
        let load = |from: &[f32]| {
            let mut lanes = [0.0; LANES];
            if let Some(from) = from.get(whole..n) {
                lanes[..from.len()].copy_from_slice(from);
            }
            F32x4::from_array(lanes)
        };
        let results = f(load(w), load(g), load(s), load(t));
        for (to, value) in [(w, results.0), (s, results.1), (t, results.2)] {
            if let Some(to) = to.get_mut(whole..n) {
                to.copy_from_slice(&value.to_array()[..n - whole]);
            }
        }
    }
}

fn update(op: &OptimizerStep, c: &[f32], w: &mut [f32], g: &[f32], s: &mut [f32], t: &mut [f32]) {
    let splat = F32x4::splat;
    let coefficient = |i: usize| splat(c.get(i).copied().unwrap_or(0.0));
    let (rate, c1, c2, c3) = (coefficient(0), coefficient(1), coefficient(2), coefficient(3));
    let [a, rest_a, b, rest_b, epsilon] = op.rule.attributes().map(splat);
    // Minus the share that decay takes.
    let share = splat(-c[0] * op.weight_decay);
    let decayed = |w: F32x4| F32x4::madd(w, share, w);
    let approach = |old: F32x4, new: F32x4, rest| F32x4::madd(rest, new.sub(old), old);
    let decay = |old: F32x4, new: F32x4| F32x4::madd(a, old, rest_a.mul(new));
    match op.rule {
        UpdateRule::Sgd => each(w, g, s, t, |w, g, s, t| (decayed(w).sub(rate.mul(g)), s, t)),
        UpdateRule::Momentum { nesterov } => each(w, g, s, t, |w, g, s, t| {
            let step = rate.mul(g);
            let v = c1.mul(s).sub(step);
            (decayed(w).add(if nesterov { c1.mul(v).sub(step) } else { v }), v, t)
        }),
        UpdateRule::RmsProp { .. } => each(w, g, s, t, |w, g, s, t| {
            let v = decay(s, g.mul(g));
            (decayed(w).sub(rate.mul(g).div(v.add(epsilon).sqrt())), v, t)
        }),
        UpdateRule::RmsPropMomentum { .. } => each(w, g, s, t, |w, g, s, t| {
            let v = decay(s, g.mul(g));
            let step = F32x4::madd(c1, t, rate.mul(g).div(v.add(epsilon).sqrt()));
            (decayed(w).sub(step), v, step)
        }),
        UpdateRule::Adam { .. } => each(w, g, s, t, |w, g, s, t| {
            let (m, v) = (approach(s, g, rest_a), approach(t, g.mul(g), rest_b));
            (decayed(w).sub(c1.mul(m).div(v.sqrt().add(epsilon))), m, v)
        }),
        UpdateRule::Adamax { .. } => each(w, g, s, t, |w, g, s, t| {
            let (m, u) = (approach(s, g, rest_a), b.mul(t).max(g.abs()));
            (decayed(w).sub(c1.mul(m).div(u.add(epsilon))), m, u)
        }),
        UpdateRule::Nadam { .. } => each(w, g, s, t, |w, g, s, t| {
            let (m, v) = (approach(s, g, rest_a), approach(t, g.mul(g), rest_b));
            let below = c3.mul(v).sqrt().add(epsilon);
            (decayed(w).sub(F32x4::madd(c1, m, c2.mul(g)).div(below)), m, v)
        }),
        UpdateRule::Adagrad { .. } => each(w, g, s, t, |w, g, s, t| {
            let sum = F32x4::madd(g, g, s);
            (decayed(w).sub(rate.mul(g).div(sum.add(epsilon).sqrt())), sum, t)
        }),
        UpdateRule::Adadelta { .. } => each(w, g, s, t, |w, g, s, t| {
            let squares = decay(s, g.mul(g));
            let change = t.add(epsilon).sqrt().mul(g).div(squares.add(epsilon).sqrt());
            (decayed(w).sub(rate.mul(change)), squares, decay(t, change.mul(change)))
        }),
    }
}

impl Kernel for OptimizerStep {
    fn run(&mut self, inputs: Inputs<'_>, [w, s, t]: Outputs<'_>) -> Result<()> {
        // The outputs hold the inputs that they update (`Operator::in_place`), so those are not read.
        let (g, c) = (inputs.f32(1), inputs.f32(2));
        if !c[0].is_finite() {
            return Ok(());
        }
        let slots = self.rule.slots();
        fn kept(view: ViewMut<'_>, present: bool) -> &mut [f32] {
            if present { view.into_f32() } else { &mut [] }
        }
        let count = g.len();
        let [w, s, t] = [(w, true), (s, slots > 0), (t, slots > 1)].map(|(view, present)| {
            let values = kept(view, present);
            (values.len(), Shared::new(values))
        });
        parallel_for(count.div_ceil(GRAIN), |task| {
            let (start, length) = (task * GRAIN, GRAIN.min(count - task * GRAIN));
            // SAFETY: every chunk is written by one task; an empty slot gives an empty chunk.
            let [w, s, t] = [&w, &s, &t]
                .map(|(size, shared)| unsafe { if *size == 0 { shared.get(0, 0) } else { shared.get(start, length) } });
            update(self, c, w, &g[start..start + length], s, t);
        });
        Ok(())
    }
}

pub fn compile(op: &OptimizerStep) -> Box<dyn Kernel> {
    Box::new(*op)
}
