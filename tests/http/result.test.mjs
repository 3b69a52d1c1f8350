// The result over HTTP: types, caching, ranges.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from './harness.mjs';
import { pictureType } from './pictures.mjs';

let server, links, whole;
before(async () => {
  server = await Server.start();
  const { id } = await server.accept({ format: 'png' });
  ({ links } = await server.finished(id));
  whole = await server.get(links.result);
});
after(() => server.stop());

test('never changes', async () => {
  assert.equal(whole.status, 200);
  assert.deepEqual((await server.get(links.result)).body, whole.body);
  assert.equal((await server.get(links.result, { 'if-none-match': whole.headers.etag })).status, 304);
  assert.equal((await server.get(links.result, { 'if-none-match': `"x", ${whole.headers.etag}` })).status, 304);
  assert.equal((await server.get(links.result, { 'if-none-match': '*' })).status, 304);
  assert.equal((await server.get(links.result, { 'if-none-match': '"x"' })).status, 200);
});

test('is had in the three formats by Accept', async () => {
  const etags = new Set();
  for (const [accept, type] of [['image/jpeg', 'image/jpeg'], ['image/webp', 'image/webp'], ['image/png', 'image/png'],
    ['image/*', 'image/png'], ['*/*', 'image/png'], ['image/webp;q=0.2, image/jpeg;q=0.9', 'image/jpeg'],
    ['text/html, */*;q=0.1', 'image/png'], ['text/html', 'image/png']]) {
    const answer = await server.get(links.result, { accept });
    assert.equal(answer.status, 200, accept);
    assert.equal(answer.headers['content-type'], type, accept);
    assert.equal(pictureType(answer.body), type, accept);
    etags.add(answer.headers.etag);
  }
  assert.equal(etags.size, 3, 'each format has its own ETag');
});

test('is had in the three formats by query, which wins over Accept', async () => {
  for (const format of ['png', 'jpeg', 'webp']) {
    const answer = await server.get(`${links.result}?format=${format}`, { accept: 'image/png' });
    assert.equal(pictureType(answer.body), `image/${format}`);
  }
  for (const query of ['format=gif', 'format=', 'format=png&format=png', 'size=3']) {
    const answer = await server.get(`${links.result}?${query}`);
    assert.equal(answer.status, 422, query);
    assert.equal(answer.json().field, query.split('=')[0]);
  }
});

test('is had in parts', async () => {
  const { length } = whole.body;
  for (const [range, from, to] of [['0-99', 0, 99], ['100-', 100, length - 1], ['-50', length - 50, length - 1],
    [`0-${length + 1000}`, 0, length - 1], [`${length - 1}-`, length - 1, length - 1]]) {
    const answer = await server.get(links.result, { range: `bytes=${range}` });
    assert.equal(answer.status, 206, range);
    assert.equal(answer.headers['content-range'], `bytes ${from}-${to}/${length}`);
    assert.deepEqual(answer.body, whole.body.subarray(from, to + 1));
  }
});

test('a range beyond it is 416, one that is no range is the whole', async () => {
  const { length } = whole.body;
  for (const range of [`${length}-`, '-0']) {
    const answer = await server.get(links.result, { range: `bytes=${range}` });
    assert.equal(answer.status, 416, range);
    assert.equal(answer.headers['content-range'], `bytes */${length}`);
  }
  for (const range of ['lines=1-2', 'bytes=9-1', 'bytes=x', 'bytes='])
    assert.equal((await server.get(links.result, { range })).status, 200, range);
});

test('If-Range gives the part only of the same picture', async () => {
  const range = 'bytes=0-9';
  assert.equal((await server.get(links.result, { range, 'if-range': whole.headers.etag })).status, 206);
  assert.equal((await server.get(links.result, { range, 'if-range': '"x"' })).status, 200);
});

test('HEAD tells all but the bytes', async () => {
  const head = await server.request('HEAD', links.result);
  assert.equal(head.status, 200);
  assert.equal(Number(head.headers['content-length']), whole.body.length);
  assert.equal(head.headers.etag, whole.headers.etag);
});
