//! Learning rates that change with the steps, as Keras' `optimizers.schedules` and Géron's one-cycle have them.
//!
//! They are computed on the host, in double precision, for every step; what a graph sees is the number.

use std::f64::consts::PI;

use serde_json::Value;

use super::config::{Config, class_name};
use crate::error::{Error, Result};

/// A rule from a step, counted from 0, to a learning rate. The fields are Keras' arguments.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Schedule {
    ExponentialDecay {
        initial_learning_rate: f64,
        decay_steps: f64,
        decay_rate: f64,
        staircase: bool,
    },
    /// With `decay_steps` 1 the chapter's `decay`: `lr / (1 + decay * step)`.
    InverseTimeDecay {
        initial_learning_rate: f64,
        decay_steps: f64,
        decay_rate: f64,
        staircase: bool,
    },
    PolynomialDecay {
        initial_learning_rate: f64,
        decay_steps: f64,
        end_learning_rate: f64,
        power: f64,
        cycle: bool,
    },
    CosineDecay {
        initial_learning_rate: f64,
        decay_steps: f64,
        alpha: f64,
        /// The rate that the warm-up ends at, if there is one.
        warmup_target: Option<f64>,
        warmup_steps: f64,
    },
    CosineDecayRestarts {
        initial_learning_rate: f64,
        first_decay_steps: f64,
        t_mul: f64,
        m_mul: f64,
        alpha: f64,
    },
    /// `values[i]` up to and with step `boundaries[i]`; one value more than boundaries.
    PiecewiseConstantDecay {
        boundaries: Vec<f64>,
        values: Vec<f64>,
    },
    OneCycle(OneCycle),
}

/// Smith's one-cycle policy as Géron's book has it: linearly up during the first half, down again during the second, and
/// in the last steps to nearly nothing. Momentum goes the other way, down and up, and stays up at the end.
#[derive(Clone, Debug, PartialEq)]
pub struct OneCycle {
    /// Steps in all.
    pub iterations: u64,
    /// The rate at the middle.
    pub max_rate: f64,
    /// The rate at the start.
    pub start_rate: f64,
    /// Steps of the last phase.
    pub last_iterations: u64,
    /// The rate at the end.
    pub last_rate: f64,
    /// Momentum at the start and at the middle.
    pub momentum: Option<[f64; 2]>,
}

impl OneCycle {
    /// The book's defaults: start at a tenth, end at a ten-thousandth of the largest rate, with a tenth of the steps last.
    pub fn new(iterations: u64, max_rate: f64) -> OneCycle {
        let start_rate = max_rate / 10.0;
        OneCycle {
            iterations,
            max_rate,
            start_rate,
            last_iterations: iterations / 10 + 1,
            last_rate: start_rate / 1000.0,
            momentum: None,
        }
    }

    fn half(&self) -> u64 {
        self.iterations.saturating_sub(self.last_iterations) / 2
    }

    /// Between `ends` over the two halves, then `last`.
    fn at(&self, step: u64, ends: [f64; 2], last: f64) -> f64 {
        let half = self.half();
        let line = |from: u64, to: u64, a: f64, b: f64| {
            if to <= from { b } else { a + (b - a) * (step.min(to) - from) as f64 / (to - from) as f64 }
        };
        if step < half {
            line(0, half, ends[0], ends[1])
        } else if step < 2 * half {
            line(half, 2 * half, ends[1], ends[0])
        } else {
            line(2 * half, self.iterations, ends[0], last)
        }
    }

    /// Momentum at a step, if it takes part.
    pub fn momentum_at(&self, step: u64) -> Option<f64> {
        self.momentum.map(|ends| self.at(step, ends, ends[0]))
    }
}

impl Schedule {
    /// A schedule by Keras' class name (or `OneCycle`) and its arguments.
    pub fn from_config(name: &str, config: &Value) -> Result<Schedule> {
        let mut config = Config::new(name, config)?;
        let schedule = parse(name, &mut config)?;
        config.finish()?;
        Ok(schedule)
    }

    /// A schedule as Keras serialises it: `{"class_name": ..., "config": {...}}`.
    pub fn deserialize(value: &Value) -> Result<Schedule> {
        let class = value.get("class_name").or_else(|| value.get("class")).and_then(Value::as_str);
        let Some(class) = class else {
            return Err(Error::mismatch("a schedule needs its class", "{\"class_name\", \"config\"}", value));
        };
        Schedule::from_config(class, value.get("config").unwrap_or(&Value::Null))
    }

    /// The learning rate of a step, counted from 0.
    pub fn at(&self, step: u64) -> f64 {
        let t = step as f64;
        match *self {
            Schedule::ExponentialDecay { initial_learning_rate, decay_steps, decay_rate, staircase } => {
                let p = t / decay_steps;
                initial_learning_rate * decay_rate.powf(if staircase { p.floor() } else { p })
            }
            Schedule::InverseTimeDecay { initial_learning_rate, decay_steps, decay_rate, staircase } => {
                let p = t / decay_steps;
                initial_learning_rate / (1.0 + decay_rate * if staircase { p.floor() } else { p })
            }
            Schedule::PolynomialDecay { initial_learning_rate, decay_steps, end_learning_rate, power, cycle } => {
                // With cycles the end moves to the next multiple of the steps.
                let (t, steps) = match cycle {
                    true => (t, decay_steps * (t / decay_steps).ceil().max(1.0)),
                    false => (t.min(decay_steps), decay_steps),
                };
                (initial_learning_rate - end_learning_rate) * (1.0 - t / steps).powf(power) + end_learning_rate
            }
            Schedule::CosineDecay { initial_learning_rate, decay_steps, alpha, warmup_target, warmup_steps } => {
                let decay = |rate: f64, t: f64| {
                    let cosine = 0.5 * (1.0 + (PI * t / decay_steps).cos());
                    rate * ((1.0 - alpha) * cosine + alpha)
                };
                match warmup_target {
                    None => decay(initial_learning_rate, t.min(decay_steps)),
                    Some(target) if t < warmup_steps => {
                        (target - initial_learning_rate) * t / warmup_steps + initial_learning_rate
                    }
                    Some(target) => decay(target, (t - warmup_steps).min(decay_steps)),
                }
            }
            Schedule::CosineDecayRestarts { initial_learning_rate, first_decay_steps, t_mul, m_mul, alpha } => {
                let (restarts, fraction) = restart(t / first_decay_steps, t_mul);
                let cosine = 0.5 * m_mul.powf(restarts) * (1.0 + (PI * fraction).cos());
                initial_learning_rate * ((1.0 - alpha) * cosine + alpha)
            }
            Schedule::PiecewiseConstantDecay { ref boundaries, ref values } => {
                let piece = boundaries.iter().take_while(|&&b| t > b).count();
                values.get(piece).copied().unwrap_or(0.0)
            }
            Schedule::OneCycle(ref cycle) => cycle.at(step, [cycle.start_rate, cycle.max_rate], cycle.last_rate),
        }
    }
}

/// How often a cosine has started anew after `x` first periods, each `t_mul` times as long as the one before, and how far
/// the present one is.
fn restart(x: f64, t_mul: f64) -> (f64, f64) {
    if t_mul == 1.0 {
        return (x.floor(), x - x.floor());
    }
    // Keras takes the logarithm in float32, and so starts anew one step late where that rounds down.
    let argument = (1.0 - x * (1.0 - t_mul)) as f32;
    let restarts = (argument.ln() / (t_mul as f32).ln()).floor() as f64;
    let power = t_mul.powf(restarts);
    (restarts, (x - (1.0 - power) / (1.0 - t_mul)) / power)
}

fn parse(name: &str, config: &mut Config) -> Result<Schedule> {
    let need = |config: &mut Config, key: &str| {
        config.number(key)?.ok_or_else(|| config.refuse(format!("the setting {key:?} is missing")))
    };
    let steps = |config: &mut Config, key: &str| {
        let steps = need(config, key)?;
        if steps > 0.0 { Ok(steps) } else { Err(config.refuse(format!("{key} must be above 0"))) }
    };
    Ok(match class_name(name).as_str() {
        "ExponentialDecay" => Schedule::ExponentialDecay {
            initial_learning_rate: need(config, "initial_learning_rate")?,
            decay_steps: steps(config, "decay_steps")?,
            decay_rate: need(config, "decay_rate")?,
            staircase: config.flag("staircase", false)?,
        },
        "InverseTimeDecay" => Schedule::InverseTimeDecay {
            initial_learning_rate: need(config, "initial_learning_rate")?,
            decay_steps: steps(config, "decay_steps")?,
            decay_rate: need(config, "decay_rate")?,
            staircase: config.flag("staircase", false)?,
        },
        "PolynomialDecay" => Schedule::PolynomialDecay {
            initial_learning_rate: need(config, "initial_learning_rate")?,
            decay_steps: steps(config, "decay_steps")?,
            end_learning_rate: config.float("end_learning_rate", 1e-4)?,
            power: config.float("power", 1.0)?,
            cycle: config.flag("cycle", false)?,
        },
        "CosineDecay" => Schedule::CosineDecay {
            initial_learning_rate: need(config, "initial_learning_rate")?,
            decay_steps: steps(config, "decay_steps")?,
            alpha: config.float("alpha", 0.0)?,
            warmup_target: config.number("warmup_target")?,
            warmup_steps: config.float("warmup_steps", 0.0)?,
        },
        "CosineDecayRestarts" => Schedule::CosineDecayRestarts {
            initial_learning_rate: need(config, "initial_learning_rate")?,
            first_decay_steps: steps(config, "first_decay_steps")?,
            t_mul: config.float("t_mul", 2.0)?,
            m_mul: config.float("m_mul", 1.0)?,
            alpha: config.float("alpha", 0.0)?,
        },
        "PiecewiseConstantDecay" => {
            let (boundaries, values) = (config.numbers("boundaries")?, config.numbers("values")?);
            let (boundaries, values) = (boundaries.unwrap_or_default(), values.unwrap_or_default());
            if values.len() != boundaries.len() + 1 {
                return Err(config.refuse("a piecewise schedule needs one value more than boundaries"));
            }
            Schedule::PiecewiseConstantDecay { boundaries, values }
        }
        "OneCycle" => {
            let iterations = steps(config, "iterations")? as u64;
            let mut cycle = OneCycle::new(iterations, config.float("max_rate", 1e-3)?);
            cycle.start_rate = config.float("start_rate", cycle.start_rate)?;
            cycle.last_rate = config.float("last_rate", cycle.start_rate / 1000.0)?;
            cycle.last_iterations = config.count("last_iterations")?.map_or(cycle.last_iterations, |n| n as u64);
            cycle.momentum = match config.numbers("momentum")?.as_deref() {
                None => None,
                Some(&[start, middle]) => Some([start, middle]),
                Some(_) => return Err(config.refuse("momentum is a pair: at the start and at the middle")),
            };
            Schedule::OneCycle(cycle)
        }
        _ => return Err(Error::invalid(format!("no schedule of the name {name:?}"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_cycle_goes_up_down_and_out() {
        let mut cycle = OneCycle::new(21, 1.0);
        cycle.momentum = Some([0.95, 0.85]);
        assert_eq!((cycle.last_iterations, cycle.half()), (3, 9));
        let schedule = Schedule::OneCycle(cycle.clone());
        let near =
            |step: u64, rate: f64| assert!((schedule.at(step) - rate).abs() < 1e-12, "{step}: {}", schedule.at(step));
        near(0, 0.1);
        near(3, 0.4);
        near(9, 1.0);
        near(12, 0.7);
        near(18, 0.1);
        // Two thirds of the way from 0.1 to 0.0001.
        near(20, 0.1 + (0.0001 - 0.1) * 2.0 / 3.0);
        near(500, 0.0001);
        let momentum = |step| cycle.momentum_at(step).unwrap();
        assert!((momentum(0) - 0.95).abs() < 1e-12 && (momentum(9) - 0.85).abs() < 1e-12);
        assert_eq!((momentum(18), momentum(99)), (0.95, 0.95));
    }

    #[test]
    fn restarts_with_growing_periods() {
        let config = json!({"initial_learning_rate": 1.0, "first_decay_steps": 2, "m_mul": 0.5});
        let schedule = Schedule::from_config("CosineDecayRestarts", &config).unwrap();
        // Periods of 2, 4, 8 steps, each half as high.
        for (step, rate) in [(0, 1.0), (1, 0.5), (2, 0.5), (4, 0.25), (6, 0.25), (10, 0.125)] {
            assert!((schedule.at(step) - rate).abs() < 1e-9, "{step}: {}", schedule.at(step));
        }
    }

    #[test]
    fn wrong_schedules_are_refused() {
        for (name, config) in [
            ("Cosine", json!({})),
            ("CosineDecay", json!({"initial_learning_rate": 0.1})),
            ("CosineDecay", json!({"initial_learning_rate": 0.1, "decay_steps": 0})),
            ("PiecewiseConstantDecay", json!({"boundaries": [1], "values": [1]})),
            ("ExponentialDecay", json!({"initial_learning_rate": 1, "decay_steps": 1, "decay_rate": 1, "slope": 2})),
        ] {
            assert!(Schedule::from_config(name, &config).is_err(), "{name} {config}");
        }
        assert!(Schedule::deserialize(&json!({"config": {}})).is_err());
    }
}
