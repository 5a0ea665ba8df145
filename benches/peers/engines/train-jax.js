// jax-js, a step compiled by its `jit`. Backends: wasm (as many threads as the page has cores) and webgpu.
import { materialise, transpose } from '../src/graph.js';
import { batch, labels, layersOf, learningRate, threeLosses } from '../src/training.js';

export async function load({ graph }, backend) {
  const jax = await import(new URL('../node_modules/@jax-js/jax/dist/index.js', import.meta.url).href);
  const { lax, nn, numpy: np } = jax;
  await jax.init(backend);
  jax.defaultDevice(backend);

  const nodes = layersOf(graph);
  // Channels first, as its convolutions have them.
  let parameters = {};
  for (const [name, data] of materialise(graph, graph.weightsOf)) {
    const [id, kind] = name.split('/'), { shape } = graph.nodes.find((node) => node.id === id).weights[kind];
    const values = np.array(data).reshape(shape);
    parameters[name] = shape.length === 4 ? np.transpose(values, [3, 2, 0, 1]) : values;
  }
  const pool = (x, { attrs: { size } }, how) => lax.reduceWindow(x, how, [1, 1, size, size], [1, 1, size, size]);
  const forward = (p, x) => nodes.reduce((x, node) => {
    const { id, op, attrs, shape, activation } = node;
    const weight = (kind) => p[`${id}/${kind}`].ref;
    switch (op) {
      case 'conv':
        x = lax.convGeneralDilated(x, weight('kernel'), [attrs.stride, attrs.stride], attrs.padding.toUpperCase())
          .add(weight('bias').reshape([1, shape[2], 1, 1]));
        break;
      case 'dense': x = np.matmul(x, weight('kernel')).add(weight('bias')); break;
      case 'avgPool': return pool(x, node, (window) => np.mean(window));
      case 'maxPool': return pool(x, node, (window) => np.max(window));
      // Keras' order of what a dense layer reads.
      case 'flatten': return np.transpose(x, [0, 2, 3, 1]).reshape([batch, -1]);
      default: throw new Error(`no ${op}`);
    }
    return activation === 'tanh' ? np.tanh(x) : activation === 'relu' ? nn.relu(x) : x;
  }, x);
  const lossOf = (p, x, y) => {
    const loss = nn.logSoftmax(forward(p, x)).mul(y).sum().mul(-1 / batch);
    for (const value of Object.values(p)) value.dispose();
    return loss;
  };
  const update = jax.jit((p, x, y) => {
    const [loss, gradients] = jax.valueAndGrad(lossOf)(Object.fromEntries(Object.entries(p).map(([name, v]) => [name, v.ref])), x, y);
    const next = Object.fromEntries(Object.entries(p).map(([name, v]) => [name, v.sub(gradients[name].mul(learningRate))]));
    return [loss, next];
  });
  const y = nn.oneHot(np.array(labels, { dtype: np.int32 }), 10);
  const [h, w, c] = graph.input.shape;
  const step = async (input) => {
    const x = np.array(transpose(input, batch, h * w, c)).reshape([batch, c, h, w]);
    const [loss, next] = update(parameters, x, y.ref);
    parameters = next;
    await jax.blockUntilReady(parameters);
    return [await loss.data()];
  };
  return { details: () => ({ backend: jax.defaultDevice() }), first: (input) => threeLosses(step, input), run: step };
}
