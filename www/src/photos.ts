import { Bench } from "./bench.ts";
import { Classes } from "./classes.ts";
import { Cutout } from "./cutout.ts";
import { element } from "./dom.ts";
import { Enlarger } from "./enlarger.ts";
import { Gallery } from "./gallery.ts";
import { keepOffline } from "./offline.ts";
import type { Desk } from "./own-network.ts";
import { Painter } from "./painter.ts";
import { drawPhoto } from "./plate.ts";
import { SAMPLES, SCENES } from "./samples.ts";
import { readSettings } from "./settings.ts";
import { offerThemes } from "./theme.ts";

const settings = readSettings(new URLSearchParams(location.search));
const photo = element("photo", HTMLCanvasElement);
/** Counts photos, so that what was seen in one is not shown over the next. */
let shown = 0;

const bench = new Bench<Desk>(settings, {
  make: async (engine, signal) => ({ engine, signal }),
  run: look,
  unexpected: "Something unexpected went wrong",
  edition: "files",
});
const again = () => void bench.work();
const hooks = { desk: () => bench.made, fail: (error: unknown) => bench.fail(error) };
const cutout = new Cutout(photo, { ...hooks, again, receive: (file) => gallery.receive(file) });
const classes = new Classes(photo, again);
const enlarger = new Enlarger(photo, hooks);
const painter = new Painter(photo, hooks);

/** Has the photo looked at, for each piece that does so by itself. */
async function look(desk: Desk): Promise<(() => void) | undefined> {
  if (shown === 0) return undefined;
  const turn = shown;
  // One after the other: the engine does one thing at a time.
  const draws = [await cutout.run(desk), await classes.run(desk)];
  return () => {
    if (turn !== shown) return;
    for (const draw of draws) draw();
  };
}

offerThemes(() => {});
const gallery = new Gallery([...SAMPLES, ...SCENES], bench, (bitmap) => {
  shown += 1;
  const { width, height } = drawPhoto(bitmap).canvas;
  cutout.reset();
  enlarger.reset();
  painter.reset();
  return { width, height };
});
gallery.begin(settings.photo);
void bench.start();
void keepOffline();
