// Requests that are wrong by accident or on purpose. Each gets the answer that the contract names; afterwards the
// server is alive and does a normal job.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeForm, fileOf, jobForm, sanitized, Server } from './harness.mjs';
import { example, painting, photo, png, pngClaiming } from './pictures.mjs';

let server;
before(async () => { server = await Server.start(); });
after(async () => {
  await server.stillWorks();
  await server.stop();
});

// Expects the problem, then a normal job; with sanitizers, which are slow, not every time.
let refusals = 0;
async function refused(form, status, field) {
  const answer = await server.submit(form);
  assert.equal(answer.status, status, answer.text());
  const problem = answer.json();
  if (field) assert.equal(problem.field, field, answer.text());
  if (!sanitized || ++refusals % 8 === 0) await server.stillWorks();
  return problem;
}

const withContent = (bytes, name = 'photo.jpg', type = 'image/jpeg') => {
  const form = jobForm({}, { content: null });
  form.append('content', fileOf(bytes, type), name);
  return form;
};

describe('pictures', () => {
  test('none at all', () => refused(jobForm({}, { content: null, styles: [] }), 422, 'content'));
  test('no style', () => refused(jobForm({}, { styles: [] }), 422, 'style'));
  test('two contents', () => {
    const form = jobForm();
    form.append('content', fileOf(photo()), 'second.png');
    return refused(form, 422, 'content');
  });
  test('more styles than allowed', () => refused(jobForm({}, { styles: Array(5).fill(painting()) }), 422, 'style'));
  test('a content that is text, not a file', () => {
    const form = jobForm({}, { content: null });
    form.append('content', 'photo.jpg');
    return refused(form, 415, 'content');
  });
  test('an empty file', () => refused(withContent(Buffer.alloc(0)), 422, 'content'));
  test('a text named .jpg', () => refused(withContent('This is no picture.'), 415, 'content'));
  test('a GIF', () => refused(withContent(Buffer.from('GIF89a\x01\x00\x01\x00\x00\x00\x00;', 'latin1')), 415, 'content'));
  test('an SVG', () => refused(withContent('<svg xmlns="http://www.w3.org/2000/svg"/>', 'a.svg', 'image/svg+xml'), 415, 'content'));
  test('a truncated JPEG', () => refused(withContent(example('cat.jpg').subarray(0, 9000)), 415, 'content'));
  test('a truncated PNG as style', () => refused(jobForm({}, { styles: [painting().subarray(0, 90)] }), 415, 'style'));
  test('a PNG with damaged pixels', () => {
    const bytes = Buffer.from(photo());
    bytes.fill(0xff, 60, 90);
    return refused(withContent(bytes), 415, 'content');
  });
  test('a PNG of 70 bytes that claims 60000x60000', async () => {
    const bytes = pngClaiming(60000, 60000);
    assert.ok(bytes.length <= 100);
    const problem = await refused(withContent(bytes, 'bomb.png', 'image/png'), 422, 'content');
    assert.ok(problem.limit);
  });
  test('a PNG that claims 1x1 and inflates to 97 MiB', async () => {
    const big = png(1, 1, () => [0, 0, 0]);
    const { deflateSync } = await import('node:zlib');
    const { crc32 } = await import('./pictures.mjs');
    const data = Buffer.concat([Buffer.from('IDAT'), deflateSync(Buffer.alloc(97 << 20))]);
    const chunk = Buffer.alloc(8 + data.length);
    chunk.writeUInt32BE(data.length - 4, 0);
    data.copy(chunk, 4);
    chunk.writeUInt32BE(crc32(data), 4 + data.length);
    const answer = await server.submit(withContent(Buffer.concat([big.subarray(0, 33), chunk, big.subarray(-12)])));
    assert.ok([415, 422].includes(answer.status), answer.text()); // 1x1 is too small as well
    await server.stillWorks();
  });
  test('too small to become a picture', () => refused(jobForm({ resize: 'fit', size: 32 }, { content: photo(200, 2) }), 422, 'content'));
});

describe('options', () => {
  for (const [name, value] of [['size', -1], ['size', 1e9], ['size', '1e9'], ['size', '32.5'], ['size', ''], ['size', '0x20'],
    ['size', ' 32'], ['size', '32\0'], ['iterations', 'abc'], ['iterations', 0], ['iterations', 'NaN'], ['learning_rate', 'inf'],
    ['learning_rate', -1], ['style_weight', '-0.1'], ['strength', 1.5], ['scales', 0], ['scales', 9], ['scale_iterations', 0], ['line_search', 'armijo'], ['clamp', 'perhaps'],
    ['precondition', 2], ['alpha', 'half'], ['average', 1], ['deadline_seconds', -1], ['init', 'grey'], ['seed', -1], ['preserve_colors', 'all'], ['strength', 'strong'], ['style_scale', 0.1],
    ['style_scale', 5], ['style_weights', '-1'], ['style_weights', '1,'], ['style_weights', '0'], ['style_weights', '1,1'],
    ['style_weights', Array(17).fill(1).join(',')], ['style_layers', 'relu1_2'], ['style_layers', 'relu1_1=0'], ['style_layers', 'relu1_1,relu1_1'],
    ['content_layers', 'relu4_2=x'], ['content_layers', 'relu6_1'], ['tv_weight', -1], ['tv_weight', 1000001], ['style_loss', 'mean'], ['resize', 'crop'], ['format', 'gif'], ['format', 'PNG'], ['quality', 101],
    ['optimizer', ''], ['preset', 'none'], ['colour', 'blue'], ['Size', 32], ['x'.repeat(63), 1]])
    test(`${name.slice(0, 20)}=${JSON.stringify(value)}`, async () => {
      const problem = await refused(jobForm({ [name]: value }), 422);
      assert.equal(problem.field.slice(0, 20), name.slice(0, 20));
      if (name === 'size' && value !== '32\0') assert.match(problem.limit, /16\.\.2048/);
      if (name === 'style_weights' && value === '1,1') assert.equal(problem.limit, '1 number');
      if (name.endsWith('_layers')) assert.match(problem.limit, /^0\.\.1000000000 each, one above 0, for some of relu1_1, relu2_1, .*, relu5_1$/);
      if (name === 'style_scale') assert.equal(problem.limit, '0.25..4');
    });
  test('a name that is longer than any', () => refused(jobForm({ ['size'.repeat(200)]: 32 }), 413));
  test('both weights zero', () => refused(jobForm({ content_weight: 0, style_weight: 0 }), 422, 'style_weight'));
  test('fewer shares than styles', async () => {
    const { limit } = await refused(jobForm({ style_weights: '1' }, { styles: [painting(), painting()] }), 422, 'style_weights');
    assert.equal(limit, '2 numbers');
  });
  test('a field given twice', () => {
    const form = jobForm({ size: 32 });
    form.append('size', '32');
    return refused(form, 422, 'size');
  });

  const json = (text) => {
    const form = jobForm({ size: undefined });
    form.append('options', text);
    return form;
  };
  for (const text of ['size=32', '{"size": 32', '', '{"size": 32} trailing', '{"size": 0x20}', '[]', '"size"', 'null', '32',
    '{"size": "\\u0000"}', '['.repeat(60000), '{"a":'.repeat(10000)])
    test(`not a JSON object: ${text.slice(0, 20)}`, () => refused(json(text), 400, 'options'));
  for (const [text, field] of [['{"size": -1}', 'size'], ['{"size": "32"}', 'size'], ['{"size": 1e9}', 'size'], ['{"size": 32.5}', 'size'],
    ['{"colour": "blue"}', 'colour'], ['{"format": 1}', 'format'], ['{"size": 32, "size": 33}', 'size'], ['{"resize": ["fit"]}', 'resize'],
    ['{"style_weights": 1}', 'style_weights'], ['{"style_weights": [1, "1"]}', 'style_weights'], ['{"style_weights": [1, 2]}', 'style_weights'],
    ['{"style_layers": "relu1_1"}', 'style_layers'], ['{"style_layers": {"relu1_2": 1}}', 'style_layers'], ['{"content_layers": {"relu4_2": 0}}', 'content_layers'],
    ['{"content_layers": [0]}', 'content_layers']])
    test(`out of bounds: ${text}`, () => refused(json(text), 422, field));
  test('the same name as field and in the JSON', () => {
    const form = jobForm({ size: 32 });
    form.append('options', '{"size": 32}');
    return refused(form, 422, 'size');
  });
  test('options given twice', () => {
    const form = json('{"size": 32}');
    form.append('options', '{"size": 32}');
    return refused(form, 422, 'options');
  });
  test('an endless options field', async () => {
    const answer = await server.submit(json(`{"size": ${' '.repeat(1 << 20)} 32}`));
    assert.equal(answer.status, 413, answer.text());
    await server.stillWorks();
  });
});

describe('bodies', () => {
  const post = (type, body) => server.request('POST', '/v1/jobs', { body, headers: type ? { 'content-type': type } : {} });

  test('no form', async () => {
    for (const [type, body] of [[null, ''], [null, 'x'], ['application/json', '{}'], ['text/plain', 'hello'],
      ['application/x-www-form-urlencoded', 'size=32']])
      assert.equal((await post(type, body)).status, 415, `${type}: ${body}`);
    await server.stillWorks();
  });
  test('a form without a body', async () => {
    const answer = await server.raw('POST', '/v1/jobs', 'POST /v1/jobs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n' +
      'Content-Type: multipart/form-data; boundary=b\r\n\r\n');
    assert.equal(answer.status, 411);
  });
  test('a body where none belongs', async () => {
    assert.equal((await server.request('GET', '/healthz', { body: 'x'.repeat(100000) })).status, 200);
    const answer = await server.raw('GET', '/healthz', 'GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n');
    assert.equal(answer.status, 413);
    await server.stillWorks();
  });
  test('an expectation nobody knows', async () => {
    const answer = await server.raw('GET', '/healthz', 'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: rain\r\n\r\n');
    assert.equal(answer.status, 417);
  });
  test('query parameters that do not exist', async () => {
    for (const path of ['/v1/limits?x=1', '/healthz?', '/v1/presets?verbose', '/readyz?a=%00'])
      assert.equal((await server.get(path)).status, path.endsWith('?') ? 200 : 422, path);
  });
  test('a broken form', async () => {
    for (const [type, body] of [['multipart/form-data', 'x'], ['multipart/form-data; boundary=', 'x'],
      ['multipart/form-data; boundary=b', 'no boundary at all'],
      ['multipart/form-data; boundary=b', '--b\r\nContent-Disposition: form-data; name="size"\r\n\r\n32'],
      ['multipart/form-data; boundary=b', '--b\r\nContent-Disposition: form-data\r\n\r\n32\r\n--b--\r\n']])
      assert.equal((await post(type, body)).status, 400, `${type}: ${body}`);
    await server.stillWorks();
  });
  test('an empty form', async () => {
    const answer = await post('multipart/form-data; boundary=b', '--b--\r\n');
    assert.ok([400, 422].includes(answer.status), answer.text());
  });
  test('thousands of parts', async () => {
    const part = '--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n';
    const answer = await post('multipart/form-data; boundary=b', `${part.repeat(20000)}--b--\r\n`);
    assert.ok([400, 413, 422].includes(answer.status), answer.text());
    await server.stillWorks();
  });
  test('25 MiB', async () => {
    const { body, type } = await encodeForm(withContent(Buffer.concat([example('cat.jpg'), Buffer.alloc(25 << 20)])));
    // The server may close without reading all of it; a client that writes on then sees a reset.
    const { socket, closed } = await server.connect();
    socket.write(`POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`);
    socket.write(body);
    const status = Number((await closed).toString('latin1', 9, 12));
    assert.equal(status, 413);
    await server.stillWorks();
  });
  test('25 MiB in one picture, told beforehand', async () => {
    const answer = await server.raw('POST', '/v1/jobs', 'POST /v1/jobs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n' +
      'Content-Type: multipart/form-data; boundary=b\r\nExpect: 100-continue\r\nContent-Length: 999999999999\r\n\r\n');
    assert.equal(answer.status, 413);
  });
});

describe('connections', () => {
  const head = (length) => 'POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n' +
    `Content-Length: ${length}\r\n\r\n--b\r\nContent-Disposition: form-data; name="content"; filename="a.png"\r\n\r\n`;

  test('a client that hangs up in mid-upload', async () => {
    const before = (await server.get('/v1/jobs?limit=100')).json().jobs.length;
    for (let i = 0; i < 20; i++) {
      const { socket } = await server.connect();
      socket.write(head(100000));
      socket.write(photo());
      await sleep(5);
      if (i % 2) socket.resetAndDestroy();
      else socket.end();
    }
    assert.equal((await server.get('/v1/jobs?limit=100')).json().jobs.length, before);
    await server.stillWorks();
  });
  test('both Transfer-Encoding and Content-Length', async () => {
    for (const more of ['Transfer-Encoding: chunked\r\nContent-Length: 5', 'Content-Length: 5\r\nTransfer-Encoding: chunked',
      'Transfer-Encoding: identity, chunked', 'Transfer-Encoding: xchunked', 'Transfer-Encoding: gzip, chunked']) {
      const answer = await server.raw('POST', '/v1/jobs', `POST /v1/jobs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n` +
        `Content-Type: multipart/form-data; boundary=b\r\n${more}\r\n\r\n0\r\n\r\n`);
      assert.equal(answer.status, 400, more);
    }
    const answer = await server.raw('GET', '/healthz', 'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n' +
      'Content-Length: 1\r\nContent-Length: 2\r\n\r\n');
    assert.equal(answer.status, 400);
    await server.stillWorks();
  });
  test('a form sent in chunks is as good as another', async () => {
    const { body, type } = await encodeForm(jobForm());
    const chunks = [];
    for (let at = 0; at < body.length; at += 1000) {
      const part = body.subarray(at, at + 1000);
      chunks.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'));
    }
    const answer = await server.raw('POST', '/v1/jobs', Buffer.concat([Buffer.from('POST /v1/jobs HTTP/1.1\r\nHost: x\r\n' +
      `Connection: close\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n`), ...chunks, Buffer.from('0\r\n\r\n')]));
    assert.equal(answer.status, 202);
  });
  test('what is not HTTP at all', async () => {
    for (const text of ['\0\0\0\0\r\n\r\n', 'GET\r\n\r\n', '\x16\x03\x01\x02\x00\x01\x00', 'GET / HTTP/9.9\r\n\r\n',
      `GET /${'a'.repeat(100000)} HTTP/1.1\r\nHost: x\r\n\r\n`, `GET / HTTP/1.1\r\n${'A: b\r\n'.repeat(20000)}\r\n`,
      'GET / HTTP/1.1\r\n\r\n']) {
      const { socket, closed } = await server.connect();
      socket.end(text);
      await closed;
    }
    await server.stillWorks();
  });
  test('a thousand connections that say nothing', async () => {
    const open = await Promise.all(Array.from({ length: 1000 }, () => server.connect().catch(() => null)));
    for (const connection of open) connection?.socket.destroy();
    await sleep(200);
    await server.stillWorks();
  });
});
