// Whoever asks for it is told of a job's end: signed, until it has arrived, and never at an address that is none of theirs.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { selfSigned } from './certificate.mjs';
import { Server, jobForm, program, until } from './harness.mjs';
import { Receiver, secret } from './receiver.mjs';

const logged = (server, event) => server.logs.filter((entry) => entry.event === event);
const untilLogged = (server, event, count = 1) =>
  until(() => logged(server, event).length >= count && logged(server, event), `${count} ${event}`, 20);

async function startBoth(answers, more) {
  const receiver = await Receiver.start(answers);
  const server = await Server.start(receiver.settings(more));
  return { receiver, server };
}

async function stopBoth({ receiver, server }) {
  await server.stop();
  await receiver.stop();
}

test('a job that succeeds and one that is canceled are told of, once', async () => {
  const both = await startBoth();
  const { receiver, server } = both;
  const webhook = receiver.url('/hook?token=word');
  const { id } = await server.accept({ webhook });
  assert.equal((await server.job(id)).webhook, webhook);
  const { event, headers, path } = await receiver.call(1);
  assert.equal(event.type, 'job.succeeded');
  assert.equal(path, '/hook?token=word');
  assert.equal(headers.host, receiver.host);
  assert.deepEqual(event.data, await server.finished(id), 'it is the job as everybody sees it');

  const slow = await server.accept({ webhook, size: 64, iterations: 10000 });
  await server.request('POST', slow.links.cancel);
  assert.equal((await receiver.call(2)).event.type, 'job.canceled');

  await server.accept({ options: JSON.stringify({ webhook: receiver.url('/other') }) });
  assert.equal((await receiver.call(3)).path, '/other');

  const silent = await server.accept();
  await server.finished(silent.id);
  const { id: last } = await server.accept({ webhook });
  assert.equal((await receiver.call(4)).event.data.id, last, 'only those that asked are told');
  const delivered = await untilLogged(server, 'webhook.delivered', 4);
  assert.deepEqual(delivered.map(({ status, attempt, host, port }) => ({ status, attempt, host, port })),
    Array(4).fill({ status: 204, attempt: 1, host: '127.0.0.1', port: receiver.port }));
  assert.equal(delivered[0].job_id, id);
  assert.ok(!JSON.stringify(server.logs).includes('word'), 'the URL may hold a secret');
  assert.equal(receiver.calls.length, 4);
  await stopBoth(both);
});

test('what fails is tried again after seconds, with the same id, and a redirect is no success', async () => {
  const both = await startBoth([{ status: 307, headers: { location: '/elsewhere' } }, 200]);
  const { receiver, server } = both;
  const { id } = await server.accept({ webhook: receiver.url() });
  const first = await receiver.call(1);
  const second = await receiver.call(2);
  assert.equal(second.id, first.id);
  assert.equal(second.path, '/hook');
  assert.deepEqual(second.body, first.body);
  assert.ok(second.time - first.time > 4900, `${second.time - first.time} ms`);
  await untilLogged(server, 'webhook.delivered');
  const [failed] = logged(server, 'webhook.failed');
  assert.deepEqual([failed.job_id, failed.status, failed.attempt], [id, 307, 1]);
  assert.equal(receiver.calls.length, 2);
  await stopBoth(both);
});

test('a receiver that is not there yet is told when it is, even by the next process', async () => {
  const away = await Receiver.start();
  await away.stop();
  const first = await Server.start(away.settings());
  const { id } = await first.accept({ webhook: away.url() });
  const [failed] = await untilLogged(first, 'webhook.failed');
  assert.equal(failed.status, 0);
  assert.match(failed.detail, /connect/i);
  await first.kill();

  const receiver = await Receiver.start([204], { port: away.port });
  const second = await Server.start(receiver.settings(), first.folder);
  assert.equal((await receiver.call(1)).event.data.id, id);
  const [delivered] = await untilLogged(second, 'webhook.delivered');
  assert.equal(delivered.attempt, 2);
  await stopBoth({ receiver, server: second });
});

test('a job that fails because its process ended is told of by the next', async () => {
  const both = await startBoth([204], { max_attempts: 1 });
  const { receiver, server: first } = both;
  const { id } = await first.accept({ webhook: receiver.url(), size: 64, iterations: 10000 });
  await first.waitFor(id, 'running');
  await first.kill();
  const server = await Server.start(receiver.settings({ max_attempts: 1 }), first.folder);
  const { event } = await receiver.call(1);
  assert.equal(event.type, 'job.failed');
  assert.deepEqual(event.data, await server.job(id));
  await untilLogged(server, 'webhook.delivered');
  await stopBoth({ receiver, server });
});

test('a certificate that nobody vouches for is not trusted', async () => {
  const receiver = await Receiver.start([204], { tls: selfSigned() });
  const server = await Server.start(receiver.settings({ webhook_attempts: 1 }));
  await server.accept({ webhook: receiver.url().replace('http:', 'https:') });
  const [given] = await untilLogged(server, 'webhook.given_up');
  assert.match(given.detail, /certificate/i);
  assert.ok(receiver.connections > 0);
  assert.equal(receiver.calls.length, 0);
  await stopBoth({ receiver, server });
});

test('a call that kill -9 cuts short is made again', async () => {
  const receiver = await Receiver.start([null, 204]);
  const first = await Server.start(receiver.settings());
  await first.accept({ webhook: receiver.url() });
  const before = await receiver.call(1);
  await first.kill();
  const second = await Server.start(receiver.settings(), first.folder);
  const after = await receiver.call(2);
  assert.equal(after.id, before.id);
  assert.deepEqual(after.body, before.body);
  const [delivered] = await untilLogged(second, 'webhook.delivered');
  assert.equal(delivered.attempt, 2);
  await stopBoth({ receiver, server: second });
});

test('a stop waits for no receiver, and costs no attempt', async () => {
  const receiver = await Receiver.start([null, 204]);
  const first = await Server.start(receiver.settings());
  await first.accept({ webhook: receiver.url() });
  await receiver.call(1);
  const begun = Date.now();
  await first.stop({ keep: true });
  assert.ok(Date.now() - begun < 10_000);
  const second = await Server.start(receiver.settings(), first.folder);
  await receiver.call(2);
  const [delivered] = await untilLogged(second, 'webhook.delivered');
  assert.equal(delivered.attempt, 1);
  await stopBoth({ receiver, server: second });
});

test('410 ends it, and so does the last attempt', async () => {
  const both = await startBoth([410, 500], { webhook_attempts: 1 });
  const { receiver, server } = both;
  const { id } = await server.accept({ webhook: receiver.url() });
  await untilLogged(server, 'webhook.given_up');
  const other = await server.accept({ webhook: receiver.url() });
  const given = await untilLogged(server, 'webhook.given_up', 2);
  assert.deepEqual(given.map(({ job_id, status, attempt }) => ({ job_id, status, attempt })),
    [{ job_id: id, status: 410, attempt: 1 }, { job_id: other.id, status: 500, attempt: 1 }]);
  assert.equal(receiver.calls.length, 2);
  await stopBoth(both);
});

test('410 ends it when there are attempts left', async () => {
  const both = await startBoth([410]);
  await both.server.accept({ webhook: both.receiver.url() });
  await untilLogged(both.server, 'webhook.given_up');
  assert.equal(logged(both.server, 'webhook.failed').length, 0);
  await stopBoth(both);
});

test('a job that is deleted is not told of any more', async () => {
  const both = await startBoth([500, 204]);
  const { receiver, server } = both;
  const gone = await server.accept({ webhook: receiver.url() });
  const [{ retry_ms: pause }] = await untilLogged(server, 'webhook.failed');
  assert.equal((await server.request('DELETE', gone.links.self)).status, 204);
  const due = Date.now() + pause + 2000;
  await until(() => Date.now() > due, 'the second attempt to be due', 100);
  const { id } = await server.accept({ webhook: receiver.url() });
  assert.equal((await receiver.call(2)).event.data.id, id);
  assert.equal(receiver.calls.length, 2);
  await stopBoth(both);
});

test('inner addresses are not called: in a URL they are refused, behind a name they are met with at the call', async () => {
  const receiver = await Receiver.start();
  const server = await Server.start(receiver.settings({ webhook_private: false, webhook_attempts: 1,
    webhook_hosts: `${receiver.host} localhost:${receiver.port}` }));
  const refused = await server.submit(jobForm({ webhook: receiver.url() }));
  assert.equal(refused.status, 422);
  assert.equal(refused.json().field, 'webhook');
  assert.match(refused.json().detail, /loopback/);
  await server.accept({ webhook: `http://localhost:${receiver.port}/hook` });
  const [given] = await untilLogged(server, 'webhook.given_up');
  assert.match(given.detail, /not called, being loopback/);
  assert.equal(receiver.connections, 0);
  await stopBoth({ receiver, server });
});

test('webhooks that may not be called are refused when the job comes', async () => {
  const server = await Server.start({ webhook_hosts: 'hooks.example:8443 other.example', webhook_secret: secret });
  const limits = (await server.get('/v1/limits')).json();
  assert.deepEqual(limits.webhook_hosts, ['hooks.example:8443', 'other.example']);
  for (const webhook of ['http://hooks.example/', 'https://hooks.example:8444/', 'https://evil.example:8443/', 'hooks.example',
    'ftp://other.example/', 'http://me@other.example/', 'http://other.example/#x', 'http://other.example@evil.example/',
    `http://other.example/${'a'.repeat(2048)}`, 'http://other.example/\u00fc', '']) {
    const answer = await server.submit(jobForm({ webhook }));
    assert.equal(answer.status, 422, webhook);
    assert.equal(answer.json().field, 'webhook', webhook);
  }
  assert.match((await server.submit(jobForm({ webhook: 'http://evil.example/' }))).json().limit, /hooks\.example:8443/);
  const { id } = await server.accept({ webhook: 'https://hooks.example:8443/a', size: 64, iterations: 10000 });
  assert.equal((await server.request('DELETE', `/v1/jobs/${id}`)).status, 204);
  await server.stop();

  const without = await Server.start();
  assert.deepEqual((await without.get('/v1/limits')).json().webhook_hosts, []);
  const answer = await without.submit(jobForm({ webhook: 'https://hooks.example:8443/a' }));
  assert.equal(answer.json().field, 'webhook');
  await without.stop();
});

test('a server does not start with hosts and no secret, or with half of one', () => {
  const folder = mkdtempSync(join(tmpdir(), 'stylized-test-'));
  for (const [hosts, key, words] of [['hooks.example', '', /webhook_secret must be whsec_/],
    ['hooks.example', 'whsec_c2hvcnQ=', /24 to 64 bytes/], ['http://hooks.example', secret, /webhook_hosts/]]) {
    const { status, stderr } = spawnSync(program, ['serve', '--listen', '127.0.0.1:0', '--store', `sqlite:${folder}/jobs.db`,
      '--webhook-hosts', hosts], { encoding: 'utf8', env: { ...process.env, STYLIZED_WEBHOOK_SECRET: key } });
    assert.equal(status, 1);
    assert.match(stderr, words);
    assert.ok(!key || !stderr.includes(key));
  }
  rmSync(folder, { recursive: true });
});

test('the verification in README.md takes what was sent and nothing else', async () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const [, text] = readme.match(/^<!-- example: verify -->\n```js\n(.*?)^```$/ms);
  const folder = mkdtempSync(join(tmpdir(), 'stylized-readme-'));
  writeFileSync(join(folder, 'verify.mjs'), `${text}export { verify };`);
  const { verify } = await import(join(folder, 'verify.mjs'));
  rmSync(folder, { recursive: true });

  const both = await startBoth();
  const { id } = await both.server.accept({ webhook: both.receiver.url() });
  const { headers, body } = await both.receiver.call(1);
  assert.equal(verify(secret, headers, body).data.id, id);
  const rotated = { ...headers, 'webhook-signature': `v1,AAAA ${headers['webhook-signature']} v2,x` };
  assert.equal(verify(secret, rotated, body).data.id, id);
  const other = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
  assert.throws(() => verify(other, headers, body), /not signed/);
  assert.throws(() => verify(secret, headers, Buffer.from(`${body} `)), /not signed/);
  assert.throws(() => verify(secret, { ...headers, 'webhook-id': 'msg_' }, body), /not signed/);
  assert.throws(() => verify(secret, { ...headers, 'webhook-signature': undefined }, body), /not signed/);
  assert.throws(() => verify(secret, { ...headers, 'webhook-timestamp': undefined }, body), /too old/);
  const past = String(Number(headers['webhook-timestamp']) - 400);
  assert.throws(() => verify(secret, { ...headers, 'webhook-timestamp': past }, body), /too old/);
  await stopBoth(both);
});
