//! The part of a golden set that is kept here: layers without gradients, tables of shapes, refused configurations.

use striate::golden::{Backend, Set, run};

/// Runs the cases of some families, those that `STRIATE_CASE` is a part of; fails with all that is wrong. How many ran.
pub fn all_agree(backend: &Backend, families: &[&str]) -> usize {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/golden");
    let set = Set::open(folder).unwrap();
    let filter = std::env::var("STRIATE_CASE").unwrap_or_default();
    let (mut count, mut failures) = (0, Vec::new());
    for case in set.cases() {
        let text = |key: &str| case[key].as_str().unwrap_or_default();
        if families.contains(&text("family")) && text("id").contains(&filter) {
            let outcome = run(&set, case, backend).expect("a family that is known");
            failures.extend(outcome.failures.into_iter().map(|why| format!("{}: {why}", outcome.id)));
            count += 1;
        }
    }
    assert!(failures.is_empty(), "{} failures in {count} cases:\n{}", failures.len(), failures.join("\n"));
    println!("{count} cases agree on {}", backend.name());
    count
}
