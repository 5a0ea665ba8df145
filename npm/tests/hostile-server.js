// A web server that can be told how to misbehave, file by file and answer by answer.
import { createServer } from "node:http";

/** What it says of a file's version. */
const ETAG = '"one"';

/**
 * Serves `body` under every path. `plan` maps a path to what its answers are, one after the other (the last one for all that
 * follow): functions `(request, response, body)`. All requests are noted, with their headers.
 */
export async function misbehave(body, plan) {
  const asked = [];
  const counts = new Map();
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const before = counts.get(pathname) ?? 0;
    counts.set(pathname, before + 1);
    asked.push({ path: pathname, ...request.headers });
    const answers = plan[pathname] ?? [gone];
    answers[Math.min(before, answers.length - 1)](request, response, body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    /** The requests for a path, in order. */
    asked: (path) => asked.filter((request) => request.path === path),
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The whole file, as it should be. */
export const whole = (_, response, body) => {
  response.writeHead(200, { "content-length": body.length, etag: ETAG });
  response.end(body);
};

export const gone = (_, response) => response.writeHead(404, { "content-type": "text/html" }).end("<!doctype html>");

/** Sends the first bytes and hangs up. */
export const cutAfter =
  (bytes, headers = { etag: ETAG }) =>
  (_, response, body) => {
    response.writeHead(200, { "content-length": body.length, ...headers });
    response.write(body.subarray(0, bytes), () => setTimeout(() => response.destroy(), 20));
  };

/** The rest, as a server that knows ranges sends it; `change` makes it lie. */
export const rest =
  (change = (parts) => parts) =>
  (request, response, body) => {
    const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? "");
    if (!range) return whole(request, response, body);
    const at = Number(range[1]);
    const sound = { at, total: body.length, etag: ETAG, body: body.subarray(at), headers: {} };
    const { at: from, total, etag, body: sent, headers } = change(sound);
    response.writeHead(206, {
      "content-range": `bytes ${from}-${body.length - 1}/${total}`,
      ...(etag ? { etag } : {}),
      ...headers,
    });
    response.end(sent);
  };

/** Refuses with a status, and headers. */
export const refuse =
  (status, headers = {}) =>
  (_, response) =>
    response.writeHead(status, headers).end();

/** The whole file and something behind it, without a length. */
export const tooMuch = (_, response, body) => {
  response.writeHead(200, { etag: ETAG });
  response.write(body);
  response.end(Buffer.alloc(1000));
};
