// What these programs measured, kept in results/.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import os from "node:os";

const file = (name) => new URL(`results/${name}.json`, import.meta.url);

/** What was kept under a name, or nothing. */
export function read(name) {
  try {
    return JSON.parse(readFileSync(file(name), "utf8"));
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Keeps a record under a name, with day, machine and browser; a list of numbers on one line. */
export function keep(name, browser, record) {
  const machine = { cpu: os.cpus()[0].model.trim(), cores: os.cpus().length };
  const whole = { ...record, date: new Date().toISOString(), machine, chromium: browser.version() };
  const text = JSON.stringify(whole, null, 1).replace(
    /\[\s+([-\d.,e\s]+?)\s+\]/g,
    (_, list) => `[${list.replace(/\s+/g, " ")}]`,
  );
  mkdirSync(new URL("results/", import.meta.url), { recursive: true });
  writeFileSync(file(name), `${text}\n`);
}
