//! The parts of a golden set that are kept here: `golden` has layers, tables of shapes, refused
//! configurations; `golden-networks` has networks at full size (weights by rule), training runs, the first picture.

use striate::golden::{Backend, Check, Set, run};

/// Runs the cases of some families, those that `STRIATE_CASE` is a part of; fails with all that is wrong. How many ran, and
/// in how many of them gradients were compared.
pub fn all_agree(backend: &Backend, part: &str, families: &[&str]) -> [usize; 2] {
    let set = Set::open(format!("{}/tests/data/{part}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let filter = std::env::var("STRIATE_CASE").unwrap_or_default();
    let ([mut count, mut gradients], mut failures) = ([0; 2], Vec::new());
    for case in set.cases() {
        let text = |key: &str| case[key].as_str().unwrap_or_default();
        if families.contains(&text("family")) && text("id").contains(&filter) {
            let outcome = run(&set, case, backend).expect("a family that is known");
            count += 1;
            gradients += outcome.worst.contains_key(&Check::Gradient) as usize;
            failures.extend(outcome.failures.into_iter().map(|why| format!("{}: {why}", outcome.id)));
        }
    }
    assert!(failures.is_empty(), "{} failures in {count} cases:\n{}", failures.len(), failures.join("\n"));
    println!("{count} cases agree on {}, {gradients} of them in gradients too", backend.name());
    [count, gradients]
}
