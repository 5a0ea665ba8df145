import { EDGE } from "./boxes.js";
import { type Context2D, type DrawOptions, onCanvas, placementOf, ratioOf } from "./canvas.js";

/** A point of a body, in pixels of the picture. */
export interface Keypoint {
  /** From the left. */
  x: number;
  /** From above. */
  y: number;
  /** How sure the network is, 0 to 1. */
  score?: number;
}

/** A body, a hand, a face. */
export interface DrawnPose {
  /** Its points, in the network's order. */
  keypoints: readonly Keypoint[];
}

/**
 * Limbs of COCO's 17 points: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles, the left one (of the person)
 * before the right one.
 */
export const COCO_LIMBS: readonly (readonly [number, number])[] = [
  [0, 1],
  [0, 2],
  [1, 3],
  [2, 4],
  [5, 6],
  [5, 7],
  [7, 9],
  [6, 8],
  [8, 10],
  [5, 11],
  [6, 12],
  [11, 12],
  [11, 13],
  [13, 15],
  [12, 14],
  [14, 16],
];

/** Options of {@link drawPoses}. */
export interface PoseOptions extends DrawOptions {
  /** Pairs of points that a line joins. Default: {@link COCO_LIMBS} for poses of 17 points, else none. */
  limbs?: readonly (readonly [number, number])[];
  /** Points below this score, and limbs to them, are not drawn. Default: 0.3. */
  scoreThreshold?: number;
  /** Colour of a limb or a point (both ends are the same then), as CSS has it. Default: by the side of the body. */
  colour?: (from: number, to: number, pose: number) => string;
  /** Width of limbs in CSS pixels. Default: 4. */
  lineWidth?: number;
}

/** The left side, the right side, and what is between. */
const SIDES = ["oklch(0.8 0.16 70)", "oklch(0.78 0.14 210)", "oklch(0.88 0.17 128)"] as const;

/** Odd points of COCO's are on the left, even ones on the right. */
function side(from: number, to: number): string {
  if (from === 0 && to === 0) return SIDES[2];
  const other = from === 0 ? to : from;
  if (from !== 0 && to !== 0 && from % 2 !== to % 2) return SIDES[2];
  return SIDES[other % 2 === 1 ? 0 : 1];
}

/** Draws points and limbs of bodies, with dark edges, so that they show on any ground. */
export function drawPoses(context: Context2D, poses: readonly DrawnPose[], options: PoseOptions = {}): void {
  const { scoreThreshold = 0.3, colour = side, lineWidth = 4 } = options;
  const [at, ratio] = [placementOf(context, options), ratioOf(context, options)];
  const line = lineWidth * ratio;
  context.save();
  context.lineCap = "round";
  for (const [i, { keypoints }] of poses.entries()) {
    const points = keypoints.map(({ x, y, score = 1 }) =>
      score >= scoreThreshold && Number.isFinite(x) && Number.isFinite(y) ? onCanvas(at, x, y) : undefined,
    );
    const limbs = options.limbs ?? (keypoints.length === 17 ? COCO_LIMBS : []);
    const seen = limbs.filter(([from, to]) => points[from] && points[to]);
    // All edges first: none lies over a neighbour's colour.
    for (const edge of [true, false]) {
      for (const [from, to] of seen) {
        context.beginPath();
        context.moveTo(...(points[from] as [number, number]));
        context.lineTo(...(points[to] as [number, number]));
        context.lineWidth = edge ? line + 2 * ratio : line;
        context.strokeStyle = edge ? EDGE : colour(from, to, i);
        context.stroke();
      }
    }
    for (const [n, point] of points.entries()) {
      if (!point) continue;
      context.beginPath();
      context.arc(...point, Math.max(0.85 * line, 2 * ratio), 0, 2 * Math.PI);
      context.fillStyle = colour(n, n, i);
      context.fill();
      context.lineWidth = 1.5 * ratio;
      context.strokeStyle = "#0b0d10";
      context.stroke();
    }
  }
  context.restore();
}
