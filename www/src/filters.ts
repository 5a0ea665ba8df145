import { listenForFiles } from "./arrivals.ts";
import { Bench } from "./bench.ts";
import { Convolver, type Pixels } from "./convolver.ts";
import { element, setText } from "./dom.ts";
import { download } from "./download.ts";
import { explainPhoto } from "./messages.ts";
import { keepOffline } from "./offline.ts";
import { openPhoto, PhotoError, shrinkPhoto } from "./photo.ts";
import { showMap, showPhoto } from "./plate.ts";
import { type Sample, showSamples } from "./samples.ts";
import { readSettings } from "./settings.ts";
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
const bench = new Bench<Convolver>(settings, {
  make: Convolver.make,
  run: convolve,
  unexpected: "Something unexpected went wrong",
});

let pixels: Pixels | undefined;
let refused: Blob | undefined;
/** Counts pictures opened, so that a slow file cannot replace a newer one. */
let opened = 0;

// ---- Computing -----------------------------------------------------------------------------------------------------

/** Computes the maps, to be drawn. */
async function convolve(convolver: Convolver): Promise<(() => void) | undefined> {
  if (!pixels) return undefined;
  const picture = pixels;
  const result = await convolver.run(
    picture,
    filters.map(({ values }) => values),
  );
  return () => {
    if (picture !== pixels) return;
    for (const [i, map] of result.maps.entries()) showMap(i, map, picture);
    setText(element("time", HTMLElement), `${Math.max(Math.round(result.milliseconds), 1)} ms`);
    setText(element("announce", HTMLElement), `Maps of ${picture.width} by ${picture.height} pixels are drawn.`);
  };
}

function fail(error: unknown): void {
  if (error instanceof PhotoError) {
    const sample = { label: "Use a sample photo", run: ways.samplePhoto };
    bench.notice.show("picture", explainPhoto(error, ways, sample));
  } else bench.fail(error);
}

const ways = {
  choosePhoto: () => element("photo-file", HTMLInputElement).click(),
  samplePhoto: () => void openSample(FIRST),
  shrink: () => refused && void open(refused, { name: "smaller copy", shows: "smaller copy" }, shrinkPhoto),
};

// ---- Pictures ------------------------------------------------------------------------------------------------------

async function open(blob: Blob, { name, shows }: Sample, decode = openPhoto): Promise<void> {
  const turn = ++opened;
  bench.notice.hide("picture");
  try {
    const { bitmap } = await decode(blob);
    if (turn === opened) {
      refused = undefined;
      pixels = showPhoto(bitmap);
      main.dataset.picture = name;
      samples.select(name);
      element("photo", HTMLCanvasElement).setAttribute("aria-label", `The photo: ${shows}`);
      setText(now, `${pixels.width} × ${pixels.height}`);
      void bench.work();
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
    bench.notice.show("picture", {
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
      () => void bench.work(),
    ),
);
const samples = showSamples(SAMPLES, (name) => void openSample(SAMPLES.find((each) => each.name === name) ?? FIRST));

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
void bench.start();
void keepOffline();
