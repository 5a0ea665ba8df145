import type { Engine } from "../engine.js";
import { absolute } from "../files.js";
import type { Model } from "../model.js";
import type { Net } from "../net.js";
import type { FetchOptions, LoadOptions } from "../types.js";
import { loadLabels } from "../vision/labels.js";
import { type CardName, cardOf, cards, type ModelCard } from "./cards.js";
import { Classifier } from "./classifier.js";
import { FeatureExtractor } from "./features.js";
import { FaceDetector, PoseEstimator, TextDetector } from "./finders.js";
import { Styler, Upscaler } from "./pictures.js";
import { Segmenter } from "./segmenter.js";

/** Options of the methods of {@link Models}. */
export interface CarriedOptions extends Omit<FetchOptions, "sha256"> {
  /** The address of the network's own folder. Default: its folder under the engine's `models`. */
  from?: string | URL;
}

/** Options of networks that are compiled for one size of picture. */
export interface SizedOptions extends CarriedOptions {
  /** Height and width that pictures are brought to. */
  size?: readonly [height: number, width: number];
}

/**
 * Published networks, a line each: `await engine.models.poseNet()`. Their files are not part of striate: `cargo xtask models` fetches
 * them into `vendor/` with their licences, to be served from the address that {@link EngineOptions.models} names.
 */
export class Models {
  readonly #engine: Engine;
  readonly #base: string;
  readonly #assets: string | undefined;

  /** @internal */
  constructor(engine: Engine, base: string, assets: string | undefined) {
    this.#engine = engine;
    this.#base = base;
    this.#assets = assets;
  }

  /** What there is: titles, tasks, licences, sources, sizes. */
  get cards(): readonly ModelCard[] {
    return cards;
  }

  /** Finds things of 23 kinds, by Google. */
  ssdMobileNetV2(options?: CarriedOptions): Promise<Net> {
    return this.#net("ssdMobileNetV2", options);
  }

  /** Finds things of the 80 kinds of COCO. Mind its licence: see {@link Models.cards}. */
  centerNet(options?: CarriedOptions): Promise<Net> {
    return this.#net("centerNet", options);
  }

  /** Finds things of the 80 kinds of COCO. */
  nanoDet(options?: CarriedOptions): Promise<Net> {
    return this.#net("nanoDet", options);
  }

  /** Says which of ImageNet's 1000 classes a picture shows. */
  async efficientNetLite0(options?: CarriedOptions): Promise<Classifier<Model>> {
    return this.#classifier("efficientNetLite0", options);
  }

  /** The same, smaller and less sure. */
  async squeezeNet(options?: CarriedOptions): Promise<Classifier<Model>> {
    return this.#classifier("squeezeNet", options);
  }

  /** 1280 features of a picture: to compare pictures, or to learn from. */
  async mobileNetV2(options?: CarriedOptions): Promise<FeatureExtractor<Model>> {
    return new FeatureExtractor(await this.#model("mobileNetV2", options), { input: { fit: "center" } });
  }

  /** Tells a person from what is behind. */
  async selfieSegmentation(options?: CarriedOptions): Promise<Segmenter<Net>> {
    const net = await this.#net("selfieSegmentation", options);
    return new Segmenter(net, { input: { scale: 1 / 255 }, labels: ["background", "person"] });
  }

  /** Makes pictures twice as large. */
  async esrganSlim(options?: CarriedOptions): Promise<Upscaler<Model>> {
    return new Upscaler(await this.#model("esrganSlim", options), { factor: 2, range: 255, reach: 18 });
  }

  /** Makes pictures four times as large; photos come out as if drawn. */
  async realEsrAnimeVideo(options?: CarriedOptions): Promise<Upscaler<Model>> {
    return new Upscaler(await this.#model("realEsrAnimeVideo", options), { factor: 4, range: 255, reach: 18 });
  }

  /** Paints pictures in 26 styles, at one size; default 256 x 256. */
  async styleTransfer({ size = [256, 256], ...options }: SizedOptions = {}): Promise<Styler<Net>> {
    const shapes = { image: [1, 3, ...size], style_weights: [26] };
    return new Styler(await this.#net("styleTransfer", options, { inputShapes: shapes }), {
      styles: 26,
      multipleOf: 4,
    });
  }

  /** Finds the parts of a person's body. */
  async poseNet(options?: CarriedOptions): Promise<PoseEstimator<Net>> {
    return new PoseEstimator(await this.#net("poseNet", options), this.#beside());
  }

  /** Finds faces. */
  async tinyFaceDetector(options?: CarriedOptions): Promise<FaceDetector<Model>> {
    return new FaceDetector(await this.#model("tinyFaceDetector", options), this.#beside());
  }

  /** Finds lines of text, in pictures brought to one size; default 640 x 640, both multiples of 32. */
  async textDetector({ size = [640, 640], ...options }: SizedOptions = {}): Promise<TextDetector<Net>> {
    const net = await this.#net("textDetector", options, { inputShapes: { x: [1, 3, ...size] } });
    return new TextDetector(net, this.#beside());
  }

  #beside(): { assets?: string } {
    return this.#assets === undefined ? {} : { assets: this.#assets };
  }

  /** The address of a network's folder, and its card. */
  #place(name: CardName, { from }: CarriedOptions): { card: ModelCard; folder: URL; main: URL } {
    const card = cardOf(name);
    const folder = absolute(from ?? `${this.#base}${card.folder}/`);
    // Addresses in a folder are told apart from the folder's own by a slash.
    if (!folder.pathname.endsWith("/")) folder.pathname += "/";
    const [file = ""] = Object.keys(card.files);
    return { card, folder, main: new URL(file, folder) };
  }

  #net(name: CardName, options: CarriedOptions = {}, more: LoadOptions = {}): Promise<Net> {
    const { card, main } = this.#place(name, options);
    const { from: _from, ...rest } = options;
    return this.#engine.load(main, { ...rest, ...sums(card), ...more });
  }

  #model(name: CardName, options: CarriedOptions = {}): Promise<Model> {
    const { card, main } = this.#place(name, options);
    const { from: _from, ...rest } = options;
    return this.#engine.loadModel(main, { ...rest, ...sums(card) });
  }

  async #classifier(name: CardName, options: CarriedOptions = {}): Promise<Classifier<Model>> {
    const { folder } = this.#place(name, options);
    const { signal } = options;
    const list = new URL("labels.txt", folder);
    const [net, labels] = await Promise.all([this.#model(name, options), loadLabels(list, signal ? { signal } : {})]);
    return new Classifier(net, { input: { fit: "center" }, labels });
  }
}

function sums({ sha256 }: ModelCard): Pick<FetchOptions, "sha256"> {
  return Object.keys(sha256).length > 0 ? { sha256 } : {};
}
