import { buildZoo, zooNames } from "./building.js";
import type { Engine } from "./engine.js";
import type { WeightsOptions } from "./keras/types.js";
import type { Activation, ImageShape } from "./layers/arguments.js";
import type { BuildOptions, Model } from "./model.js";

/** Options that every network of the {@link Zoo} has. What is not given is the network's own default. */
export interface ZooOptions extends BuildOptions, WeightsOptions {
  /** Number of classes. */
  classes?: number;
  /** Height, width and channels; `null` where any size fits. */
  inputShape?: ImageShape;
}

/** Options of networks that can leave their last layers out. */
export interface BackboneOptions extends ZooOptions {
  /** `false` ends in features, for another network to build on. Default `true`. */
  includeTop?: boolean;
  /** What stands behind the features where the top is left out. Default: nothing, the output is a map. */
  pooling?: "avg" | "max" | null;
}

/** Options of classifiers. */
export interface ClassifierOptions extends BackboneOptions {
  /** `null` gives logits. Default `"softmax"`. */
  classifierActivation?: Activation | null;
}

/** Sizes that make a network smaller or larger. */
export interface SizeOptions {
  /** Filters of each stage. */
  widths?: readonly number[];
  /** Blocks of each stage. */
  blocks?: readonly number[];
  /** Units of the dense layers before the last. */
  units?: readonly number[];
}

/** Options of stacks of convolutions, then dense layers. */
export type StackOptions = ClassifierOptions & Pick<SizeOptions, "widths" | "units">;
/** Options of networks of blocks. */
export type BlockOptions = ClassifierOptions & Pick<SizeOptions, "widths" | "blocks">;

/** Options with a rate of dropout. */
export interface DropoutRate {
  /** Share of units that is dropped before the classifier, 0 to 1. */
  dropoutRate?: number;
}

/** Options of MobileNetV3. */
export interface MobileNetV3Options extends ClassifierOptions, DropoutRate {
  /** Multiplies the number of filters. Default 1. */
  alpha?: number;
  /** Without squeeze-and-excitation, hard swish and 5 x 5 kernels. Default `false`. */
  minimalistic?: boolean;
  /** Takes pixels from 0 to 255. Default `true`. */
  includePreprocessing?: boolean;
}

/** Options of networks for segmentation. */
export interface SegmentationOptions extends ZooOptions, DropoutRate, SizeOptions {
  /** `null` gives logits. Default `"softmax"`. */
  classifierActivation?: Activation | null;
  /** How maps are enlarged. Default `"transpose"`: convolutions that learn. */
  upsampling?: "transpose" | "bilinear";
}

/** Options of YOLO. */
export interface YoloOptions extends ZooOptions, SizeOptions {
  /** Boxes of a cell. */
  boxes?: number;
}

/**
 * Well-known networks, with random weights or those of a file; `engine.zoo`. Layers, names, order and shapes are those of Keras' applications
 * where Keras has the network.
 */
export class Zoo {
  readonly #engine: Engine;

  /** @internal */
  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Names of all networks, for {@link Zoo.build}. */
  names(): Promise<string[]> {
    return zooNames(this.#engine);
  }

  /** A network by name; options that it does not have are an error. */
  build(name: string, options: ZooOptions & { [option: string]: unknown } = {}): Promise<Model> {
    return buildZoo(this.#engine, name, options);
  }

  /** LeNet-5 (LeCun et al. 1998) for 32 x 32 digits: distances to a centre for each class. */
  lenet5(options?: BackboneOptions & Pick<SizeOptions, "widths" | "units"> & { squared?: boolean }): Promise<Model> {
    return buildZoo(this.#engine, "LeNet5", options);
  }
  /** AlexNet (Krizhevsky et al. 2012), 227 x 227. */
  alexnet(options?: StackOptions & DropoutRate & { lrn?: boolean }): Promise<Model> {
    return buildZoo(this.#engine, "AlexNet", options);
  }
  /** A plain stack for Fashion-MNIST, 28 x 28 x 1. */
  fashionMnist(options?: StackOptions & DropoutRate): Promise<Model> {
    return buildZoo(this.#engine, "FashionMNIST", options);
  }
  /** GoogLeNet (Szegedy et al. 2014). */
  googlenet(options?: ClassifierOptions & DropoutRate & { lrn?: boolean; alpha?: number }): Promise<Model> {
    return buildZoo(this.#engine, "GoogLeNet", options);
  }
  /** VGG-16 (Simonyan & Zisserman 2014). */
  vgg16(options?: StackOptions): Promise<Model> {
    return buildZoo(this.#engine, "VGG16", options);
  }
  /** VGG-19. */
  vgg19(options?: StackOptions): Promise<Model> {
    return buildZoo(this.#engine, "VGG19", options);
  }
  /** ResNet-18 (He et al. 2015). */
  resnet18(options?: BlockOptions): Promise<Model> {
    return buildZoo(this.#engine, "ResNet18", options);
  }
  /** ResNet-34. */
  resnet34(options?: BlockOptions): Promise<Model> {
    return buildZoo(this.#engine, "ResNet34", options);
  }
  /** ResNet-50, Keras'. */
  resnet50(options?: BlockOptions): Promise<Model> {
    return buildZoo(this.#engine, "ResNet50", options);
  }
  /** ResNet-101, Keras'. */
  resnet101(options?: BlockOptions): Promise<Model> {
    return buildZoo(this.#engine, "ResNet101", options);
  }
  /** ResNet-152, Keras'. */
  resnet152(options?: BlockOptions): Promise<Model> {
    return buildZoo(this.#engine, "ResNet152", options);
  }
  /** ResNet-50 V2 (He et al. 2016), Keras'. */
  resnet50v2(options?: BlockOptions): Promise<Model> {
    return buildZoo(this.#engine, "ResNet50V2", options);
  }
  /** ResNet-50 with squeeze-and-excitation (Hu et al. 2017). */
  seResnet50(options?: BlockOptions): Promise<Model> {
    return buildZoo(this.#engine, "SEResNet50", options);
  }
  /** Xception (Chollet 2016), 299 x 299, Keras'. */
  xception(options?: BlockOptions): Promise<Model> {
    return buildZoo(this.#engine, "Xception", options);
  }
  /** MobileNet (Howard et al. 2017), Keras'. */
  mobilenet(options?: ClassifierOptions & DropoutRate & { alpha?: number; depthMultiplier?: number }): Promise<Model> {
    return buildZoo(this.#engine, "MobileNet", options);
  }
  /** MobileNetV2 (Sandler et al. 2018), Keras'. */
  mobilenetV2(options?: ClassifierOptions & { alpha?: number }): Promise<Model> {
    return buildZoo(this.#engine, "MobileNetV2", options);
  }
  /** MobileNetV3 Small (Howard et al. 2019), Keras'. */
  mobilenetV3Small(options?: MobileNetV3Options): Promise<Model> {
    return buildZoo(this.#engine, "MobileNetV3Small", options);
  }
  /** MobileNetV3 Large, Keras'. */
  mobilenetV3Large(options?: MobileNetV3Options): Promise<Model> {
    return buildZoo(this.#engine, "MobileNetV3Large", options);
  }
  /** EfficientNet-Lite0 (Tan & Le 2019). */
  efficientnetLite0(options?: ClassifierOptions & DropoutRate & { includePreprocessing?: boolean }): Promise<Model> {
    return buildZoo(this.#engine, "EfficientNetLite0", options);
  }
  /** DenseNet-121 (Huang et al. 2016), Keras'. */
  densenet121(options?: BlockOptions): Promise<Model> {
    return buildZoo(this.#engine, "DenseNet121", options);
  }
  /** YOLOv3 (Redmon & Farhadi 2018): three heads of logits. */
  yolov3(options?: BackboneOptions & YoloOptions): Promise<Model> {
    return buildZoo(this.#engine, "YOLOv3", options);
  }
  /** YOLOv3-tiny: two heads of logits. */
  yolov3Tiny(options?: BackboneOptions & YoloOptions): Promise<Model> {
    return buildZoo(this.#engine, "YOLOv3Tiny", options);
  }
  /** YOLO on one grid: boxes, objectness and class probabilities for each cell. */
  yolo(options?: YoloOptions): Promise<Model> {
    return buildZoo(this.#engine, "YOLO", options);
  }
  /** FCN-32s (Long et al. 2014), for segmentation. */
  fcn32s(options?: SegmentationOptions): Promise<Model> {
    return buildZoo(this.#engine, "FCN32s", options);
  }
  /** FCN-8s, for segmentation. */
  fcn8s(options?: SegmentationOptions): Promise<Model> {
    return buildZoo(this.#engine, "FCN8s", options);
  }
  /** U-Net (Ronneberger et al. 2015), for segmentation. */
  unet(options?: Omit<SegmentationOptions, "upsampling" | "dropoutRate" | "units">): Promise<Model> {
    return buildZoo(this.#engine, "UNet", options);
  }
}
