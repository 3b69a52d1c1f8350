// Pictures made to hurt their decoder, through the real one: they are refused by name, or do no harm.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { Server, fileOf, jobForm } from './harness.mjs';
import { example, painting, photo, png, pngChunk, pngClaiming } from './pictures.mjs';
import { children, nothingIsLeft, openFiles, residentKb } from './processes.mjs';

let server, files;
before(async () => {
  server = await Server.start({ decode_timeout: 2 });
  await server.stillWorks();
  files = openFiles(server);
});
after(() => server.stop());

const withContent = (bytes, options = {}) => {
  const form = jobForm(options, { content: null });
  form.append('content', fileOf(bytes), 'picture');
  return form;
};

// Sends it as the photo and as a painting; others are answered meanwhile.
async function refused(bytes, statuses = [415]) {
  for (const [field, form] of [['content', withContent(bytes)], ['style', jobForm({}, { styles: [painting(), bytes] })]]) {
    const answered = server.submit(form);
    assert.equal((await server.get('/healthz')).status, 200);
    const answer = await answered;
    assert.ok(statuses.includes(answer.status), `${answer.status}: ${answer.text()}`);
    assert.equal(answer.json().field, field, answer.text());
    if (answer.status === 422) assert.ok(answer.json().limit, answer.text());
  }
  await nothingIsLeft(server, files);
}

// 300 MB of zeros, compressed to a thousandth of that.
const bomb = deflateSync(Buffer.alloc(300 << 20));

const tiny = png(1, 1, () => [1, 2, 3]);
const head = tiny.subarray(0, 33), end = tiny.subarray(-12);

describe('PNG', () => {
  test('1x1 whose pixels inflate to 300 MB', async () => {
    const before = residentKb(server);
    await refused(Buffer.concat([head, pngChunk('IDAT', bomb), end]));
    assert.ok(residentKb(server) < before + (100 << 10), 'the server itself does not hold what is in a picture');
    await server.stillWorks();
  });
  // What a decoder does not look at does no harm: these are pictures of 48x48 like any other.
  for (const [type, name] of [['zTXt', 'Comment\0\0'], ['iCCP', 'profile\0\0'], ['iTXt', 'Comment\0\x01\0\0\0']])
    test(`${type} that would inflate to 300 MB`, async () => {
      const whole = photo(48, 48);
      const text = pngChunk(type, Buffer.concat([Buffer.from(name, 'latin1'), bomb]));
      const answer = await server.submit(withContent(Buffer.concat([whole.subarray(0, 33), text, whole.subarray(33)])));
      assert.equal(answer.status, 202, answer.text());
      await server.finished(answer.json().id);
      await nothingIsLeft(server, files);
    });
  test('dimensions beyond all bounds', async () => {
    for (const [width, height] of [[32769, 1], [1, 32769], [32768, 32768], [0x7fffffff, 0x7fffffff], [65536, 65536], [7072, 7072]])
      await refused(pngClaiming(width, height), [422]);
    for (const [width, height] of [[0, 1], [1, 0], [0x80000000, 1], [0xffffffff, 0xffffffff]])
      await refused(pngClaiming(width, height));
  });
  test('4 million pixels of which there are none', () => refused(pngClaiming(2000, 2000)));
  test('a million chunks of nothing', async () => {
    const chunks = Buffer.concat(Array(200000).fill(pngChunk('tEXt', Buffer.alloc(0))));
    await refused(Buffer.concat([head, chunks, chunks, chunks, chunks, chunks, end]));
  });
  test('a chunk that is longer than the file', async () => {
    const long = Buffer.from(photo());
    long.writeUInt32BE(0xffffffff, 33);
    await refused(long);
    long.writeUInt32BE(long.length, 33);
    await refused(long);
  });
  test('a palette that is missing, and indices beyond its end', async () => {
    const header = Buffer.alloc(13);
    header.writeUInt32BE(16, 0);
    header.writeUInt32BE(16, 4);
    header.set([8, 3, 0, 0, 0], 8);
    const start = [tiny.subarray(0, 8), pngChunk('IHDR', header)];
    const data = pngChunk('IDAT', deflateSync(Buffer.alloc(16 * 17, 0xff).map((v, i) => (i % 17 ? v : 0))));
    await refused(Buffer.concat([...start, data, end]));
    const answer = await server.submit(withContent(Buffer.concat([...start, pngChunk('PLTE', Buffer.from([1, 2, 3])), data, end])));
    assert.ok([202, 415, 422].includes(answer.status), answer.text()); // black or transparent, if anything
    await nothingIsLeft(server, files);
  });
});

describe('JPEG', () => {
  const segment = (marker, ...bytes) => Buffer.from([0xff, marker, 0, bytes.length + 2, ...bytes]);
  const frame = (marker, width, height, components = 1) =>
    segment(marker, 8, height >> 8, height & 255, width >> 8, width & 255, components,
      ...Array.from({ length: components }, (_, i) => [i + 1, 0x11, 0]).flat());
  const table = segment(0xdb, 0, ...Array(64).fill(1));
  // One code of one bit, for "nothing here" (DC) and "end of 32767 blocks" (AC).
  const huffman = (number, symbol) => segment(0xc4, number, 1, ...Array(15).fill(0), symbol);
  const start = Buffer.from([0xff, 0xd8]), eoi = Buffer.from([0xff, 0xd9]);
  const scan = (from, to, ...data) => Buffer.concat([segment(0xda, 1, 1, 0, from, to, 0), Buffer.from(data)]);

  // Each scan goes over all 250000 blocks and takes 27 bytes.
  test('progressive, with 20000 scans', async () => {
    const one = scan(1, 63, ...Array(16).fill(0));
    const bytes = Buffer.concat([start, table, frame(0xc2, 4000, 4000), huffman(0, 0), huffman(0x10, 0xe0), scan(0, 0, 0),
      ...Array(20000).fill(one), eoi]);
    await refused(bytes);
    await server.stillWorks();
  });
  test('dimensions beyond all bounds', async () => {
    for (const [width, height] of [[65535, 65535], [65535, 1], [1, 65535], [7072, 7072]])
      await refused(Buffer.concat([start, table, frame(0xc0, width, height), huffman(0, 0), scan(0, 63, 0), eoi]), [422]);
    for (const [width, height] of [[0, 1], [1, 0], [0, 0]])
      await refused(Buffer.concat([start, table, frame(0xc0, width, height), huffman(0, 0), scan(0, 63, 0), eoi]));
  });
  test('nothing but markers', async () => {
    await refused(Buffer.concat([start, eoi]));
    await refused(Buffer.concat([start, Buffer.alloc(1 << 20, 0xff)]));
    await refused(Buffer.concat([start, ...Array(20000).fill(segment(0xe1)), eoi]));
    await refused(Buffer.concat([start, frame(0xc0, 64, 64), ...Array(20000).fill(frame(0xc0, 64, 64)), eoi]));
  });
  test('a million restarts', async () => {
    const bytes = Buffer.concat([start, table, frame(0xc0, 2000, 2000), huffman(0, 0), huffman(0x10, 0), segment(0xdd, 0, 1),
      scan(0, 63, 0), Buffer.concat(Array(8).fill(Buffer.from([0xff, 0xd0, 0]))), eoi]);
    const answer = await server.submit(withContent(bytes));
    assert.ok([202, 415].includes(answer.status), answer.text());
    await nothingIsLeft(server, files);
  });
  test('sampling factors that are none', async () => {
    const odd = Buffer.from(frame(0xc0, 64, 64, 3));
    for (const factor of [0x00, 0x51, 0x15, 0xff, 0x44]) {
      odd[11] = factor;
      const answer = await server.submit(withContent(Buffer.concat([start, table, odd, huffman(0, 0), huffman(0x10, 0), scan(0, 63, 0), eoi])));
      assert.ok([202, 415].includes(answer.status), answer.text());
    }
    await nothingIsLeft(server, files);
  });
});

describe('WebP', () => {
  const riff = (...chunks) => {
    const body = Buffer.concat([Buffer.from('WEBP'), ...chunks]);
    const size = Buffer.alloc(4);
    size.writeUInt32LE(body.length);
    return Buffer.concat([Buffer.from('RIFF'), size, body]);
  };
  const chunk = (name, data) => {
    const size = Buffer.alloc(4);
    size.writeUInt32LE(data.length);
    return Buffer.concat([Buffer.from(name), size, data, Buffer.alloc(data.length % 2)]);
  };
  const lossy = (width, height) => {
    const data = Buffer.alloc(200);
    data.set([0x10, 0x0e, 0, 0x9d, 0x01, 0x2a, width & 255, width >> 8, height & 255, height >> 8]);
    return chunk('VP8 ', data);
  };
  const lossless = (width, height) => {
    const data = Buffer.alloc(64);
    data[0] = 0x2f;
    data.writeUInt32LE(((width - 1) | ((height - 1) << 14)) >>> 0, 1);
    return chunk('VP8L', data);
  };

  test('dimensions beyond all bounds', async () => {
    await refused(riff(lossy(16383, 16383)), [422]);
    await refused(riff(lossless(16384, 16384)), [422]);
    await refused(riff(lossy(0, 0)));
  });
  test('millions of pixels in a few bytes', async () => {
    await refused(riff(lossy(3000, 3000)), [415, 422]);
    const answer = await server.submit(withContent(riff(lossless(2000, 2000)))); // may be a picture of one colour
    assert.ok([202, 415].includes(answer.status), answer.text());
    await nothingIsLeft(server, files);
  });
  test('a canvas that differs from its picture', async () => {
    const canvas = Buffer.alloc(10);
    canvas.writeUIntLE(47, 4, 3);
    canvas.writeUIntLE(47, 7, 3);
    await refused(riff(chunk('VP8X', canvas), lossless(2000, 2000)), [415]);
  });
  test('chunks within chunks, and none', async () => {
    await refused(riff());
    await refused(riff(chunk('RIFF', Buffer.from('WEBPVP8 '))));
    await refused(riff(...Array(50000).fill(chunk('EXIF', Buffer.alloc(0)))));
  });
});

describe('cut short', () => {
  const pictures = { jpeg: example('cat.jpg'), png: photo(64, 64) };
  for (const [name, bytes] of Object.entries(pictures))
    test(name, async () => {
      for (const part of [0.02, 0.1, 0.3, 0.6, 0.9, 0.99]) await refused(bytes.subarray(0, bytes.length * part));
      await refused(bytes.subarray(0, bytes.length - 1));
      await refused(bytes.subarray(0, 12));
    });
});

describe('several things at once', () => {
  test('a signature with the rest of another', async () => {
    const jpeg = example('cat.jpg'), picture = photo();
    await refused(Buffer.concat([picture.subarray(0, 8), jpeg]));
    await refused(Buffer.concat([jpeg.subarray(0, 3), picture]));
    await refused(Buffer.concat([Buffer.from('RIFF\x10\0\0\0WEBP', 'latin1'), picture]));
    await refused(Buffer.concat([Buffer.from('GIF89a'), picture]));
    await refused(Buffer.concat([Buffer.from('<svg>'), picture]));
    await refused(Buffer.concat([Buffer.from('\n'), picture]));
  });
  // What comes out is made of pixels alone.
  test('a picture that is a page, too', async () => {
    const script = Buffer.from('<script>alert(1)</script>PK\x05\x06', 'latin1');
    const whole = photo(48, 48);
    const both = Buffer.concat([whole.subarray(0, 33), pngChunk('tEXt', Buffer.concat([Buffer.from('a\0'), script])), whole.subarray(33), script]);
    const answer = await server.submit(withContent(both, { format: 'jpeg' }));
    assert.equal(answer.status, 202, answer.text());
    const { id } = answer.json();
    await server.finished(id);
    const result = await server.get(`/v1/jobs/${id}/result`);
    assert.equal(result.body.indexOf('<script>'), -1);
    assert.equal(result.headers['x-content-type-options'], 'nosniff');
    await nothingIsLeft(server, files);
  });
});

test('all of them left no process behind', async () => {
  assert.deepEqual(children(server), []);
  await server.stillWorks();
});
