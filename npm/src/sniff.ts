/** Width and height of a picture. */
type Size = [width: number, height: number];

/**
 * The size that a picture file declares, read from its header without decoding it: a 12,000 x 9,000 photo takes 432 MB
 * once decoded. Knows PNG, JPEG, GIF, BMP and WebP; of others the browser's decoder tells the size.
 */
export async function imageSize(file: Blob): Promise<Size | undefined> {
  const head = await bytes(file, 0, 32);
  const text = String.fromCharCode(...new Uint8Array(head.buffer));
  if (head.byteLength < 26) return undefined;
  if (text.startsWith("\x89PNG")) return [head.getUint32(16), head.getUint32(20)];
  if (text.startsWith("GIF8")) return [head.getUint16(6, true), head.getUint16(8, true)];
  if (text.startsWith("BM")) return [Math.abs(head.getInt32(18, true)), Math.abs(head.getInt32(22, true))];
  if (text.startsWith("\xff\xd8")) return jpegSize(file);
  if (text.startsWith("RIFF") && text.slice(8, 12) === "WEBP" && head.byteLength >= 30) return webpSize(text, head);
  return undefined;
}

/** Walks from marker to marker to the start of frame; a thumbnail inside a segment is stepped over. */
async function jpegSize(file: Blob): Promise<Size | undefined> {
  let at = 2;
  while (at + 9 < file.size) {
    const marker = await bytes(file, at, 9);
    if (marker.getUint8(0) !== 0xff) return undefined;
    const kind = marker.getUint8(1);
    const isFrame = kind >= 0xc0 && kind <= 0xcf && kind !== 0xc4 && kind !== 0xc8 && kind !== 0xcc;
    if (isFrame) return [marker.getUint16(7), marker.getUint16(5)];
    // Fill bytes and markers without a length.
    at += kind === 0xff ? 1 : kind === 0x01 || (kind >= 0xd0 && kind <= 0xd8) ? 2 : 2 + marker.getUint16(2);
  }
  return undefined;
}

function webpSize(text: string, head: DataView): Size | undefined {
  const u24 = (at: number) => head.getUint16(at, true) | (head.getUint8(at + 2) << 16);
  switch (text.slice(12, 16)) {
    case "VP8 ":
      return [head.getUint16(26, true) & 0x3fff, head.getUint16(28, true) & 0x3fff];
    case "VP8L": {
      const bits = head.getUint32(21, true);
      return [(bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1];
    }
    case "VP8X":
      return [u24(24) + 1, u24(27) + 1];
    default:
      return undefined;
  }
}

async function bytes(file: Blob, at: number, length: number): Promise<DataView> {
  return new DataView(await file.slice(at, at + length).arrayBuffer());
}
