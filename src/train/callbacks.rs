//! What watches a value from epoch to epoch: early stopping, and a learning rate that falls when nothing gets better.
//!
//! Plain state machines, as Keras 3's callbacks of these names; who trains feeds them and does what they say.

use serde_json::Value;

use super::config::Config;
use crate::error::Result;

/// Which direction is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Losses.
    Min,
    /// Accuracies.
    Max,
}

/// A value that is to get better.
#[derive(Clone, Debug, PartialEq)]
struct Monitor {
    mode: Mode,
    /// What counts as better must be better by more than this.
    min_delta: f64,
}

impl Monitor {
    fn better(&self, value: f64, than: Option<f64>) -> bool {
        match (than, self.mode) {
            (None, _) => true,
            (Some(than), Mode::Min) => value + self.min_delta < than,
            (Some(than), Mode::Max) => value - self.min_delta > than,
        }
    }
}

/// `monitor`, `mode` and `min_delta` of a configuration: the name of the value and how to watch it.
fn monitor(config: &mut Config, min_delta: f64) -> Result<(String, Monitor)> {
    let name = config.text("monitor")?.unwrap_or("val_loss".into());
    let mode = match config.text("mode")?.as_deref() {
        Some("min") => Mode::Min,
        Some("max") => Mode::Max,
        None | Some("auto") => mode_of(&name),
        Some(other) => return Err(config.refuse(format!("unknown mode {other:?}"))),
    };
    let min_delta = config.float("min_delta", min_delta)?.abs();
    config.take("verbose");
    Ok((name, Monitor { mode, min_delta }))
}

/// The better direction of a value by its name, as `loss`, `val_accuracy`, `f1_score`; errors and losses fall.
pub fn mode_of(name: &str) -> Mode {
    const UP: [&str; 11] = [
        "acc",
        "auc",
        "precision",
        "recall",
        "iou",
        "score",
        "positives",
        "specificity",
        "sensitivity",
        "io_u",
        "similarity",
    ];
    let name = name.to_lowercase();
    // Falling counts hide in names that would rise.
    let down = ["loss", "error", "false_positives", "false_negatives"].iter().any(|part| name.contains(part));
    if !down && (UP.iter().any(|part| name.contains(part)) || name.contains("true_negatives")) {
        Mode::Max
    } else {
        Mode::Min
    }
}

/// Stops when a value has not got better for some epochs.
#[derive(Clone, Debug, PartialEq)]
pub struct EarlyStopping {
    /// The value's name in the logs.
    pub monitor: String,
    watch: Monitor,
    patience: usize,
    baseline: Option<f64>,
    start_from_epoch: usize,
    /// Whether the best weights are to be put back at the end.
    pub restore_best_weights: bool,
    wait: usize,
    /// The best value so far.
    pub best: Option<f64>,
    /// The epoch whose weights are the best, counted from 0.
    pub best_epoch: Option<usize>,
}

/// What is to be done after an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// These weights are to be kept: they are the best so far.
    pub keep_weights: bool,
    /// Training is over.
    pub stop: bool,
}

impl EarlyStopping {
    /// From Keras' arguments.
    pub fn from_config(config: &Value) -> Result<EarlyStopping> {
        let mut config = Config::new("EarlyStopping", config)?;
        let (monitor, watch) = monitor(&mut config, 0.0)?;
        let stopping = EarlyStopping {
            monitor,
            watch,
            patience: config.count("patience")?.unwrap_or(0),
            baseline: config.number("baseline")?,
            start_from_epoch: config.count("start_from_epoch")?.unwrap_or(0),
            restore_best_weights: config.flag("restore_best_weights", false)?,
            wait: 0,
            best: None,
            best_epoch: None,
        };
        config.finish()?;
        Ok(stopping)
    }

    /// Begins anew, as every `fit` does.
    pub fn reset(&mut self) {
        (self.wait, self.best, self.best_epoch) = (0, None, None);
    }

    /// Takes the value of an epoch, counted from 0.
    pub fn epoch_end(&mut self, epoch: usize, value: f64) -> Verdict {
        let mut verdict = Verdict { keep_weights: false, stop: false };
        if epoch < self.start_from_epoch {
            return verdict;
        }
        if self.best_epoch.is_none() {
            // Were nothing ever better (a NaN), the first would be the best.
            self.best_epoch = Some(epoch);
            verdict.keep_weights = self.restore_best_weights;
        }
        self.wait += 1;
        if self.watch.better(value, self.best) {
            self.best = Some(value);
            self.best_epoch = Some(epoch);
            verdict.keep_weights = self.restore_best_weights;
            // The wait begins anew only when the baseline is beaten too.
            if self.baseline.is_none() || self.watch.better(value, self.baseline) {
                self.wait = 0;
            }
        } else {
            verdict.stop = self.wait >= self.patience && epoch > 0;
        }
        verdict
    }
}

/// Multiplies the learning rate when a value has not got better for some epochs.
#[derive(Clone, Debug, PartialEq)]
pub struct ReduceOnPlateau {
    /// The value's name in the logs.
    pub monitor: String,
    watch: Monitor,
    factor: f64,
    patience: usize,
    cooldown: usize,
    min_lr: f64,
    wait: usize,
    cooling: usize,
    best: Option<f64>,
}

impl ReduceOnPlateau {
    /// From the arguments of Keras' `ReduceLROnPlateau`.
    pub fn from_config(config: &Value) -> Result<ReduceOnPlateau> {
        let mut config = Config::new("ReduceLROnPlateau", config)?;
        let (monitor, watch) = monitor(&mut config, 1e-4)?;
        let factor = config.float("factor", 0.1)?;
        if !(0.0..1.0).contains(&factor) {
            return Err(config.refuse("factor must be below 1"));
        }
        let plateau = ReduceOnPlateau {
            monitor,
            watch,
            factor,
            patience: config.count("patience")?.unwrap_or(10),
            cooldown: config.count("cooldown")?.unwrap_or(0),
            min_lr: config.float("min_lr", 0.0)?,
            wait: 0,
            cooling: 0,
            best: None,
        };
        config.finish()?;
        Ok(plateau)
    }

    /// Begins anew, as every `fit` does.
    pub fn reset(&mut self) {
        (self.wait, self.cooling, self.best) = (0, 0, None);
    }

    /// Takes the value of an epoch and the present learning rate; returns the new one if it changes.
    pub fn epoch_end(&mut self, value: f64, learning_rate: f64) -> Option<f64> {
        if self.cooling > 0 {
            self.cooling -= 1;
            self.wait = 0;
        }
        if self.watch.better(value, self.best) {
            self.best = Some(value);
            self.wait = 0;
        } else if self.cooling == 0 {
            self.wait += 1;
            if self.wait >= self.patience && learning_rate > self.min_lr {
                self.cooling = self.cooldown;
                self.wait = 0;
                return Some((learning_rate * self.factor).max(self.min_lr));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stops(config: Value, values: &[f64]) -> (Option<usize>, EarlyStopping, Vec<usize>) {
        let mut stopping = EarlyStopping::from_config(&config).unwrap();
        let mut kept = Vec::new();
        for (epoch, &value) in values.iter().enumerate() {
            let verdict = stopping.epoch_end(epoch, value);
            kept.extend(verdict.keep_weights.then_some(epoch));
            if verdict.stop {
                return (Some(epoch), stopping, kept);
            }
        }
        (None, stopping, kept)
    }

    #[test]
    fn early_stopping_waits_and_remembers_the_best() {
        let losses = [1.0, 0.8, 0.9, 0.85, 0.7, 0.75, 0.72, 0.71];
        let (epoch, stopping, kept) = stops(json!({"patience": 3, "restore_best_weights": true}), &losses);
        assert_eq!((epoch, stopping.best, stopping.best_epoch), (Some(7), Some(0.7), Some(4)));
        assert_eq!(kept, [0, 1, 4]);
        assert_eq!(stops(json!({"patience": 2}), &losses).0, Some(3));
        // 0.8 to 0.7 is not better by more than 0.15; 1.0 to 0.8 is.
        assert_eq!(stops(json!({"patience": 3, "min_delta": 0.15}), &losses).0, Some(4));
        // With patience 0 the first epoch cannot stop anything.
        assert_eq!(stops(json!({}), &[1.0, 1.0]).0, Some(1));
        let rising = [0.1, 0.5, 0.4, 0.45];
        assert_eq!(stops(json!({"monitor": "val_accuracy", "patience": 2}), &rising).0, Some(3));
        assert_eq!(stops(json!({"patience": 1, "start_from_epoch": 3}), &losses).0, Some(5));
        // Never under the baseline: the better values do not help.
        assert_eq!(stops(json!({"patience": 3, "baseline": 0.1}), &[1.0, 0.9, 0.8, 0.85]).0, Some(3));
    }

    #[test]
    fn a_plateau_lowers_the_rate_with_a_cooldown() {
        let config = json!({"patience": 2, "factor": 0.5, "cooldown": 1, "min_lr": 0.2});
        let mut plateau = ReduceOnPlateau::from_config(&config).unwrap();
        let mut rate = 1.0;
        let rates: Vec<f64> = [3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]
            .iter()
            .map(|&value| {
                rate = plateau.epoch_end(value, rate).unwrap_or(rate);
                rate
            })
            .collect();
        assert_eq!(rates, [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2]);
        assert!(ReduceOnPlateau::from_config(&json!({"factor": 1.0})).is_err());
    }

    #[test]
    fn directions_by_name() {
        for (name, mode) in [
            ("val_loss", Mode::Min),
            ("val_accuracy", Mode::Max),
            ("mean_squared_error", Mode::Min),
            ("mean_iou", Mode::Max),
            ("mean_io_u", Mode::Max),
            ("false_positives", Mode::Min),
            ("true_positives", Mode::Max),
        ] {
            assert_eq!(mode_of(name), mode, "{name}");
        }
    }
}
