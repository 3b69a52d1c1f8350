// The queue is bounded, and says so.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server, encodeForm, jobForm, until } from './harness.mjs';

const jobs = [];
let server;
before(async () => { server = await Server.start(); }); // the default: 64 jobs wait
after(() => server.stop());

test('after 64 waiting jobs the next one is 503 with Retry-After, and so is readiness', async () => {
  const { body, type } = await encodeForm(jobForm({ iterations: 10000, size: 64 }));
  const submit = () => server.request('POST', '/v1/jobs', { body, headers: { 'content-type': type } });
  const running = (await submit()).json();
  await server.waitFor(running.id, 'running');
  jobs.push(running);
  for (let i = 1; i <= 64; i++) {
    const answer = await submit();
    assert.equal(answer.status, 202, `job ${i}`);
    assert.equal(answer.json().queue.position, i);
    jobs.push(answer.json());
  }
  for (let i = 0; i < 3; i++) {
    const refused = await submit();
    assert.equal(refused.status, 503);
    assert.match(refused.json().detail, /64/);
  }
  assert.equal((await server.get('/readyz')).status, 503);
  assert.equal((await server.get('/healthz')).status, 200);
  const listed = (await server.get('/v1/jobs?state=queued&limit=100')).json().jobs;
  assert.equal(listed.length, 64, 'refused jobs are not there');
});

test('room is made by canceling, and the queue moves up', async () => {
  await server.request('POST', jobs[1].links.cancel);
  assert.equal((await server.get('/readyz')).status, 200);
  assert.equal((await server.job(jobs[2].id)).queue.position, 1);
  assert.equal((await server.submit(jobForm())).status, 202);
  assert.equal((await server.submit(jobForm())).status, 503);
});

test('jobs run in the order they came in', async () => {
  for (const { links } of jobs.slice(4)) await server.request('DELETE', links.self);
  await server.request('DELETE', jobs[0].links.self);
  await server.waitFor(jobs[2].id, 'running');
  assert.equal((await server.job(jobs[3].id)).state, 'queued');
  await server.request('DELETE', jobs[2].links.self);
  await server.waitFor(jobs[3].id, 'running');
  await server.request('DELETE', jobs[3].links.self);
  await until(async () => (await server.get('/v1/jobs?state=queued')).json().jobs.length === 0, 'an empty queue');
  await server.stillWorks();
});
