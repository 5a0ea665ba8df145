import type { Net, Segmenter } from "striate";
import { CameraError } from "./camera.ts";
import { CameraPanel } from "./camera-panel.ts";
import { element, setText } from "./dom.ts";
import { followFrames } from "./frames.ts";
import { explainCamera, explainLost } from "./messages.ts";
import { NoticeCard } from "./notice.ts";
import type { Desk, Hooks } from "./own-network.ts";
import { Rate } from "./rate.ts";

/** Longest side of a frame as it is drawn: what a phone shows, and half the work of 1024. */
const LONGEST = 720;
/** Longest side of a matte: the canvas makes it larger, in no time. */
const MATTE = 384;

export interface LiveHooks extends Hooks {
  /** The network that cuts people out, if it is there. */
  network(desk: Desk): Promise<Segmenter<Net> | undefined>;
  /** Shows what was seen in a frame. The matte is as opaque as there is a person. */
  draw(frame: HTMLCanvasElement, matte: ImageBitmap): void;
  /** The visitor would rather have the photo. */
  leave(): void;
}

/** The camera, looked at frame by frame. What goes wrong with it is said over its place. */
export class Live {
  readonly #hooks: LiveHooks;
  readonly #video = element("video", HTMLVideoElement);
  readonly #frame = document.createElement("canvas");
  readonly #notice = new NoticeCard("camera-");
  readonly #invite = element("invite-camera", HTMLElement);
  readonly #tray = element("tray-camera", HTMLElement);
  readonly #canvas = element("cutout", HTMLCanvasElement);
  readonly #figures = element("live-rate", HTMLElement);
  readonly #rate = new Rate();
  readonly #panel: CameraPanel;
  #stopFollowing: (() => void) | undefined;
  /** An engine that failed is not asked again for every frame. */
  #failed: Desk | undefined;

  constructor(hooks: LiveHooks) {
    this.#hooks = hooks;
    this.#panel = new CameraPanel(this.#video, {
      start: (device) => void this.#start(device),
      stop: () => this.invite(),
      mirror: () => this.#place(),
      lost: (why) => {
        this.invite();
        this.#notice.show("picture", explainLost(why, this.#again));
      },
    });
  }

  /** Offers to start the camera. */
  invite(): void {
    this.leave();
    this.#invite.hidden = false;
    this.#canvas.hidden = true;
  }

  /** Stops the camera, and makes room for the photo. */
  leave(): void {
    this.#stopFollowing?.();
    this.#stopFollowing = undefined;
    this.#panel.stop();
    this.#rate.clear();
    this.#notice.hide("picture");
    for (const each of [this.#invite, this.#tray, this.#video]) each.hidden = true;
    this.#canvas.hidden = false;
    setText(this.#figures, "");
  }

  /** The picture that the camera shows at this moment, as it is seen here. */
  async take(): Promise<File> {
    const canvas = document.createElement("canvas");
    this.#copy(canvas, Number.POSITIVE_INFINITY);
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
    if (!blob) throw new Error("This browser cannot keep a picture.");
    return new File([blob], "photo from the camera", { type: blob.type });
  }

  readonly #again = { label: "Start it again", run: (): void => void this.#start() };

  async #start(device?: string): Promise<void> {
    this.invite();
    try {
      await this.#panel.start(device);
    } catch (error) {
      // Stopped while the browser was asking.
      if (error instanceof DOMException && error.name === "AbortError") return;
      if (!(error instanceof CameraError)) return this.#hooks.fail(error);
      const photo = { label: "Use the photo", run: () => this.#hooks.leave() };
      this.#notice.show(
        "picture",
        explainCamera(error, () => void this.#start(), photo),
      );
      return;
    }
    this.#invite.hidden = true;
    this.#tray.hidden = false;
    this.#video.hidden = false;
    this.#place();
    let following = true;
    const stop = followFrames(this.#video, (skipped) => this.#look(skipped, () => following));
    this.#stopFollowing = () => {
      following = false;
      stop();
    };
  }

  async #look(skipped: number, following: () => boolean): Promise<void> {
    const desk = this.#hooks.desk();
    if (!desk || desk === this.#failed) return;
    try {
      const network = await this.#hooks.network(desk);
      if (!network || !following()) return;
      // A copy: the video goes on while the network looks.
      this.#copy(this.#frame, LONGEST);
      const { image } = await network.paint(this.#frame, { class: 1, ...this.#matte(), signal: desk.signal });
      if (following()) this.#hooks.draw(this.#frame, image);
      image.close();
      if (!following()) return;
      this.#canvas.hidden = false;
      this.#rate.add(skipped);
      setText(this.#figures, this.#rate.fps);
    } catch (error) {
      // Nobody waits for an engine that was replaced.
      if (desk.signal.aborted) return;
      this.#failed = desk;
      this.#hooks.fail(error);
    }
  }

  /** Sizes of the matte. */
  #matte(): { width: number; height: number } {
    const { width, height } = this.#frame;
    const scale = Math.min(MATTE / Math.max(width, height), 1);
    return { width: Math.max(Math.round(width * scale), 1), height: Math.max(Math.round(height * scale), 1) };
  }

  /** Until the first frame is cut out the video itself is seen. */
  #place(): void {
    this.#video.classList.toggle("mirrored", this.#panel.mirrored);
  }

  #copy(canvas: HTMLCanvasElement, longest: number): void {
    const { videoWidth, videoHeight } = this.#video;
    const scale = Math.min(longest / Math.max(videoWidth, videoHeight), 1);
    const [width, height] = [Math.round(videoWidth * scale), Math.round(videoHeight * scale)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d", { alpha: false });
    if (!context) throw new Error("This browser cannot draw.");
    context.setTransform(this.#panel.mirrored ? -1 : 1, 0, 0, 1, this.#panel.mirrored ? width : 0, 0);
    context.drawImage(this.#video, 0, 0, width, height);
  }
}
