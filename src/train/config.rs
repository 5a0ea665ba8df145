//! Keras configurations: the JSON object of a loss, a metric or an optimizer, in snake_case, every key accounted for.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// The settings of one object. Take every key that is known, then [`Config::finish`] refuses the rest.
#[derive(Clone, Debug)]
pub struct Config {
    owner: String,
    values: Map<String, Value>,
}

impl Config {
    /// The settings of `owner` (a class, for errors). `null` is an empty object; `name` and `dtype` are left out, as
    /// they change nothing that is computed.
    pub fn new(owner: &str, value: &Value) -> Result<Config> {
        let mut values = match value {
            Value::Object(map) => map.clone(),
            Value::Null => Map::new(),
            other => return Err(Error::mismatch("a configuration must be an object", "an object", other).at(owner)),
        };
        values.remove("name");
        values.remove("dtype");
        Ok(Config { owner: owner.to_string(), values })
    }

    /// Removes a key; `null` counts as absent.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        self.values.remove(key).filter(|v| !v.is_null())
    }

    /// A number, or nothing.
    pub fn number(&mut self, key: &str) -> Result<Option<f64>> {
        self.take(key).map(|v| v.as_f64().ok_or_else(|| self.wrong(key, "a number", &v))).transpose()
    }

    /// A number, or the default.
    pub fn float(&mut self, key: &str, default: f64) -> Result<f64> {
        Ok(self.number(key)?.unwrap_or(default))
    }

    /// A boolean, or the default.
    pub fn flag(&mut self, key: &str, default: bool) -> Result<bool> {
        match self.take(key) {
            None => Ok(default),
            Some(v) => v.as_bool().ok_or_else(|| self.wrong(key, "true or false", &v)),
        }
    }

    /// A whole number, which may be negative, or nothing.
    pub fn integer(&mut self, key: &str) -> Result<Option<i64>> {
        self.take(key).map(|v| whole(&v).ok_or_else(|| self.wrong(key, "a whole number", &v))).transpose()
    }

    /// A count, or nothing.
    pub fn count(&mut self, key: &str) -> Result<Option<usize>> {
        let count = |v: &Value| whole(v).and_then(|n| usize::try_from(n).ok());
        self.take(key).map(|v| count(&v).ok_or_else(|| self.wrong(key, "a count", &v))).transpose()
    }

    /// An axis, or the default.
    pub fn axis(&mut self, key: &str, default: isize) -> Result<isize> {
        Ok(self.integer(key)?.map_or(default, |n| n as isize))
    }

    /// Several axes, given as a number or as a list; `None` is all of them.
    pub fn axes(&mut self, key: &str) -> Result<Option<Vec<isize>>> {
        Ok(self.numbers(key)?.map(|list| list.into_iter().map(|v| v as isize).collect()))
    }

    /// A number or a list of numbers, or nothing.
    pub fn numbers(&mut self, key: &str) -> Result<Option<Vec<f64>>> {
        let list = |v: &Value| match v {
            Value::Array(list) => list.iter().map(Value::as_f64).collect::<Option<Vec<_>>>(),
            one => one.as_f64().map(|n| vec![n]),
        };
        self.take(key).map(|v| list(&v).ok_or_else(|| self.wrong(key, "numbers", &v))).transpose()
    }

    /// A string, or nothing.
    pub fn text(&mut self, key: &str) -> Result<Option<String>> {
        self.take(key)
            .map(|v| v.as_str().map(str::to_string).ok_or_else(|| self.wrong(key, "a string", &v)))
            .transpose()
    }

    /// Whether a key is there and `null`.
    pub(crate) fn is_null(&self, key: &str) -> bool {
        self.values.get(key).is_some_and(Value::is_null)
    }

    /// Refuses what is left.
    pub fn finish(self) -> Result<()> {
        match self.values.iter().find(|(_, v)| !v.is_null()).map(|(key, _)| key) {
            None => Ok(()),
            Some(key) => Err(Error::invalid(format!("unknown setting {key:?}")).at(self.owner)),
        }
    }

    /// An error about a value that is of the right type and yet makes no sense.
    pub fn refuse(&self, message: impl Into<String>) -> Error {
        Error::invalid(message).at(&self.owner)
    }

    fn wrong(&self, key: &str, expected: &str, received: &Value) -> Error {
        Error::mismatch(format!("the setting {key:?} has the wrong type"), expected, received).at(&self.owner)
    }
}

/// A whole number, also when written as `2.0`.
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 1e15).map(|n| n as i64))
}

/// `SparseCategoricalCrossentropy` for `sparse_categorical_crossentropy`: Keras takes either.
pub(crate) fn class_name(name: &str) -> String {
    if name.starts_with(char::is_uppercase) && !name.contains('_') {
        return name.to_string();
    }
    let mut class = String::with_capacity(name.len());
    for part in name.split('_') {
        let mut letters = part.chars();
        class.extend(letters.next().map(|c| c.to_ascii_uppercase()));
        class.push_str(letters.as_str());
    }
    class
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn takes_what_is_known_and_refuses_the_rest() {
        let mut config =
            Config::new("SGD", &json!({"name": "sgd", "momentum": 0.9, "steps": 3, "decay": null})).unwrap();
        assert_eq!(config.float("momentum", 0.0).unwrap(), 0.9);
        assert_eq!(config.float("learning_rate", 0.01).unwrap(), 0.01);
        assert_eq!(config.clone().count("steps").unwrap(), Some(3));
        let error = config.finish().unwrap_err();
        assert_eq!((error.layer(), error.message()), (Some("SGD"), "unknown setting \"steps\""));
        assert!(Config::new("SGD", &json!({"momentum": "much"})).unwrap().float("momentum", 0.0).is_err());
        assert!(Config::new("SGD", &json!([1])).is_err());
    }

    #[test]
    fn names_in_either_spelling() {
        assert_eq!(class_name("sparse_categorical_crossentropy"), "SparseCategoricalCrossentropy");
        assert_eq!(class_name("MeanSquaredError"), "MeanSquaredError");
        assert_eq!(class_name("huber"), "Huber");
    }
}
