// `striate/vision` as a typed program uses it.
import type { Detection, Net, TensorOutput } from "striate";
import { type ClassMap, loadVision, type Tracker, type Vision } from "striate/vision";

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
