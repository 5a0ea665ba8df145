// Pictures on the GPU become the page's.

import { failure } from "./errors.js";
import type { WasmPainted } from "./wasm.js";

/** Most pixels in a row or column of a picture: every WebGPU device takes textures of this size. */
const MAX_SIDE = 8192;

/** `GPUTextureUsage.COPY_DST`, which TypeScript's library does not know. */
const COPY_DST = 2;

/** Makes pictures of what was painted; on the GPU they stay there. Keeps one canvas for all. */
export class Easel {
  #canvas: OffscreenCanvas | undefined;
  #context: GPUCanvasContext | undefined;
  #device: GPUDevice | undefined;

  /** Before anything is computed: whether such a picture can be made here. */
  check(width: number, height: number): void {
    if (typeof OffscreenCanvas !== "function" || typeof createImageBitmap !== "function") {
      throw failure("unsupported", "pictures cannot be made here: there is no OffscreenCanvas", {
        expected: "a browser; elsewhere use predictImage()",
      });
    }
    const fits = (side: number) => Number.isInteger(side) && side > 0 && side <= MAX_SIDE;
    if (!fits(width) || !fits(height)) {
      throw failure("invalid", "a picture of this size cannot be painted: pass `width` and `height`", {
        expected: `whole numbers, 1 to ${MAX_SIDE}`,
        received: `${width} x ${height}`,
      });
    }
  }

  /** The picture; one on the GPU is waited for, so that a loop of frames does not run ahead of it. */
  async picture(painted: WasmPainted, width: number, height: number): Promise<ImageBitmap> {
    if (painted.data) {
      return createImageBitmap(new ImageData(new Uint8ClampedArray(painted.data.buffer), width, height));
    }
    const { device, pixels, pitch } = painted;
    const [canvas, context] = this.#stand(device, width, height);
    const commands = device.createCommandEncoder();
    const texture = context.getCurrentTexture();
    commands.copyBufferToTexture({ buffer: pixels, bytesPerRow: pitch }, { texture }, [width, height]);
    device.queue.submit([commands.finish()]);
    // In the same task: afterwards the canvas has a new texture.
    const image = canvas.transferToImageBitmap();
    await device.queue.onSubmittedWorkDone();
    return image;
  }

  #stand(device: GPUDevice, width: number, height: number): [OffscreenCanvas, GPUCanvasContext] {
    this.#canvas ??= new OffscreenCanvas(width, height);
    const canvas = this.#canvas;
    this.#context ??= (canvas.getContext("webgpu") as GPUCanvasContext | null) ?? undefined;
    const context = this.#context;
    if (!context) throw failure("unsupported", "this browser has no canvas for WebGPU in workers");
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    if (this.#device !== device) {
      context.configure({ device, format: "rgba8unorm", usage: COPY_DST, alphaMode: "premultiplied" });
      this.#device = device;
    }
    return [canvas, context];
  }
}
