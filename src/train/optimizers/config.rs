//! Optimizers from Keras configurations.

use serde_json::Value;

use super::{Average, Clip, Optimizer, Rule};
use crate::error::{Error, Result};
use crate::train::config::{Config, class_name};
use crate::train::schedules::Schedule;

pub(super) fn parse(name: &str, config: &Value) -> Result<Optimizer> {
    let mut config = Config::new(name, config)?;
    let optimizer = optimizer(name, &mut config)?;
    config.finish()?;
    Ok(optimizer)
}

fn optimizer(name: &str, config: &mut Config) -> Result<Optimizer> {
    // `rmsprop`, `adamw` and `SGD` are one word in Keras.
    let class = class_name(name).to_lowercase();
    let epsilon = |config: &mut Config| Ok::<_, Error>(config.float("epsilon", 1e-7)? as f32);
    let rule = match class.as_str() {
        "sgd" => {
            let momentum = config.float("momentum", 0.0)?;
            if !(0.0..=1.0).contains(&momentum) {
                return Err(config.refuse("momentum must lie between 0 and 1"));
            }
            Rule::Sgd { momentum, nesterov: config.flag("nesterov", false)? }
        }
        "rmsprop" => Rule::RmsProp {
            rho: config.float("rho", 0.9)?,
            momentum: config.float("momentum", 0.0)?,
            epsilon: epsilon(config)?,
            centered: config.flag("centered", false)?,
        },
        "adam" | "adamw" => Rule::Adam {
            beta_1: config.float("beta_1", 0.9)?,
            beta_2: config.float("beta_2", 0.999)?,
            epsilon: epsilon(config)?,
            amsgrad: config.flag("amsgrad", false)?,
        },
        "adamax" => Rule::Adamax {
            beta_1: config.float("beta_1", 0.9)?,
            beta_2: config.float("beta_2", 0.999)?,
            epsilon: epsilon(config)?,
        },
        "nadam" => Rule::Nadam {
            beta_1: config.float("beta_1", 0.9)?,
            beta_2: config.float("beta_2", 0.999)?,
            epsilon: epsilon(config)?,
        },
        "adagrad" => Rule::Adagrad {
            initial_accumulator_value: config.float("initial_accumulator_value", 0.1)? as f32,
            epsilon: epsilon(config)?,
        },
        "adadelta" => Rule::Adadelta { rho: config.float("rho", 0.95)?, epsilon: epsilon(config)? },
        _ => return Err(Error::invalid(format!("no optimizer of the name {name:?}"))),
    };
    let mut optimizer = Optimizer::new(rule);
    match config.take("learning_rate") {
        None => {}
        Some(Value::Number(rate)) => optimizer.learning_rate = rate.as_f64().unwrap_or(f64::NAN),
        Some(schedule) => optimizer.schedule = Some(Schedule::deserialize(&schedule).map_err(|e| e.at(name))?),
    }
    if let Some(schedule) = config.take("schedule") {
        optimizer.schedule = Some(Schedule::deserialize(&schedule).map_err(|e| e.at(name))?);
    }
    optimizer.decay = config.float("decay", 0.0)?;
    if optimizer.decay != 0.0 && optimizer.schedule.is_some() {
        return Err(config.refuse("decay and a schedule are two answers to one question"));
    }
    let decay = if class == "adamw" { Some(0.004) } else { None };
    optimizer.weight_decay = config.number("weight_decay")?.or(decay).map(|v| v as f32);
    optimizer.clip = clip(config)?;
    let (momentum, frequency) = (config.float("ema_momentum", 0.99)?, config.count("ema_overwrite_frequency")?);
    if config.flag("use_ema", false)? {
        if !(0.0..=1.0).contains(&momentum) || frequency == Some(0) {
            return Err(config.refuse("ema_momentum must lie between 0 and 1, ema_overwrite_frequency be above 0"));
        }
        optimizer.average = Some(Average { momentum, overwrite_frequency: frequency.map(|n| n as u64) });
    }
    optimizer.accumulate = match config.count("gradient_accumulation_steps")? {
        Some(n) if n < 2 => return Err(config.refuse("gradient_accumulation_steps must be 2 or more")),
        n => n.map(|n| n as u64),
    };
    // Half precision needs it; everything here is float32.
    if config.take("loss_scale_factor").is_some() {
        return Err(Error::unsupported("scaling the loss").at(name));
    }
    // TensorFlow's compilers; nothing here.
    config.take("jit_compile");
    Ok(optimizer)
}

fn clip(config: &mut Config) -> Result<Option<Clip>> {
    let limits = [config.number("clipnorm")?, config.number("global_clipnorm")?, config.number("clipvalue")?];
    if limits.iter().flatten().count() > 1 {
        return Err(config.refuse("only one of clipnorm, global_clipnorm and clipvalue can be set"));
    }
    let limit = |i: usize| limits[i].filter(|v| *v > 0.0).map(|v: f64| v as f32);
    Ok(limit(0).map(Clip::Norm).or(limit(1).map(Clip::GlobalNorm)).or(limit(2).map(Clip::Value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_defaults_and_refusals() {
        let sgd = parse("SGD", &json!({"learning_rate": 0.2, "momentum": 0.9, "decay": 0.01})).unwrap();
        assert_eq!(sgd.rule, Rule::Sgd { momentum: 0.9, nesterov: false });
        assert!((sgd.learning_rate_at(3) - 0.2 / 1.03).abs() < 1e-12);
        assert_eq!(parse("adamw", &Value::Null).unwrap().weight_decay, Some(0.004));
        assert_eq!(parse("rmsprop", &json!({})).unwrap(), parse("RMSprop", &json!({"name": "rmsprop"})).unwrap());
        for (name, config) in [
            ("lion", json!({})),
            ("SGD", json!({"lr": 0.1})),
            ("SGD", json!({"momentum": 2})),
            ("Adam", json!({"clipnorm": 1, "clipvalue": 1})),
            ("Adam", json!({"gradient_accumulation_steps": 1})),
            ("Adam", json!({"loss_scale_factor": 2})),
            ("SGD", json!({"learning_rate": "fast"})),
        ] {
            assert!(parse(name, &config).is_err(), "{name} {config}");
        }
        let mut scheduled = parse(
            "Adam",
            &json!({"learning_rate": {"class_name": "CosineDecay",
                                      "config": {"initial_learning_rate": 0.1, "decay_steps": 8}}}),
        )
        .unwrap();
        assert!((scheduled.learning_rate_at(4) - 0.05).abs() < 1e-12);
        assert!(scheduled.set_learning_rate(0.1).is_err());
    }
}
