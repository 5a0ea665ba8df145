import { type Segmentation, Segmenter, StriateError } from "striate";
import { drawClassMap, type Rgb } from "striate/draw";
import { Choice, element, make, setText } from "./dom.ts";
import { download } from "./download.ts";
import { EnginePanel } from "./engine-panel.ts";
import { explainEngine } from "./messages.ts";
import { NoticeCard } from "./notice.ts";
import { keepOffline, keepVariant } from "./offline.ts";
import { cutDigits, HEIGHT, Pad, WIDTH } from "./pad.ts";
import { Renewed } from "./renewed.ts";
import { type BackendChoice, parseBackend, readSettings } from "./settings.ts";
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
const notice = new NoticeCard();
const enginePanel = new EnginePanel();
const network = new Renewed(settings, async (engine, signal) => {
  const got = await download(["models/digits-fcn.safetensors"], { signal });
  const [file] = got.files;
  if (!file) throw new Error("The network's file is empty.");
  const net = await engine.loadModel(file, { signal });
  await got.keep();
  return new Segmenter(net, { input: { scale: 1 / 255 }, labels: LABELS, logits: true });
});

let backend: BackendChoice = settings.backend;
let digits: Awaited<ReturnType<typeof cutDigits>> = [];
let computing = false;
let computeAgain = false;

// ---- Computing -----------------------------------------------------------------------------------------------------

/** Says what is where. What changes meanwhile is looked at once more afterwards. */
async function compute(): Promise<void> {
  computeAgain = true;
  if (computing) return;
  computing = true;
  main.dataset.busy = "true";
  try {
    for (let segmenter = network.value; computeAgain && segmenter; segmenter = network.value) {
      computeAgain = false;
      const start = performance.now();
      const found = await segmenter.segment(pad.read());
      const milliseconds = performance.now() - start;
      if (segmenter !== network.value) continue;
      show(found);
      setText(element("time", HTMLElement), `${Math.max(Math.round(milliseconds), 1)} ms`);
    }
  } catch (error) {
    fail(error);
  } finally {
    computing = false;
    main.dataset.busy = "false";
  }
}

function show(found: Segmentation): void {
  const context = map.getContext("2d", { alpha: false });
  if (!context) throw new Error("This browser cannot draw.");
  const { width, height } = map;
  const mask = found.mask({ width: width / 2, height: height / 2 });
  context.fillStyle = "#000";
  context.fillRect(0, 0, width, height);
  drawClassMap(context, mask, { opacity: 1, colour: (value) => COLOURS[value] ?? [255, 255, 255] });
  const areas = found.areas(found.mask({ width: WIDTH, height: HEIGHT }));
  const seen = areas.filter((area) => area.class > 0 && area.pixels >= SPECK).sort((a, b) => a.class - b.class);
  const entry = (area: (typeof seen)[number]) => {
    const chip = make("span", { className: "chip" });
    chip.style.setProperty("--colour", `rgb(${(COLOURS[area.class] ?? []).join(" ")})`);
    const share = make("span", { className: "figures" }, `${(100 * area.share).toFixed(1)} %`);
    return make("li", {}, chip, make("span", { className: "what" }, area.label), share);
  };
  legend.replaceChildren(...seen.map(entry));
  const words = seen.map(({ label }) => label).join(", ");
  setText(element("seen", HTMLElement), seen.length > 0 ? "" : pad.empty ? "Nothing is written." : "No digit is seen.");
  map.setAttribute("aria-label", seen.length > 0 ? `Where the digits are: ${words}` : "No digits");
  main.dataset.seen = seen.map(({ label }) => label).join("");
  setText(element("announce", HTMLElement), seen.length > 0 ? `Seen: ${words}` : "");
}

async function start(choice: BackendChoice): Promise<void> {
  backend = choice;
  backendChoice.value = choice;
  notice.hide("engine");
  enginePanel.show({ phase: "loading", step: "engine", done: 0, total: undefined }, choice);
  try {
    const engine = await network.start(choice, (from) => enginePanel.mention(from));
    if (!engine) return;
    enginePanel.show({ phase: "ready", engine }, choice);
    void keepVariant(engine.variant);
    // What read the network's file.
    void keepVariant("keras");
    await compute();
  } catch (error) {
    enginePanel.show({ phase: "failed", error }, choice);
    fail(error);
  }
}

function fail(error: unknown): void {
  const retry = { label: "Try again", run: () => void start(backend) };
  if (error instanceof StriateError) {
    notice.show("engine", explainEngine(error, { useWasm: () => void start("wasm") }, retry));
  } else {
    const text = error instanceof Error ? error.message : String(error);
    notice.show("engine", { title: "The network could not be started", text, actions: [retry] });
  }
}

// ---- Controls ------------------------------------------------------------------------------------------------------

const pad = new Pad(element("pad", HTMLCanvasElement), () => {
  setText(element("hint", HTMLElement), pad.empty ? "Write digits here, with a finger or the mouse." : "");
  main.dataset.placed = pad.placed.join("");
  void compute();
});

function another(): void {
  const count = 3 + Math.floor(Math.random() * 2);
  const drawn = Array.from({ length: count }, () => digits[Math.floor(Math.random() * digits.length)]);
  pad.place(drawn.filter((each) => each !== undefined));
}

element("another", HTMLButtonElement).addEventListener("click", another);
element("undo", HTMLButtonElement).addEventListener("click", () => pad.undo());
element("clear", HTMLButtonElement).addEventListener("click", () => pad.clear());
const backendChoice = new Choice("backend", parseBackend, (choice) => void start(choice));
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
void start(backend);
void keepOffline();
