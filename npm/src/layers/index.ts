/**
 * Keras' layers, under Keras' names in camelCase. Each takes one object of Keras' arguments; what does not fit is an error
 * of the engine when the model is built, with the layer's name.
 *
 * @module
 */
export type {
  Activation,
  Borders,
  ImageShape,
  Interpolation,
  LayerOptions,
  Padding,
  Sizes,
} from "./arguments.js";
export * from "./conv.js";
export * from "./core.js";
export { type LambdaFunction, type LambdaOperand, LambdaTensor, lambda } from "./lambda.js";
export * from "./merging.js";
export * from "./normalization.js";
export * from "./pooling.js";
export * from "./regularization.js";
export * from "./shaping.js";
