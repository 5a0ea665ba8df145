import { StriateError } from "striate";
import { CameraError, type CameraProblem } from "./camera.ts";
import { BrokenModel } from "./detector.ts";
import { megabytes } from "./dom.ts";
import { DownloadError } from "./download.ts";
import type { Model } from "./models.ts";
import type { Notice } from "./notice.ts";
import { MAX_PIXELS, PhotoError } from "./photo.ts";

/** What the notices can offer; the page says how each is done. */
export interface Ways {
  retry(): void;
  redownload(): void;
  useWasm(): void;
  startCamera(): void;
  choosePhoto(): void;
  chooseVideo(): void;
  samplePhoto(): void;
  shrink(): void;
}

const CAMERA: Record<CameraProblem, { title: string; text: string }> = {
  denied: {
    title: "The camera is blocked for this page",
    text: "Allow it with the camera or lock symbol next to the address, then try again. A photo works without it.",
  },
  missing: { title: "No camera found", text: "Plug one in and try again, or use a photo." },
  busy: { title: "The camera is in use", text: "Another program or tab has it. Close that and try again." },
  insecure: {
    title: "Cameras need a secure page",
    text: "Browsers give the camera to https:// and localhost only. A photo works anywhere.",
  },
  failed: { title: "The camera did not start", text: "The browser gave no reason. Try again, or use a photo." },
};

/** Why there is no camera. */
export function explainCamera(error: CameraError, retry: () => void, other: Notice["actions"][number]): Notice {
  return { ...CAMERA[error.problem], actions: [{ label: "Try again", run: retry }, other] };
}

/** Why there is no camera any more. */
export function explainLost(why: "hidden" | "ended", again: Notice["actions"][number]): Notice {
  return why === "hidden"
    ? { title: "The camera is off", text: "It stops whenever this page is out of sight.", actions: [again] }
    : {
        title: "The camera went away",
        text: "It was unplugged, or another program took it.",
        actions: [again],
      };
}

/** Puts anything that can go wrong into a sentence and a way on. */
export function explain(error: unknown, model: Model, ways: Ways): Notice {
  const sample = { label: "Use a sample photo", run: ways.samplePhoto };
  const retry = { label: "Try again", run: ways.retry };
  if (error instanceof CameraError) return explainCamera(error, ways.startCamera, sample);
  if (error instanceof PhotoError) return explainPhoto(error, ways, sample);
  if (error instanceof BrokenModel) {
    return {
      title: "The model file is damaged",
      text: `${model.name} arrived, but it cannot be read: ${error.message}`,
      actions: [{ label: "Download it again", run: ways.redownload }],
    };
  }
  if (error instanceof DownloadError) {
    return error.status === undefined
      ? {
          title: navigator.onLine ? "The model could not be fetched" : "You are offline",
          text: `${model.name} (${megabytes(model.bytes)}) is needed once. After that this page works without a network.`,
          actions: [retry],
        }
      : {
          title: "The model is not there",
          text: `${error.message} The page may be incomplete on this server.`,
          actions: [retry],
        };
  }
  if (error instanceof StriateError) return explainEngine(error, ways, retry);
  return {
    title: "Something unexpected went wrong",
    text: error instanceof Error ? error.message : String(error),
    actions: [retry],
  };
}

/** What is wrong with a picture. */
export function explainPhoto(
  error: PhotoError,
  ways: Pick<Ways, "choosePhoto" | "shrink">,
  sample: Notice["actions"][number],
): Notice {
  const choose = { label: "Choose another", run: ways.choosePhoto };
  switch (error.problem) {
    case "unreadable":
      return {
        title: "That is not a picture this browser can read",
        text: "JPEG, PNG, WebP, AVIF and GIF work.",
        actions: [choose, sample],
      };
    case "empty":
      return {
        title: "That picture is empty",
        text: "It is 0 pixels wide or high, so there is nothing to look at.",
        actions: [choose, sample],
      };
    case "large": {
      const { width, height } = error.size ?? { width: 0, height: 0 };
      const size = `${width.toLocaleString("en")} × ${height.toLocaleString("en")}`;
      return {
        title: "That picture is very large",
        text: `${size} is ${Math.round((width * height) / 1e6)} megapixels; ${MAX_PIXELS / 1e6} is the most that is safe to open. A smaller copy shows the same things.`,
        actions: [{ label: "Use a smaller copy", run: ways.shrink }, choose],
      };
    }
  }
}

/** What is wrong with an engine. */
export function explainEngine(
  error: StriateError,
  ways: Pick<Ways, "useWasm">,
  retry: Notice["actions"][number],
): Notice {
  const wasm = { label: "Use WebAssembly", run: ways.useWasm };
  switch (error.code) {
    case "device-lost":
      return {
        title: "The graphics card was lost",
        text: "Its driver was reset or the browser took it away.",
        actions: [retry, wasm],
      };
    case "unsupported":
      return { title: "That engine does not run here", text: error.message, actions: [wasm] };
    case "resource":
      return { title: "That needs more memory than there is", text: error.message, actions: [retry, wasm] };
    case "network":
      return { title: "The engine could not be fetched", text: error.message, actions: [retry] };
    default:
      return { title: "The engine stopped", text: error.message, actions: [retry, wasm] };
  }
}
