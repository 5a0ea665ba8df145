import {
  type Engine,
  type ImageInput,
  type Model,
  type Net,
  preprocessing,
  type Segmentation,
  Segmenter,
  type SegmenterHead,
  StriateError,
} from "striate";
import { classColour, drawClassMap } from "striate/draw";
import { element, setText } from "./dom.ts";
import { showLegend } from "./legend.ts";
import { type Desk, isEngines, type Loading, OwnNetwork } from "./own-network.ts";
import { type Action, StateLine } from "./state-line.ts";

/** Classes of PASCAL VOC, in the order that networks trained on it have. */
const VOC =
  "background aeroplane bicycle bird boat bottle bus car cat chair cow table dog horse motorbike person plant sheep sofa train screen";
/** A class that covers less than this is left out of the legend. */
const SPECK = 0.001;

const RANGES: Readonly<Record<string, ImageInput>> = {
  symmetric: preprocessing.tf,
  unit: preprocessing.unit,
  bytes: {},
  imagenet: preprocessing.torch,
};

/** Formats of Keras; what is not among them is read as TFLite, ONNX or a TFJS graph. */
const KERAS = /\.(h5|keras|safetensors)$/i;

type Viewer = Net | Model;

/** What the maps are, where the network does not tell. */
type Told = Pick<SegmenterHead, "kind" | "layout">;

/** A question that a network leaves open, with its answers. */
interface Question {
  readonly text: string;
  readonly answers: readonly (readonly [label: string, told: Told])[];
}

/** By the option that the segmenter's error asks for. */
const QUESTIONS: Readonly<Record<string, Question>> = {
  kind: {
    text: "may be the class of each place, or the share of one.",
    answers: [
      ["They are classes", { kind: "classes" }],
      ["They are shares", { kind: "scores" }],
    ],
  },
  layout: {
    text: "may have its classes before rows and columns, or after them.",
    answers: [
      ["Classes come first", { layout: "nchw" }],
      ["Classes come last", { layout: "nhwc" }],
    ],
  },
};

/** What the visitor opened. */
interface Source {
  readonly from: URL | readonly File[];
  readonly name: string;
  /** Names of the classes, if a list of them came with it. */
  readonly labels?: readonly string[];
}

/** Whatever segmentation network the visitor has, over the photo. */
export class Classes {
  readonly #photo: HTMLCanvasElement;
  readonly #again: () => void;
  readonly #canvas = element("classes", HTMLCanvasElement);
  readonly #range = element("classes-range", HTMLSelectElement);
  readonly #line = new StateLine("classes");
  readonly #network: OwnNetwork<Viewer>;
  #source: Source | undefined;
  /** What the visitor said of it. */
  #told: Told = {};
  /** The last network: given back when another takes its place. */
  #loaded: Viewer | undefined;

  /** `again` has {@link run} called anew. */
  constructor(photo: HTMLCanvasElement, again: () => void) {
    this.#photo = photo;
    this.#again = again;
    this.#network = new OwnNetwork(this.#line, (engine, how) => this.#load(engine, how), again);
    const address = element("classes-url", HTMLInputElement);
    element("classes-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      if (address.value.trim()) this.#openAddress(address.value.trim());
    });
    const chooser = element("classes-file", HTMLInputElement);
    element("classes-choose", HTMLButtonElement).addEventListener("click", () => chooser.click());
    chooser.addEventListener("change", () => {
      const files = [...(chooser.files ?? [])];
      chooser.value = "";
      if (files.length > 0) void this.#openFiles(files);
    });
    this.#range.addEventListener("change", again);
  }

  /** Looks at the photo, if there is a network. */
  async run(desk: Desk): Promise<() => void> {
    const source = this.#source;
    const network = source && (await this.#network.get(desk));
    if (!source || !network) return () => this.#show(undefined);
    const labels = source.labels ?? labelsFor(network);
    const input = network.inputs[0]?.dtype === "float32" ? RANGES[this.#range.value] : {};
    try {
      const start = performance.now();
      const seen = await new Segmenter<Viewer>(network, { labels, ...(input ? { input } : {}), ...this.#told }).segment(
        this.#photo,
        { signal: desk.signal },
      );
      const time = performance.now() - start;
      return () => this.#show({ seen, name: source.name, time });
    } catch (error) {
      if (desk.signal.aborted || isEngines(error) || !(error instanceof Error)) throw error;
      const question = questionOf(error);
      const why = question ? `its output, ${question.output}, ${question.text}` : error.message;
      this.#line.say(`${source.name} does not say what is where: ${why}`, ...this.#answers(question));
      return () => this.#show(undefined);
    }
  }

  #answers({ answers = [] }: Partial<Question> = {}): readonly Action[] {
    return answers.map(([label, told]) => ({
      label,
      run: () => {
        this.#told = { ...this.#told, ...told };
        this.#line.busy("Looking again …");
        this.#again();
      },
    }));
  }

  #openAddress(address: string): void {
    const from = URL.canParse(address, location.href) ? new URL(address, location.href) : undefined;
    if (from?.origin === location.origin || from?.protocol === "https:") {
      this.#open({ from, name: from.pathname.split("/").at(-1) || from.host });
    } else this.#line.say(from ? "Networks of other servers come by https only." : "That is no address.");
  }

  async #openFiles(files: readonly File[]): Promise<void> {
    const list = files.find(({ name }) => /\.txt$/i.test(name));
    const from = files.filter((file) => file !== list);
    const text = await list?.text();
    const labels = text?.split("\n").map((line) => line.trim());
    const main = from.find(({ name }) => !/\.bin$/i.test(name));
    if (main) this.#open({ from, name: main.name, ...(labels ? { labels } : {}) });
    else this.#line.say("Among these files is no network.");
  }

  #open(source: Source): void {
    this.#source = source;
    this.#told = {};
    this.#network.forget();
    this.#line.busy("Waiting for the engine …");
    this.#again();
  }

  async #load(engine: Engine, { signal, onProgress }: Loading): Promise<Viewer> {
    const source = this.#source;
    if (!source) throw new Error("No network was chosen.");
    const { from } = source;
    this.#loaded?.dispose();
    this.#loaded = undefined;
    // Networks of others are not kept: the visitor may change one under the same address.
    const how = { signal, onProgress };
    const model = from instanceof URL ? from : [...from];
    this.#loaded = await (KERAS.test(source.name) ? engine.loadModel(model, how) : engine.load(model, how));
    return this.#loaded;
  }

  #show(result: { seen: Segmentation; name: string; time: number } | undefined): void {
    const context = this.#canvas.getContext("2d", { alpha: false });
    if (!context) throw new Error("This browser cannot draw.");
    const { width, height } = this.#photo;
    Object.assign(this.#canvas, { width, height });
    this.#canvas.hidden = !result;
    element("classes-none", HTMLElement).hidden = result !== undefined;
    setText(element("classes-time", HTMLElement), result ? `${Math.max(Math.round(result.time), 1)} ms` : "");
    const list = element("classes-legend", HTMLElement);
    if (!result) {
      list.replaceChildren();
      return;
    }
    const { seen } = result;
    context.drawImage(this.#photo, 0, 0);
    const mask = seen.mask({ width, height });
    drawClassMap(context, mask, { opacity: 0.65 });
    const areas = seen.areas(mask).filter(({ share }) => share >= SPECK);
    const nameOf = ({ class: at }: { readonly class: number }) => seen.labels[at] ?? `class ${at}`;
    showLegend(
      list,
      areas.map((area) => ({ ...area, label: nameOf(area), colour: classColour(area.class) })),
    );
    const words = areas.map(nameOf).join(", ");
    this.#canvas.setAttribute("aria-label", `What ${result.name} sees in the photo: ${words}`);
    const { width: columns, height: rows, kind } = seen.maps;
    const what = kind === "scores" ? `${seen.classes} classes.` : "the class of each.";
    const names =
      kind === "classes" && seen.labels.length === 0 ? " A list of names (.txt) may be opened with it." : "";
    this.#line.say(`${result.name}: ${columns} × ${rows} places, ${what}${names}`);
  }
}

/** What is to be asked, if the network is fine and only an option of the segmenter is missing. */
function questionOf(error: Error): (Question & { output: string }) | undefined {
  if (!(error instanceof StriateError) || error.code !== "invalid") return undefined;
  const question = QUESTIONS[/the option `(\w+)`/.exec(error.expected ?? "")?.[1] ?? ""];
  return question && { ...question, output: error.received ?? "" };
}

/** Names of the classes, as far as their number gives them away; none where it does not. */
function labelsFor({ outputs }: Viewer): readonly string[] {
  const { dtype, shape = [] } = outputs[0] ?? {};
  const voc = VOC.split(" ");
  // Integers with one channel are classes themselves: how many there are is not told.
  const channels = shape.length === 4 && !(dtype !== "float32" && shape.includes(1, 1)) ? [shape[1], shape[3]] : [];
  if (channels.includes(voc.length)) return voc;
  return channels.includes(1) ? ["background", "foreground"] : [];
}
