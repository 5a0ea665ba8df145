// Chromium for the tests.
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium } from "playwright-core";

/** The browser: `$CHROMIUM`, or one that is installed. */
function executable() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const paths = (process.env.PATH ?? "").split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  const found = paths.find((path) => existsSync(path));
  if (!found) throw new Error("no Chromium: set CHROMIUM, or run `cargo xtask setup`");
  return found;
}

/**
 * Headless Chromium with WebGPU on its software adapter. `canvas` lets that draw on canvases, too: everything else on the GPU is then
 * emulated as well, and slow.
 */
export function launch({ canvas = false } = {}) {
  const switches = ["background-networking", "component-update", "sync"].map((name) => `--disable-${name}`);
  const gpu = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];
  if (canvas)
    gpu.push("--use-gl=angle", "--use-angle=swiftshader", "--enable-features=Vulkan", "--use-vulkan=swiftshader");
  const args = ["--no-sandbox", "--no-first-run", ...switches, ...gpu];
  return chromium.launch({ executablePath: executable(), args });
}
