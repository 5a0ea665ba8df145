// The distinct convolutions of the three networks that the race is about, as one-layer workloads: where a network
// loses time shows here, layer by layer.
import { Graph } from './graph.js';

/** CenterNet's layers, from its published graph: [kind, kernel, stride, channels in, channels out, input size, times it occurs]. */
const centernet = [
  ['conv', 1, 1, 128, 80, 128, 1], ['conv', 1, 1, 192, 64, 64, 2], ['conv', 1, 1, 88, 528, 32, 2], ['conv', 1, 1, 16, 64, 256, 1],
  ['conv', 1, 1, 24, 72, 128, 2], ['conv', 1, 1, 256, 96, 32, 2], ['conv', 1, 1, 528, 88, 32, 1], ['conv', 1, 1, 120, 720, 16, 2],
  ['conv', 1, 1, 720, 120, 16, 2], ['depthwise', 3, 1, 128, 128, 128, 2], ['conv', 1, 1, 384, 88, 32, 1], ['conv', 1, 1, 480, 128, 16, 2],
  ['conv', 3, 2, 3, 16, 512, 1], ['conv', 1, 1, 72, 24, 128, 1], ['conv', 1, 1, 64, 24, 128, 1], ['conv', 1, 1, 32, 96, 64, 2],
  ['conv', 1, 1, 96, 32, 64, 2], ['conv', 1, 1, 64, 384, 32, 1], ['conv', 1, 1, 72, 18, 128, 1], ['depthwise', 5, 1, 96, 96, 64, 2],
  ['depthwise', 5, 1, 192, 192, 64, 1], ['conv', 1, 1, 16, 16, 256, 1], ['conv', 1, 1, 528, 120, 16, 1], ['depthwise', 3, 1, 72, 72, 128, 1],
  ['depthwise', 3, 1, 16, 16, 256, 1], ['depthwise', 3, 2, 64, 64, 256, 1], ['depthwise', 5, 1, 720, 720, 16, 2],
  ['conv', 1, 1, 128, 4, 128, 1], ['depthwise', 5, 2, 72, 72, 128, 1], ['depthwise', 3, 1, 528, 528, 32, 1],
];

const nameOf = ([kind, kernel, stride, inputs, outputs, size]) =>
  `${kind}${kernel}x${kernel}${stride > 1 ? `s${stride}` : ''}-${inputs}${kind === 'conv' ? `-${outputs}` : ''}@${size}`;

/** The convolutions of a generated network in the form of the list above. */
function shapesOf(graph) {
  const counts = new Map();
  for (const { op, inputs: [x], attrs, shape } of graph.nodes) {
    if (op !== 'conv' && op !== 'depthwise') continue;
    const layer = [op, attrs.kernel[0], attrs.stride, x.shape[2], shape[2], x.shape[0]];
    counts.set(nameOf(layer), [...layer, (counts.get(nameOf(layer))?.at(-1) ?? 0) + 1]);
  }
  return [...counts.values()];
}

const build = (name, [kind, kernel, stride, inputs, outputs, size]) => () => {
  const g = new Graph(name, [size, size, inputs]);
  return g.finish(kind === 'conv'
    ? g.conv(g.input, outputs, kernel, { stride, activation: 'relu' })
    : g.depthwise(g.input, kernel, { stride, bias: true, activation: 'relu' }));
};

/** `NETWORK~LAYER` -> workload, with `count`: how often the layer occurs in the network. */
export const shapeWorkloads = (networks) =>
  Object.entries({ centernet, ...Object.fromEntries(Object.entries(networks).map(([name, graph]) => [name, shapesOf(graph)])) })
    .flatMap(([network, layers]) => layers.map((layer) => {
      const name = `${network}~${nameOf(layer)}`;
      return [name, { kind: 'shape', network, count: layer.at(-1), build: build(name, layer) }];
    }));
