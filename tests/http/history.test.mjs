// The losses of a job, for plotting.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server, until } from './harness.mjs';

let server;
before(async () => { server = await Server.start(); });
after(() => server.stop());

test('one entry for each evaluation, kept after the end', async () => {
  const { id, links } = await server.accept({ size: 32, iterations: 20 });
  const job = await server.finished(id);
  const answer = await server.get(links.history);
  const { evaluation, evaluations, loss, content_loss, style_loss, tv_loss, ...rest } = answer.json();
  assert.deepEqual(rest, { id });
  assert.deepEqual(evaluation, Array.from({ length: 20 }, (_, i) => i + 1));
  assert.equal(evaluations, null, 'it has ended');
  assert.equal(job.state, 'succeeded');
  for (const values of [loss, content_loss, style_loss, tv_loss]) assert.equal(values.length, 20);
  assert.ok(loss.at(-1) < loss[0]);
  assert.ok(tv_loss.every((value) => value === 0), 'without a tv_weight');
  loss.forEach((sum, i) => assert.ok(Math.abs(sum - content_loss[i] - style_loss[i]) < 1e-4 * sum, `evaluation ${i + 1}`));
  assert.equal((await server.get(links.history, { 'if-none-match': answer.headers.etag })).status, 304);
});

test('it grows while the job runs', async () => {
  const { id, links } = await server.accept({ size: 64, iterations: 10000 });
  const running = await until(async () => {
    const history = (await server.get(links.history)).json();
    return history.evaluation.length >= 3 && history;
  }, 'some evaluations');
  assert.equal(running.evaluations, 10000);
  const { links: waiting } = await server.accept({ size: 64 });
  assert.deepEqual((await server.get(waiting.history)).json().evaluation, [], 'a job that waits has none');
  await server.request('DELETE', waiting.self);
  const { progress } = await server.job(id);
  const later = (await server.get(links.history)).json();
  assert.ok(later.evaluation.length >= progress.evaluation);
  assert.equal(later.loss[progress.evaluation - 1], progress.loss);
  await server.request('POST', links.cancel);
  await server.waitFor(id, 'canceled');
  const kept = (await server.get(links.history)).json();
  assert.ok(kept.evaluation.length >= later.evaluation.length);
  assert.deepEqual(kept.loss.slice(0, later.loss.length), later.loss);
});
