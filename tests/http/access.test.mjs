// Who may do what: with tokens, without, and with another's.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { contract } from './contract.mjs';
import { Server, encodeForm, jobForm, parseAnswer, program, until } from './harness.mjs';
import { clientOf, makeToken, startFor } from './tenants.mjs';

let server, tokens, ann, bob, ann_eyes, nobody, theirs;
before(async () => {
  ({ server, tokens, ann, bob, ann_eyes } = await startFor({ ann: [], bob: [], ann_eyes: ['read_only'] }));
  nobody = clientOf(server);
  theirs = await bob.accept();
  await until(async () => (await bob.job(theirs.id)).state === 'succeeded', "bob's job");
});
after(() => server.stop());

const unknown = 'aaaaaaaaaaaaaaaaaaaaaaaaaa';
const operations = Object.entries(contract.paths).flatMap(([path, item]) => Object.entries(item)
  .filter(([method]) => method !== 'parameters')
  .map(([method, operation]) => ({ method: method.toUpperCase(), path, closed: operation.security === undefined })));

for (const { method, path, closed } of operations)
  test(`${method} ${path} ${closed ? 'needs a token' : 'is for everybody'}`, async () => {
    const at = path.replace('{id}', theirs.id);
    const body = method === 'POST' && path === '/v1/jobs' ? jobForm() : undefined;
    const answer = await nobody.request(method, at, { body });
    assert.equal(answer.status, closed ? 401 : 200);
    if (!closed) return;
    assert.equal(answer.headers['www-authenticate'], 'Bearer realm="stylized"');
    const wrong = await clientOf(server, 'nst_wrong').request(method, at, { body });
    assert.equal(wrong.status, 401);
    assert.match(wrong.headers['www-authenticate'], /error="invalid_token"/);
  });

for (const { method, path } of operations.filter(({ closed, method }) => closed && method !== 'GET'))
  test(`${method} ${path} is forbidden to a token that may only read`, async () => {
    const own = await ann.accept();
    const answer = await ann_eyes.request(method, path.replace('{id}', own.id), { body: path === '/v1/jobs' ? jobForm() : undefined });
    assert.equal(answer.status, 403);
    assert.match(answer.headers['www-authenticate'], /error="insufficient_scope"/);
    assert.equal((await ann_eyes.get(`/v1/jobs/${own.id}`)).status, 200, 'but it reads');
  });

// All of an answer but what is another in any two of them.
function comparable({ status, headers, body }) {
  const { 'x-request-id': id, date, ...rest } = headers;
  return { status, headers: rest, body: body.toString().replaceAll(id, '?') };
}

for (const { method, path } of operations.filter(({ path }) => path.includes('{id}')))
  test(`${method} ${path}: another's job is as one that never was`, async () => {
    const ask = (id) => ann.request(method, path.replace('{id}', id));
    const answer = await ask(theirs.id);
    assert.equal(answer.status, 404);
    assert.deepEqual(comparable(answer), comparable(await ask(unknown)));
    assert.equal((await bob.get(`/v1/jobs/${theirs.id}/result`)).status, 200, 'nothing was done to it');
  });

test('the list shows the own jobs alone', async () => {
  const own = await ann.accept();
  const shown = await ann.list('?limit=100');
  assert.ok(shown.some(({ id }) => id === own.id));
  assert.ok(!shown.some(({ id }) => id === theirs.id));
  assert.deepEqual((await bob.list()).map(({ id }) => id), [theirs.id]);
  const ids = (jobs) => jobs.map(({ id }) => id);
  assert.deepEqual(ids(await ann_eyes.list('?limit=100')), ids(shown), 'tokens of one name see the same');
});

test('an upload without a token is refused before its body', async () => {
  const { type } = await encodeForm(jobForm());
  const { socket, closed } = await server.connect();
  socket.write(`POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: 10000000\r\n\r\n`);
  const answer = parseAnswer('POST', '/v1/jobs', await closed);
  assert.equal(answer.status, 401);
});

test('logs tell the tenant and never a token', async () => {
  await ann.get('/v1/jobs', { 'x-request-id': 'told' });
  const line = await until(() => server.logs.find(({ request_id }) => request_id === 'told'), 'the line');
  assert.equal(line.tenant, 'ann');
  const all = JSON.stringify(server.logs);
  for (const { token, line: made } of Object.values(tokens)) {
    assert.ok(!all.includes(token));
    assert.ok(!all.includes(made.split(' ')[1]), 'nor a digest');
  }
});

test('pages may send tokens', async () => {
  const answer = await nobody.request('OPTIONS', '/v1/jobs', { headers: { origin: 'http://page.test',
    'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization' } });
  assert.equal(answer.status, 204);
  assert.match(answer.headers['access-control-allow-headers'], /\bAuthorization\b/);
});

test('jobs are still their tenant\'s after a restart', async () => {
  const one = await startFor({ ann: [], bob: [] });
  const job = await one.ann.accept();
  await one.server.stop({ keep: true });
  const two = await startFor({}, {}, { folder: one.server.folder, tokens: one.tokens });
  assert.equal((await two.ann.get(`/v1/jobs/${job.id}`)).status, 200);
  assert.equal((await two.bob.get(`/v1/jobs/${job.id}`)).status, 404);
  await two.server.stop();
});

// ---- The program ----

const run = (...args) => spawnSync(program, args, { encoding: 'utf8' });

test('a token is random, and its line says what was asked for', () => {
  const one = makeToken('ann', 'max_queued=2', 'read_only'), other = makeToken('ann');
  assert.match(one.token, /^nst_[\w-]{43}$/);
  assert.notEqual(one.token, other.token);
  assert.match(one.line, /^ann [0-9a-f]{64} max_queued=2 read_only\n$/);
  assert.match(other.line, /^ann [0-9a-f]{64}\n$/);
});

for (const args of [[], ['a b'], ['ann', 'max_queued=x'], ['ann', 'max_queue=1'], ['x'.repeat(64)], ['ann', '--nonsense']])
  test(`no token is made by: token ${args.join(' ').slice(0, 20)}`, () => {
    const { status, stdout, stderr } = run('token', ...args);
    assert.equal(status, 2);
    assert.equal(stdout, '');
    assert.doesNotMatch(stderr, /nst_/);
  });

test('token explains itself', () => {
  const { status, stdout } = run('token', '--help');
  assert.equal(status, 0);
  for (const word of ['Usage: stylized token', 'max_queued=N', 'max_running=N', 'max_bytes=N', 'max_priority=N', 'read_only'])
    assert.ok(stdout.includes(word), word);
});

test('a server does not start with a file that is wrong, empty or missing', async () => {
  const { server: started } = await startFor({ ann: [] });
  await started.stop({ keep: true });
  const file = join(started.folder, 'tokens');
  const good = readFileSync(file, 'utf8');
  for (const [text, sentence] of [['# nobody\n', /there is no token/], [`${good}nonsense\n`, /line 2: /], [good + good, /line 2: .* already/]]) {
    writeFileSync(file, text);
    await assert.rejects(Server.start({ tokens_file: file }, started.folder), sentence);
  }
  await assert.rejects(Server.start({ tokens_file: `${file}.none` }, started.folder), /tokens\.none/);
  writeFileSync(file, good);
  chmodSync(file, 0o644);
  assert.equal(statSync(file).mode & 0o777, 0o644);
  const again = await Server.start({ tokens_file: file }, started.folder);
  assert.ok(again.logs.some(({ event, level }) => event === 'serve.tokens_readable' && level === 'warn'));
  await again.stop();
});

test('a server that everybody reaches and may use says so', async () => {
  const open = await Server.start({ listen: '0.0.0.0:0' });
  assert.ok(open.logs.some(({ event, level }) => event === 'serve.open' && level === 'warn'));
  await open.stop();
  const { server: closed } = await startFor({ ann: [] }, { listen: '0.0.0.0:0' });
  assert.ok(!closed.logs.some(({ event }) => event === 'serve.open'));
  await closed.stop();
});
