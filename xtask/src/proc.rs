//! Running other programs: loudly (the user sees them work) or quietly (the output is kept and shown only on failure).

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Why a task stopped: a sentence for the person at the terminal.
#[derive(Debug)]
pub struct Error(pub String);

/// What every task returns.
pub type Result<T = ()> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Error {
    fn from(text: String) -> Self {
        Error(text)
    }
}

impl From<&str> for Error {
    fn from(text: &str) -> Self {
        Error(text.to_owned())
    }
}

/// Adds "while doing what" to an I/O error.
pub trait Context<T> {
    fn context(self, doing: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, doing: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Error(format!("{doing}: {error}")))
    }
}

/// The folder that holds the workspace's `Cargo.toml`.
pub fn root() -> PathBuf {
    // Cargo sets the variable at run time too; a copied or moved checkout then finds itself, not where it was compiled.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&manifest).parent().expect("xtask lies inside the workspace").to_owned()
}

/// A command in the workspace root.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// Cargo, the same that runs this program, without what it set for this program alone (those would make it rebuild).
pub fn cargo() -> Command {
    let mut cargo = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO_BIN_NAME" {
            cargo.env_remove(name.as_ref());
        }
    }
    cargo
}

fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Runs with the terminal's output; failure names the command.
pub fn run(command: &mut Command) -> Result {
    let status = command.status().context(show(command))?;
    if status.success() { Ok(()) } else { Err(format!("failed ({status}): {}", show(command)).into()) }
}

/// Runs without output; on failure the error carries the end of what was printed.
pub fn run_quiet(command: &mut Command) -> Result<String> {
    let output = output(command.env_remove("RUST_BACKTRACE"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let all = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = all.lines().collect();
    let tail = lines[lines.len().saturating_sub(25)..].join("\n");
    Err(format!("failed ({}): {}\n{}", output.status, show(command), without_hosts(&tail)).into())
}

/// Runs, collecting both streams; an error only if the program cannot be started.
pub fn output(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null()).output().context(show(command))
}

/// The first line a program prints about itself, if it can be started.
pub fn version_of(program: impl AsRef<OsStr>) -> Option<String> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned();
    output.status.success().then_some(text)
}

/// Where a program lies on the PATH.
pub fn which(program: &str) -> Option<PathBuf> {
    let file = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(&file)).find(|path| path.is_file())
}

/// npm in a folder of the workspace. (On Windows npm is a script, which only the shell starts.)
pub fn npm(folder: impl AsRef<Path>) -> Command {
    let mut npm = if cfg!(windows) { command("cmd") } else { command("npm") };
    if cfg!(windows) {
        npm.args(["/C", "npm"]);
    }
    npm.current_dir(root().join(folder)).args(["--loglevel=error", "--no-audit", "--no-fund"]);
    npm
}

/// Addresses of package servers differ from place to place and say nothing about a failure.
fn without_hosts(text: &str) -> String {
    let mut clean = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        clean.push_str(&rest[..at + 3]);
        rest = &rest[at + 3..];
        let end = rest.find(|c: char| c == '/' || c.is_whitespace() || c == '"' || c == ')').unwrap_or(rest.len());
        clean.push_str("[server]");
        rest = &rest[end..];
    }
    clean + rest
}

/// Creates a folder and those above it.
pub fn make_folder(path: &Path) -> Result {
    std::fs::create_dir_all(path).context(format_args!("creating {}", path.display()))
}

/// Writes a file, and its folder if need be.
pub fn write(path: &Path, contents: impl AsRef<[u8]>) -> Result {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    std::fs::write(path, contents).context(format_args!("writing {}", path.display()))
}

/// Reads a file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).context(format_args!("reading {}", path.display()))
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// "0.8 s", "2 min 5 s".
pub fn seconds(time: Duration) -> String {
    let s = time.as_secs_f64();
    if s < 100.0 { format!("{s:.1} s") } else { format!("{} min {:.0} s", s as u64 / 60, s % 60.0) }
}

/// Runs something and says how long it took.
pub fn timed<T>(what: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    (what(), start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_match_the_published_vector() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn server_names_are_left_out() {
        assert_eq!(
            without_hosts("GET https://a.example/x (http://b.example)"),
            "GET https://[server]/x (http://[server])"
        );
        assert_eq!(without_hosts("plain"), "plain");
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(seconds(Duration::from_millis(840)), "0.8 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 5 s");
    }
}
