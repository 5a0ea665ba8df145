//! Metrics: the value after every batch, and the matrix of counts behind overlaps.

use striate::train::metrics::Metric;

use crate::support::{Golden, id, report};

#[test]
fn metrics_agree_with_keras() {
    let golden = Golden::load(&["metric"], &["losses.safetensors"]);
    let mut failures = Vec::new();
    for case in &golden.cases {
        let mut metric = Metric::from_config(case["op"].as_str().unwrap(), &case["config"]).unwrap();
        // The second time after a reset.
        for round in 0..2 {
            for (i, update) in case["updates"].as_array().unwrap().iter().enumerate() {
                let tensor = |key: &str| update[key].is_object().then(|| golden.tensor(&update[key]));
                let [y_true, y_pred] = ["y_true", "y_pred"].map(|key| tensor(key).unwrap());
                metric.update(y_true, y_pred, tensor("sample_weight")).unwrap();
                let what = format!("{} after batch {i}, round {round}", id(case));
                failures.extend(golden.compare(&what, &metric.result(), &update["result"], 1.0).err());
            }
            if case["confusion"].is_object() {
                let counts = metric.confusion().unwrap();
                failures
                    .extend(golden.compare(&format!("{} counts", id(case)), &counts, &case["confusion"], 1.0).err());
            }
            metric.reset();
        }
    }
    report(failures, golden.cases.len(), 24);
}
