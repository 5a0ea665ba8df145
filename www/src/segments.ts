import { type Engine, type Segmentation, Segmenter } from "striate";
import { drawClassMap, type Rgb } from "striate/draw";
import { Bench } from "./bench.ts";
import { element, setText } from "./dom.ts";
import { download } from "./download.ts";
import { showLegend } from "./legend.ts";
import { keepOffline } from "./offline.ts";
import { cutDigits, HEIGHT, Pad, WIDTH } from "./pad.ts";
import { readSettings } from "./settings.ts";
import { offerThemes } from "./theme.ts";

/** Classes of the network. */
const LABELS = ["background", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
/** Far apart for eyes of every kind: Tol's and Okabe's colours, bright enough for black. */
const COLOURS: readonly Rgb[] = [
  [0, 0, 0],
  [240, 228, 66],
  [86, 180, 233],
  [230, 110, 30],
  [0, 190, 140],
  [225, 120, 190],
  [150, 120, 255],
  [255, 85, 85],
  [170, 220, 90],
  [255, 190, 130],
  [120, 225, 225],
];
/** Less of a class than this, in pixels of the network's canvas, is not called a find. */
const SPECK = 12;

const settings = readSettings(new URLSearchParams(location.search));
const main = element("main", HTMLElement);
const map = element("map", HTMLCanvasElement);
const legend = element("legend", HTMLElement);
const bench = new Bench<Segmenter>(settings, {
  make: load,
  run: segment,
  unexpected: "The network could not be started",
  // What reads the network's file.
  modules: ["keras"],
});

let digits: Awaited<ReturnType<typeof cutDigits>> = [];

// ---- Computing -----------------------------------------------------------------------------------------------------

async function load(engine: Engine, signal: AbortSignal): Promise<Segmenter> {
  const got = await download(["models/digits-fcn.safetensors"], { signal });
  const [file] = got.files;
  if (!file) throw new Error("The network's file is empty.");
  const net = await engine.loadModel(file, { signal });
  await got.keep();
  return new Segmenter(net, { input: { scale: 1 / 255 }, labels: LABELS, logits: true });
}

/** Says what is where, to be shown. */
async function segment(segmenter: Segmenter): Promise<() => void> {
  const start = performance.now();
  const found = await segmenter.segment(pad.read());
  const milliseconds = performance.now() - start;
  return () => {
    show(found);
    setText(element("time", HTMLElement), `${Math.max(Math.round(milliseconds), 1)} ms`);
  };
}

function show(found: Segmentation): void {
  const context = map.getContext("2d", { alpha: false });
  if (!context) throw new Error("This browser cannot draw.");
  const { width, height } = map;
  const mask = found.mask({ width: width / 2, height: height / 2 });
  context.fillStyle = "#000";
  context.fillRect(0, 0, width, height);
  const colour = (value: number): Rgb => COLOURS[value] ?? [255, 255, 255];
  drawClassMap(context, mask, { opacity: 1, colour });
  const areas = found.areas(found.mask({ width: WIDTH, height: HEIGHT }));
  const seen = areas.filter((area) => area.class > 0 && area.pixels >= SPECK).sort((a, b) => a.class - b.class);
  showLegend(
    legend,
    seen.map((area) => ({ ...area, colour: colour(area.class) })),
  );
  const words = seen.map(({ label }) => label).join(", ");
  setText(element("seen", HTMLElement), seen.length > 0 ? "" : pad.empty ? "Nothing is written." : "No digit is seen.");
  map.setAttribute("aria-label", seen.length > 0 ? `Where the digits are: ${words}` : "No digits");
  main.dataset.seen = seen.map(({ label }) => label).join("");
  setText(element("announce", HTMLElement), seen.length > 0 ? `Seen: ${words}` : "");
}

// ---- Controls ------------------------------------------------------------------------------------------------------

const pad = new Pad(element("pad", HTMLCanvasElement), () => {
  setText(element("hint", HTMLElement), pad.empty ? "Write digits here, with a finger or the mouse." : "");
  main.dataset.placed = pad.placed.join("");
  void bench.work();
});

function another(): void {
  const count = 3 + Math.floor(Math.random() * 2);
  const drawn = Array.from({ length: count }, () => digits[Math.floor(Math.random() * digits.length)]);
  pad.place(drawn.filter((each) => each !== undefined));
}

element("another", HTMLButtonElement).addEventListener("click", another);
element("undo", HTMLButtonElement).addEventListener("click", () => pad.undo());
element("clear", HTMLButtonElement).addEventListener("click", () => pad.clear());
offerThemes(() => {});

// ---- Start ---------------------------------------------------------------------------------------------------------

async function openDigits(): Promise<void> {
  try {
    const got = await download(["models/digits.png"]);
    digits = await cutDigits(new Blob([...got.files], { type: "image/png" }));
    await got.keep();
    if (pad.empty) another();
  } catch {
    // Writing by hand needs no examples.
    element("another", HTMLButtonElement).disabled = true;
  }
}

void openDigits();
void bench.start();
void keepOffline();
