// As much of an XML parser as it takes to tell whether a picture is well-formed, and to read its texts.

/** Elements as `{ name, attributes, text }` in the order in which they begin; throws at what is not well-formed. */
export function parseXml(source) {
  const elements = [];
  const open = [];
  const token = /<\/([\w:]+)>|<([\w:]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|([^<]+)/gy;
  let end = 0;
  for (let match = token.exec(source); match; match = token.exec(source)) {
    end = token.lastIndex;
    const [, closes, name, attributes, alone, text] = match;
    if (closes) {
      if (open.pop()?.name !== closes) throw new Error(`</${closes}> closes something else`);
    } else if (name) {
      const list = [...attributes.matchAll(/([\w:-]+)="([^"]*)"/g)].map(([, key, value]) => [key, decode(value)]);
      if (new Set(list.map(([key]) => key)).size < list.length) throw new Error(`an attribute twice in <${name}>`);
      if (open.length === 0 && elements.length > 0) throw new Error("two roots");
      const element = { name, attributes: Object.fromEntries(list), text: "" };
      elements.push(element);
      if (!alone) open.push(element);
    } else {
      if (open.length === 0) throw new Error("text outside of the root");
      open.at(-1).text += decode(text);
    }
  }
  if (end !== source.length || open.length > 0) throw new Error(`not well-formed: ${source.slice(end, end + 40)}`);
  return elements;
}

const NAMES = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };

function decode(text) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/.test(text)) throw new Error("a control character");
  return text.replace(/&([^;]*);?/g, (whole, name) => {
    if (!(name in NAMES)) throw new Error(`unknown entity ${whole}`);
    return NAMES[name];
  });
}
