// What a tenant may have at a time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './harness.mjs';
import { photo, painting } from './pictures.mjs';
import { startFor } from './tenants.mjs';

const long = { size: 64, iterations: 10000 };
const bytes = photo().length + painting().length; // of the pictures of a job

test('max_queued: so many jobs wait, and the rest is 429', async () => {
  const { server, ann, bob } = await startFor({ ann: ['max_queued=2'], bob: [] });
  const running = await bob.accept(long);
  await until(async () => (await bob.job(running.id)).state === 'running', 'the worker to be busy');
  const first = await ann.post();
  assert.equal(first.headers['ratelimit-policy'], '"queued";q=2;qu="concurrent-requests"');
  assert.equal(first.headers.ratelimit, '"queued";r=1');
  const second = await ann.post();
  assert.match(second.headers.ratelimit, /^"queued";r=0;t=\d+$/);
  const refused = await ann.post();
  assert.equal(refused.status, 429);
  assert.equal(refused.headers.ratelimit, `"queued";r=0;t=${refused.headers['retry-after']}`);
  assert.equal(refused.headers['ratelimit-policy'], first.headers['ratelimit-policy']);
  assert.equal((await ann.list()).length, 2, 'what was refused is not there');
  const other = await bob.post();
  assert.equal(other.status, 202, "one's quota is not another's");
  assert.equal(other.headers.ratelimit, undefined, 'and who has none is told of none');
  await ann.request('POST', first.json().links.cancel);
  assert.equal((await ann.post()).status, 202);
  await server.stop();
});

test('max_queued holds for all at once', async () => {
  const { server, ann, bob } = await startFor({ ann: ['max_queued=3'], bob: [] });
  const running = await bob.accept(long);
  await until(async () => (await bob.job(running.id)).state === 'running', 'the worker to be busy');
  const statuses = (await Promise.all(Array.from({ length: 10 }, () => ann.post()))).map(({ status }) => status);
  assert.deepEqual(statuses.sort(), [202, 202, 202, 429, 429, 429, 429, 429, 429, 429]);
  assert.equal((await ann.list('?state=queued')).length, 3);
  await server.stop();
});

test('max_bytes: pictures and results take room until their jobs go', async () => {
  const { server, ann } = await startFor({ ann: [`max_bytes=${bytes * 2}`] });
  const first = await ann.accept({ size: 16, iterations: 1, quality: 1, format: 'jpeg' });
  await until(async () => (await ann.job(first.id)).state === 'succeeded', 'the first');
  const refused = await ann.post(); // the result is there, too
  assert.equal(refused.status, 429);
  assert.equal(refused.headers['retry-after'], '3600');
  assert.match(refused.json().detail, /bytes/);
  const [, left] = /^"stored";r=(\d+)$/.exec(refused.headers.ratelimit);
  assert.ok(Number(left) < bytes);
  assert.equal((await ann.request('DELETE', first.links.self)).status, 204);
  const next = await ann.post();
  assert.equal(next.status, 202);
  assert.equal(next.headers['ratelimit-policy'], `"stored";q=${bytes * 2};qu="content-bytes"`);
  await server.stop();
});

test('a repeat with an idempotency key takes nothing of the quota', async () => {
  const { server, ann, bob } = await startFor({ ann: ['max_queued=1'], bob: [] });
  const running = await bob.accept(long);
  await until(async () => (await bob.job(running.id)).state === 'running', 'the worker to be busy');
  const job = await ann.accept({}, { 'idempotency-key': 'k' });
  assert.equal((await ann.accept({}, { 'idempotency-key': 'k' })).id, job.id);
  assert.equal((await ann.post({}, { 'idempotency-key': 'other' })).status, 429);
  await server.stop();
});

test('quotas are told to who has them', async () => {
  const { server, ann, bob } = await startFor({ ann: ['max_queued=4', 'max_bytes=1000000'], bob: [] });
  assert.deepEqual((await ann.get('/v1/limits')).json().quota, { max_queued: 4, max_running: null, max_bytes: 1000000 });
  assert.deepEqual((await bob.get('/v1/limits')).json().quota, { max_queued: null, max_running: null, max_bytes: null });
  assert.equal((await server.get('/v1/limits')).json().quota, null);
  await server.stop();
});

test('shares hold after a kill', async () => {
  const one = await startFor({ ann: ['max_queued=1'], bob: [] });
  const running = await one.bob.accept({ ...long, priority: 9 });
  await until(async () => (await one.bob.job(running.id)).state === 'running', 'the worker to be busy');
  await one.ann.accept();
  await one.server.kill();
  const two = await startFor({}, {}, { folder: one.server.folder, tokens: one.tokens });
  await until(async () => (await two.bob.job(running.id)).state === 'running', 'it to run again');
  assert.equal((await two.ann.post()).status, 429);
  await two.server.stop();
});
