/** Pixels of the network's canvas in a row: enough for four or five digits of the size that it has learned. */
export const WIDTH = 112;
/** Rows. Both are multiples of 8, by which the network halves and doubles. */
export const HEIGHT = 72;
/** Side of the pictures of digits. */
const SIDE = 28;
/** Width of a stroke on the network's canvas: that of a pen in MNIST. */
const STROKE = 2.4;

type Point = readonly [x: number, y: number];

/** A canvas to write on, white on black. What is written is kept as lines, so that it is sharp at any size. */
export class Pad {
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  readonly #small = new OffscreenCanvas(WIDTH, HEIGHT);
  readonly #changed: () => void;
  #strokes: Point[][] = [];
  #pictures: { image: ImageBitmap; digit: number; x: number; y: number; side: number }[] = [];
  #drawing: number | undefined;

  constructor(canvas: HTMLCanvasElement, changed: () => void) {
    const context = canvas.getContext("2d", { alpha: false });
    if (!context) throw new Error("This browser cannot draw.");
    this.#canvas = canvas;
    this.#context = context;
    this.#changed = changed;
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"] as const) canvas.addEventListener(end, () => this.#end());
    this.#draw();
  }

  get empty(): boolean {
    return this.#strokes.length === 0 && this.#pictures.length === 0;
  }

  /** Takes everything away. */
  clear(): void {
    this.#strokes = [];
    this.#pictures = [];
    this.#update();
  }

  /** Takes the last stroke away, or the pictures if there is none. */
  undo(): void {
    if (this.#strokes.pop() === undefined) this.#pictures = [];
    this.#update();
  }

  /** Lays pictures of digits side by side, in place of what is there. */
  place(digits: readonly { image: ImageBitmap; digit: number }[]): void {
    this.#strokes = [];
    const slot = WIDTH / Math.max(digits.length, 3);
    const start = (WIDTH - slot * digits.length) / 2;
    this.#pictures = digits.map(({ image, digit }, i) => {
      const side = 22 + Math.random() * 8;
      const x = start + slot * (i + 0.5) - side / 2 + (Math.random() - 0.5) * (slot - side) * 0.8;
      return { image, digit, side, x, y: Math.random() * (HEIGHT - side) };
    });
    this.#update();
  }

  /** The digits that were placed, from left to right. */
  get placed(): readonly number[] {
    return this.#pictures.map(({ digit }) => digit);
  }

  /** As the network is to see it. */
  read(): ImageData {
    const context = this.#small.getContext("2d", { alpha: false, willReadFrequently: true });
    if (!context) throw new Error("This browser cannot draw.");
    this.#paint(context, 1);
    return context.getImageData(0, 0, WIDTH, HEIGHT);
  }

  #at(event: PointerEvent): Point {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    return [((event.clientX - left) / width) * WIDTH, ((event.clientY - top) / height) * HEIGHT];
  }

  #begin(event: PointerEvent): void {
    if (!event.isPrimary || event.button !== 0) return;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#drawing = event.pointerId;
    this.#strokes.push([this.#at(event)]);
    this.#update();
  }

  #move(event: PointerEvent): void {
    if (event.pointerId !== this.#drawing) return;
    const stroke = this.#strokes.at(-1);
    const all = event.getCoalescedEvents?.() ?? [];
    stroke?.push(...(all.length > 0 ? all : [event]).map((each) => this.#at(each)));
    this.#update();
  }

  #end(): void {
    this.#drawing = undefined;
  }

  #update(): void {
    this.#draw();
    this.#changed();
  }

  #draw(): void {
    this.#paint(this.#context, this.#canvas.width / WIDTH);
  }

  #paint(context: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D, scale: number): void {
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.globalCompositeOperation = "source-over";
    context.fillStyle = "#000";
    context.fillRect(0, 0, WIDTH, HEIGHT);
    context.imageSmoothingQuality = "high";
    // The pictures are black where there is no ink.
    context.globalCompositeOperation = "lighten";
    for (const { image, x, y, side } of this.#pictures) context.drawImage(image, x, y, side, side);
    context.globalCompositeOperation = "source-over";
    context.strokeStyle = "#fff";
    context.lineWidth = STROKE;
    context.lineCap = "round";
    context.lineJoin = "round";
    for (const [first, ...rest] of this.#strokes) {
      if (!first) continue;
      context.beginPath();
      context.moveTo(...first);
      if (rest.length === 0) context.lineTo(...first);
      for (const point of rest) context.lineTo(...point);
      context.stroke();
    }
  }
}

/** Pictures of digits, cut out of one: a row for each digit. */
export async function cutDigits(sheet: Blob): Promise<{ image: ImageBitmap; digit: number }[]> {
  const whole = await createImageBitmap(sheet);
  const [columns, rows] = [Math.floor(whole.width / SIDE), Math.floor(whole.height / SIDE)];
  const cuts = Array.from({ length: columns * rows }, async (_, i) => {
    const [column, digit] = [i % columns, Math.floor(i / columns)];
    return { image: await createImageBitmap(whole, column * SIDE, digit * SIDE, SIDE, SIDE), digit };
  });
  const digits = await Promise.all(cuts);
  whole.close();
  return digits;
}
