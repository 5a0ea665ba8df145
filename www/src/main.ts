import type { Detection } from "striate";
import { listenForFiles } from "./arrivals.ts";
import { CameraError } from "./camera.ts";
import { CameraPanel } from "./camera-panel.ts";
import { Detector, type Phase } from "./detector.ts";
import { Choice, element, make, megabytes, setText } from "./dom.ts";
import { EnginePanel } from "./engine-panel.ts";
import { FoundList } from "./found.ts";
import { followFrames } from "./frames.ts";
import { explain, explainLost, type Ways } from "./messages.ts";
import { Meter } from "./meter.ts";
import { MODELS, type Model, type ModelId, modelOf, parseModel } from "./models.ts";
import { NoticeCard } from "./notice.ts";
import { keepOffline, keepVariant } from "./offline.ts";
import { openPhoto, PhotoError, shrinkPhoto } from "./photo.ts";
import { FIRST_SAMPLE, fetchSample, SAMPLES, showSamples } from "./samples.ts";
import { type BackendChoice, parseBackend, readSettings } from "./settings.ts";
import { Stage } from "./stage.ts";
import { offerThemes } from "./theme.ts";

/**
 * The network is asked once for everything above this score; the confidence slider then only filters. That is exact: suppression
 * goes from the surest box down, so dropping weak boxes before or after it gives the same list.
 */
const SCORE_FLOOR = 0.05;

const waiting = (): string => (main.dataset.phase === "ready" ? "Looking …" : "Waiting for the network.");

type SourceKind = "photo" | "camera" | "video";

const settings = readSettings(new URLSearchParams(location.search));
const main = element("main", HTMLElement);
const stage = new Stage();
const meter = new Meter();
const notice = new NoticeCard();
const found = new FoundList((index) => (stage.focus = index));
const enginePanel = new EnginePanel();
const camera = new CameraPanel(stage.video, {
  start: (device) => void startCamera(device),
  stop: () => showSource("camera"),
  mirror: (on) => (stage.mirrored = on),
  lost: cameraLost,
});
const detector = new Detector(settings, phaseChanged, (from) => enginePanel.mention(from));

let source: SourceKind = "photo";
let model: Model = modelOf(settings.model);
let backend: BackendChoice = settings.backend;
const thresholds = new Map(MODELS.map(({ id, score, overlap }) => [id, { score, overlap }]));
let photo: { readonly bitmap: ImageBitmap; readonly name: string } | undefined;
let refused: Blob | undefined;
let last: { readonly all: readonly Detection[]; readonly width: number; readonly height: number } | undefined;
let stopFollowing: (() => void) | undefined;
/** Counts pictures opened, so that a slow file cannot replace a newer one. */
let opened = 0;
/** Pictures on their way: being fetched, decoded or looked at for the first time. */
let opening = 0;
let examining = false;
let examineAgain = false;

// ---- Looking at pictures -------------------------------------------------------------------------------------------

function threshold(): { score: number; overlap: number } {
  return thresholds.get(model.id) ?? model;
}

/** Looks at one frame and shows what was found. `skipped` is undefined for a still picture. */
async function look(picture: ImageBitmap | HTMLVideoElement, skipped: number | undefined): Promise<void> {
  const [width, height] =
    picture instanceof HTMLVideoElement ? [picture.videoWidth, picture.videoHeight] : [picture.width, picture.height];
  const kind = source;
  const all = await detector.detect(picture, SCORE_FLOOR, threshold().overlap);
  if (!all || kind !== source) return;
  last = { all, width, height };
  const draw = present(skipped !== undefined);
  meter.add({ ...all.timings, draw }, skipped);
}

/** Shows the last result at the present confidence; says how long drawing took. */
function present(live: boolean): number {
  if (!last) return 0;
  const { score } = threshold();
  const boxes = last.all.filter((box) => box.score >= score);
  const draw = stage.setBoxes(boxes, last);
  found.show(boxes, live, `Nothing above ${Math.round(score * 100)}% confidence.`);
  return draw;
}

/** Looks at the photo, or at the frame a paused video shows. What changes meanwhile is looked at once more afterwards. */
async function examine(): Promise<void> {
  examineAgain = true;
  if (examining) return;
  examining = true;
  showBusy();
  try {
    while (examineAgain && detector.ready) {
      await detector.idle(); // a video's last frame may still be on its way
      examineAgain = false;
      const paused = source === "video" && stage.video.paused && stage.video.videoWidth > 0;
      const picture = source === "photo" ? photo?.bitmap : paused ? stage.video : undefined;
      if (picture) await look(picture, undefined);
      if (source === "photo" && photo) main.dataset.picture = photo.name;
    }
  } catch (error) {
    fail(error);
  } finally {
    examining = false;
    showBusy();
  }
}

/** For the scripts that read the page: while it is busy, the list may be that of the picture before. */
function showBusy(): void {
  main.dataset.busy = String(examining || opening > 0);
}

function follow(): void {
  stopFollowing?.();
  stopFollowing = followFrames(stage.video, async (skipped) => {
    try {
      await look(stage.video, skipped);
    } catch (error) {
      unfollow();
      fail(error);
    }
  });
}

function unfollow(): void {
  stopFollowing?.();
  stopFollowing = undefined;
}

function fail(error: unknown): void {
  if (error instanceof DOMException && error.name === "AbortError") return;
  const topic = error instanceof PhotoError || error instanceof CameraError ? "picture" : "engine";
  notice.show(topic, explain(error, model, ways));
}

// ---- Engine and model ----------------------------------------------------------------------------------------------

function configure(fresh = false): void {
  notice.hide("engine");
  void detector.configure(model, backend, fresh);
}

function phaseChanged(phase: Phase): void {
  main.dataset.phase = phase.phase;
  enginePanel.show(phase, backend);
  if (phase.phase === "failed") fail(phase.error);
  if (phase.phase === "idle") {
    const { name, bytes } = model;
    notice.show("engine", {
      title: `${name} is not loaded`,
      text: "It is downloaded once and kept in this browser.",
      actions: [{ label: `Load it (${megabytes(bytes)})`, run: ways.retry }],
    });
  }
  if (phase.phase !== "ready" && last) {
    last = undefined;
    stage.clear();
    meter.clear();
  }
  if (phase.phase !== "ready") found.clear("Waiting for the network.");
  if (phase.phase === "ready") {
    found.clear("Looking …");
    void examine();
    if (source !== "photo" && !stage.video.paused) follow();
    void keepVariant(phase.engine.variant);
  }
}

const ways: Ways = {
  retry: () => configure(),
  redownload: () => configure(true),
  useWasm: () => chooseBackend("wasm"),
  startCamera: () => void startCamera(),
  choosePhoto: () => element("photo-file", HTMLInputElement).click(),
  chooseVideo: () => element("video-file", HTMLInputElement).click(),
  samplePhoto: () => void openSample(FIRST_SAMPLE),
  shrink: () => refused && void open(refused, "smaller copy", shrinkPhoto),
};

function chooseBackend(choice: BackendChoice): void {
  backend = choice;
  backendChoice.value = choice;
  configure();
}

function chooseModel(id: ModelId): void {
  model = modelOf(id);
  showThresholds();
  configure();
}

// ---- Sources -------------------------------------------------------------------------------------------------------

function showSource(kind: SourceKind): void {
  unfollow();
  camera.stop();
  stage.video.pause();
  stage.video.removeAttribute("src");
  stage.video.load();
  source = kind;
  main.dataset.source = kind;
  sourceChoice.value = kind;
  opened++;
  last = undefined;
  delete main.dataset.picture;
  notice.hide("picture");
  meter.clear();
  found.clear("Waiting for a picture.");
  setText(now, "");
  for (const name of ["photo", "camera", "video"]) element(`tray-${name}`, HTMLElement).hidden = name !== kind;
  for (const name of ["camera", "video"]) element(`invite-${name}`, HTMLElement).hidden = name !== kind;
  stage.mirrored = kind === "camera" && camera.mirrored;
  stage.show(kind === "photo" && photo ? "photo" : "nothing");
  if (kind === "photo" && photo) {
    setText(now, describe(photo.name, photo.bitmap));
    void examine();
  }
}

async function open(blob: Blob, name: string, decode = openPhoto): Promise<void> {
  opening++;
  showBusy();
  if (source !== "photo") showSource("photo");
  const turn = ++opened;
  notice.hide("picture");
  delete main.dataset.picture;
  try {
    const decoded = await decode(blob);
    if (turn !== opened) return decoded.bitmap.close();
    refused = undefined;
    photo?.bitmap.close();
    photo = { bitmap: decoded.bitmap, name };
    if (stage.photo.src.startsWith("blob:")) URL.revokeObjectURL(stage.photo.src);
    stage.photo.src = URL.createObjectURL(decoded.blob);
    stage.photo.alt = `The picture being looked at: ${name}`;
    last = undefined;
    stage.show("photo");
    found.clear(waiting());
    meter.clear();
    samples.select(name);
    setText(now, describe(name, decoded.bitmap));
    await examine();
  } catch (error) {
    if (turn !== opened) return;
    refused = blob;
    fail(error);
  } finally {
    opening--;
    showBusy();
  }
}

async function openSample(name: string): Promise<void> {
  opening++;
  showBusy();
  if (source !== "photo") showSource("photo");
  try {
    const { blob, keep } = await fetchSample({ name, shows: name });
    await open(blob, name);
    await keep();
  } catch {
    notice.show("picture", {
      title: "The sample photo could not be fetched",
      text: "Choose a photo of your own, or try again when the network is back.",
      actions: [{ label: "Choose a photo", run: ways.choosePhoto }],
    });
  } finally {
    opening--;
    showBusy();
  }
}

async function startCamera(device?: string): Promise<void> {
  showSource("camera");
  try {
    await camera.start(device);
    stage.show("video");
    stage.mirrored = camera.mirrored;
    setText(now, describe("Camera", { width: stage.video.videoWidth, height: stage.video.videoHeight }));
    found.clear(waiting());
    follow();
  } catch (error) {
    fail(error);
  }
}

function cameraLost(why: "hidden" | "ended"): void {
  showSource("camera");
  notice.show("picture", explainLost(why, { label: "Start it again", run: ways.startCamera }));
}

async function openVideo(file: File): Promise<void> {
  showSource("video");
  const { video } = stage;
  if (video.src.startsWith("blob:")) URL.revokeObjectURL(video.src);
  video.loop = true;
  video.src = URL.createObjectURL(file);
  stage.show("video");
  found.clear(waiting());
  try {
    await video.play();
    setText(now, describe(file.name, { width: video.videoWidth, height: video.videoHeight }));
    setText(element("video-toggle", HTMLButtonElement), "Pause");
    follow();
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return; // another source was chosen meanwhile
    stage.show("nothing");
    notice.show("picture", {
      title: "This browser cannot play that video",
      text: "MP4 with H.264 and WebM play almost everywhere.",
      actions: [
        { label: "Choose another", run: ways.chooseVideo },
        { label: "Use a sample photo", run: ways.samplePhoto },
      ],
    });
  }
}

function receive(file: File): void {
  if (file.type.startsWith("video/")) void openVideo(file);
  else void open(file, file.name || "pasted picture");
}

function describe(name: string, { width, height }: { width: number; height: number }): string {
  return `${name}, ${width} × ${height}`;
}

// ---- Controls ------------------------------------------------------------------------------------------------------

const now = element("now", HTMLElement);
const samples = showSamples(SAMPLES, (name) => void openSample(name));

const sourceChoice = new Choice(
  "source",
  (value): SourceKind | undefined => (value === "photo" || value === "camera" || value === "video" ? value : undefined),
  showSource,
);
const backendChoice = new Choice("backend", parseBackend, chooseBackend);

for (const { id, name, summary, bytes, licence, licenceFile, source: origin } of MODELS) {
  const terms = make("a", { href: licenceFile, textContent: licence });
  element("model", HTMLFieldSetElement).append(
    make(
      "div",
      { className: "card" },
      make(
        "label",
        {},
        make("input", { type: "radio", name: "model", value: id }),
        make("span", { className: "card-name" }, name),
        make("span", { className: "card-size figures" }, megabytes(bytes)),
        make("span", { className: "card-summary" }, summary),
      ),
      make("p", { className: "card-terms" }, `${origin}. `, terms),
    ),
  );
}
const modelChoice = new Choice("model", parseModel, chooseModel);

function slider(key: "score" | "overlap", changed: () => void): () => void {
  const input = element(key, HTMLInputElement);
  const output = element(`${key}-value`, HTMLOutputElement);
  const show = (): void => {
    const percent = Math.round(threshold()[key] * 100);
    input.value = String(percent);
    input.style.setProperty("--at", `${(percent - 5) / 0.9}%`);
    setText(output, `${percent}%`);
  };
  input.addEventListener("input", () => {
    threshold()[key] = input.valueAsNumber / 100;
    show();
    changed();
  });
  return show;
}
const showScore = slider("score", () => present(false));
const showOverlap = slider("overlap", () => void examine());

function showThresholds(): void {
  showScore();
  showOverlap();
}

function pick(inputId: string, buttons: readonly string[], picked: (file: File) => void): void {
  const input = element(inputId, HTMLInputElement);
  for (const id of buttons) element(id, HTMLButtonElement).addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const [file] = input.files ?? [];
    if (file) picked(file);
    input.value = ""; // so that the same file can be chosen again
  });
}
pick("photo-file", ["choose-photo"], (file) => void open(file, file.name));
pick("video-file", ["choose-video", "change-video"], (file) => void openVideo(file));

element("video-toggle", HTMLButtonElement).addEventListener("click", ({ currentTarget }) => {
  const { video } = stage;
  if (currentTarget instanceof HTMLButtonElement) setText(currentTarget, video.paused ? "Pause" : "Play");
  if (video.paused) void video.play();
  else video.pause();
});
element("loading-cancel", HTMLButtonElement).addEventListener("click", () => detector.cancel());
listenForFiles(receive);
offerThemes(() => meter.redraw());

// ---- Start ---------------------------------------------------------------------------------------------------------

backendChoice.value = backend;
modelChoice.value = model.id;
showThresholds();
main.dataset.usable = "true";
performance.mark("usable");

const connection: unknown = Reflect.get(navigator, "connection");
const sparing = typeof connection === "object" && connection !== null && Reflect.get(connection, "saveData") === true;
void openSample(SAMPLES.find(({ name }) => name === settings.photo)?.name ?? FIRST_SAMPLE);
if (sparing) detector.cancel();
else configure();
void keepOffline();
