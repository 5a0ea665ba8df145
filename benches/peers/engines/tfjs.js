// TensorFlow.js, running the graph model (what its converter makes: folded and fused).
// Backends: wasm-2t, wasm-1t (SIMD, by number of threads), webgpu, webgl.
const dist = (name) => new URL(`../node_modules/@tensorflow/${name}`, import.meta.url).href;
const script = (name) => import(dist(`tfjs-${name}/dist/tf-${name}.min.js`));

async function useBackend(backend) {
  await script('core');
  const [kind, threads] = backend.split('-');
  await script(`backend-${kind}`);
  const { tf } = globalThis;
  if (kind === 'wasm') {
    // The wasm backend uses at most half of hardwareConcurrency, whatever setThreadsCount says:
    // report twice the cores, so that the asked number of threads is the one that runs.
    Object.defineProperty(navigator, 'hardwareConcurrency', { value: 2 * parseInt(threads) });
    tf.wasm.setWasmPaths(dist('tfjs-backend-wasm/dist/'));
    tf.wasm.setThreadsCount(parseInt(threads));
  }
  if (!(await tf.setBackend(kind))) throw new Error(`tfjs: the ${kind} backend did not start`);
  await tf.ready();
  await script('converter');
  return tf;
}

export async function load({ graph, tfGraph }, backend) {
  const tf = await useBackend(backend);
  const model = await tf.loadGraphModel(tfGraph);
  const shape = [graph.batch, ...graph.input.shape], names = graph.outputs.map(({ id }) => id);
  return {
    layout: 'nhwc',
    details: () => ({
      version: tf.version_core,
      ...(tf.getBackend() === 'wasm' && { simd: tf.env().get('WASM_HAS_SIMD_SUPPORT'), threads: tf.wasm.getThreadsCount() }),
    }),
    async run(input) {
      const x = tf.tensor(input, shape);
      const results = [tf.tidy(() => model.execute({ [graph.input.id]: x }, names))].flat();
      const data = await Promise.all(results.map((r) => r.data()));
      tf.dispose([x, ...results]);
      return data;
    },
  };
}
