// Answers that wait for a change: Prefer: wait=N.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Server, encodeForm, jobForm } from './harness.mjs';

const prompt = 5; // seconds that an answer may take on a busy machine; waits here are much longer
let server;
before(async () => { server = await Server.start({ max_connections: 200, max_wait: 100 }); });
after(() => server.stop());

// A job that runs until it is stopped, at the latest at the end of the test.
async function acceptLong(t) {
  const job = await server.accept({ size: 64, iterations: 10000 });
  t.after(() => server.request('DELETE', job.links.self));
  return job;
}

// A running job and one that waits behind it.
async function acceptTwo(t) {
  const running = await acceptLong(t);
  await server.waitFor(running.id, 'running');
  return [running, await acceptLong(t)];
}

// Asks, and tells when the answer came.
async function ask(path, headers, method = 'GET') {
  const begin = Date.now();
  const answer = await server.request(method, path, { headers });
  return { answer, came: Date.now(), seconds: (Date.now() - begin) / 1000 };
}

test('a poll waits until the state changes', async (t) => {
  const [, { links }] = await acceptTwo(t);
  const long = ask(links.self, { prefer: 'wait=90' });
  const short = await ask(links.self, { prefer: 'respond-async, wait=1' });
  assert.ok(short.seconds >= 0.99 && short.seconds < 1 + prompt);
  assert.equal(short.answer.json().state, 'queued');
  assert.equal(short.answer.headers['preference-applied'], 'wait=1');
  const canceled = Date.now();
  await server.request('POST', links.cancel);
  const { answer, came } = await long;
  assert.equal(answer.json().state, 'canceled');
  assert.equal(answer.headers['preference-applied'], 'wait=90');
  assert.ok(came - canceled < prompt * 1000, `${came - canceled} ms after the change`);
  // It has ended: nothing to wait for.
  for (const [status, headers] of [[200, {}], [304, { 'if-none-match': answer.headers.etag }]]) {
    const ended = await ask(links.self, { prefer: 'wait=90', ...headers });
    assert.equal(ended.answer.status, status);
    assert.ok(ended.seconds < prompt);
  }
});

test('with an ETag any change will do, and 304 comes when there was none', async (t) => {
  const [running, queued] = await acceptTwo(t);
  const { headers: { etag } } = await server.get(queued.links.self);
  const same = await ask(queued.links.self, { prefer: 'wait=1', 'if-none-match': etag });
  // When it starts is estimated anew all the time: that alone ends no wait, but it shows in the end.
  assert.equal(same.answer.status, same.answer.headers.etag === etag ? 304 : 200);
  assert.ok(same.seconds >= 0.99);
  const other = await ask(queued.links.self, { prefer: 'wait=90', 'if-none-match': '"other"' });
  assert.equal(other.answer.status, 200);
  assert.ok(other.seconds < prompt);
  // Progress is a change: a poll for each.
  let known = (await server.get(running.links.self)).headers.etag;
  for (let i = 0; i < 3; i++) {
    const { answer, seconds } = await ask(running.links.self, { prefer: 'wait=90', 'if-none-match': known });
    assert.equal(answer.status, 200);
    assert.ok(seconds < 2 * prompt);
    assert.notEqual(answer.headers.etag, known);
    known = answer.headers.etag;
  }
});

test('the place in the queue is a change, too', async (t) => {
  const [, second] = await acceptTwo(t);
  const third = await acceptLong(t);
  const { headers: { etag } } = await server.get(third.links.self);
  const long = ask(third.links.self, { prefer: 'wait=90', 'if-none-match': etag });
  await server.request('DELETE', second.links.self);
  const { answer, seconds } = await long;
  assert.equal(answer.json().queue.position, 1);
  assert.ok(seconds < 2 * prompt);
});

test('a job that is deleted is 404 to those who wait for it', async (t) => {
  const [, { links }] = await acceptTwo(t);
  const long = ask(links.self, { prefer: 'wait=90' });
  await ask(links.self, { prefer: 'wait=1' });
  await server.request('DELETE', links.self);
  const { answer, seconds } = await long;
  assert.equal(answer.status, 404);
  assert.ok(seconds < 1 + 2 * prompt);
});

test('a form can wait for the picture', async () => {
  const { body, type } = await encodeForm(jobForm({ iterations: 3 }));
  const sent = await server.request('POST', '/v1/jobs', { body, headers: { 'content-type': type, prefer: 'wait=90' } });
  assert.equal(sent.status, 202);
  assert.equal(sent.headers['preference-applied'], 'wait=90');
  assert.equal(sent.json().state, 'succeeded');
  assert.equal(sent.headers['retry-after'], undefined);
  assert.equal(sent.headers.location, sent.json().links.self);
  assert.equal((await server.get(sent.json().links.result)).status, 200);

  const long = await encodeForm(jobForm({ size: 64, iterations: 10000 }));
  const early = await server.request('POST', '/v1/jobs', { body: long.body, headers: { 'content-type': long.type, prefer: 'wait=1' } });
  assert.equal(early.status, 202);
  assert.equal(early.json().state, 'running');
  await server.request('DELETE', early.json().links.self);
});

for (const prefer of ['wait', 'wait=', 'wait=soon', 'wait=-1', 'wait=1.5', 'wait="9', 'await=9', 'x;wait=9', '=,;"', ',,,', 'wait=x, wait=9'])
  test(`Prefer: ${prefer} is ignored`, async (t) => {
    const { links } = await acceptLong(t);
    const { answer, seconds } = await ask(links.self, { prefer });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['preference-applied'], undefined);
    assert.ok(seconds < prompt);
  });

test('HEAD waits, too', async (t) => {
  const [, { links }] = await acceptTwo(t);
  const { answer, seconds } = await ask(links.self, { prefer: 'wait=1' }, 'HEAD');
  assert.equal(answer.status, 200);
  assert.ok(seconds >= 0.99);
});

test('a wait is cut to what the server allows', async () => {
  const strict = await Server.start({ max_wait: 1, request_timeout: 1, idle_timeout: 1 });
  const job = await strict.accept({ size: 64, iterations: 10000 });
  await strict.waitFor(job.id, 'running');
  const answer = await strict.get(job.links.self, { prefer: 'wait=99999999999999999999' });
  assert.equal(answer.headers['preference-applied'], 'wait=1');
  assert.equal(answer.status, 200);
  // What is cut to nothing is answered at once; and how long a request may take to arrive is another matter.
  await strict.request('DELETE', job.links.self);
  await strict.stop();
  const without = await Server.start({ max_wait: 0 });
  const { id } = await without.accept({ size: 64, iterations: 10000 });
  assert.equal((await without.get(`/v1/jobs/${id}`, { prefer: 'wait=9' })).headers['preference-applied'], 'wait=0');
  await without.request('DELETE', `/v1/jobs/${id}`);
  await without.stop();
});

const threads = () => Number(/^Threads:\s+(\d+)/m.exec(readFileSync(`/proc/${server.child.pid}/status`, 'utf8'))[1]);

test('a hundred who wait take no thread', async (t) => {
  const [, { links }] = await acceptTwo(t);
  const some = threads();
  const all = Array.from({ length: 100 }, () => ask(links.self, { prefer: 'wait=90' }));
  await ask(links.self, { prefer: 'wait=2' });
  assert.equal(threads(), some);
  assert.equal((await server.get('/healthz')).status, 200);
  await server.request('POST', links.cancel);
  for (const { answer } of await Promise.all(all)) assert.equal(answer.json().state, 'canceled');
});

test('when the server stops, those who wait are answered', async () => {
  const one = await Server.start();
  const { id } = await one.accept({ size: 64, iterations: 10000 });
  await one.waitFor(id, 'running');
  const { links } = await one.accept({ size: 64, iterations: 10000 });
  const long = one.get(links.self, { prefer: 'wait=60' });
  await one.get(links.self, { prefer: 'wait=1' });
  const begin = Date.now();
  const stopped = one.stop(); // expects exit code 0
  assert.equal((await long).json().state, 'queued');
  await stopped;
  assert.ok(Date.now() - begin < 4 * prompt * 1000);
});
