// The engine's glue with a fault built in: what a trap in the WebAssembly instance looks like from outside.

/** A function of WebAssembly that traps, as JavaScript. */
const TRAP = `
  const bytes = [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 5, 1, 3, 0, 0, 11];
  const { f: trap } = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(bytes))).exports;
`;

/** The glue, but a network traps on an input that begins with 666, and somewhere in the event loop on 667. */
const glue = (binary) => `
  import * as striate from "/dist/wasm/${binary}/striate.js";
  const { default: init, Augmenter, lastPanic, Runtime } = striate;
  ${TRAP}
  for (const { prototype } of [striate.Net, striate.Model].filter(Boolean)) {
    const { predict } = prototype;
    prototype.predict = function (inputs) {
      if (inputs[0].data[0] === 666) trap();
      return inputs[0].data[0] === 667 ? new Promise(() => setTimeout(trap)) : predict.call(this, inputs);
    };
  }
  export { Augmenter, lastPanic, Runtime, init as default };
`;

/** Routes under `/broken/` for these binaries; the rest of the package is to be served there as it is. */
export function broken(...binaries) {
  const route = (binary) => [
    `/broken/wasm/${binary}/striate.js`,
    (_, response) => {
      response.writeHead(200, { "content-type": "text/javascript" });
      response.end(glue(binary));
    },
  ];
  return Object.fromEntries(binaries.map(route));
}
