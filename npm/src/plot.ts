// A model as a picture: boxes in layers, drawn as SVG text. `layout.ts` says where they go.

import { type Box, type Layout, layout, rowsOf } from "./layout.js";
import type { LayerInfo, ModelSummary, TensorInfo } from "./types.js";

/** Options of {@link Model.plot}. */
export interface PlotOptions {
  /**
   * Shows what nested models and composed layers are made of: all of them, or those of these names (`outer/inner` within
   * others). Default: each is one box.
   */
  expand?: boolean | readonly string[];
  /** Shows the shapes of outputs. Default `true`. */
  shapes?: boolean;
  /** Shows numbers of parameters. Default `true`. */
  params?: boolean;
}

/** A box of the picture. */
interface Node extends Box {
  layer: LayerInfo;
  /** What it holds, if it is drawn open. */
  inner?: Layout<Node>;
}

// Sizes in CSS pixels: a chain of layers with a connection beside it is as wide as a phone.
const FONT = 12;
const LINE = 17;
const PAD = 9;
const TITLE = 24;
const INSET = 14;
const MARGIN = 12;
/** Boxes beside each other are as wide, if their texts fit. */
const USUAL = 180;
/** Widths of letters, as shares of the font size: generous, since fonts differ. */
const LETTER = 0.58;
const BOLD = 0.63;

/** Fill and edge by kind of layer: light enough for dark text, on white pages as on dark ones. */
const COLOURS: [pattern: RegExp, fill: string, edge: string][] = [
  [/^Input/, "#e8ecf1", "#7d8a9b"],
  [/Conv/, "#d9e8fb", "#3b78c3"],
  [/^(Dense|RBF)/, "#e3e0fb", "#6a5acd"],
  [/Pool/, "#d8f0dd", "#3a9152"],
  [/Normalization|^LRN/, "#fbeed0", "#b98418"],
  [/^(Activation|.*ReLU|ELU|Softmax)$/, "#fbdcdc", "#c2504f"],
  [/^(Add|Subtract|Multiply|Average|Maximum|Minimum|Concatenate|Dot)$/, "#d2f0ef", "#24898a"],
  [/Dropout|Noise/, "#f1def4", "#9a54a8"],
];
const OTHER = ["#f0f0ee", "#85857d"] as const;
const LINES = "#7b8794";

/** Draws a model. */
export function plot(summary: ModelSummary, inputs: readonly TensorInfo[], options: PlotOptions = {}): string {
  const layers = withInput(summary, inputs);
  const placed = arrange(layers, options, "");
  const title = `${summary.name} (${summary.className})`;
  const { total } = summary.params;
  const detail = `${count(layers.length, "layer")}, ${count(total, "parameter")}`;
  const width = Math.ceil(Math.max(placed.width, textWidth(title, 15, BOLD), textWidth(detail, FONT)) + 2 * MARGIN);
  const top = MARGIN + 46;
  const height = Math.ceil(placed.height + top + MARGIN);
  const body = drawLayout(placed, (width - placed.width) / 2, top, options);
  // The heading has a ground of its own, so that it can be read on any page.
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" `,
    `role="img" font-family="system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif" `,
    `font-size="${FONT}" fill="#1c2530"><title>${xml(`${title}: ${detail}`)}</title>`,
    `<rect x="4" y="4" width="${width - 8}" height="46" rx="6" fill="#f7f8fa" stroke="#d5dae0"/>`,
    text(width / 2, MARGIN + 13, title, `text-anchor="middle" font-size="15" font-weight="600"`),
    text(width / 2, MARGIN + 31, detail, `text-anchor="middle" fill="#4c5866"`),
    body,
    "</svg>",
  ].join("");
}

/** The layers; a sequential model's input, which is none of them, comes first. */
function withInput({ layers }: ModelSummary, inputs: readonly TensorInfo[]): LayerInfo[] {
  const missing = inputs.filter(({ name }) => !layers.some((layer) => layer.name === name));
  const boxes = missing.map(({ name, shape }) => ({
    name,
    className: "InputLayer",
    outputShapes: [[...shape]],
    params: 0,
    trainable: true,
    inbound: [],
  }));
  return [...boxes, ...layers];
}

/** Boxes in their places. */
function arrange(layers: readonly LayerInfo[], options: PlotOptions, path: string): Layout<Node> {
  const { expand = false } = options;
  const nodes = layers.map((layer): Node => {
    const name = path + layer.name;
    const open = layer.layers && (Array.isArray(expand) ? expand.includes(name) : expand === true);
    if (!open || !layer.layers) return { layer, ...size(layer, options) };
    const inner = arrange(layer.layers, options, `${name}/`);
    const heading = textWidth(`${layer.name}  ${layer.className}`, FONT, BOLD) + 2 * PAD;
    return {
      layer,
      inner,
      width: Math.max(inner.width + 2 * INSET, heading),
      height: inner.height + TITLE + 2 * INSET,
    };
  });
  const places = new Map(layers.map((layer, i) => [layer.name, i]));
  const edges = layers.flatMap(({ inbound }, to) =>
    [...new Set(inbound)].flatMap((name) => {
      const from = places.get(name);
      return from === undefined ? [] : [{ from, to }];
    }),
  );
  // Boxes of one width make a quiet picture; beside each other wide ones would take the room of a phone's screen.
  const closed = nodes.filter((node) => !node.inner);
  const widest = closed.reduce((most, { width }) => Math.max(most, width), 0);
  const column = new Set(rowsOf(nodes.length, edges)).size === nodes.length;
  for (const node of closed) node.width = column ? widest : Math.max(node.width, Math.min(widest, USUAL));
  return layout(nodes, edges);
}

function size(layer: LayerInfo, options: PlotOptions): { width: number; height: number } {
  const head = textWidth(layer.name, FONT, BOLD) + textWidth(layer.className, FONT - 1) + 14;
  const { shape, params } = details(layer, options);
  const foot = textWidth(shape, FONT - 1) + textWidth(params, FONT - 1) + (shape && params ? 14 : 0);
  return { width: Math.max(head, foot, 120) + 2 * PAD, height: (shape || params ? 2 : 1) * LINE + PAD };
}

/** What stands in a box's second line. */
function details(layer: LayerInfo, { shapes = true, params = true }: PlotOptions) {
  const frozen = layer.params > 0 && !layer.trainable ? ", frozen" : "";
  const parts = layer.layers ? `${count(layer.layers.length, "layer")}` : "";
  const counted = layer.params > 0 ? `${thousands(layer.params)}${frozen}` : "";
  return {
    shape: shapes ? layer.outputShapes.map(shapeText).join("; ") : "",
    params: params ? [parts, counted].filter(Boolean).join(", ") : "",
  };
}

/** A shape without the batch. */
function shapeText([, ...rest]: (number | null)[]): string {
  return rest.length > 0 ? rest.map((size) => size ?? "?").join(" \u00d7 ") : "scalar";
}

function drawLayout({ boxes, edges }: Layout<Node>, x: number, y: number, options: PlotOptions): string {
  const lines = edges.map((points) => drawEdge(points.map(([px, py]) => [px + x, py + y])));
  return lines.join("") + boxes.map(({ box, x: bx, y: by }) => drawBox(box, bx + x, by + y, options)).join("");
}

function drawBox(node: Node, x: number, y: number, options: PlotOptions): string {
  const { layer, inner, width, height } = node;
  const [fill, edge] = colours(layer);
  const frame = (paint: string, more = "") =>
    `<rect x="${at(x)}" y="${at(y)}" width="${at(width)}" height="${at(height)}" rx="6" fill="${paint}" stroke="${edge}" ${more}/>`;
  const label = `<title>${xml(describe(layer))}</title>`;
  const right = `text-anchor="end" fill="#3f4a57" font-size="${FONT - 1}"`;
  const base = y + PAD / 2 + FONT;
  const head =
    text(x + PAD, base, layer.name, `font-weight="600"`) + text(x + width - PAD, base, layer.className, right);
  if (inner) {
    const content = drawLayout(inner, x + (width - inner.width) / 2, y + TITLE + INSET, options);
    return `<g>${label}${frame("#f7f8fa", `stroke-dasharray="5 3"`)}${head}</g>${content}`;
  }
  const { shape, params } = details(layer, options);
  const foot =
    (shape ? text(x + PAD, base + LINE, shape, `fill="#3f4a57" font-size="${FONT - 1}"`) : "") +
    (params ? text(x + width - PAD, base + LINE, params, right) : "");
  // A pile of cards for what can be opened.
  const card = layer.layers
    ? `<rect x="${at(x + 4)}" y="${at(y + 4)}" width="${at(width)}" height="${at(height)}" rx="6" fill="${fill}" stroke="${edge}"/>`
    : "";
  return `<g>${label}${card}${frame(fill)}${head}${foot}</g>`;
}

/** A smooth line downwards through points, with a head at its end. */
function drawEdge(points: [number, number][]): string {
  const [[x0, y0], ...rest] = points as [[number, number], ...[number, number][]];
  let path = `M${at(x0)} ${at(y0)}`;
  let [x, y] = [x0, y0];
  for (const [px, py] of rest) {
    const bend = (py - y) / 2;
    path +=
      Math.abs(px - x) < 0.5
        ? `L${at(px)} ${at(py)}`
        : `C${at(x)} ${at(y + bend)} ${at(px)} ${at(py - bend)} ${at(px)} ${at(py)}`;
    [x, y] = [px, py];
  }
  const head = `<path d="M${at(x)} ${at(y)}l-4 -7h8z" fill="${LINES}"/>`;
  return `<path d="${path}" fill="none" stroke="${LINES}" stroke-width="1.5"/>${head}`;
}

function colours({ className, layers }: LayerInfo): readonly [string, string] {
  const found = layers ? undefined : COLOURS.find(([pattern]) => pattern.test(className));
  return found ? [found[1], found[2]] : OTHER;
}

function describe(layer: LayerInfo): string {
  const shapes = layer.outputShapes.map((shape) => `[${shape.map((size) => size ?? "?").join(", ")}]`).join(", ");
  return `${layer.name} (${layer.className}): ${shapes}, ${count(layer.params, "parameter")}`;
}

const thousands = (n: number) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");
const count = (n: number, what: string) => `${thousands(n)} ${what}${n === 1 ? "" : "s"}`;
const at = (n: number) => String(Math.round(n * 10) / 10);
const textWidth = (text: string, size: number, letter = LETTER) => [...text].length * size * letter;
const text = (x: number, y: number, content: string, attributes: string) =>
  `<text x="${at(x)}" y="${at(y)}" ${attributes}>${xml(content)}</text>`;

/** Text as XML; control characters, which XML cannot hold, are left out. */
function xml(content: string): string {
  const names: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return content.replace(/[\p{Cc}\p{Cs}\ufffe\uffff]/gu, " ").replace(/[&<>"']/g, (letter) => names[letter] ?? letter);
}
