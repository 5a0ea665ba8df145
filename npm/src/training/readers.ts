// Files of samples: IDX, as MNIST and its kin come, and comma-separated values.

import { failure } from "../errors.js";
import type { Tensor } from "./dataset.js";

const IDX: Record<number, [bytes: number, read: (view: DataView, at: number) => number, floats: boolean]> = {
  8: [1, (view, at) => view.getUint8(at), false],
  9: [1, (view, at) => view.getInt8(at), false],
  11: [2, (view, at) => view.getInt16(at), false],
  12: [4, (view, at) => view.getInt32(at), false],
  13: [4, (view, at) => view.getFloat32(at), true],
  14: [8, (view, at) => view.getFloat64(at), true],
};

/** Reads an IDX file (MNIST, Fashion-MNIST), also gzipped: bytes stay bytes, other whole numbers become int32. */
export async function readIdx(file: ArrayBuffer | Uint8Array | Blob): Promise<Tensor> {
  const bytes = await unzipped(file);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const broken = (expected: string, received: string) =>
    failure("invalid", "this is no whole IDX file", { expected, received });
  if (bytes.length < 4 || view.getUint16(0) !== 0) throw broken("two bytes of 0 first", `${bytes.slice(0, 4)}`);
  const [type, rank] = [bytes[2] as number, bytes[3] as number];
  const [size, read, floats] = IDX[type] ?? [0];
  if (!size || !read) throw broken("an element type of 8 to 14", String(type));
  const start = 4 + 4 * rank;
  if (bytes.length < start) throw broken(`${start} bytes`, `${bytes.length}`);
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const count = shape.reduce((product, length) => product * length, 1);
  if (bytes.length !== start + count * size) throw broken(`${start + count * size} bytes`, `${bytes.length}`);
  if (type === 8) return { data: bytes.slice(start), shape };
  const data = floats ? new Float32Array(count) : new Int32Array(count);
  for (let i = 0; i < count; i++) data[i] = read(view, start + i * size);
  return { data, shape };
}

async function unzipped(file: ArrayBuffer | Uint8Array | Blob): Promise<Uint8Array> {
  const bytes = ArrayBuffer.isView(file)
    ? file
    : new Uint8Array(file instanceof Blob ? await file.arrayBuffer() : file);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** How a file of comma-separated values is written. */
export interface CsvOptions {
  /** Between fields. Default `","`. */
  separator?: string;
  /** The first row names the columns. Default `true`. */
  header?: boolean;
}

/** Rows of text. */
export interface CsvTable {
  /** The columns' names; empty without a header. */
  names: string[];
  rows: string[][];
  /** Columns of numbers, by name or place; an empty field is NaN. */
  numbers(...columns: (string | number)[]): Tensor;
  /** A column of words as class numbers, and the words in their order. */
  classes(column: string | number): Tensor & { names: string[] };
}

/** Reads comma-separated values (RFC 4180): quotes, doubled quotes, line breaks within quotes. */
export function readCsv(text: string, { separator = ",", header = true }: CsvOptions = {}): CsvTable {
  const rows = fields(text.replace(/^\uFEFF/, ""), separator);
  const width = rows[0]?.length ?? 0;
  const odd = rows.findIndex((row) => row.length !== width);
  if (odd >= 0) {
    throw failure("shape-mismatch", `row ${odd + 1} has another number of fields`, {
      expected: String(width),
      received: String(rows[odd]?.length),
    });
  }
  const names = header ? (rows.shift() ?? []) : [];
  const place = (column: string | number): number => {
    const at = typeof column === "number" ? column : names.indexOf(column);
    if (at >= 0 && at < width) return at;
    throw failure("invalid", "no such column", { expected: names.join(", "), received: String(column) });
  };
  return {
    names,
    rows,
    numbers(...columns) {
      const places = columns.map(place);
      const data = new Float32Array(rows.length * places.length);
      rows.forEach((row, i) => {
        places.forEach((at, j) => {
          const field = (row[at] as string).trim();
          const number = field === "" ? Number.NaN : Number(field);
          if (Number.isNaN(number) && field !== "" && field.toLowerCase() !== "nan") {
            const where = `row ${i + 1 + Number(header)}, column ${at}`;
            throw failure("invalid", `${where} is no number`, { expected: "a number", received: field });
          }
          data[i * places.length + j] = number;
        });
      });
      return { data, shape: [rows.length, places.length] };
    },
    classes(column) {
      const at = place(column);
      const words = rows.map((row) => row[at] as string);
      const names = [...new Set(words)].sort();
      const numbers = new Map(names.map((name, i) => [name, i]));
      return { data: Int32Array.from(words, (word) => numbers.get(word) as number), shape: [rows.length], names };
    },
  };
}

function fields(text: string, separator: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let [field, quoted, wasQuoted] = ["", false, false];
  const endField = () => {
    row.push(field);
    [field, wasQuoted] = ["", false];
  };
  const endRow = () => {
    // Empty lines are no rows.
    if (row.length > 0 || field !== "" || wasQuoted) {
      endField();
      rows.push(row);
    }
    row = [];
  };
  for (let i = 0; i < text.length; i++) {
    const letter = text[i] as string;
    if (quoted) {
      if (letter !== '"') field += letter;
      else if (text[i + 1] === '"') field += text[++i];
      else quoted = false;
    } else if (letter === '"' && field === "" && !wasQuoted) [quoted, wasQuoted] = [true, true];
    else if (letter === separator) endField();
    else if (letter === "\n") endRow();
    else if (letter !== "\r" || text[i + 1] !== "\n") field += letter;
  }
  if (quoted) throw failure("invalid", `row ${rows.length + 1}: a quote is not closed`);
  endRow();
  return rows;
}
