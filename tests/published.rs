//! The published networks on the CPU: real weights, real photos, and what the networks' own runtimes make of them.
//! The checks are those of `cargo xtask outputs`, on the pictures that this repository holds. Needs the files of
//! `cargo xtask models`.

#![cfg(not(target_arch = "wasm32"))]

#[path = "../examples/outputs/networks.rs"]
mod networks;
#[path = "../examples/outputs/picture.rs"]
mod picture;
#[path = "../examples/support/runner.rs"]
mod runner;
#[path = "support/vendor.rs"]
mod vendor;

use std::path::Path;

use serde_json::Value as Json;
use striate::session::Device;

/// Holds one network to all of its expected values.
fn hold(name: &str) {
    let network = networks::ALL.iter().find(|network| network.name == name).expect("a network of this name");
    if network.files.iter().any(|file| vendor::vendor(file).is_none()) {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/expected").join(network.expected);
    let file: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let results = if network.key.is_empty() { &file["results"] } else { &file[network.key]["results"] };
    let loaded = networks::load(network).unwrap().expect("its files are there");
    let mut runner = runner::Runner::new(loaded, &Some(Device::Cpu)).unwrap();
    let mut held = 0;
    for (title, want) in results.as_object().unwrap() {
        let picture = picture::find(title.split(' ').next().unwrap()).unwrap();
        let picture = picture.unwrap_or_else(|| panic!("{title} belongs to this repository"));
        let verdict = (network.verdict)(&mut runner, &picture, title, want).unwrap();
        assert!(verdict.wrong.is_empty(), "{name}, {title}: {} ({})", verdict.wrong.join("; "), verdict.found);
        println!("{name}, {title}: {}", verdict.found);
        held += 1;
    }
    assert!(held > 0, "{name} is held to nothing");
}

macro_rules! networks {
    ($($test:ident $name:literal),*) => {
        $(#[test] fn $test() { hold($name); })*

        #[test]
        fn every_network_that_is_carried_has_a_test() {
            let tested = ["ssd_mobilenetv2_oidv4", "centernet", "pp-ocrv4-det", $($name),*];
            for network in networks::ALL.iter().filter(|network| !network.files.is_empty()) {
                assert!(tested.contains(&network.name), "{}", network.name);
            }
        }
    };
}

// SSD and CenterNet have tests of their own (`detectors.rs`); no picture for the text detector is in this repository.
networks! {
    nanodet "nanodet",
    efficientnet_lite0 "efficientnet-lite0",
    efficientnet_lite0_by_cells "efficientnet-lite0 map",
    squeezenet "squeezenet",
    mobilenetv2 "mobilenetv2",
    selfie_segmentation "selfie_segmentation",
    posenet "posenet",
    tiny_face_detector "tiny_face_detector",
    esrgan_slim "esrgan-slim-x2",
    realesr_animevideo "realesr-animevideov3",
    multistyle26 "multistyle26"
}
