// Fetching in Node, from servers that break off, lie and change their minds: what arrives is the file or an error.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { modelCache, striate } from "../dist/index.js";
import { cutAfter, gone, misbehave, refuse, rest, tooMuch, whole } from "./hostile-server.js";
import { convModel, onnxModel, worst } from "./models.js";

/** A model that computes only with the right bytes at the right places: padded in front of the graph with a long producer. */
function longModel() {
  const { model, ...known } = onnxModel();
  const text = Buffer.alloc(200_000, 0x61);
  const length = [(text.length & 0x7f) | 0x80, ((text.length >> 7) & 0x7f) | 0x80, text.length >> 14];
  // Field 3: the producer's version.
  const padded = Buffer.concat([model.subarray(0, 2), Buffer.from([0x1a, ...length]), text, model.subarray(2)]);
  return { model: padded, ...known };
}

const { model, input, expected } = longModel();
const hash = createHash("sha256").update(model).digest("hex");
const HALF = 100_000;
const changed = { etag: '"two"' };

/** Another file of the same length, whose version is another. */
const other = (_, response) => {
  response.writeHead(200, { "content-length": model.length, etag: '"two"' });
  response.end(model);
};
const date = "Sat, 28 Nov 2026 12:00:00 GMT";
const dated = { "last-modified": date };

const PLAN = {
  "/sound": [whole],
  "/resumes": [cutAfter(HALF), rest()],
  "/dated": [cutAfter(HALF, dated), rest((parts) => ({ ...parts, etag: undefined, headers: dated }))],
  "/weak": [cutAfter(HALF, { etag: 'W/"one"' }), whole],
  "/unversioned": [cutAfter(HALF, {}), whole],
  "/ignores-ranges": [cutAfter(HALF), whole],
  "/changed": [cutAfter(HALF), other],
  "/changed-lies": [cutAfter(HALF), rest((parts) => ({ ...parts, ...changed })), other],
  "/wrong-start": [cutAfter(HALF), rest((parts) => ({ ...parts, at: parts.at - 7 })), whole],
  "/wrong-total": [cutAfter(HALF), rest((parts) => ({ ...parts, total: parts.total + 1 })), whole],
  "/compressed-part": [
    cutAfter(HALF),
    rest((parts) => ({ ...parts, body: Buffer.alloc(9), headers: { "content-encoding": "gzip" } })),
    whole,
  ],
  "/part-unasked": [(_, response) => response.writeHead(206, { "content-range": "bytes 5-9/10" }).end("hello")],
  "/no-such-range": [cutAfter(HALF), refuse(416), whole],
  "/too-much-rest": [
    cutAfter(HALF),
    rest((parts) => ({ ...parts, body: Buffer.concat([parts.body, Buffer.alloc(9)]) })),
    whole,
  ],
  "/too-much": [tooMuch],
  "/gone": [gone],
  "/busy": [refuse(503, { "retry-after": "1" }), whole],
  "/busy-until": [refuse(429, { "retry-after": new Date(Date.now() + 500).toUTCString() }), whole],
  "/busy-for-long": [refuse(503, { "retry-after": "3600" })],
  "/always-busy": [refuse(503)],
  "/always-cut": [cutAfter(1000), rest((parts) => ({ ...parts, body: parts.body.subarray(0, 0) }))],
  "/slow": [
    (_, response) => {
      response.writeHead(200, { "content-length": model.length });
      response.write(model.subarray(0, HALF));
    },
  ],
  "/huge": [(_, response) => response.writeHead(200, { "content-length": String(2 ** 53 - 1) }).write("a")],
};

let server;
let engine;
before(async () => {
  server = await misbehave(model, PLAN);
  engine = await striate();
});
after(async () => {
  engine?.dispose();
  await server?.close();
});

const url = (path) => `${server.origin}${path}`;
const range = (path) => server.asked(path).map((request) => request.range);

/** Loads it and computes with it: true for the right numbers. */
async function works(source, options) {
  const net = await engine.load(source, options);
  const [{ data }] = await net.predict({ data: input, shape: [1, 1, 2, 3] });
  net.dispose();
  return worst(data, expected) < 1e-6;
}

async function fails(work, { code, message, ...fields }) {
  await assert.rejects(work, (error) => {
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    for (const [field, value] of Object.entries(fields)) assert.equal(error[field], value, error.message);
    return true;
  });
}

for (const [path, validator] of [
  ["/resumes", '"one"'],
  ["/dated", date],
]) {
  test(`a broken connection is taken up where it broke: ${path}`, async () => {
    const steps = [];
    assert.ok(await works(url(path), { sha256: hash, onProgress: (step) => steps.push(step) }));
    const [first, second, ...more] = server.asked(path);
    assert.deepEqual([first.range, more.length], [undefined, 0]);
    assert.equal(second["if-range"], validator);
    const [, at] = /^bytes=(\d+)-$/.exec(second.range);
    assert.ok(Number(at) > 0 && Number(at) <= HALF, second.range);
    const bytes = steps.filter((step) => step.stage === "download").map((step) => step.loaded);
    assert.ok(
      bytes.every((loaded, i) => i === 0 || loaded > bytes[i - 1]),
      "nothing is counted twice",
    );
    assert.equal(bytes.at(-1), model.length);
  });
}

for (const path of ["/weak", "/unversioned"]) {
  test(`without a version to hold on to it begins afresh: ${path}`, async () => {
    assert.ok(await works(url(path), { sha256: hash }));
    assert.deepEqual(range(path), [undefined, undefined]);
  });
}

for (const path of ["/ignores-ranges", "/changed"]) {
  test(`the whole file in answer to a range takes the place of what was there: ${path}`, async () => {
    assert.ok(await works(url(path), { sha256: hash }));
    assert.equal(range(path).length, 2);
  });
}

for (const path of [
  "/changed-lies",
  "/wrong-start",
  "/wrong-total",
  "/compressed-part",
  "/no-such-range",
  "/too-much-rest",
]) {
  test(`a part that does not fit is not glued on: ${path}`, async () => {
    const steps = [];
    assert.ok(await works(url(path), { sha256: hash, onProgress: (step) => steps.push(step) }));
    assert.deepEqual(
      range(path).map((asked) => asked !== undefined),
      [false, true, false],
    );
    assert.equal(steps.filter((step) => step.stage === "download").at(-1).loaded, model.length);
  });
}

test("a part that nobody asked for is not taken for the file", async () => {
  await fails(engine.load(url("/part-unasked")), { code: "network", message: /3 tries.*part of the file/ });
});

test("bytes too many show in the hash", async () => {
  await fails(engine.load(url("/too-much"), { sha256: hash }), { code: "network", message: /SHA-256/, expected: hash });
});

test("a server that says when to come back is asked then, unless that is far away", async () => {
  for (const path of ["/busy", "/busy-until"]) {
    const start = performance.now();
    assert.ok(await works(url(path)));
    assert.equal(range(path).length, 2);
    if (path === "/busy") assert.ok(performance.now() - start > 900);
  }
  const start = performance.now();
  await fails(engine.load(url("/busy-for-long")), { code: "network", message: /503.*3600 seconds/ });
  assert.ok(performance.now() - start < 900);
});

test("servers that stay broken are given up", async () => {
  await fails(engine.load(url("/gone")), { code: "network", message: /404.*text\/html.*check the address/ });
  assert.equal(range("/gone").length, 1);
  await fails(engine.load(url("/always-busy")), { code: "network", message: /503.*3 times/ });
  assert.equal(range("/always-busy").length, 3);
  await fails(engine.load(url("/always-cut")), { code: "network", message: /3 tries/ });
  assert.ok(range("/always-cut").length <= 4);
  await fails(engine.load(url("/huge")), { code: "resource", message: /9007199254740991 bytes/ });
});

test("a signal ends it while it downloads and while it waits", async () => {
  for (const path of ["/slow", "/busy-for-long-again"]) {
    PLAN[path] ??= [refuse(503, { "retry-after": "15" })];
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error("enough")), 200);
    const start = performance.now();
    await fails(engine.load(url(path), { signal: stop.signal }), { code: "aborted", message: /AbortSignal/ });
    assert.ok(performance.now() - start < 3000);
  }
});

test("hashes: of one file, of several by name, and of files that were not fetched", async () => {
  const wrong = "0".repeat(64);
  assert.ok(await works(url("/sound"), { sha256: hash.toUpperCase() }));
  assert.ok(await works(url("/sound?signed=1"), { sha256: { sound: hash } }));
  await fails(engine.load(url("/sound"), { sha256: wrong }), { code: "network", message: /SHA-256/, received: hash });
  await fails(engine.load(url("/sound"), { sha256: "abc" }), { code: "invalid", message: /64 hexadecimal/ });
  await fails(engine.load(url("/sound"), { sha256: { other: hash } }), {
    code: "invalid",
    message: /no hash for sound/,
  });
  assert.ok(await works(new Uint8Array(model), { sha256: hash }));
  await fails(engine.load(new Uint8Array(model), { sha256: wrong }), { code: "invalid", message: /SHA-256/ });

  const { json, weights, ...conv } = convModel();
  await fails(engine.load({ json, weights }, { sha256: hash }), { code: "invalid", message: /names/ });
  const text = JSON.stringify(json);
  const files = [
    new File([text], "model.json"),
    new File([weights[0]], "kernel.bin"),
    new File([weights[1]], "bias.bin"),
  ];
  const sum = (data) => createHash("sha256").update(Buffer.from(data)).digest("hex");
  const sums = { "model.json": sum(text), "kernel.bin": sum(weights[0]), "bias.bin": sum(weights[1]) };
  const net = await engine.load(files, { sha256: sums });
  assert.ok(worst((await net.predict(conv.input))[0].data, conv.expected) < 1e-5);
  await fails(engine.load(files, { sha256: { ...sums, "bias.bin": wrong } }), {
    code: "invalid",
    message: /bias\.bin/,
  });
  await fails(engine.load(files, { sha256: sums["model.json"] }), { code: "invalid", message: /several files/ });
  await fails(engine.loadModel(url("/sound"), { sha256: wrong }), { code: "network", message: /SHA-256/ });
});

test("pages that are no secure contexts have SHA-256, too", async () => {
  const own = Object.getOwnPropertyDescriptor(globalThis, "crypto");
  for (const length of [0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 128, 5000]) {
    const bytes = Uint8Array.from({ length: length + 3 }, (_, i) => (i * 7919) >> 3).subarray(3);
    const received = createHash("sha256").update(bytes).digest("hex");
    Object.defineProperty(globalThis, "crypto", { value: {}, configurable: true });
    try {
      await fails(engine.load(bytes, { sha256: "0".repeat(64) }), { code: "invalid", message: /SHA-256/, received });
    } finally {
      Object.defineProperty(globalThis, "crypto", own);
    }
  }
});

test("where nothing can be kept the model loads all the same, and says so", async () => {
  const steps = [];
  assert.ok(await works(url("/sound"), { cache: true, onProgress: (step) => steps.push(step) }));
  const [{ warning, loaded }] = steps.filter((step) => step.stage === "cache");
  assert.match(warning, /Cache API/);
  assert.equal(loaded, 0);
  assert.deepEqual([await modelCache.list(), await modelCache.size()], [[], 0]);
  assert.equal(await modelCache.delete(url("/sound")), false);
  await modelCache.clear();
});
