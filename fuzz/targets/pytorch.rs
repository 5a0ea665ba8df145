#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/support/survive.rs"]
#[allow(dead_code)]
mod survive;

#[global_allocator]
static ALLOCATOR: survive::Counting = survive::Counting;

fuzz_target!(|file: &[u8]| survive::pytorch(file));
