//! Real models, fetched by `cargo xtask models`.

use std::path::Path;

/// A file of `vendor/`. Without it the test is skipped with a loud word, or fails where everything must run.
pub fn vendor(path: &str) -> Option<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vendor").join(path);
    match std::fs::read(&path) {
        Ok(file) => Some(file),
        Err(e) if std::env::var_os("CI").is_some() || std::env::var_os("STRIATE_TEST_STRICT").is_some() => {
            panic!("{}: {e}; run `cargo xtask models`", path.display())
        }
        Err(_) => {
            eprintln!("SKIPPED: {} is missing; run `cargo xtask models` to test with real weights", path.display());
            None
        }
    }
}
