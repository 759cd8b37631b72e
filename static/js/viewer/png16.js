// A grey PNG of 16 bits to its levels: browsers read it too, but show 8 of the bits only.

const SIGNATURE = 8;

export async function decodePng16(buffer) {
  const view = new DataView(buffer);
  const parts = [];
  let width = 0;
  let height = 0;
  for (let at = SIGNATURE; at < buffer.byteLength; ) {
    const length = view.getUint32(at);
    const name = String.fromCharCode(...new Uint8Array(buffer, at + 4, 4));
    if (name === "IHDR") {
      width = view.getUint32(at + 8);
      height = view.getUint32(at + 12);
      // 16 bits, grey, not interlaced: all that the server writes.
      if (view.getUint8(at + 16) !== 16 || view.getUint8(at + 17) !== 0) throw new Error("no levels");
    }
    if (name === "IDAT") parts.push(new Uint8Array(buffer, at + 8, length));
    at += length + 12;
  }
  const inflated = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
  const rows = new Uint8Array(await new Response(inflated).arrayBuffer());
  return { width, height, levels: unfilter(rows, width, height) };
}

// ISO/IEC 15948, 9: each byte is told as its difference from its neighbours.
function unfilter(rows, width, height) {
  const stride = 2 * width;
  let above = new Uint8Array(stride);
  const levels = new Uint16Array(width * height);
  for (let y = 0; y < height; y++) {
    const at = y * (stride + 1);
    const row = rows.subarray(at + 1, at + 1 + stride);
    undo(rows[at], row, above);
    for (let x = 0; x < width; x++) levels[y * width + x] = (row[2 * x] << 8) | row[2 * x + 1];
    above = row;
  }
  return levels;
}

function undo(kind, row, above) {
  switch (kind) {
    case 0:
      return;
    case 1:
      for (let i = 2; i < row.length; i++) row[i] += row[i - 2];
      return;
    case 2:
      for (let i = 0; i < row.length; i++) row[i] += above[i];
      return;
    case 3:
      row[0] += above[0] >> 1;
      row[1] += above[1] >> 1;
      for (let i = 2; i < row.length; i++) row[i] += (row[i - 2] + above[i]) >> 1;
      return;
    default:
      throw new Error(`PNG filter ${kind}`);
  }
}
