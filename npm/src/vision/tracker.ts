import { boxesOf, floats } from "./inputs.js";
import type { Calls, WasmTracker } from "./module.js";
import type { Trackable, Tracked } from "./types.js";

/** Numbers that the module gives for a track. */
const FIELDS = 8;

/**
 * Follows boxes over the frames of a video (SORT: Bewley et al. 2016): a Kalman filter says where each box should be, and the
 * frame's boxes go to the tracks that they overlap most. Made by {@link Vision.tracker}.
 */
export class Tracker<T extends Trackable = Trackable> {
  readonly #calls: Calls;
  readonly #tracker: WasmTracker;
  /** Classes by name or number. */
  readonly #kinds = new Map<string | number, number>();
  /** What was given last for each track. */
  #last = new Map<number, T>();

  /** @internal */
  constructor(calls: Calls, tracker: WasmTracker) {
    this.#calls = calls;
    this.#tracker = tracker;
  }

  /**
   * Takes the boxes of the next frame, which may be none. Gives those that are told of, each with the number of its track and
   * with the box as the filter has it; all else of them stays as it was given. Boxes of different classes never share a track,
   * and boxes without an area are left out.
   */
  update(detections: readonly T[]): Tracked<T>[] {
    const [boxes] = boxesOf(detections as readonly Trackable[], "xywh", "detections");
    const kinds = Uint32Array.from(detections, (detection) => this.#kind(detection.class ?? detection.label ?? 0));
    const scores = floats(
      detections.map(({ score }) => score ?? 1),
      "scores",
    );
    const told = this.#calls.run(() => this.#tracker.update(boxes, kinds, scores));
    const all = this.#calls.run(() => this.#tracker.tracks());
    const last = new Map<number, T>();
    for (let at = 0; at < all.length; at += FIELDS) {
      const [id, seen] = [all[at] as number, all[at + FIELDS - 1] as number];
      last.set(id, (detections[seen] ?? this.#last.get(id)) as T);
    }
    this.#last = last;
    return this.#tracked(told, detections);
  }

  /** Every track there is, those too that were not seen in the last frame or are not told of yet, where the filter has it. */
  tracks(): Tracked<T>[] {
    const all = this.#calls.run(() => this.#tracker.tracks());
    return this.#tracked(all, []);
  }

  #tracked(tracks: Float64Array, detections: readonly T[]): Tracked<T>[] {
    return Array.from({ length: tracks.length / FIELDS }, (_, i) => {
      const [id, , , x, y, width, height, seen] = tracks.subarray(i * FIELDS, (i + 1) * FIELDS);
      const given = detections[seen as number] ?? this.#last.get(id as number);
      return { ...given, id, x, y, width, height } as Tracked<T>;
    });
  }

  #kind(name: string | number): number {
    const known = this.#kinds.get(name) ?? this.#kinds.size;
    this.#kinds.set(name, known);
    return known;
  }
}
