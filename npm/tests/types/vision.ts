// `striate/vision` and `striate/draw` as typed programs use them.
import { type ActivationMap, type Detection, gradCam, type Model, type Net, type TensorOutput } from "striate";
import { drawBoxes, drawHeatMap, fit, type Placement } from "striate/draw";
import { type ClassMap, loadVision, slidingWindow, type Tracker, type Vision } from "striate/vision";

export async function follow(net: Net, frames: ImageBitmap[]): Promise<number[]> {
  const vision: Vision = await loadVision({ assets: "/striate/" });
  const tracker: Tracker<Detection> = vision.tracker({ maxAge: 5 });
  const ids: number[] = [];
  for (const frame of frames) {
    for (const { id, label } of tracker.update(await net.detect(frame))) ids.push(id + label.length);
  }
  return ids;
}

export function read(vision: Vision, outputs: TensorOutput[], picture: ImageBitmap): Detection[] {
  const [coarse, fine] = outputs as [TensorOutput, TensorOutput];
  const heads = [
    { ...coarse, stride: 32, anchors: [[10, 14] as const] },
    { ...fine, stride: 16, anchors: [[10, 14] as const] },
  ];
  const decoded = vision.decodeYolo(heads, { version: 3, classes: 80 });
  const map: ClassMap = vision.classMap(coarse, picture);
  // @ts-expect-error: a version that there is not.
  vision.decodeYolo(heads, { version: 1, classes: 80 });
  // @ts-expect-error: a form that there is not.
  vision.iou(map.data, map.data, { form: "yolo" });
  return vision.selectBoxes(decoded, { scale: [picture.width / 416, picture.height / 416] })[0] ?? [];
}

export async function look(model: Model, context: CanvasRenderingContext2D, picture: Float32Array): Promise<number> {
  const map: ActivationMap = await gradCam(model, picture, { layer: "conv5", classIndex: 7 });
  const at: Placement = fit(context.canvas, { width: 224, height: 224 }, { mode: "cover" });
  drawHeatMap(context, map, { at, colours: "heat" });
  drawBoxes(context, [{ label: "dog", x: 1, y: 2, width: 3, height: 4, extra: true }], {
    at,
    text: ({ label, extra }) => (extra ? [label, "!"] : undefined),
  });
  // @ts-expect-error: a scale that there is not.
  drawHeatMap(context, map, { colours: "rainbow" });
  const { data, shape } = await slidingWindow(model, { data: picture, shape: [224, 224, 3] }, { stride: [4, 8] });
  return data.length + shape.length;
}
