import type { ToWorker } from "./sw-messages.ts";

/**
 * Service worker of the site. Two duties, both optional for the page:
 *
 * - keep the application (page, scripts, styles, the engine variant in use) so that it opens without a network. Files with a
 *   hash in their name are answered from the cache; the page itself is asked from the network first. Models and samples are
 *   not its business: the page keeps models itself, and only ones that proved good.
 * - once asked to (`{ isolate: true }`), add `Cross-Origin-Opener-Policy: same-origin` and `Cross-Origin-Embedder-Policy:
 *   require-corp` to every answer, which makes a page on a static host cross-origin isolated. Everything here comes from one
 *   origin, so nothing is shut out by them. The wish is kept in a cache, the only store at hand, and outlives the worker.
 */

declare const self: ServiceWorkerGlobalScope;
/** Filled in by the build: every file of the application, and a digest of them. */
declare const __FILES__: readonly string[];
declare const __VERSION__: string;

const FILES = __FILES__;
const CACHE = `striate-app-${__VERSION__}`;
const WISHES = "striate-wishes";
const ISOLATE = "isolate";

const SHELL = "./";
/** One of the binaries of the engine; the page says which it uses. */
const isEngine = (file: string): boolean => file.endsWith(".wasm");
const cacheable = new Set(FILES.map((file) => new URL(file, self.registration.scope).href));

let isolating: boolean | undefined;

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(FILES.filter((file) => !isEngine(file))))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  const clean = async (): Promise<void> => {
    const stale = (await caches.keys()).filter((name) => name.startsWith("striate-app-") && name !== CACHE);
    await Promise.all(stale.map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(clean());
});

self.addEventListener("message", (event) => {
  const message = event.data as ToWorker;
  const act = async (): Promise<void> => {
    if ("isolate" in message) {
      isolating = true;
      await (await caches.open(WISHES)).put(ISOLATE, new Response());
    } else {
      await keepEngine(message.keep);
    }
    event.ports[0]?.postMessage(true);
  };
  event.waitUntil(act());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  url.search = "";
  // Models and photos go straight to the network: the page keeps those itself.
  if (request.method !== "GET" || (request.mode !== "navigate" && !cacheable.has(url.href))) return;
  event.respondWith((request.mode === "navigate" ? answerPage(request) : answerFile(request, url.href)).then(isolate));
});

async function keepEngine(variant: string): Promise<void> {
  const cache = await caches.open(CACHE);
  const wanted = FILES.filter((file) => file.includes(`/wasm-${variant}-`));
  const kept = await Promise.all(wanted.map((file) => cache.match(file)));
  await cache.addAll(wanted.filter((_, i) => !kept[i])).catch(() => undefined);
}

/** The page: the newest there is, or the kept one. */
async function answerPage(request: Request): Promise<Response> {
  try {
    return await fetch(request);
  } catch (error) {
    const { origin, pathname } = new URL(request.url);
    const shell = new URL(SHELL, self.registration.scope).href;
    const kept = (await caches.match(origin + pathname)) ?? (await caches.match(shell));
    if (kept) return kept;
    throw error;
  }
}

/** A file with a hash in its name: once kept, never asked for again. */
async function answerFile(request: Request, address: string): Promise<Response> {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(address);
  if (kept) return kept;
  const response = await fetch(request);
  if (response.ok) await cache.put(address, response.clone()).catch(() => undefined);
  return response;
}

async function isolate(response: Response): Promise<Response> {
  isolating ??= (await (await caches.open(WISHES)).match(ISOLATE)) !== undefined;
  // An opaque answer (status 0) can be neither read nor rebuilt.
  if (!isolating || response.status === 0) return response;
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  headers.set("Cross-Origin-Resource-Policy", "same-origin");
  const bodiless = response.status === 204 || response.status === 304;
  return new Response(bodiless ? null : response.body, {
    status: response.status,
    statusText: response.statusText,
    headers,
  });
}
