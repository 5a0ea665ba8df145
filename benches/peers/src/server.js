// Serves the race on the loopback interface, cross-origin isolated (so that wasm threads
// work), uncached (so that every start is a cold one), and counts what each engine downloads.
import { createServer } from 'node:http';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join, normalize, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
/** The built npm package. */
export const packagePath = here('../../../npm/dist/');
/** First part of a URL -> directory outside this one. */
const elsewhere = { vendor: here('../../../vendor/'), photos: here('../../../tests/data/images/'), striate: packagePath };
const root = here('../');
const types = {
  html: 'text/html', js: 'text/javascript', mjs: 'text/javascript', json: 'application/json',
  wasm: 'application/wasm', map: 'application/json', png: 'image/png',
};

/**
 * /page, /src, /engines, /node_modules and /generated map to this directory, /vendor, /photos and /striate to others;
 * /e/ENGINE/... maps to the same, with the engine's library files counted.
 */
export async function startServer() {
  const downloads = new Map(); // engine id -> Map(path -> { raw, gzip })
  const sizes = new Map();

  async function count(engine, path, file) {
    if (!sizes.has(file)) {
      const bytes = await readFile(file);
      sizes.set(file, { raw: bytes.length, gzip: gzipSync(bytes).length });
    }
    if (!downloads.has(engine)) downloads.set(engine, new Map());
    downloads.get(engine).set(path, sizes.get(file));
  }

  const server = createServer(async (request, response) => {
    const headers = {
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Embedder-Policy': 'require-corp',
      'Cross-Origin-Resource-Policy': 'same-origin',
      'Cache-Control': 'no-store',
    };
    try {
      let path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
      const [, engine, rest] = path.match(/^\/e\/([^/]+)(\/.*)$/) ?? [];
      if (engine) path = rest;
      const library = path.startsWith('/node_modules/') || path.startsWith('/striate/');
      const [, first, after] = path.match(/^\/([^/]+)\/(.*)$/) ?? [];
      const [base, relative] = elsewhere[first] ? [elsewhere[first], after] : [root, path.slice(1)];
      const file = normalize(join(base, relative));
      if (!file.startsWith(normalize(join(base, sep)))) throw new Error('outside the served directory');
      const { size } = await stat(file);
      response.writeHead(200, {
        ...headers,
        'Content-Type': types[file.split('.').pop()] ?? 'application/octet-stream',
        'Content-Length': size,
      });
      createReadStream(file).pipe(response);
      if (engine && library) await count(engine.replace('~', '/'), path.slice(1), file);
    } catch (error) {
      response.writeHead(error.code === 'ENOENT' ? 404 : 500, headers).end();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    downloads: () => Object.fromEntries([...downloads].map(([engine, files]) => [engine, {
      raw: [...files.values()].reduce((sum, f) => sum + f.raw, 0),
      gzip: [...files.values()].reduce((sum, f) => sum + f.gzip, 0),
      files: Object.fromEntries(files),
    }])),
    close: () => { server.closeAllConnections(); server.close(); },
  };
}
