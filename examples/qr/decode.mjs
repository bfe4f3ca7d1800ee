// node decode.mjs: reads a line for each picture, its size and its dark modules as {"size": 21, "dark": [[row, column], …]},
// and prints what jsQR, another author's decoder, reads in it: as JSON, null for nothing.
import { createInterface } from 'node:readline';
import jsQR from 'jsqr';

const SCALE = 3;

function read({ size, dark }) {
  const width = size * SCALE;
  const pixels = new Uint8ClampedArray(width * width * 4).fill(255);
  for (const [row, column] of dark) {
    for (let y = row * SCALE; y < (row + 1) * SCALE; y++) {
      for (let x = column * SCALE; x < (column + 1) * SCALE; x++) {
        pixels.fill(0, (y * width + x) * 4, (y * width + x) * 4 + 3);
      }
    }
  }
  const found = (jsQR.default ?? jsQR)(pixels, width, width, { inversionAttempts: 'dontInvert' });
  return found && Buffer.from(found.binaryData).toString('base64');
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(read(JSON.parse(line))));
}
