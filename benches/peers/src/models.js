// Writes each generated workload's model files once into generated/ and remembers them there.
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { materialise } from './graph.js';
import { encodeOnnx } from './onnx.js';
import { encodeTfGraph } from './tfgraph.js';

const directory = new URL('../generated/', import.meta.url);
const repository = new URL('../../../', import.meta.url);

async function write(name, chunks) {
  const partial = new URL(`${name}.partial`, directory);
  const stream = createWriteStream(partial);
  for (const chunk of chunks) if (!stream.write(chunk)) await once(stream, 'drain');
  stream.end();
  await once(stream, 'finish');
  await rename(partial, new URL(name, directory));
}

/** Makes sure that the model files of `graph` exist. */
export async function ensureModel(graph) {
  const { onnx, tfGraph } = graph.files;
  if (!tfGraph) return; // trained from its description
  if (tfGraph.startsWith('/vendor/')) {
    if (!existsSync(new URL(`.${tfGraph}`, repository))) throw new Error(`${tfGraph} is missing: run \`cargo xtask models\``);
    return;
  }
  await mkdir(directory, { recursive: true });
  const [onnxName, tfName] = [onnx, tfGraph].map((url) => url.split('/').pop());
  if (existsSync(new URL(tfName, directory))) return;
  const values = materialise(graph);
  await write(onnxName, encodeOnnx(graph, values));
  const weightsName = tfName.replace('.json', '.bin');
  const { model, weights } = encodeTfGraph(graph, values, weightsName);
  await write(weightsName, weights);
  await writeFile(new URL(tfName, directory), JSON.stringify(model));
}
