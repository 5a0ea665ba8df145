#!/usr/bin/env node
// Builds benches/kernels as wasm and times it in headless Chromium, all builds taking turns:
//
//   node benches/kernels/run.mjs [--builds=simd,relaxed,threads] [--only=TEXT[,TEXT]] [--rounds=8] [--threads=2] [--no-build]
//
// Prints milliseconds and GFLOP/s, each the best of all samples; with `--cpu` of the processor time of the worker's
// threads (from the scheduler's statistics, Linux only) instead of the time on the wall, which other work disturbs.
import { spawn, spawnSync } from "node:child_process";
import { createServer } from "node:http";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const options = Object.fromEntries(process.argv.slice(2).map((a) => a.replace(/^--/, "").split("=")));
const builds = (options.builds ?? "simd,relaxed,threads").split(",");
const page = { builds, only: options.only?.split(",") ?? [""], rounds: +(options.rounds ?? 8), threads: +(options.threads ?? 2), cpu: "cpu" in options };
const out = (build) => join(root, "target/kernels", build);

// As `cargo xtask build` (xtask/src/wasm.rs).
const simd = "-Cllvm-args=-pre-RA-sched=source -Ctarget-feature=+simd128";
const flags = {
  simd,
  relaxed: `${simd},+relaxed-simd`,
  threads: `${simd},+relaxed-simd,+atomics,+bulk-memory -Clink-arg=--shared-memory -Clink-arg=--max-memory=1073741824 -Clink-arg=--import-memory `
    + ["__wasm_init_tls", "__tls_size", "__tls_align", "__tls_base"].map((s) => `-Clink-arg=--export=${s}`).join(" "),
};

function execute(command, args, env = {}) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, ...env } });
  if (status !== 0) throw new Error(`${command} failed`);
}

function build(name) {
  const target = join(root, "target/wasm", name);
  const threads = name === "threads";
  execute("cargo", [
    "build", "--quiet", "--release", "--example=kernels", "--target=wasm32-unknown-unknown", "--no-default-features",
    `--target-dir=${target}`,
    ...(threads ? ["--features=threads", "-Zbuild-std=std,panic_abort"] : []),
  ], { CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS: flags[name], ...(threads ? { RUSTC_BOOTSTRAP: "1" } : {}) });
  execute("wasm-bindgen", [
    join(target, "wasm32-unknown-unknown/release/examples/kernels.wasm"), "--target=web", `--out-dir=${out(name)}`,
  ]);
}

/** Runs in the page. */
async function race({ builds, only, rounds, threads, cpu }) {
  const engines = [];
  for (const build of builds) {
    const worker = new Worker("/benches/kernels/worker.js", { type: "module" });
    let next = 0;
    const call = (name, options) => new Promise((resolve, reject) => {
      const id = next++;
      worker.addEventListener("message", function listen({ data }) {
        if (data.id !== id) return;
        worker.removeEventListener("message", listen);
        data.error ? reject(new Error(data.error)) : resolve(data.result);
      });
      worker.postMessage({ id, call: name, ...options });
    });
    const names = await call("start", { url: `/target/kernels/${build}/kernels.js`, threads: build === "threads" ? threads : 0 });
    engines.push({ build, call, names });
  }
  const spent = async () => +await (await fetch("/cpu")).text();
  const say = (line) => fetch("/say", { method: "POST", body: line });
  await say(`${"workload".padEnd(28)}${builds.map((b) => b.padStart(20)).join("")}`);
  for (const name of engines[0].names.filter((n) => only.some((o) => n.includes(o)))) {
    const best = builds.map(() => Infinity);
    let flops = 0;
    for (const engine of engines) ({ flops, first: engine.first } = await engine.call("prepare", { name }));
    for (let round = 0; round < rounds; round++) {
      for (const [i, engine] of engines.entries()) {
        const runs = Math.max(1, Math.ceil((cpu ? 40 : 8) / Math.min(engine.first, best[i])));
        const before = cpu && await spent();
        const time = await engine.call("sample", { name, runs, count: cpu ? 1 : 4 });
        best[i] = Math.min(best[i], cpu ? (await spent() - before) / runs : time);
      }
    }
    const cell = (ms) => `${ms.toFixed(3)} ms ${(flops / ms / 1e6).toFixed(1).padStart(6)} `;
    await say(`${name.padEnd(28)}${best.map((ms) => cell(ms).padStart(20)).join("")}`);
  }
  await fetch("/done", { method: "POST", body: "" });
}

/** Milliseconds that the workers of this browser have run so far. */
async function processorTime() {
  let total = 0;
  for (const pid of await readdir("/proc")) {
    const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (!line.includes("--type=renderer") || !(await isOurs(pid))) continue;
    for (const thread of await readdir(`/proc/${pid}/task`)) {
      const folder = `/proc/${pid}/task/${thread}`;
      const name = await readFile(`${folder}/comm`, "utf8").catch(() => "");
      if (name.startsWith("DedicatedWorker")) total += parseInt(await readFile(`${folder}/schedstat`, "utf8")) / 1e6;
    }
  }
  return total;
}

async function isOurs(pid) {
  for (let up = +pid; up > 1;) {
    if (up === browser.pid) return true;
    up = +(await readFile(`/proc/${up}/stat`, "utf8").catch(() => "0 () S 0")).split(") ").pop().split(" ")[1];
  }
  return false;
}

if (!("no-build" in options)) builds.forEach(build);

const types = { ".js": "text/javascript", ".wasm": "application/wasm", ".html": "text/html" };
let finish;
const finished = new Promise((resolve) => { finish = resolve; });
const server = createServer(async (request, response) => {
  const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
  const path = normalize(new URL(request.url, "http://localhost").pathname);
  if (request.method === "POST") {
    let body = "";
    for await (const chunk of request) body += chunk;
    if (path === "/say") console.log(body);
    response.writeHead(204, headers).end();
    if (path === "/done") finish();
    return;
  }
  if (path === "/cpu") return response.writeHead(200, headers).end(String(await processorTime()));
  try {
    const html = `<!doctype html><script type=module>(${race})(${JSON.stringify(page)}).catch(async (e) => { await fetch("/say", { method: "POST", body: String(e.stack) }); await fetch("/done", { method: "POST" }); })</script>`;
    const body = path === "/" ? html : await readFile(join(root, path));
    response.writeHead(200, { ...headers, "Content-Type": types[extname(path) || ".html"] ?? "application/octet-stream" }).end(body);
  } catch {
    response.writeHead(404, headers).end();
  }
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const profile = await mkdtemp(join(tmpdir(), "kernels-"));
const browser = spawn(process.env.CHROMIUM ?? "chromium", [
  "--headless", "--no-sandbox", "--no-first-run", "--disable-background-networking", "--disable-component-update",
  "--disable-sync", `--user-data-dir=${profile}`, `http://127.0.0.1:${server.address().port}/`,
], { stdio: "ignore" });
await finished;
browser.kill();
server.closeAllConnections();
server.close();
await new Promise((resolve) => browser.once("exit", resolve));
await rm(profile, { recursive: true, force: true });
