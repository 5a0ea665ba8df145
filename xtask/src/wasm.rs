//! `cargo xtask build`: the wasm binaries, then the npm package around them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::beside::{Beside, MODULES};
use crate::proc::{self, Context, Result};
use crate::setup::{self, Report};
use crate::toolchain::{TARGET, Toolchain};

/// A page waits for every byte: no binary may grow past this (before gzip).
const MAX_BYTES: usize = 1_000_000;
/// What wasm-bindgen calls the module.
const BINARY: &str = "striate_bg.wasm";
/// Flags for the compiler, by target: build scripts and macros run on this machine and must not get them.
const RUSTFLAGS: &str = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS";

/// Rebuilds the standard library from its sources.
pub const BUILD_STD: &str = "build-std=std,panic_abort";

/// What wasm-opt may assume and keep; all of it is in every browser that has SIMD.
const WASM_OPT_FEATURES: &[&str] = &[
    "--enable-simd",
    "--enable-bulk-memory",
    "--enable-bulk-memory-opt",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-multivalue",
    "--enable-reference-types",
    "--enable-extended-const",
];

/// How a binary is compiled. A page downloads those of one flavour, chosen by what its browser can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// Fixed-width SIMD: runs everywhere.
    Simd,
    /// Fused multiply-add besides.
    Relaxed,
    /// Threads besides; needs a cross-origin isolated page.
    Threads,
    /// Shaders, and none of the kernels.
    WebGpu,
}

/// What a binary offers: all of it in one would be 1.6 MB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edition {
    /// Model files and detectors.
    Files,
    /// Building and training of models.
    Models,
}

/// One binary of the package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binary {
    /// How it is compiled.
    pub flavour: Flavour,
    /// What it offers.
    pub edition: Edition,
}

/// All flavours, cheapest first.
pub const FLAVOURS: [Flavour; 4] = [Flavour::Simd, Flavour::Relaxed, Flavour::Threads, Flavour::WebGpu];

/// All binaries.
pub fn binaries() -> Vec<Binary> {
    FLAVOURS.into_iter().flat_map(Flavour::binaries).collect()
}

impl Binary {
    /// Its folder in `npm/dist/wasm`.
    pub fn name(self) -> String {
        let edition = match self.edition {
            Edition::Files => "files",
            Edition::Models => "models",
        };
        format!("{}-{edition}", self.flavour.name())
    }

    /// Whether the built binary is one that a page can wait for.
    pub fn is_small(self) -> bool {
        fits(&self.out().join(BINARY), MAX_BYTES)
    }

    fn out(self) -> PathBuf {
        place(&self.name())
    }

    /// Cargo features of the published binary.
    fn features(self) -> String {
        let edition = match self.edition {
            Edition::Files => "onnx",
            Edition::Models => "models",
        };
        let backend = match self.flavour {
            Flavour::Simd | Flavour::Relaxed => "cpu",
            Flavour::Threads => "cpu,threads",
            Flavour::WebGpu => "webgpu",
        };
        format!("{backend},{edition}")
    }
}

/// Whether a file is there and no larger than this.
pub fn fits(file: &Path, most: usize) -> bool {
    std::fs::metadata(file).is_ok_and(|file| file.len() as usize <= most)
}

/// The place of a binary in the package.
pub fn place(name: &str) -> PathBuf {
    proc::root().join("npm/dist/wasm").join(name)
}

impl Flavour {
    /// Its name in the package.
    pub fn name(self) -> &'static str {
        match self {
            Flavour::Simd => "simd",
            Flavour::Relaxed => "relaxed",
            Flavour::Threads => "threads",
            Flavour::WebGpu => "webgpu",
        }
    }

    fn binaries(self) -> [Binary; 2] {
        [Edition::Files, Edition::Models].map(|edition| Binary { flavour: self, edition })
    }

    /// Flags for the compiler.
    ///
    /// `-pre-RA-sched=source` keeps the order in which kernels are written. LLVM's own order for wasm ignores how many
    /// vectors are alive, V8 keeps it, and a 6 x 8 register tile then spills and runs at half its speed.
    pub fn rustflags(self) -> &'static str {
        match self {
            Flavour::Simd | Flavour::WebGpu => "-Cllvm-args=-pre-RA-sched=source -Ctarget-feature=+simd128",
            Flavour::Relaxed => "-Cllvm-args=-pre-RA-sched=source -Ctarget-feature=+simd128,+relaxed-simd",
            // Since Rust 1.93 `+atomics` no longer makes the memory shared: the linker must be told. The maximum is
            // reserved when the module starts; iOS refuses more than 1 GiB.
            Flavour::Threads => concat!(
                "-Cllvm-args=-pre-RA-sched=source -Ctarget-feature=+simd128,+relaxed-simd,+atomics,+bulk-memory ",
                "-Clink-arg=--shared-memory ",
                "-Clink-arg=--max-memory=1073741824 -Clink-arg=--import-memory -Clink-arg=--export=__wasm_init_tls ",
                "-Clink-arg=--export=__tls_size -Clink-arg=--export=__tls_align -Clink-arg=--export=__tls_base"
            ),
        }
    }

    fn wasm_opt_features(self) -> &'static [&'static str] {
        match self {
            Flavour::Simd | Flavour::WebGpu => &[],
            Flavour::Relaxed => &["--enable-relaxed-simd"],
            Flavour::Threads => &["--enable-relaxed-simd", "--enable-threads"],
        }
    }

    /// Cargo features for tests, lints and development: all that the flavour can have.
    pub fn features(self) -> &'static str {
        match self {
            Flavour::Threads => "cpu,webgpu,onnx,models,vision,augment,convert,threads",
            _ => "cpu,webgpu,onnx,models,vision,augment,convert",
        }
    }

    /// Where cargo builds it. The flags differ, so sharing a folder would rebuild everything at each change of flavour.
    pub fn target_dir(self) -> PathBuf {
        proc::root().join("target/wasm").join(self.name())
    }

    /// Cargo with this flavour's flags; the caller adds `build` or `test` with its options, then [`Self::options`].
    pub fn cargo(self, toolchain: &Toolchain) -> Command {
        self.flags(toolchain.cargo())
    }

    /// Adds this flavour's flags to a cargo command's environment.
    pub fn flags(self, mut cargo: Command) -> Command {
        // Lets a stable compiler rebuild std; without `-Z` it changes nothing.
        cargo.env("RUSTC_BOOTSTRAP", "1").env(RUSTFLAGS, self.rustflags());
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        cargo
    }

    /// The options of cargo that every command of this flavour shares.
    pub fn options(self, toolchain: &Toolchain) -> Vec<String> {
        self.options_with(toolchain, self.features())
    }

    /// As [`Self::options`], with these features of the crate.
    pub fn options_with(self, toolchain: &Toolchain, features: &str) -> Vec<String> {
        let target_dir = self.target_dir().display().to_string();
        let mut options = ["--target", TARGET, "--target-dir", &target_dir].map(String::from).to_vec();
        options.extend(["--no-default-features".into(), "--features".into(), features.into()]);
        if self == Flavour::Threads || toolchain.must_build_std() {
            options.extend(["-Z".into(), BUILD_STD.into()]);
        }
        options
    }
}

/// How much to optimise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// What is published.
    Release,
    /// Quick to build, with debug assertions: for tests and development.
    Dev,
}

impl Profile {
    /// The name in `Cargo.toml`.
    pub fn cargo_name(self) -> &'static str {
        match self {
            Profile::Release => "wasm",
            Profile::Dev => "wasm-dev",
        }
    }
}

/// `build [--release|--dev] [simd|relaxed|threads|webgpu|keras|vision|augment|convert]...`
pub fn task(arguments: &[String]) -> Result {
    let mut profile = Profile::Release;
    let (mut flavours, mut modules) = (Vec::new(), Vec::new());
    for argument in arguments {
        let flavour = FLAVOURS.iter().find(|flavour| flavour.name() == argument);
        let module = MODULES.iter().find(|module| module.name == argument);
        match (argument.as_str(), flavour, module) {
            ("--release", ..) => profile = Profile::Release,
            ("--dev", ..) => profile = Profile::Dev,
            (_, Some(flavour), _) => flavours.push(*flavour),
            (_, _, Some(module)) => modules.push(*module),
            _ => return Err(format!("build: unknown argument {argument:?}; see `cargo xtask help`").into()),
        }
    }
    setup::ensure(setup::BUILD)?;
    if modules.is_empty() {
        // Every engine wants both.
        modules.extend(MODULES);
        if flavours.is_empty() {
            flavours.extend(FLAVOURS);
        }
    }
    build_parts(profile, &flavours, &modules)?;
    // Last, so that there is something to look into.
    let built = flavours.iter().flat_map(|flavour| flavour.binaries());
    let mut too_large: Vec<_> = built.filter(|binary| !binary.is_small()).map(Binary::name).collect();
    too_large.extend(modules.iter().filter(|module| !module.is_small()).map(|module| module.name.to_string()));
    if profile == Profile::Release && !too_large.is_empty() {
        return Err(format!("too large: {}; find what made them grow", too_large.join(", ")).into());
    }
    Ok(())
}

/// Builds binaries, the modules beside them, and the npm package.
pub fn build(profile: Profile, flavours: &[Flavour]) -> Result {
    build_parts(profile, flavours, &MODULES)
}

/// For development one binary of everything stands in for both editions.
fn build_parts(profile: Profile, flavours: &[Flavour], modules: &[Beside]) -> Result {
    let toolchain = Toolchain::need()?;
    let names = flavours.iter().map(|flavour| flavour.name()).chain(modules.iter().map(|module| module.name));
    println!("build: {} ...", names.collect::<Vec<_>>().join(", "));
    let beside = |modules: &[Beside]| modules.iter().map(|m| m.build(&toolchain, profile)).collect::<Result<Vec<_>>>();
    // Fat link-time optimisation and wasm-opt keep one core busy each: build side by side.
    let results: Vec<Result<Vec<String>>> = std::thread::scope(|scope| {
        let builds = flavours.iter().map(|&flavour| {
            let (toolchain, beside) = (&toolchain, &beside);
            scope.spawn(move || {
                let [files, models] = flavour.binaries();
                let mut lines = match profile {
                    Profile::Dev => vec![binary(toolchain, profile, files, &[files, models])?],
                    Profile::Release => {
                        vec![
                            binary(toolchain, profile, files, &[files])?,
                            binary(toolchain, profile, models, &[models])?,
                        ]
                    }
                };
                // Modules and this flavour share a folder, and what cargo leaves there has one name.
                if flavour == Flavour::Simd {
                    lines.extend(beside(modules)?);
                }
                Ok(lines)
            })
        });
        let builds: Vec<_> = builds.collect();
        builds.into_iter().map(|build| build.join().expect("a build thread never panics")).collect()
    });
    for lines in results {
        for line in lines? {
            println!("{line}");
        }
    }
    if !flavours.contains(&Flavour::Simd) {
        println!("{}", beside(modules)?.join("\n"));
    }
    package()
}

/// One binary, from source to its places in `npm/dist/wasm`; returns the line to print.
fn binary(toolchain: &Toolchain, profile: Profile, binary: Binary, places: &[Binary]) -> Result<String> {
    let flavour = binary.flavour;
    let mut cargo = flavour.cargo(toolchain);
    // Quietly: on a stable compiler each build with `+atomics` warns that the feature is unstable.
    cargo.args(["rustc", "--quiet", "--lib"]);
    let (mut name, mut options) = (flavour.name().to_string(), flavour.options(toolchain));
    if profile == Profile::Release {
        (name, options) = (binary.name(), flavour.options_with(toolchain, &binary.features()));
    }
    let builds_std = options.iter().any(|option| option.starts_with("build-std"));
    let module = Module {
        name,
        file: "striate",
        rustflags: flavour.rustflags(),
        builds_std,
        wasm_opt: flavour.wasm_opt_features(),
        target: flavour.target_dir(),
    };
    let places: Vec<PathBuf> = places.iter().map(|place| place.out()).collect();
    module.build(cargo.args(options), profile, "striate.wasm", &places)
}

/// A module on its way into the package.
pub struct Module {
    /// What the line to print calls it.
    pub name: String,
    /// What its files are called.
    pub file: &'static str,
    /// Flags for the compiler.
    pub rustflags: &'static str,
    /// Cargo's options have it build the standard library in any case.
    pub builds_std: bool,
    /// What wasm-opt may assume besides.
    pub wasm_opt: &'static [&'static str],
    /// Where cargo builds it.
    pub target: PathBuf,
}

impl Module {
    /// Cargo (`rustc` with the crate and its options), wasm-bindgen, wasm-opt; copies at all places. Returns the line to
    /// print.
    pub fn build(&self, cargo: &mut Command, profile: Profile, raw: &str, places: &[PathBuf]) -> Result<String> {
        let (built, time) = proc::timed(|| self.compile(cargo, profile, raw, places));
        let (wasm, fresh) = built?;
        let time = if fresh { "unchanged".into() } else { proc::seconds(time) };
        Ok(format!(
            "build: {:<14} {:>6.1} KB, {:>6.1} KB gzipped ({}, {time})",
            self.name,
            wasm.len() as f64 / 1e3,
            gzip_size(&wasm) as f64 / 1e3,
            profile.cargo_name(),
        ))
    }

    /// The binary, and whether it was already there.
    fn compile(&self, cargo: &mut Command, profile: Profile, raw: &str, places: &[PathBuf]) -> Result<(Vec<u8>, bool)> {
        cargo.args(["--crate-type", "cdylib", "--profile", profile.cargo_name()]);
        if profile == Profile::Release {
            // The standard library built for size too: its sorts alone are 90 KB otherwise.
            if !self.builds_std {
                cargo.args(["-Z", BUILD_STD]);
            }
            cargo.args(["-Z", "build-std-features=optimize_for_size"]);
            // A panic is a bug, and its message finds it without the line: 10 KB and more of paths and numbers stay home.
            // Nothing published prints the fields of a struct either: 30 KB.
            cargo.env(RUSTFLAGS, format!("{} -Zlocation-detail=none -Zfmt-debug=shallow", self.rustflags));
        }
        // Each binary leaves something out: what only the others use must say so.
        proc::run_quiet(cargo.args(["--", "-Dwarnings"]))?;

        let folder = self.target.join(TARGET).join(profile.cargo_name());
        let (raw, package) = (folder.join(raw), folder.join(format!("package-{}", self.name)));
        // The stamp names everything that the result follows from.
        let source = proc::sha256(&proc::read(&raw)?);
        let recipe = format!("{source} {} {profile:?} {:?}", locked_bindgen()?, wasm_opt_arguments(self.wasm_opt));
        let stamp = package.with_extension("stamp");
        let fresh = std::fs::read_to_string(&stamp).is_ok_and(|have| have == recipe);
        if !fresh {
            bind(profile, self.file, self.wasm_opt, &raw, &package)?;
            proc::write(&stamp, recipe)?;
        }
        // The package's own build rewrites what it is given, so it gets copies.
        for place in places {
            remove_folder(place)?;
            copy_folder(&package, place)?;
        }
        Ok((proc::read(&package.join(format!("{}_bg.wasm", self.file)))?, fresh))
    }
}

/// Makes a module with its JavaScript glue of what cargo built.
fn bind(profile: Profile, name: &str, features: &[&str], raw: &Path, package: &Path) -> Result {
    remove_folder(package)?;
    let mut command = proc::command(bindgen()?);
    command.args(["--target", "web", "--out-name", name, "--remove-producers-section"]);
    if profile == Profile::Release {
        command.arg("--remove-name-section");
    }
    proc::run_quiet(command.arg("--out-dir").arg(package).arg(raw))?;
    if profile == Profile::Release {
        let wasm = package.join(format!("{name}_bg.wasm"));
        let mut command = proc::command("node");
        command.arg("xtask/node_modules/binaryen/bin/wasm-opt").args(wasm_opt_arguments(features));
        proc::run_quiet(command.arg(&wasm).arg("-o").arg(&wasm))?;
    }
    Ok(())
}

fn remove_folder(folder: &Path) -> Result {
    if folder.is_dir() {
        std::fs::remove_dir_all(folder).context(format_args!("removing {}", folder.display()))?;
    }
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result {
    proc::make_folder(to)?;
    for entry in std::fs::read_dir(from).context(format_args!("listing {}", from.display()))?.flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target).context(format_args!("copying {}", target.display()))?;
        }
    }
    Ok(())
}

fn wasm_opt_arguments<'f>(features: &[&'f str]) -> Vec<&'f str> {
    // 2 % smaller than -O3; what that does to speed was not measured apart from the rest of building for size.
    let mut arguments = vec!["-Oz"];
    arguments.extend(WASM_OPT_FEATURES);
    arguments.extend(features);
    arguments
}

/// The TypeScript around the binaries.
fn package() -> Result {
    if !proc::root().join("npm/package.json").is_file() {
        return Ok(());
    }
    let (result, time) = proc::timed(|| proc::run_quiet(proc::npm("npm").args(["run", "build"])));
    result?;
    println!("build: npm package ({})", proc::seconds(time));
    Ok(())
}

fn gzip_size(bytes: &[u8]) -> usize {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).map_or(0, |packed| packed.len())
}

/// The version of wasm-bindgen in `Cargo.lock`: the command-line tool must be of the same.
fn locked_bindgen() -> Result<String> {
    let lock = std::fs::read_to_string(proc::root().join("Cargo.lock")).context("reading Cargo.lock")?;
    let entry = lock.split("[[package]]").find(|entry| entry.contains("name = \"wasm-bindgen\"\n"));
    let version = entry.and_then(|entry| entry.split("version = \"").nth(1)?.split('"').next());
    version.map(String::from).ok_or_else(|| "Cargo.lock names no wasm-bindgen".into())
}

/// A program of wasm-bindgen-cli at the locked version, if there is one: in `.tools/bin` or on the PATH.
fn find_bindgen(program: &str) -> Result<Option<PathBuf>> {
    let version = locked_bindgen()?;
    let local = proc::root().join(".tools/bin").join(format!("{program}{}", std::env::consts::EXE_SUFFIX));
    let right = |path: &PathBuf| proc::version_of(path).is_some_and(|have| have.split(' ').nth(1) == Some(&version));
    Ok([Some(local), proc::which(program)].into_iter().flatten().find(right))
}

/// `wasm-bindgen`.
pub fn bindgen() -> Result<PathBuf> {
    find_bindgen("wasm-bindgen")?.ok_or_else(|| "wasm-bindgen is missing: run `cargo xtask setup`".into())
}

/// `wasm-bindgen-test-runner`.
pub fn test_runner() -> Result<PathBuf> {
    let beside = bindgen()?.with_file_name(format!("wasm-bindgen-test-runner{}", std::env::consts::EXE_SUFFIX));
    if beside.is_file() {
        Ok(beside)
    } else {
        Err("wasm-bindgen-test-runner is missing: run `cargo xtask setup`".into())
    }
}

/// Finds wasm-bindgen at the locked version or builds it from its crate.
pub fn setup_bindgen(report: &mut Report) -> Result {
    let version = locked_bindgen()?;
    if find_bindgen("wasm-bindgen")?.is_none() {
        report.installing(&format!("wasm-bindgen-cli {version} into .tools/ (compiles for 2 to 3 minutes)"));
        let mut cargo = proc::cargo();
        // Not inside the workspace: its `.cargo` and lock file are not for this.
        cargo.args(["install", "--quiet", "wasm-bindgen-cli", "--version", &version, "--root"]);
        proc::run_quiet(cargo.arg(proc::root().join(".tools")))?;
    }
    report.found("wasm-bindgen", &format!("{version} ({})", shorten(&bindgen()?)));
    Ok(())
}

fn shorten(path: &Path) -> String {
    path.strip_prefix(proc::root()).unwrap_or(path).display().to_string()
}
