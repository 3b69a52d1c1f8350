// A job posted twice with one Idempotency-Key is done once, whatever lies between.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server, encodeForm, jobForm, parseAnswer, until } from './harness.mjs';
import { clientOf, startFor } from './tenants.mjs';
import { painting, photo } from './pictures.mjs';

let server, client;
before(async () => {
  server = await Server.start();
  client = clientOf(server);
});
after(() => server.stop());

const key = (text) => ({ 'idempotency-key': text });
const replayed = (answer) => answer.headers['idempotency-replayed'] === 'true';

test('a repeat gets the job that was accepted first', async () => {
  const first = await client.post({}, key('one'));
  assert.equal(first.status, 202);
  assert.ok(!replayed(first));
  const { id } = first.json();
  for (const text of ['one', '"one"']) {
    const again = await client.post({}, key(text));
    assert.equal(again.status, 202);
    assert.ok(replayed(again));
    assert.equal(again.json().id, id);
    assert.equal(again.headers.location, first.headers.location);
  }
  await server.finished(id);
  assert.equal((await client.post({}, key('one'))).json().state, 'succeeded', 'as it is by then');
  assert.notEqual((await client.post({}, key('two'))).json().id, id);
  assert.notEqual((await client.post({})).json().id, id);
});

test('another form with the key is refused', async () => {
  assert.equal((await client.post({ size: 33 }, key('form'))).status, 202);
  const others = [[{ size: 34 }], [{ size: 33, iterations: 3 }], [{}], [{ size: 33 }, { content: photo(50, 50) }],
    [{ size: 33 }, { styles: [painting(), painting()] }]];
  for (const [options, pictures] of others) {
    const answer = await client.post(options, key('form'), pictures);
    assert.equal(answer.status, 422);
    assert.equal(answer.json().field, 'Idempotency-Key');
  }
});

test('a form that was refused uses up no key', async () => {
  assert.equal((await client.post({ size: 1 }, key('refused'))).status, 422);
  assert.equal((await client.post({}, key('refused'), { content: Buffer.from('no picture') })).status, 415);
  assert.equal((await client.post({}, key('refused'))).status, 202);
});

for (const wrong of ['', '"', '"open', '""', 'x'.repeat(256), '\u00e4'])
  test(`no key: ${wrong.slice(0, 10)}`, async () => {
    const answer = await client.post({}, key(wrong));
    assert.equal(answer.status, 422);
    assert.equal(answer.json().field, 'Idempotency-Key');
  });

test('while the first is being received the key is in use', async () => {
  const { body, type } = await encodeForm(jobForm());
  const { socket, closed } = await server.connect();
  socket.write(`POST /v1/jobs HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIdempotency-Key: slow\r\nContent-Type: ${type}\r\n` +
    `Content-Length: ${body.length}\r\n\r\n`);
  socket.write(body.subarray(0, 200));
  const second = await until(async () => {
    const answer = await client.request('POST', '/v1/jobs', { body: Buffer.from('x'), headers: { ...key('slow'), 'content-type': type } });
    return answer.status !== 400 && answer; // until the first's header is there, this one is read
  }, 'the first to be there');
  assert.equal(second.status, 409);
  assert.equal(second.json().field, 'Idempotency-Key');
  socket.write(body.subarray(200));
  const first = parseAnswer('POST', '/v1/jobs', await closed);
  assert.equal(first.status, 202);
  const again = await client.request('POST', '/v1/jobs', { body, headers: { ...key('slow'), 'content-type': type } });
  assert.equal(again.status, 202);
  assert.equal(again.json().id, JSON.parse(first.text()).id);
});

test('many at once make one job', async () => {
  const answers = await Promise.all(Array.from({ length: 12 }, () => client.post({}, key('crowd'))));
  const accepted = answers.filter(({ status }) => status === 202);
  assert.ok(accepted.length >= 1);
  for (const { status } of answers) assert.ok([202, 409].includes(status), status);
  assert.equal(accepted.filter((answer) => !replayed(answer)).length, 1);
  assert.equal(new Set(accepted.map((answer) => answer.json().id)).size, 1);
});

test('keys outlive a restart and a kill', async () => {
  const first = await Server.start();
  const job = (await clientOf(first).post({}, key('kept'))).json();
  await first.stop({ keep: true });
  const second = await Server.start({}, first.folder);
  assert.equal((await clientOf(second).post({}, key('kept'))).json().id, job.id);
  const other = (await clientOf(second).post({}, key('killed'))).json();
  await second.kill();
  const third = await Server.start({}, first.folder);
  const again = await clientOf(third).post({}, key('killed'));
  assert.ok(replayed(again));
  assert.equal(again.json().id, other.id);
  assert.equal((await clientOf(third).post({ size: 40 }, key('kept'))).status, 422);
  assert.equal((await clientOf(third).list()).length, 2);
  await third.stop();
});

test('a client that repeats until it is answered, through a kill, gets one job', async () => {
  const first = await Server.start();
  const lost = clientOf(first).post({}, key('stubborn')).catch(() => null);
  await until(() => first.logs.some(({ event }) => event === 'job.accepted'), 'the job', 1);
  await first.kill();
  await lost;
  const second = await Server.start({}, first.folder);
  const { id } = (await clientOf(second).post({}, key('stubborn'))).json();
  assert.deepEqual((await clientOf(second).list()).map((job) => job.id), [id]);
  await second.stop();
});

test('a job that is deleted or expired gives its key back', async () => {
  const job = (await client.post({}, key('given'))).json();
  assert.equal((await client.request('DELETE', job.links.self)).status, 204);
  const again = await client.post({}, key('given'));
  assert.ok(!replayed(again));
  assert.notEqual(again.json().id, job.id);
});

test('a full queue still knows its jobs', async () => {
  const full = await Server.start({ max_queued: 1 });
  const busy = clientOf(full);
  const { id } = (await busy.post({ size: 64, iterations: 10000 })).json();
  await full.waitFor(id, 'running');
  const waiting = (await busy.post({}, key('waits'))).json();
  assert.equal((await busy.post({}, key('refused'))).status, 503);
  assert.equal((await busy.post({}, key('waits'))).json().id, waiting.id);
  await full.stop();
});

test('tenants have keys of their own', async () => {
  const { server: shared, ann, bob } = await startFor({ ann: [], bob: [] });
  const one = await ann.post({}, key('same')), other = await bob.post({ size: 40 }, key('same'));
  assert.deepEqual([one.status, other.status], [202, 202]);
  assert.notEqual(one.json().id, other.json().id);
  assert.ok(replayed(await bob.post({ size: 40 }, key('same'))));
  await shared.stop();
});

test('a request that waits for the end of its job holds no key', async () => {
  const waiting = client.post({ size: 64, iterations: 10000 }, { ...key('patient'), prefer: 'wait=60' });
  const again = await until(async () => {
    const answer = await client.post({ size: 64, iterations: 10000 }, key('patient'));
    return answer.status === 202 && answer;
  }, 'the job to be accepted');
  await client.request('POST', again.json().links.cancel);
  const first = await waiting;
  assert.equal(first.status, 202);
  assert.deepEqual([first.json().id, first.json().state], [again.json().id, 'canceled']);
  assert.notEqual(replayed(first), replayed(again), 'one of them came first');
});
