//! Chromium and its driver: where they are, how they are started.

use std::path::{Path, PathBuf};

use crate::proc::{self, Result};
use crate::setup::{Report, apt_install};

/// Where browsers hide that are not on the PATH.
const MAC_BROWSERS: &[&str] = &[
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/// The browser: `$CHROMIUM`, or one that is installed.
pub fn browser() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let on_path = || ["chromium", "chromium-browser", "google-chrome", "chrome"].iter().find_map(|n| proc::which(n));
    let mac = || MAC_BROWSERS.iter().map(PathBuf::from).find(|path| path.is_file());
    named.or_else(on_path).or_else(mac)
}

/// Its driver: `$CHROMEDRIVER`, or one that is installed.
pub fn driver() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMEDRIVER").map(PathBuf::from);
    named.or_else(|| proc::which("chromedriver"))
}

/// As [`browser`], with an error that says what to do.
pub fn need_browser() -> Result<PathBuf> {
    browser().ok_or_else(|| "Chromium is missing: run `cargo xtask setup`".into())
}

/// As [`driver`], with an error that says what to do.
pub fn need_driver() -> Result<PathBuf> {
    driver().ok_or_else(|| "chromedriver is missing: run `cargo xtask setup`".into())
}

/// Finds or installs both.
pub fn setup(report: &mut Report) -> Result {
    if browser().is_none() || driver().is_none() {
        report.installing("Chromium and chromedriver");
        apt_install(&["chromium", "chromium-driver"])?;
    }
    let (browser, driver) = (need_browser()?, need_driver()?);
    report.found("Chromium", &browser.display().to_string());
    report.found("chromedriver", &describe(&driver));
    Ok(())
}

fn describe(driver: &Path) -> String {
    let version = proc::version_of(driver).unwrap_or_default();
    version.split(" (").next().unwrap_or_default().to_owned()
}
