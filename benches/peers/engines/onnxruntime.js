// ONNX Runtime Web. Backends: wasm-2t, wasm-1t (SIMD, by number of threads) and three builds
// with WebGPU: `webgpu` (the published onnxruntime-web/webgpu entry: the native WebGPU
// execution provider compiled with Asyncify), `webgpu-jspi` (the same with JSPI) and
// `webgpu-jsep` (the package's default entry: the older JavaScript execution provider).
const builds = {
  'wasm-2t': 'ort.wasm.bundle.min.mjs',
  'wasm-1t': 'ort.wasm.bundle.min.mjs',
  webgpu: 'ort.webgpu.bundle.min.mjs',
  'webgpu-jspi': 'ort.jspi.bundle.min.mjs',
  'webgpu-jsep': 'ort.bundle.min.mjs',
};

export async function load({ graph, onnx }, backend) {
  const ort = await import(new URL(`../node_modules/onnxruntime-web/dist/${builds[backend]}`, import.meta.url).href);
  const [provider, variant] = backend.split('-');
  ort.env.wasm.numThreads = provider === 'wasm' ? parseInt(variant) : undefined;
  const session = await ort.InferenceSession.create(onnx, { executionProviders: [provider], graphOptimizationLevel: 'all' });
  const [h, w, c] = graph.input.shape;
  const dims = w === undefined ? [graph.batch, h] : [graph.batch, c, h, w];
  return {
    layout: 'nchw',
    details: () => ({ version: ort.env.versions.web, build: builds[backend], threads: ort.env.wasm.numThreads }),
    async run(data) {
      const results = await session.run({ [session.inputNames[0]]: new ort.Tensor('float32', data, dims) });
      return graph.outputs.map(({ id }) => results[id].data);
    },
  };
}
