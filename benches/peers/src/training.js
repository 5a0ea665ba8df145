// Training steps: the networks to train, each with one batch and its labels, and the softmax cross-entropy that all learn by.

export const batch = 32;
/** Plain gradient descent: nothing about it differs from engine to engine. */
export const learningRate = 0.05;

/** Turns a network into one to be trained. Its outputs are the losses of the first and the third step, from which wrong gradients show. */
export function trainable(graph, name, { small = false } = {}) {
  const own = {
    name,
    // Forward, and both gradients as long as it.
    flops: 3 * graph.flops,
    outputs: ['first loss', 'third loss'].map((id) => ({ id, shape: [1] })),
    // What plain JavaScript can do in a reasonable time.
    files: { steps: name, ...(small && { smallSteps: name }) },
    weightsOf: graph.name,
  };
  for (const [key, value] of Object.entries(own)) Object.defineProperty(graph, key, { value });
  return graph;
}

export const labels = Int32Array.from({ length: batch }, (_, i) => (7 * i + (i >> 3)) % 10);

/** The layers as every engine builds them: the last one gives logits. */
export const layersOf = (graph) => graph.nodes.slice(1).map((node) => ({
  ...node, activation: node.attrs.activation === 'softmax' ? null : node.attrs.activation,
}));

/** The losses of the first and the third of three steps. */
export async function threeLosses(step, input) {
  const losses = [];
  for (let i = 0; i < 3; i++) losses.push((await step(input))[0]);
  return [losses[0], losses[2]];
}

