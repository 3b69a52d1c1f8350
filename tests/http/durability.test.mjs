// An accepted job is done exactly once, whatever happens to the process.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jobForm, Server, until } from './harness.mjs';
import { readMetrics } from './promtext.mjs';

// Long enough to be interrupted, short enough to run a few of them.
const options = { size: 48, iterations: 15 };

async function acceptSome(server, count) {
  const jobs = [];
  for (let i = 0; i < count; i++) jobs.push(await server.accept(options));
  return jobs.map(({ id }) => id);
}

async function expectAllDoneOnce(server, ids) {
  const digests = new Set();
  for (const id of ids) {
    const job = await server.finished(id);
    const result = await server.get(job.links.result);
    assert.equal(result.status, 200);
    digests.add(job.output.sha256);
  }
  assert.equal(digests.size, 1, 'the same jobs give the same picture, interrupted or not');
  const all = (await server.get('/v1/jobs?limit=100')).json().jobs;
  assert.deepEqual(all.map(({ id }) => id), [...ids].reverse(), 'no job is lost and none is doubled');
}

test('after kill -9 with jobs running and waiting, all succeed', async () => {
  const first = await Server.start({ workers: 2 });
  const ids = await acceptSome(first, 4);
  await first.waitFor(ids[0], 'running');
  await first.kill();

  const second = await Server.start({ workers: 2 }, first.folder);
  await expectAllDoneOnce(second, ids);
  await second.stop();
});

test('a job whose runs end with the process is failed with the reason, in the end', async () => {
  const first = await Server.start({ max_attempts: 2 });
  const { id, links } = await first.accept({ size: 64, iterations: 5000 });
  await first.waitFor(id, 'running');
  await first.kill();

  const second = await Server.start({ max_attempts: 2 }, first.folder);
  assert.equal((await second.waitFor(id, 'running')).attempts, 2);
  await second.kill();

  const third = await Server.start({ max_attempts: 2 }, first.folder);
  const job = await third.waitFor(id, 'failed');
  assert.equal(job.attempts, 2);
  assert.match(job.error.detail, /2/);
  assert.equal((await third.get(links.result)).status, 409);
  await third.stillWorks();
  await third.stop();
});

test('killed in the middle of uploads, what was answered 202 is there and nothing else', async () => {
  const first = await Server.start({ workers: 1 });
  const accepted = [];
  const uploads = Array.from({ length: 12 }, async () => {
    const answer = await first.submit(jobForm({ size: 32, iterations: 2 })).catch(() => null); // the kill
    if (answer?.status === 202) accepted.push(answer.json().id);
  });
  await until(() => accepted.length >= 3, 'some jobs', 5);
  await first.kill();
  await Promise.all(uploads);

  const second = await Server.start({}, first.folder);
  for (const id of accepted) await second.finished(id);
  await second.stop();
});

test('SIGTERM: new jobs are refused, polls answered, exit 0; the jobs go on after the restart', async () => {
  const first = await Server.start({ workers: 1 });
  const slow = await first.accept({ size: 320, iterations: 1000 }); // an evaluation takes about a second
  const ids = await acceptSome(first, 2);
  await first.waitFor(slow.id, 'running');
  await until(async () => (await first.job(slow.id)).progress?.evaluation > 0, 'the first evaluation');
  const stopped = first.stop({ keep: true });
  await until(async () => (await first.get('/readyz')).status === 503, 'the server to be stopping', 5);
  const refused = await first.submit(jobForm());
  assert.equal(refused.status, 503);
  for (const answer of [refused, await first.get('/readyz')]) assert.match(answer.headers['retry-after'], /^[1-9]\d*$/);
  assert.equal((await first.get('/healthz')).status, 200);
  assert.equal(readMetrics((await first.get('/metrics')).text()).value('stylized_draining'), 1);
  const polled = await first.get(slow.links.self);
  assert.equal(polled.status, 200);
  assert.ok(['running', 'queued'].includes(polled.json().state));
  assert.equal((await first.job(ids[1])).state, 'queued');
  await stopped;

  const second = await Server.start({ workers: 1 }, first.folder);
  const again = await second.waitFor(slow.id, 'running');
  assert.equal(again.attempts, 1, 'an orderly stop costs no attempt');
  assert.equal((await second.request('DELETE', slow.links.self)).status, 204);
  await expectAllDoneOnce(second, ids);
  await second.stop();
});

test('after SIGTERM and after kill -9 a job goes on from where it was', async () => {
  const settings = { workers: 1, checkpoint_interval: 1 };
  let server = await Server.start(settings);
  const { id, links } = await server.accept({ size: 64, iterations: 5000 });
  const metric = async (name) => readMetrics((await server.get('/metrics')).text()).value(name);
  const evaluation = async () => (await server.job(id)).progress?.evaluation ?? 0;
  for (const [round, end] of ['stop', 'kill'].entries()) {
    await until(async () => (await evaluation()) >= 10 * (round + 1), 'some evaluations');
    const before = await evaluation();
    // A checkpoint that is counted from here on is of that evaluation or of a later one.
    const saved = await metric('stylized_checkpoints_total');
    await until(async () => end === 'stop' || (await metric('stylized_checkpoints_total')) > saved, 'a checkpoint');
    await (end === 'stop' ? server.stop({ keep: true }) : server.kill());
    server = await Server.start(settings, server.folder);
    await until(async () => (await evaluation()) > 0, 'the job to go on');
    const now = await evaluation();
    assert.ok(now >= before, `${end}: it was at ${before}, and is at ${now}`);
    assert.ok((await metric('stylized_evaluations_total')) < now, `${end}: not all of them were made by this process`);
    const { evaluation: listed } = (await server.get(links.history)).json();
    assert.deepEqual(listed, listed.map((_, i) => i + 1), 'every evaluation is in the history, once');
  }
  assert.equal((await server.request('DELETE', links.self)).status, 204);
  await server.stop();
});

test('results outlive the process', async () => {
  const first = await Server.start();
  const { id, links } = await first.accept();
  const { output } = await first.finished(id);
  const before = await first.get(links.result);
  await first.stop({ keep: true });
  const second = await Server.start({}, first.folder);
  assert.deepEqual((await second.job(id)).output, output);
  const after = await second.get(links.result);
  assert.deepEqual(after.body, before.body);
  assert.equal(after.headers.etag, before.headers.etag);
  await second.stop();
});

test('two servers do not share one file', async () => {
  const first = await Server.start();
  await assert.rejects(Server.start({}, first.folder), /did not start/);
  await first.stillWorks();
  await first.stop();
});
