//! `cargo xtask <task>`: the one door to every developer task.
fn main() {}
