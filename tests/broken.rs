//! Files that once made something panic, take long or take memory, as small as they could be made: `cargo xtask fuzz` found
//! most of them. One test, for it counts what is allocated.

#![cfg(all(feature = "onnx", feature = "keras", feature = "cpu", feature = "models", not(target_arch = "wasm32")))]

#[path = "support/survive.rs"]
mod survive;

use std::path::Path;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: survive::Counting = survive::Counting;

#[test]
fn files_that_once_broke_something() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/broken");
    let mut count = 0;
    for &(format, survives) in survive::FORMATS {
        for entry in std::fs::read_dir(folder.join(format)).into_iter().flatten() {
            let path = entry.unwrap().path();
            let file = std::fs::read(&path).unwrap();
            println!("{}", path.display());
            let start = Instant::now();
            survives(&file);
            assert!(start.elapsed() < Duration::from_secs(5), "{} took {:?}", path.display(), start.elapsed());
            count += 1;
        }
    }
    assert!(count > 0, "no files in {}", folder.display());
}
