// Where boxes go that are connected by arrows: in rows, so that arrows lead down, cross little and bend little (Sugiyama,
// Tagawa and Toda 1981).

/** Something to place. */
export interface Box {
  width: number;
  height: number;
}

/** An arrow between boxes, by their positions. */
export interface Edge {
  from: number;
  to: number;
}

/** Boxes in their places (top left corners), and arrows as points from end to end. */
export interface Layout<B extends Box> {
  width: number;
  height: number;
  boxes: { box: B; x: number; y: number }[];
  edges: [x: number, y: number][][];
}

/** A box in its row, or the place where an arrow passes through one. */
interface Slot {
  row: number;
  width: number;
  /** Which box; none for an arrow. */
  box: number | undefined;
  up: Slot[];
  down: Slot[];
  /** Position in its row. */
  order: number;
  /** Its middle. */
  x: number;
}

/** Between boxes of a row, and between rows. */
const GAP_X = 22;
const GAP_Y = 30;
/** The width of an arrow that passes through a row. */
const PASSAGE = 10;
/** Sweeps up and down for the order within rows, and for the positions. */
const ORDER_SWEEPS = 8;
const PLACE_SWEEPS = 9;

/** Places boxes. Edges lead from earlier boxes to later ones; others (a shared layer's) are drawn, and else ignored. */
export function layout<B extends Box>(boxes: readonly B[], edges: readonly Edge[]): Layout<B> {
  const rows = rowsOf(boxes.length, edges);
  const slots = boxes.map(({ width }, box): Slot => slot(rows[box] as number, width, box));
  const all = [...slots];
  const routes = edges.map(({ from, to }) => {
    const ends = [slots[from], slots[to]] as [Slot, Slot];
    return from < to ? route(ends, all) : ends;
  });
  const grid = inRows(all);
  sortRows(grid);
  placeRows(grid);

  const heights = grid.map((row) => Math.max(0, ...row.map(({ box }) => (box === undefined ? 0 : height(boxes[box])))));
  const tops: number[] = [];
  for (const i of heights.keys()) tops[i] = i === 0 ? 0 : (tops[i - 1] as number) + (heights[i - 1] as number) + GAP_Y;
  const left = all.reduce((least, { x, width }) => Math.min(least, x - width / 2), all.length > 0 ? Infinity : 0);
  const right = all.reduce((most, { x, width }) => Math.max(most, x + width / 2), all.length > 0 ? -Infinity : 0);
  const top = (slot: Slot) => {
    const room = heights[slot.row] as number;
    const own = slot.box === undefined ? room : height(boxes[slot.box]);
    return (tops[slot.row] as number) + (room - own) / 2;
  };
  const bottom = (slot: Slot) =>
    top(slot) + (slot.box === undefined ? (heights[slot.row] as number) : height(boxes[slot.box]));
  return {
    width: right - left,
    height: (tops.at(-1) ?? 0) + (heights.at(-1) ?? 0),
    boxes: slots.map((slot, i) => ({ box: boxes[i] as B, x: slot.x - slot.width / 2 - left, y: top(slot) })),
    edges: routes.map((route) =>
      route.flatMap((slot, i): [number, number][] => {
        const x = slot.x - left;
        if (i === 0) return [[x, bottom(slot)]];
        return i === route.length - 1
          ? [[x, top(slot)]]
          : [
              [x, top(slot)],
              [x, bottom(slot)],
            ];
      }),
    ),
  };
}

const height = (box: Box | undefined) => box?.height ?? 0;
const slot = (row: number, width: number, box?: number): Slot => ({
  row,
  width,
  box,
  up: [],
  down: [],
  order: 0,
  x: 0,
});

/** Rows by the longest way from the top; what nothing leads to stands just above what it leads to. */
export function rowsOf(count: number, edges: readonly Edge[]): number[] {
  const into: number[][] = Array.from({ length: count }, () => []);
  const out: number[][] = Array.from({ length: count }, () => []);
  for (const { from, to } of edges) {
    if (from >= to) continue;
    into[to]?.push(from);
    out[from]?.push(to);
  }
  const rows: number[] = [];
  for (let i = 0; i < count; i++) rows[i] = Math.max(-1, ...(into[i] ?? []).map((from) => rows[from] as number)) + 1;
  for (let i = count - 1; i >= 0; i--) {
    if (into[i]?.length || !out[i]?.length) continue;
    rows[i] = Math.min(...(out[i] ?? []).map((to) => rows[to] as number)) - 1;
  }
  return rows;
}

/** The way of an arrow, with a slot in each row between. */
function route([from, to]: [Slot, Slot], all: Slot[]): Slot[] {
  const way = [from];
  for (let row = from.row + 1; row < to.row; row++) {
    const passage = slot(row, PASSAGE);
    all.push(passage);
    way.push(passage);
  }
  way.push(to);
  for (let i = 1; i < way.length; i++) {
    (way[i - 1] as Slot).down.push(way[i] as Slot);
    (way[i] as Slot).up.push(way[i - 1] as Slot);
  }
  return way;
}

function inRows(all: Slot[]): Slot[][] {
  const grid: Slot[][] = Array.from({ length: Math.max(-1, ...all.map(({ row }) => row)) + 1 }, () => []);
  for (const slot of all) grid[slot.row]?.push(slot);
  for (const row of grid) number(row);
  return grid;
}

function number(row: Slot[]): void {
  row.forEach((slot, order) => {
    slot.order = order;
  });
}

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Orders the slots of each row by the mean position of their neighbours, down and up; the best of all sweeps stays. */
function sortRows(grid: Slot[][]): void {
  let best = grid.map((row) => [...row]);
  let fewest = crossings(grid);
  for (let sweep = 0; sweep < ORDER_SWEEPS && fewest > 0; sweep++) {
    const down = sweep % 2 === 0;
    for (const row of down ? grid : [...grid].reverse()) {
      const key = new Map(
        row.map((slot) => {
          const neighbours = down ? slot.up : slot.down;
          return [slot, neighbours.length > 0 ? mean(neighbours.map(({ order }) => order)) : slot.order];
        }),
      );
      row.sort((a, b) => (key.get(a) as number) - (key.get(b) as number));
      number(row);
    }
    const crossed = crossings(grid);
    if (crossed < fewest) {
      fewest = crossed;
      best = grid.map((row) => [...row]);
    }
  }
  best.forEach((row, i) => {
    grid[i] = row;
    number(row);
  });
}

/** How often arrows cross. */
function crossings(grid: Slot[][]): number {
  let crossed = 0;
  for (const row of grid) {
    const ends = row.flatMap((slot) => slot.down.map(({ order }) => order).sort((a, b) => a - b));
    for (let i = 0; i < ends.length; i++) {
      for (let j = i + 1; j < ends.length; j++) if ((ends[i] as number) > (ends[j] as number)) crossed++;
    }
  }
  return crossed;
}

/**
 * Puts slots under those that lead to them, over those that they lead to, and under again: so chains hang straight. As far
 * as the others of their row let them.
 */
function placeRows(grid: Slot[][]): void {
  for (let sweep = 0; sweep < PLACE_SWEEPS; sweep++) {
    const down = sweep % 2 === 0;
    for (const row of down ? grid : [...grid].reverse()) {
      settle(
        row,
        row.map((slot) => {
          const neighbours = down ? slot.up : slot.down;
          // A box under one box leaves the bends to arrows that pass by; under several it stands in the middle of all.
          const own = neighbours.filter(({ box }) => (box === undefined) === (slot.box === undefined));
          const pulls = own.length === 1 || slot.box === undefined ? own : neighbours;
          if (pulls.length > 0) return mean(pulls.map(({ x }) => x));
          return neighbours.length > 0 ? mean(neighbours.map(({ x }) => x)) : slot.x;
        }),
      );
    }
  }
}

/** The positions nearest to the wanted ones (least squares) that keep the order and the gaps: pooled adjacent violators. */
function settle(row: Slot[], wanted: number[]): void {
  const offsets: number[] = [];
  row.reduce((at, slot, i) => {
    const previous = row[i - 1];
    const gap = previous?.box === undefined || slot.box === undefined ? GAP_X / 2 : GAP_X;
    const offset = previous ? at + (previous.width + slot.width) / 2 + gap : 0;
    offsets.push(offset);
    return offset;
  }, 0);
  const pools: { sum: number; weight: number; count: number }[] = [];
  row.forEach((slot, i) => {
    const weight = slot.box === undefined ? 0.01 : 1;
    let pool = { sum: weight * ((wanted[i] as number) - (offsets[i] as number)), weight, count: 1 };
    for (let last = pools.at(-1); last && last.sum / last.weight > pool.sum / pool.weight; last = pools.at(-1)) {
      pool = { sum: pool.sum + last.sum, weight: pool.weight + last.weight, count: pool.count + last.count };
      pools.pop();
    }
    pools.push(pool);
  });
  let i = 0;
  for (const { sum, weight, count } of pools) {
    for (let end = i + count; i < end; i++) (row[i] as Slot).x = sum / weight + (offsets[i] as number);
  }
}
