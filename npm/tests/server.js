// A web server for the tests: the package, the fixtures, and every way a server can let one down.
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".png": "image/png",
  ".map": "application/json",
};

/** Headers of a cross-origin isolated page. */
const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

/**
 * Serves folders under their prefixes and answers of its own: `routes` maps a path to a function `(request, response)`.
 * Everything under `/isolated/` is the same as without, with the headers that threads need.
 */
export async function serve(folders, routes = {}) {
  const counts = new Map();
  const server = createServer((request, response) => {
    let { pathname } = new URL(request.url, "http://localhost");
    counts.set(pathname, (counts.get(pathname) ?? 0) + 1);
    if (pathname.startsWith("/isolated/")) {
      pathname = pathname.slice("/isolated".length);
      for (const [name, value] of Object.entries(ISOLATED)) response.setHeader(name, value);
    }
    if (routes[pathname]) return routes[pathname](request, response);
    const [prefix, folder] = Object.entries(folders).find(([prefix]) => pathname.startsWith(prefix)) ?? [];
    const file = folder && join(folder, normalize(pathname.slice(prefix.length)));
    if (!file || !existsSync(file) || !statSync(file).isFile()) return page(response, 404);
    response.setHeader("content-type", TYPES[extname(file)] ?? "application/octet-stream");
    response.setHeader("content-length", statSync(file).size);
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    /** How often a path was asked for. */
    count: (path) => counts.get(path) ?? 0,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A page of HTML, as servers send it for whatever they do not find. */
export function page(response, status = 200) {
  response.writeHead(status, { "content-type": "text/html" });
  response.end("<!doctype html><title>test</title><link rel=icon href=data:,>");
}
