// Starts headless Chromium on the race's page.
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const executable = () => {
  const known = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'];
  const found = known.find((path) => path && existsSync(path));
  if (!found) throw new Error('no Chromium found: set CHROMIUM to its path, or run `cargo xtask setup`');
  return found;
};

/** A machine with a GPU uses it; one without gets SwiftShader, Chromium's software adapter. */
const args = [
  '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--enable-unsafe-webgpu', '--enable-unsafe-swiftshader',
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), // Chromium's sandbox refuses to run as root
];

export async function openPage(origin, extraArgs = []) {
  const browser = await chromium.launch({ executablePath: executable(), args: [...args, ...extraArgs] });
  const page = await browser.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(`${origin}/page/index.html`);
  await page.waitForFunction('globalThis.bench !== undefined', null, { timeout: 20_000 }).catch(() => {
    throw new Error(`the page did not start: ${errors.join('; ')}`);
  });
  const devtools = await browser.newBrowserCDPSession();
  /** Process ids of the page and of the GPU process (where software WebGPU and WebGL run). */
  const pids = async () => (await devtools.send('SystemInfo.getProcessInfo')).processInfo
    .filter(({ type }) => type === 'renderer' || type === 'GPU').map(({ id }) => id);
  return { browser, page, pids, version: browser.version() };
}
