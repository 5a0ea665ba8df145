// TensorFlow.js, training by its own optimizer on its own operations. Its wasm backend cannot train convolutions: it lacks the
// gradient of the filter. Backends: cpu (plain JavaScript), webgl, webgpu.
import { materialise } from '../src/graph.js';
import { labels, layersOf, learningRate, threeLosses } from '../src/training.js';

const script = (path) => import(new URL(`../node_modules/@tensorflow/${path}`, import.meta.url).href);

export async function load({ graph }, backend) {
  // The whole of it: the bundle of the core alone has no gradients.
  await script('tfjs/dist/tf.min.js');
  if (backend === 'webgpu') await script('tfjs-backend-webgpu/dist/tf-backend-webgpu.min.js');
  const { tf } = globalThis;
  if (!(await tf.setBackend(backend))) throw new Error(`tfjs: the ${backend} backend did not start`);
  await tf.ready();

  const variables = new Map();
  for (const [name, data] of materialise(graph, graph.weightsOf)) {
    const [id, kind] = name.split('/');
    variables.set(name, tf.variable(tf.tensor(data, graph.nodes.find((node) => node.id === id).weights[kind].shape)));
  }
  const forward = (x) => layersOf(graph).reduce((x, { id, op, attrs, activation }) => {
    const weight = (kind) => variables.get(`${id}/${kind}`);
    switch (op) {
      case 'conv': x = tf.add(tf.conv2d(x, weight('kernel'), attrs.stride, attrs.padding), weight('bias')); break;
      case 'dense': x = tf.add(tf.matMul(x, weight('kernel')), weight('bias')); break;
      case 'avgPool': return tf.avgPool(x, attrs.size, attrs.stride, attrs.padding);
      case 'maxPool': return tf.maxPool(x, attrs.size, attrs.stride, attrs.padding);
      case 'flatten': return tf.reshape(x, [graph.batch, -1]);
      default: throw new Error(`no ${op}`);
    }
    return activation ? tf[activation](x) : x;
  }, x);
  const optimizer = tf.train.sgd(learningRate);
  const oneHot = tf.oneHot(tf.tensor1d(labels, 'int32'), 10);
  const step = async (input) => {
    const x = tf.tensor(input, [graph.batch, ...graph.input.shape]);
    const loss = optimizer.minimize(() => tf.losses.softmaxCrossEntropy(oneHot, forward(x)), true);
    const data = await loss.data();
    tf.dispose([x, loss]);
    return [data];
  };
  return {
    details: () => ({ version: tf.version_core, backend: tf.getBackend() }),
    first: (input) => threeLosses(step, input),
    run: step,
  };
}
