//! Broken and hostile files: each ends in an error or in numbers, never in a panic, and never takes much more memory than
//! the file has.

#[path = "../../../tests/support/counting.rs"]
mod counting;

use serde_json::{Value as Json, json};
use striate_keras::hdf5::{File, Group, Member};
use striate_keras::{Description, ErrorKind, ModelFile, Options, Reading, WeightInfo};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

fn data(path: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../../tests/data/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

const FILES: &[&str] = &[
    "golden-models/models/tiny_functional.keras",
    "golden-models/models/tiny_sequential.trained.keras",
    "golden-models/models/tiny_functional.weights.h5",
    "golden-models/models/tiny_sequential.keras2.h5",
    "golden-models/models/tiny_functional.keras3.h5",
    "keras/nested.keras",
    "keras/hdf5-earliest.h5",
    "keras/hdf5-v108.h5",
    "keras/hdf5-latest.h5",
    "keras/hdf5-v110.h5",
];

/// A network with a weight, whatever the file is of.
fn network() -> Description {
    let layers = json!([{"name": "conv", "class": "Conv2D", "config": {}}]);
    let weight = WeightInfo { name: "conv/kernel".into(), shape: vec![3, 3, 3, 5], trainable: true };
    Description::new(&json!({"class": "Sequential", "layers": layers}), vec![weight]).unwrap()
}

/// All that can be asked of a file; whether all went well.
fn use_all(bytes: Vec<u8>) -> bool {
    let reading = Reading { before_keras_3: false, replace: &|_, _| None };
    let raw = File::read(bytes.clone());
    let mut sound = true;
    if let Ok(file) = &raw {
        sound &= floats(file, file.root());
    }
    let Ok(file) = ModelFile::read(bytes) else { return false };
    sound &= file.config().is_none_or(|config| reading.model(config).is_ok());
    for by_name in [false, true] {
        for skip_mismatch in [false, true] {
            let found = file.assign(&network(), Options { by_name, skip_mismatch });
            for (_, stored) in found.map(|found| found.pairs).unwrap_or_default() {
                sound &= file.floats(&stored).is_ok();
            }
        }
    }
    sound
}

fn floats(file: &File, group: &Group) -> bool {
    group.members.iter().fold(true, |sound, (_, member)| match member {
        Member::Group(group) => floats(file, group) && sound,
        Member::Array(array) => file.floats(array).is_ok() && sound,
    })
}

/// Runs in bounded memory: a few times the file, and what deflate makes of a few bytes.
fn bounded(file: Vec<u8>, what: &str) -> bool {
    let limit = 40 * file.len() + (4 << 20);
    let (most, sound) = counting::peak(|| use_all(file));
    assert!(most < limit, "{what}: {most} bytes of memory");
    sound
}

/// One test, since memory is counted for the whole process.
#[test]
fn damage_is_an_error_and_costs_little() {
    let mut refused = 0;
    let mut random = 1u64;
    let mut next = |below: usize| {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (random >> 33) as usize % below
    };
    for path in FILES {
        let file = data(path);
        for part in 0..50 {
            let cut = file.len() * part / 50;
            refused += !bounded(file[..cut].to_vec(), &format!("{path} cut off at {cut}")) as usize;
        }
        for round in 0..300 {
            let mut file = file.clone();
            for _ in 0..1 + next(4) {
                let at = next(file.len());
                match next(4) {
                    0 => file[at] ^= 1 << next(8),
                    1 => file[at] = [0, 0x7f, 0x80, 0xff][next(4)],
                    2 => {
                        let word = [0u64, 1, u32::MAX as u64, i64::MAX as u64, u64::MAX, u64::MAX - 7][next(6)];
                        let end = (at + 8).min(file.len());
                        file[at..end].copy_from_slice(&word.to_le_bytes()[..end - at]);
                    }
                    // Another place of the same file: structures that point at themselves.
                    _ => {
                        let word = (next(file.len()) as u64).to_le_bytes();
                        let end = (at + 8).min(file.len());
                        file[at..end].copy_from_slice(&word[..end - at]);
                    }
                }
            }
            refused += !bounded(file, &format!("{path} damaged, round {round}")) as usize;
        }
        // Behind the structures of HDF5, every place of the first kilobytes in turn.
        for at in 0..file.len().min(1500) {
            let mut file = file.clone();
            file[at] ^= 0xff;
            bounded(file, &format!("{path} changed at {at}"));
        }
    }
    // The heads of every index of chunks, place by place.
    let file = data("keras/hdf5-v110.h5");
    let heads = [b"FAHD", b"FADB", b"EAHD", b"EAIB", b"EASB", b"EADB", b"BTHD", b"BTLF", b"BTIN"];
    for head in heads {
        let places: Vec<usize> = (0..file.len() - 80).filter(|&at| file[at..].starts_with(head)).collect();
        assert!(!places.is_empty(), "no index with {}", String::from_utf8_lossy(head));
        for at in places.iter().take(3).flat_map(|&at| at..at + 80) {
            for value in [0, 1, 0x7f, 0xff] {
                let mut file = file.clone();
                file[at] = value;
                bounded(file, &format!("index changed to {value} at {at}"));
            }
        }
    }
    assert!(refused > 450, "only {refused} damaged files were refused");
    graphs();
}

/// Configurations that are wrong, or endless.
fn graphs() {
    let reading = Reading { before_keras_3: true, replace: &|_, _| None };
    let model = |layers: Json, outputs: Json| {
        let config = json!({"layers": layers, "input_layers": [], "output_layers": outputs});
        reading.model(&json!({"class_name": "Functional", "config": config}))
    };
    let layer =
        |name: &str, inbound: Json| json!({"class_name": "ReLU", "name": name, "config": {}, "inbound_nodes": inbound});
    let loop_of_two = json!([layer("a", json!([[["b", 0, 0, {}]]])), layer("b", json!([[["a", 0, 0, {}]]]))]);
    let error = model(loop_of_two, json!([["a", 0, 0]])).unwrap_err();
    assert_eq!(error.to_string(), "a: the layer takes what comes of itself");
    let error = model(json!([layer("a", json!([[["x", 3, 0]]]))]), json!([["a", 0, 0]])).unwrap_err();
    assert_eq!(error.to_string(), "a: it takes call 3 of a layer \"x\", which the model does not have");
    let error = model(json!([layer("a", json!([[["a", 0, 0, {"scale": 3}]]]))]), json!([])).unwrap_err();
    assert_eq!(error.to_string(), "a: a layer that is called with `scale`");
    let error = reading.model(&json!({"class_name": "MyModel", "config": {}})).unwrap_err();
    assert_eq!(error.fields().kind, ErrorKind::Unsupported);
    let mut nested = json!({"class_name": "Sequential", "name": "x", "config": []});
    let mut deep = json!(["x", 0, 0]);
    for _ in 0..60 {
        nested = json!({"class_name": "Sequential", "name": "x", "config": [nested]});
        deep = json!([deep]);
    }
    assert_eq!(reading.model(&nested).unwrap_err().fields().kind, ErrorKind::Resource);
    assert_eq!(model(json!([]), deep).unwrap_err().fields().kind, ErrorKind::Invalid);
}
