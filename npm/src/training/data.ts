// `data` of the package: datasets, and what they are made of.

export * from "./dataset.js";
export { type ImageFolder, type ImageFolderOptions, imageFolder } from "./images.js";
export { type MixupOptions, mixup } from "./mixup.js";
export { type CsvOptions, type CsvTable, readCsv, readIdx } from "./readers.js";
