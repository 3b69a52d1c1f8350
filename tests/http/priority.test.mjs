// Who runs next: higher priorities first, tenants in turn, and nobody more at a time than allowed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Server, until } from './harness.mjs';
import { clientOf, startFor } from './tenants.mjs';

const long = { size: 64, iterations: 10000 };
const short = { size: 32, iterations: 1 };

// Keeps the only worker busy while `fill` submits, then lets go; gives the ids in the order in which they started.
async function orderOf(server, blocker, fill) {
  const { id } = await blocker.accept(long);
  await until(async () => (await blocker.job(id)).state === 'running', 'the worker to be busy');
  const jobs = await fill();
  await blocker.request('DELETE', `/v1/jobs/${id}`);
  const ended = [];
  for (const { client, id: each } of jobs)
    ended.push(await until(async () => {
      const job = await client.job(each);
      return job.state === 'succeeded' && job;
    }, `job ${each}`));
  return ended.sort((a, b) => a.started_at.localeCompare(b.started_at)).map((job) => job.id);
}

test('jobs of a higher priority run first, those of the same in the order they came', async () => {
  const server = await Server.start();
  const client = clientOf(server);
  const ids = {};
  const order = await orderOf(server, client, async () => {
    for (const [name, priority] of [['a', 0], ['b', 5], ['c', 9], ['d', 5], ['e', undefined]])
      ids[name] = (await client.accept({ ...short, priority })).id;
    for (const [at, name] of ['c', 'b', 'd', 'a', 'e'].entries())
      assert.equal((await client.job(ids[name])).queue.position, at + 1, `the place of ${name}`);
    return Object.values(ids).map((id) => ({ client, id }));
  });
  assert.deepEqual(order, ['c', 'b', 'd', 'a', 'e'].map((name) => ids[name]));
  assert.equal((await client.job(ids.c)).priority, 9);
  assert.equal((await client.job(ids.e)).priority, 0);
  await server.stop();
});

test('two tenants take turns, however many jobs one of them has', async () => {
  const { server, ann, bob } = await startFor({ ann: [], bob: [] });
  const names = new Map();
  const order = await orderOf(server, ann, async () => {
    const jobs = [];
    for (const [client, name] of [[ann, 'ann1'], [ann, 'ann2'], [ann, 'ann3'], [ann, 'ann4'], [bob, 'bob1'], [bob, 'bob2']]) {
      const { id } = await client.accept(short);
      names.set(id, name);
      jobs.push({ client, id });
    }
    return jobs;
  });
  assert.deepEqual(order.map((id) => names.get(id)), ['bob1', 'ann1', 'bob2', 'ann2', 'ann3', 'ann4']);
  await server.stop();
});

test('a priority comes before turns', async () => {
  const { server, ann, bob } = await startFor({ ann: [], bob: [] });
  const names = new Map();
  const order = await orderOf(server, ann, async () => {
    const jobs = [];
    for (const [client, name, priority] of [[bob, 'bob', 0], [ann, 'ann', 1], [ann, 'ann again', 1]]) {
      const { id } = await client.accept({ ...short, priority });
      names.set(id, name);
      jobs.push({ client, id });
    }
    return jobs;
  });
  assert.deepEqual(order.map((id) => names.get(id)), ['ann', 'ann again', 'bob']);
  await server.stop();
});

test('max_running leaves the other worker to others', async () => {
  const { server, ann, bob } = await startFor({ ann: ['max_running=1'], bob: [] }, { workers: 2 });
  const first = await ann.accept(long), second = await ann.accept({ ...long, priority: 9 });
  await until(async () => (await ann.job(first.id)).state === 'running', 'the first');
  const other = await bob.accept(short);
  await until(async () => (await bob.job(other.id)).state === 'succeeded', "bob's");
  const waiting = await ann.job(second.id);
  assert.equal(waiting.state, 'queued', 'though a worker is free');
  await ann.request('POST', first.links.cancel);
  await until(async () => (await ann.job(second.id)).state === 'running', 'the second');
  await ann.request('DELETE', second.links.self);
  await server.stop();
});

test('max_priority is the highest that a tenant may ask for', async () => {
  const { server, ann, bob } = await startFor({ ann: ['max_priority=3'], bob: ['max_priority=0'] });
  assert.equal((await ann.get('/v1/limits')).json().max_priority, 3);
  assert.equal((await ann.accept({ ...short, priority: 3 })).priority, 3);
  for (const [client, priority] of [[ann, 4], [bob, 1]]) {
    const answer = await client.post({ priority });
    assert.equal(answer.status, 422);
    assert.equal(answer.json().field, 'priority');
  }
  await server.stop();
});

test('priority and webhook are options like others to who sends them, and to nobody else', async () => {
  const server = await Server.start();
  const client = clientOf(server);
  const job = await client.accept({ ...short, size: undefined, options: JSON.stringify({ size: 32, priority: 4 }) });
  assert.equal(job.priority, 4);
  assert.equal(job.webhook, null);
  assert.ok(!('priority' in job.options));
  for (const [options, field] of [[{ priority: 10 }, 'priority'], [{ priority: -1 }, 'priority'], [{ priority: 'high' }, 'priority'],
    [{ options: '{"priority":"1"}' }, 'priority'], [{ priority: 1, options: '{"priority":1}' }, 'priority'],
    [{ options: '{"priority":1,"priority":2}' }, 'priority'], [{ webhook: 'http://127.0.0.1:1/' }, 'webhook']]) {
    const answer = await client.post(options);
    assert.equal(answer.status, 422, JSON.stringify(options));
    assert.equal(answer.json().field, field);
  }
  await server.stop();
});
