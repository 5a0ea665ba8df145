/** The camera: asked for only when `start` is called, and let go of whenever the page is hidden or left. */

export type CameraProblem = "denied" | "missing" | "busy" | "insecure" | "failed";

export class CameraError extends Error {
  override readonly name = "CameraError";
  readonly problem: CameraProblem;

  constructor(problem: CameraProblem, cause?: unknown) {
    super(`camera ${problem}`, { cause });
    this.problem = problem;
  }
}

export interface CameraView {
  /** Id of the camera in use, to show it in the list. */
  readonly id: string | undefined;
  readonly devices: readonly { id: string; label: string }[];
  /** True for a camera that faces the user, which people expect to see mirrored. */
  readonly facesUser: boolean;
}

export class Camera {
  readonly #video: HTMLVideoElement;
  #stream: MediaStream | undefined;
  #generation = 0;

  /** `lost` is called when the camera stops for a reason other than `stop()`: unplugged, or the page was hidden. */
  constructor(video: HTMLVideoElement, lost: (why: "hidden" | "ended") => void) {
    this.#video = video;
    const hide = (): void => {
      if (!this.#stream) return;
      this.stop();
      lost("hidden");
    };
    document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && hide());
    addEventListener("pagehide", hide);
    this.#ended = () => {
      this.stop();
      lost("ended");
    };
  }

  readonly #ended: () => void;

  get running(): boolean {
    return this.#stream !== undefined;
  }

  async start(device?: string): Promise<CameraView> {
    this.stop();
    const generation = ++this.#generation;
    if (!navigator.mediaDevices?.getUserMedia) throw new CameraError("insecure");
    const size = { width: { ideal: 1280 }, height: { ideal: 720 } };
    const which: MediaTrackConstraints =
      device === undefined ? { facingMode: "user" } : { deviceId: { exact: device } };
    let stream: MediaStream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: { ...size, ...which } });
    } catch (error) {
      throw new CameraError(problemOf(error), error);
    }
    if (generation !== this.#generation) {
      // Stopped, or started again with another camera, while the browser was asking.
      for (const track of stream.getTracks()) track.stop();
      throw stopped();
    }
    this.#stream = stream;
    const [track] = stream.getVideoTracks();
    track?.addEventListener("ended", this.#ended);
    this.#video.srcObject = stream;
    await this.#video.play().catch(() => undefined);
    const devices = await listCameras();
    if (generation !== this.#generation) throw stopped();
    const facing = track?.getSettings().facingMode;
    return {
      id: track?.getSettings().deviceId,
      devices,
      facesUser: facing === undefined || facing === "user",
    };
  }

  stop(): void {
    this.#generation++;
    if (!this.#stream) return;
    for (const track of this.#stream.getTracks()) {
      track.removeEventListener("ended", this.#ended);
      track.stop();
    }
    this.#stream = undefined;
    this.#video.srcObject = null;
  }
}

/** What waits for a camera is told that nobody wants it any more. */
function stopped(): DOMException {
  return new DOMException("The camera was stopped.", "AbortError");
}

async function listCameras(): Promise<{ id: string; label: string }[]> {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices
    .filter((device) => device.kind === "videoinput")
    .map((device, i) => ({ id: device.deviceId, label: device.label || `Camera ${i + 1}` }));
}

function problemOf(error: unknown): CameraProblem {
  switch (error instanceof DOMException ? error.name : "") {
    case "NotAllowedError":
    case "SecurityError":
      return "denied";
    case "NotFoundError":
    case "OverconstrainedError":
      return "missing";
    case "NotReadableError":
    case "AbortError":
      return "busy";
    default:
      return "failed";
  }
}
