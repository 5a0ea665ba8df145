//! Every small file that these tests write is a seed for fuzzing: `STRIATE_SEEDS=FOLDER cargo test --test formats` keeps them
//! there, as `cargo xtask fuzz` does.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

/// Larger files teach a fuzzer little.
const MAX_BYTES: usize = 16 << 10;

/// Keeps a file, if seeds are asked for, under the name of its content.
pub fn keep(format: &str, file: &[u8]) {
    let Some(folder) = std::env::var_os("STRIATE_SEEDS") else { return };
    if file.len() > MAX_BYTES {
        return;
    }
    let mut hasher = DefaultHasher::new();
    file.hash(&mut hasher);
    let folder = PathBuf::from(folder).join(format);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{:016x}", hasher.finish())), file).unwrap();
}

/// Keeps a TensorFlow.js model: the JSON, a zero byte, the weights.
pub fn keep_tfjs(json: &str, weights: &[u8]) {
    keep("tfjs", &[json.as_bytes(), &[0], weights].concat());
}
