// A job's events, as they happen.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, test } from 'node:test';
import { Stream } from './follow.mjs';
import { Server, parseAnswer, patience, until } from './harness.mjs';
import { checkAnswer } from './contract.mjs';

let server;
before(async () => { server = await Server.start({ preview_interval: 1, heartbeat: 1, max_connections: 200 }); });
after(() => server.stop());

// A job that runs until it is stopped, at the latest at the end of the test.
async function acceptLong(t, on = server) {
  const job = await on.accept({ size: 64, iterations: 10000 });
  t.after(() => on.child.exitCode === null && on.request('DELETE', job.links.self));
  return job;
}

test('a job from its acceptance to its end', async () => {
  const job = await server.accept({ size: 64, iterations: 60 });
  assert.equal(job.links.events, `${job.links.self}/events`);
  const stream = await Stream.open(server, job.id);
  assert.equal(stream.answer.headers['content-type'], 'text/event-stream');
  assert.equal(stream.answer.headers['cache-control'], 'no-store');
  await stream.closed;
  assert.ok(stream.ended);
  assert.ok(stream.text.startsWith('retry: 2000\n\n'));
  assert.equal(stream.states.at(-1), 'succeeded');
  assert.equal(stream.events.at(-1).event, 'state');
  assert.deepEqual(stream.events.at(-1).data, await server.job(job.id));
  assert.ok(stream.states.includes('running'));
  assert.deepEqual(stream.numbers, [...stream.numbers].sort((a, b) => a - b));
  assert.equal(new Set(stream.events.map(({ id }) => id)).size, stream.events.length);
  const evaluations = stream.of('progress').map(({ data }) => data.evaluation);
  assert.deepEqual(evaluations, [...evaluations].sort((a, b) => a - b));
});

test('progress comes, but not too often; previews are there when they are told of', async (t) => {
  const { id } = await acceptLong(t);
  const stream = await Stream.open(server, id);
  await stream.until(() => stream.of('progress').length >= 12 && stream.of('preview').length >= 2, 'progress');
  const progress = stream.of('progress');
  const seconds = (progress.at(-1).time - progress[1].time) / 1000;
  assert.ok((progress.length - 2) / seconds < 6, `${progress.length - 2} in ${seconds} s`);
  const { url, evaluation } = stream.of('preview').at(-1).data;
  assert.ok(evaluation > stream.of('preview')[0].data.evaluation);
  assert.equal((await server.get(url)).status, 200);
  await stream.close();
});

test('canceling is seen', async (t) => {
  const { id, links } = await acceptLong(t);
  const stream = await Stream.open(server, id);
  await stream.until(() => stream.states.includes('running'), 'the job to run');
  await server.request('POST', links.cancel);
  await stream.closed;
  assert.ok(stream.ended);
  assert.equal(stream.states.at(-1), 'canceled');
});

test('the place in the queue is seen', async (t) => {
  const first = await acceptLong(t), second = await acceptLong(t), third = await acceptLong(t);
  await server.waitFor(first.id, 'running');
  const stream = await Stream.open(server, third.id);
  await stream.until(() => stream.of('state').at(-1)?.data.queue?.position === 2, 'its place');
  await server.request('DELETE', second.links.self);
  await stream.until(() => stream.of('state').at(-1).data.queue?.position === 1, 'it to move up');
  await server.request('DELETE', first.links.self);
  await stream.until(() => stream.states.at(-1) === 'running', 'it to run');
  await server.request('DELETE', third.links.self);
  await stream.closed;
  assert.ok(stream.ended, 'the stream of a deleted job ends');
});

test('who connects again gets what was missed, once', async (t) => {
  const { id, links } = await acceptLong(t);
  const first = await Stream.open(server, id);
  await first.until(() => first.of('progress').length >= 3, 'progress');
  await first.close();
  const { events } = first, last = events.at(-1).id;
  await sleep(1500); // it is missed meanwhile
  const second = await Stream.open(server, id, { 'last-event-id': last });
  await second.until(() => second.of('progress').length >= 6, 'progress');
  await second.close();
  const numbers = [...first.numbers, ...second.numbers];
  assert.deepEqual(second.numbers, second.numbers.map((_, i) => first.numbers.at(-1) + 1 + i), 'all, without a gap');
  assert.equal(new Set(numbers).size, numbers.length);
  await server.request('POST', links.cancel);
  await server.waitFor(id, 'canceled');

  const third = await Stream.open(server, id, { 'last-event-id': second.lastId });
  await third.closed;
  assert.equal(third.states.at(-1), 'canceled');
  assert.equal(third.numbers[0], second.numbers.at(-1) + 1);
  // There is nothing more to come: a browser is told not to connect again.
  assert.equal((await server.get(links.events, { 'last-event-id': third.lastId })).status, 204);
});

test('ids of another stream, or none at all, get what is so now', async (t) => {
  const { id } = await acceptLong(t);
  const long = await Stream.open(server, id);
  await long.until(() => long.of('preview').length >= 1, 'a preview');
  for (const unknown of ['aaaaaaaaaaaaa-1', '', 'x', '-1', long.lastId.replace(/-.*/, '-999999')]) {
    const stream = await Stream.open(server, id, { 'last-event-id': unknown });
    await stream.until(() => stream.events.length >= 3, 'three events');
    assert.deepEqual(stream.events.slice(0, 3).map(({ event }) => event).sort(), ['preview', 'progress', 'state']);
    assert.equal(stream.of('state')[0].data.state, 'running');
    assert.notEqual(stream.of('state')[0].data.progress, null, 'the state is as of now');
    await stream.close();
  }
  await long.close();
});

test('a job that has ended: its state, and the end', async () => {
  const { id } = await server.accept();
  const job = await server.finished(id);
  const answer = await server.get(job.links.events);
  assert.equal(answer.status, 200);
  assert.equal(answer.text().match(/^event: /gm).length, 1);
  assert.deepEqual(JSON.parse(/^data: (.*)$/m.exec(answer.text())[1]), job);
});

test('HEAD gets the headers alone', async (t) => {
  const { links } = await acceptLong(t);
  const text = await server.raw('HEAD', links.events, `HEAD ${links.events} HTTP/1.1\r\nHost: t\r\n\r\n`);
  assert.equal(text.status, 200);
  assert.equal(text.headers['content-type'], 'text/event-stream');
});

test('signs of life', async (t) => {
  const running = await acceptLong(t), waiting = await acceptLong(t);
  await server.waitFor(running.id, 'running');
  const stream = await Stream.open(server, waiting.id);
  await stream.until(() => stream.comments >= 3, 'three of them');
  assert.deepEqual(stream.states, ['queued']);
  await stream.close();
});

const threads = () => Number(/^Threads:\s+(\d+)/m.exec(readFileSync(`/proc/${server.child.pid}/status`, 'utf8'))[1]);

test('a hundred listeners take no thread, and hold up nobody', async (t) => {
  const { id, links } = await acceptLong(t);
  await server.waitFor(id, 'running');
  const some = threads();
  const streams = await Promise.all(Array.from({ length: 100 }, () => Stream.open(server, id)));
  await Promise.all(streams.map((stream) => stream.until(() => stream.of('progress').length >= 3, 'progress')));
  assert.equal(threads(), some);
  assert.equal((await server.get('/healthz')).status, 200);
  await server.request('POST', links.cancel);
  await Promise.all(streams.map(({ closed }) => closed));
  for (const stream of streams) {
    assert.ok(stream.ended);
    assert.equal(stream.states.at(-1), 'canceled');
  }
});

test('listeners leave room for others: one too many is 503', async (t) => {
  const small = await Server.start({ max_connections: 8 });
  const { id, links } = await acceptLong(t, small);
  const streams = await Promise.all(Array.from({ length: 6 }, () => Stream.open(small, id)));
  const refused = await small.get(links.events);
  assert.equal(refused.status, 503);
  assert.ok(refused.headers['retry-after']);
  await streams.pop().close();
  await until(async () => {
    const stream = await Stream.open(small, id);
    await stream.close();
    return stream.status === 200;
  }, 'room for another', 200);
  await Promise.all(streams.map((stream) => stream.close()));
  await small.stop();
});

test('when the server stops, streams end, and go on with the next', async () => {
  const one = await Server.start({ checkpoint_interval: 1 });
  const { id } = await one.accept({ size: 64, iterations: 10000 });
  const stream = await Stream.open(one, id);
  await stream.until(() => stream.of('progress').length >= 2, 'progress');
  const { received, closed } = await one.connect().then((connection) => {
    connection.socket.write(`GET /v1/jobs/${id}/events HTTP/1.0\r\n\r\n`);
    return connection;
  });
  assert.equal(received.length, 0);
  const begin = Date.now();
  const stopped = one.stop({ keep: true }); // expects exit code 0
  await Promise.all([stream.closed, closed]);
  assert.ok(stream.ended, 'properly');
  const answer = parseAnswer('GET', `/v1/jobs/${id}/events`, await closed);
  checkAnswer(Object.assign(answer, { body: Buffer.alloc(0) }));
  await stopped;
  assert.ok(Date.now() - begin < patience / 4);

  const two = await Server.start({}, one.folder);
  const next = await Stream.open(two, id, { 'last-event-id': stream.lastId });
  await next.until(() => next.of('progress').length >= 1, 'progress');
  assert.notEqual(next.lastId.split('-')[0], stream.lastId.split('-')[0]);
  assert.ok(['queued', 'running'].includes(next.states[0]), 'the state comes first: nothing is resumed by accident');
  await two.request('DELETE', `/v1/jobs/${id}`);
  await next.closed;
  await two.stop();
});
