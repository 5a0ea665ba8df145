import { Camera } from "./camera.ts";
import { element, make } from "./dom.ts";

/** What a page does with its camera. */
export interface CameraHooks {
  /** The visitor wants the camera, or another one. */
  start(device?: string): void;
  /** The visitor has had enough of it. */
  stop(): void;
  /** Whether it is to be mirrored, when the visitor changes that. */
  mirror(on: boolean): void;
  /** It stopped by itself: the page was hidden, or it was unplugged. */
  lost(why: "hidden" | "ended"): void;
}

/** The camera with its controls, as every page has them. */
export class CameraPanel {
  readonly #camera: Camera;
  readonly #device = element("camera-device", HTMLSelectElement);
  readonly #mirror = element("camera-mirror", HTMLInputElement);

  constructor(video: HTMLVideoElement, hooks: CameraHooks) {
    this.#camera = new Camera(video, (why) => hooks.lost(why));
    element("camera-start", HTMLButtonElement).addEventListener("click", () => hooks.start());
    element("camera-stop", HTMLButtonElement).addEventListener("click", () => hooks.stop());
    this.#device.addEventListener("change", () => hooks.start(this.#device.value));
    this.#mirror.addEventListener("change", () => hooks.mirror(this.#mirror.checked));
  }

  get running(): boolean {
    return this.#camera.running;
  }

  get mirrored(): boolean {
    return this.#mirror.checked;
  }

  /** Asks for a camera, by default one that faces the user, and lists the others. */
  async start(device?: string): Promise<void> {
    const view = await this.#camera.start(device);
    this.#mirror.checked = view.facesUser;
    this.#device.replaceChildren(
      ...view.devices.map(({ id, label }) =>
        make("option", { value: id, textContent: label, selected: id === view.id }),
      ),
    );
    element("camera-pick", HTMLElement).hidden = view.devices.length < 2;
  }

  stop(): void {
    this.#camera.stop();
  }
}
