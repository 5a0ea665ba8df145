import { StriateError } from "striate";
import { listenForFiles } from "./arrivals.ts";
import { Convolver, type Pixels } from "./convolver.ts";
import { Choice, element, setText } from "./dom.ts";
import { download } from "./download.ts";
import { EnginePanel } from "./engine-panel.ts";
import { explainEngine, explainPhoto } from "./messages.ts";
import { NoticeCard } from "./notice.ts";
import { keepOffline, keepVariant } from "./offline.ts";
import { openPhoto, PhotoError, shrinkPhoto } from "./photo.ts";
import { showMap, showPhoto } from "./plate.ts";
import { type Sample, showSamples } from "./samples.ts";
import { type BackendChoice, parseBackend, readSettings } from "./settings.ts";
import { offerThemes } from "./theme.ts";
import { Weights } from "./weights.ts";

const SAMPLES: readonly [Sample, ...Sample[]] = [
  { name: "china", shows: "a temple" },
  { name: "flower", shows: "a flower" },
];
const [FIRST] = SAMPLES;

const settings = readSettings(new URLSearchParams(location.search));
const main = element("main", HTMLElement);
const now = element("now", HTMLElement);
const notice = new NoticeCard();
const enginePanel = new EnginePanel();
const convolver = new Convolver(settings);

let backend: BackendChoice = settings.backend;
let pixels: Pixels | undefined;
let refused: Blob | undefined;
/** Counts pictures opened, so that a slow file cannot replace a newer one. */
let opened = 0;
let computing = false;
let computeAgain = false;

// ---- Computing -----------------------------------------------------------------------------------------------------

/** Computes and draws the maps. What changes meanwhile is computed once more afterwards. */
async function compute(): Promise<void> {
  computeAgain = true;
  if (computing) return;
  computing = true;
  main.dataset.busy = "true";
  try {
    while (computeAgain && convolver.ready && pixels) {
      computeAgain = false;
      const picture = pixels;
      const result = await convolver.run(
        picture,
        filters.map(({ values }) => values),
      );
      if (!result) break;
      if (picture !== pixels) continue;
      for (const [i, map] of result.maps.entries()) showMap(i, map, picture);
      setText(element("time", HTMLElement), `${Math.max(Math.round(result.milliseconds), 1)} ms`);
      setText(element("announce", HTMLElement), `Maps of ${picture.width} by ${picture.height} pixels are drawn.`);
    }
  } catch (error) {
    fail(error);
  } finally {
    computing = false;
    main.dataset.busy = "false";
  }
}

async function start(choice: BackendChoice): Promise<void> {
  backend = choice;
  backendChoice.value = choice;
  notice.hide("engine");
  enginePanel.show({ phase: "loading", step: "engine", done: 0, total: undefined }, choice);
  try {
    const engine = await convolver.start(choice, (from) => enginePanel.mention(from));
    if (!engine) return;
    enginePanel.show({ phase: "ready", engine }, choice);
    void keepVariant(engine.variant);
    await compute();
  } catch (error) {
    enginePanel.show({ phase: "failed", error }, choice);
    fail(error);
  }
}

function fail(error: unknown): void {
  const retry = { label: "Try again", run: () => void start(backend) };
  if (error instanceof PhotoError) {
    notice.show("picture", explainPhoto(error, ways, { label: "Use a sample photo", run: ways.samplePhoto }));
  } else if (error instanceof StriateError) {
    notice.show("engine", explainEngine(error, ways, retry));
  } else {
    const text = error instanceof Error ? error.message : String(error);
    notice.show("engine", { title: "Something unexpected went wrong", text, actions: [retry] });
  }
}

const ways = {
  choosePhoto: () => element("photo-file", HTMLInputElement).click(),
  samplePhoto: () => void openSample(FIRST),
  shrink: () => refused && void open(refused, { name: "smaller copy", shows: "smaller copy" }, shrinkPhoto),
  useWasm: () => void start("wasm"),
};

// ---- Pictures ------------------------------------------------------------------------------------------------------

async function open(blob: Blob, { name, shows }: Sample, decode = openPhoto): Promise<void> {
  const turn = ++opened;
  notice.hide("picture");
  try {
    const { bitmap } = await decode(blob);
    if (turn === opened) {
      refused = undefined;
      pixels = showPhoto(bitmap);
      main.dataset.picture = name;
      samples.select(name);
      element("photo", HTMLCanvasElement).setAttribute("aria-label", `The photo: ${shows}`);
      setText(now, `${pixels.width} × ${pixels.height}`);
      void compute();
    }
    bitmap.close();
  } catch (error) {
    if (turn !== opened) return;
    refused = blob;
    fail(error);
  }
}

async function openSample(sample: Sample): Promise<void> {
  try {
    const got = await download([`photos/${sample.name}.jpg`]);
    await open(new Blob([...got.files], { type: "image/jpeg" }), sample);
    await got.keep();
  } catch {
    notice.show("picture", {
      title: "The sample photo could not be fetched",
      text: "Choose a photo of your own, or try again when the network is back.",
      actions: [{ label: "Choose a photo", run: ways.choosePhoto }],
    });
  }
}

function receive(file: File): void {
  const name = file.name || "pasted picture";
  void open(file, { name, shows: name });
}

// ---- Controls ------------------------------------------------------------------------------------------------------

const filters = (["Vertical", "Horizontal"] as const).map(
  (preset, i) =>
    new Weights(
      element(`weights-${i}`, HTMLElement),
      element(`presets-${i}`, HTMLElement),
      preset,
      () => void compute(),
    ),
);
const samples = showSamples(SAMPLES, (name) => void openSample(SAMPLES.find((each) => each.name === name) ?? FIRST));
const backendChoice = new Choice("backend", parseBackend, (choice) => void start(choice));

const chooser = element("photo-file", HTMLInputElement);
element("choose-photo", HTMLButtonElement).addEventListener("click", () => chooser.click());
chooser.addEventListener("change", () => {
  const [file] = chooser.files ?? [];
  if (file) receive(file);
  chooser.value = ""; // so that the same file can be chosen again
});
listenForFiles(receive);
offerThemes(() => {});

// ---- Start ---------------------------------------------------------------------------------------------------------

void openSample(SAMPLES.find(({ name }) => name === settings.photo) ?? FIRST);
void start(backend);
void keepOffline();
