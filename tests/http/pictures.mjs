// Pictures made and read without any library: enough of PNG, JPEG and WebP for the tests.
import { readFileSync } from 'node:fs';
import { deflateSync, inflateSync } from 'node:zlib';

export const example = (name) => readFileSync(new URL(`../../examples/${name}`, import.meta.url));

// PNG's check sum, ISO 3309. (Node has one in zlib, but only from 20.15 on.)
export function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
  }
  return ~crc >>> 0;
}

export function pngChunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]);

function header(width, height, channels = 3) {
  const data = Buffer.alloc(13);
  data.writeUInt32BE(width, 0);
  data.writeUInt32BE(height, 4);
  data.set([8, channels === 4 ? 6 : 2, 0, 0, 0], 8); // 8 bits, RGB or RGBA
  return pngChunk('IHDR', data);
}

// An RGB or RGBA PNG; `color(x, y)` gives [r, g, b] or [r, g, b, a].
export function png(width, height, color) {
  const channels = color(0, 0).length, stride = 1 + width * channels, rows = Buffer.alloc(height * stride);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) rows.set(color(x, y), y * stride + 1 + x * channels);
  return Buffer.concat([signature, header(width, height, channels), pngChunk('IDAT', deflateSync(rows)), pngChunk('IEND', Buffer.alloc(0))]);
}

// A well-formed file of about 70 bytes that claims any size and holds no pixels.
export const pngClaiming = (width, height) =>
  Buffer.concat([signature, header(width, height), pngChunk('IDAT', deflateSync(Buffer.alloc(1))), pngChunk('IEND', Buffer.alloc(0))]);

export const photo = (width = 48, height = 48) =>
  png(width, height, (x, y) => [(x * 255) / width, (y * 255) / height, (x ^ y) & 255].map((v) => v & 255));

export const painting = (width = 40, height = 40) =>
  png(width, height, (x, y) => ((x >> 2) + (y >> 2)) % 2 ? [230, 120, 20] : [20, 40, 160]);

export function pictureType(bytes) {
  if (bytes.subarray(0, 8).equals(signature)) return 'image/png';
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return 'image/jpeg';
  if (bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WEBP') return 'image/webp';
  return 'not a picture';
}

function jpegSize(bytes) {
  for (let at = 2; at < bytes.length;) {
    const marker = bytes[at + 1];
    if (marker >= 0xc0 && marker <= 0xc2) return [bytes.readUInt16BE(at + 7), bytes.readUInt16BE(at + 5)];
    at += 2 + bytes.readUInt16BE(at + 2);
  }
  return [0, 0];
}

function webpSize(bytes) {
  const kind = bytes.toString('latin1', 12, 16);
  if (kind === 'VP8 ') return [bytes.readUInt16LE(26) & 0x3fff, bytes.readUInt16LE(28) & 0x3fff];
  if (kind === 'VP8X') return [bytes.readUIntLE(24, 3) + 1, bytes.readUIntLE(27, 3) + 1];
  const bits = bytes.readUInt32LE(21); // VP8L
  return [(bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1];
}

// [width, height]
export function pictureSize(bytes) {
  const type = pictureType(bytes);
  if (type === 'image/png') return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
  return type === 'image/jpeg' ? jpegSize(bytes) : webpSize(bytes);
}

// PNG's filters 0 to 4, undone in place: `a` is the byte of the pixel to the left, `b` of that above, `c` of that above `a`.
const paeth = (a, b, c) => {
  const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
};
const predictors = [() => 0, (a) => a, (a, b) => b, (a, b) => (a + b) >> 1, paeth];

// The pixels of an RGB or RGBA PNG of 8 bits: { width, height, rgb }, and alpha of the latter.
export function readPng(bytes) {
  const [width, height] = pictureSize(bytes), parts = [], channels = bytes[25] === 6 ? 4 : 3;
  for (let at = 8; at < bytes.length; at += bytes.readUInt32BE(at) + 12)
    if (bytes.toString('latin1', at + 4, at + 8) === 'IDAT') parts.push(bytes.subarray(at + 8, at + 8 + bytes.readUInt32BE(at)));
  const rows = inflateSync(Buffer.concat(parts)), stride = width * channels, values = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y++) {
    const predict = predictors[rows[y * (stride + 1)]];
    for (let i = 0; i < stride; i++) {
      const at = y * stride + i, left = i >= channels ? values[at - channels] : 0, above = y ? values[at - stride] : 0;
      values[at] = rows[y * (stride + 1) + 1 + i] + predict(left, above, i >= channels && y ? values[at - stride - channels] : 0);
    }
  }
  if (channels === 3) return { width, height, rgb: values };
  const pixels = [...Array(width * height).keys()].map((i) => values.subarray(i * 4, i * 4 + 4));
  return { width, height, rgb: Buffer.concat(pixels.map((p) => p.subarray(0, 3))), alpha: Buffer.from(pixels.map((p) => p[3])) };
}

// A part of what readPng gave.
export function crop({ width, rgb }, left, top, columns, rows) {
  const out = Buffer.alloc(columns * rows * 3);
  for (let y = 0; y < rows; y++) rgb.copy(out, y * columns * 3, ((top + y) * width + left) * 3, ((top + y) * width + left + columns) * 3);
  return { width: columns, height: rows, rgb: out };
}
