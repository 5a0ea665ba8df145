// Reads the sample photos without a browser: 8-bit RGB or RGBA PNG, not interlaced.
import { readFileSync } from "node:fs";
import { inflateSync } from "node:zlib";

/** `{ data, width, height }` of a PNG file. */
export function readPng(path) {
  const file = readFileSync(path);
  const [width, height, depth, colour] = [file.readUInt32BE(16), file.readUInt32BE(20), file[24], file[25]];
  const channels = { 2: 3, 6: 4 }[colour];
  if (depth !== 8 || !channels || file[28] !== 0) throw new Error(`${path}: not an 8-bit RGB or RGBA PNG`);
  const parts = [];
  for (let at = 8; at < file.length; at += 12 + file.readUInt32BE(at)) {
    if (file.toString("latin1", at + 4, at + 8) === "IDAT")
      parts.push(file.subarray(at + 8, at + 8 + file.readUInt32BE(at)));
  }
  const raw = inflateSync(Buffer.concat(parts));
  const row = width * channels;
  const data = new Uint8ClampedArray(width * height * 4).fill(255);
  let above = new Uint8Array(row);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (row + 1)];
    const line = Uint8Array.from(raw.subarray(y * (row + 1) + 1, (y + 1) * (row + 1)));
    for (let i = 0; i < row; i++) {
      const [a, b, c] = [line[i - channels] ?? 0, above[i], above[i - channels] ?? 0];
      line[i] += [0, a, b, (a + b) >> 1, paeth(a, b, c)][filter];
    }
    for (let x = 0; x < width; x++) data.set(line.subarray(x * channels, (x + 1) * channels), (y * width + x) * 4);
    above = line;
  }
  return { data, width, height };
}

function paeth(a, b, c) {
  const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}
