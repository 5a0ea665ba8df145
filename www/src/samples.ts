import { element, make } from "./dom.ts";
import { download } from "./download.ts";

/** The one shown first. */
export const FIRST_SAMPLE = "astronaut";

export const SAMPLES = [
  { name: "astronaut", shows: "an astronaut" },
  { name: "chelsea", shows: "a cat" },
  { name: "coffee", shows: "a cup of coffee" },
] as const;

/** Photos with much in them. */
export const SCENES = [
  { name: "china", shows: "a temple", type: "image/jpeg" },
  { name: "flower", shows: "a flower", type: "image/jpeg" },
] as const satisfies readonly Sample[];

/** A photo on offer. */
export interface Sample {
  readonly name: string;
  /** What is on it, for who cannot see it. */
  readonly shows: string;
  /** Default: PNG. */
  readonly type?: "image/jpeg";
}

/** Where a sample is. */
export function addressOf({ name, type }: Sample): string {
  return `photos/${name}.${type ? "jpg" : "png"}`;
}

/** The file of a sample. `keep` keeps it for the next visit. */
export async function fetchSample(sample: Sample): Promise<{ blob: Blob; keep: () => Promise<void> }> {
  const { files, keep } = await download([addressOf(sample)]);
  return { blob: new Blob([...files], { type: sample.type ?? "image/png" }), keep };
}

/** Fills a row of sample photos; `select` marks the one being looked at, if it is one of them. */
export function showSamples(
  samples: readonly Sample[],
  chosen: (name: string) => void,
  list = element("thumbs", HTMLUListElement),
  what = "Sample photo: ",
): { select(name: string): void } {
  const buttons = samples.map(({ name, shows }) => {
    const picture = make("img", { src: `thumbs/${name}.webp`, alt: `${what}${shows}`, width: 72, height: 72 });
    const button = make("button", { type: "button", className: "thumb" }, picture);
    button.addEventListener("click", () => chosen(name));
    return { name, button };
  });
  list.append(...buttons.map(({ button }) => make("li", {}, button)));
  return {
    select(name) {
      for (const each of buttons) each.button.setAttribute("aria-pressed", String(each.name === name));
    },
  };
}
