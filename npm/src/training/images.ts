// Pictures from files: a folder for each class.

import { failure } from "../errors.js";
import { type ImageInput, plan, tensorOf } from "../tasks/input.js";
import { pixelsOf } from "../tasks/look.js";
import { Dataset, type Sample } from "./dataset.js";

/** Options of {@link imageFolder}. */
export interface ImageFolderOptions extends ImageInput {
  /** Height and width that pictures are brought to. */
  size: readonly [height: number, width: number];
  /** Names of the classes, in the order of their numbers. Default: the folders' names, sorted. */
  classNames?: readonly string[];
}

/** Pictures in folders. */
export interface ImageFolder {
  /** Names of the classes. */
  classNames: string[];
  /** The class of each file, for {@link stratifiedSplit}. */
  labels: Int32Array<ArrayBuffer>;
  /** All of them, or those with these numbers, decoded as they are wanted: `x` is the picture, `y` its class. */
  dataset(rows?: ArrayLike<number>): Dataset<Sample>;
}

/**
 * Reads pictures whose folder says what they show: `flowers/rose/1.jpg` is a `rose`, as Keras' `image_dataset_from_directory` has it.
 * The files come from `<input type="file" webkitdirectory>`, a drop, or anywhere else; `path` says where each lies if its own path
 * does not. Browsers decode outside of the page's thread; `prefetch()` has the next ones ready.
 *
 * ```ts
 * const flowers = data.imageFolder(chooser.files, { size: [224, 224], ...preprocessing.tf });
 * const { train, test } = data.stratifiedSplit(flowers.labels, { test: 0.2 });
 * await net.fit(flowers.dataset(train).shuffle(256).batch(32).prefetch(2), { validationData: flowers.dataset(test).batch(32) });
 * ```
 */
export function imageFolder<F extends Blob>(
  files: Iterable<F>,
  { size, classNames, ...input }: ImageFolderOptions,
  path: (file: F) => string = pathOf,
): ImageFolder {
  const found = [...files]
    .map((file) => ({ file, parts: path(file).split("/").filter(Boolean) }))
    // What systems leave behind (`.DS_Store`) is no picture.
    .filter(({ parts }) => parts.length > 0 && !parts.at(-1)?.startsWith("."));
  const folders = found.map(({ file, parts }) => {
    const folder = parts.at(-2);
    if (folder !== undefined) return folder;
    throw failure("invalid", `${path(file) || "a file"} lies in no folder, which would say what it shows`);
  });
  const names = classNames ? [...classNames] : [...new Set(folders)].sort();
  const labels = Int32Array.from(folders, (folder) => {
    const label = names.indexOf(folder);
    if (label >= 0) return label;
    throw failure("invalid", `no class is named "${folder}"`, { expected: names.join(", "), received: folder });
  });
  const wanted = { ...input, size };
  const dataset = (rows: ArrayLike<number> = Array.from(labels.keys())): Dataset<Sample> => {
    const order = Array.from(rows);
    const stray = order.find((row) => !(row in labels));
    if (stray !== undefined) {
      throw failure("invalid", "no such file", { expected: `0 to ${labels.length - 1}`, received: String(stray) });
    }
    const make = async function* (): AsyncGenerator<Sample> {
      for (const row of order) {
        const { data, width, height } = await pixelsOf(found[row]?.file as Blob);
        const { data: pixels, shape } = tensorOf(data, width, height, plan(wanted, undefined, width, height));
        yield {
          x: { data: pixels, shape: shape.slice(1) },
          y: { data: Int32Array.of(labels[row] as number), shape: [] },
        };
      }
    };
    return new Dataset<Sample>(make, order.length, false);
  };
  return { classNames: names, labels, dataset };
}

/** Where a file lay when it was chosen. */
function pathOf(file: Blob): string {
  const { webkitRelativePath, name } = file as Partial<File>;
  return webkitRelativePath || name || "";
}
