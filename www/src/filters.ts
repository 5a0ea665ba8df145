import { Bench } from "./bench.ts";
import { Convolver, type Pixels } from "./convolver.ts";
import { element, setText } from "./dom.ts";
import { Gallery } from "./gallery.ts";
import { keepOffline } from "./offline.ts";
import { showMap, showPhoto } from "./plate.ts";
import { SCENES } from "./samples.ts";
import { readSettings } from "./settings.ts";
import { offerThemes } from "./theme.ts";
import { Weights } from "./weights.ts";

const settings = readSettings(new URLSearchParams(location.search));
const bench = new Bench<Convolver>(settings, {
  make: Convolver.make,
  run: convolve,
  unexpected: "Something unexpected went wrong",
});

let pixels: Pixels | undefined;

// ---- Computing -----------------------------------------------------------------------------------------------------

/** Computes the maps, to be drawn. */
async function convolve(convolver: Convolver): Promise<(() => void) | undefined> {
  if (!pixels) return undefined;
  const picture = pixels;
  const result = await convolver.run(
    picture,
    filters.map(({ values }) => values),
  );
  return () => {
    if (picture !== pixels) return;
    for (const [i, map] of result.maps.entries()) showMap(i, map, picture);
    setText(element("time", HTMLElement), `${Math.max(Math.round(result.milliseconds), 1)} ms`);
    setText(element("announce", HTMLElement), `Maps of ${picture.width} by ${picture.height} pixels are drawn.`);
  };
}

// ---- Controls ------------------------------------------------------------------------------------------------------

const filters = (["Vertical", "Horizontal"] as const).map(
  (preset, i) =>
    new Weights(
      element(`weights-${i}`, HTMLElement),
      element(`presets-${i}`, HTMLElement),
      preset,
      () => void bench.work(),
    ),
);
offerThemes(() => {});

// ---- Start ---------------------------------------------------------------------------------------------------------

new Gallery(SCENES, bench, (bitmap) => {
  pixels = showPhoto(bitmap);
  return pixels;
}).begin(settings.photo);
void bench.start();
void keepOffline();
