// striate's training, through its built npm package. Backends: wasm-2t, wasm-1t, simd-1t and webgpu as in striate.js;
// `forward-1t` and `forward-2t` time what a step is measured by, the network's own pass forward over the same batch, with its
// weights packed once.
import { materialise } from '../src/graph.js';
import { labels, layersOf, learningRate, threeLosses } from '../src/training.js';
import { start } from './striate.js';

export async function load({ graph }, backend) {
  const { engine, striate } = await start(backend.replace('forward', 'wasm'));
  const { layers, losses, optimizers } = striate;
  const initial = Object.fromEntries(materialise(graph, graph.weightsOf));
  const build = () => engine.sequential(layersOf(graph).map(({ id, op, attrs, shape, activation }, i) => {
    const first = i === 0 ? { inputShape: graph.input.shape } : {};
    const common = { name: id, ...first, ...(activation && { activation }) };
    switch (op) {
      case 'conv': return layers.conv2d({ ...common, filters: shape[2], kernelSize: attrs.kernel, strides: attrs.stride, padding: attrs.padding });
      case 'dense': return layers.dense({ ...common, units: shape[0] });
      case 'avgPool': return layers.averagePooling2d({ ...common, poolSize: attrs.size, strides: attrs.stride, padding: attrs.padding });
      case 'maxPool': return layers.maxPooling2d({ ...common, poolSize: attrs.size, strides: attrs.stride, padding: attrs.padding });
      case 'flatten': return layers.flatten(common);
      default: throw new Error(`no ${op}`);
    }
  }), { seed: 1 });

  const net = await build();
  await net.setWeights(initial);
  await net.compile({
    optimizer: optimizers.sgd({ learningRate }), loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }),
  });
  const step = async (input) => [Float32Array.of((await net.trainOnBatch({ x: input, y: labels })).loss)];
  const plain = backend.startsWith('forward') ? await build() : null;
  await plain?.setWeights(initial);
  let memory;
  return {
    details: () => ({ ...engine.info, ...memory }),
    async first(input) {
      const losses = await threeLosses(step, input);
      memory = await net.trainingMemory();
      return losses;
    },
    run: plain ? async (input) => [(await plain.predict(input))[0].data] : step,
  };
}
