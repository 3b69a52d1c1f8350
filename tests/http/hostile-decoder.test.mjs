// A decoder that does what one would that was taken over. The setting `decoder` names a script here, which does what a
// file beside it says: to misbehave, or to run the real decoder.
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Server, encodeForm, jobForm, program, until } from './harness.mjs';
import { photo } from './pictures.mjs';
import { children, nothingIsLeft, openFiles, running } from './processes.mjs';

const real = resolve(dirname(program), '../image/stylized-decode');
const folder = mkdtempSync(join(tmpdir(), 'stylized-evil-'));
const script = join(folder, 'decode');
const behave = (commands) => writeFileSync(join(folder, 'behaviour'), commands);
const honest = `exec ${real} "$@"`;

// Of the content that misbehaving() sends: width and height, as the decoder announces them.
const header = "printf '\\060\\0\\0\\0\\060\\0\\0\\0' >&4";

let server;
before(async () => {
  writeFileSync(script, `#!/bin/sh\n. ${folder}/behaviour\n`);
  chmodSync(script, 0o755);
  behave(honest);
  server = await Server.start({ decoder: script, decode_timeout: 3 });
  await server.stillWorks();
});
after(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

// Submits a form while the decoder misbehaves; expects this status, an answer to others meanwhile, and that nothing is
// left of it; then a job as ever.
async function misbehaving(commands, status, meanwhile = async () => {}) {
  await until(() => children(server).length === 0, 'earlier children to end');
  const before = openFiles(server);
  behave(commands);
  let over = false;
  const answered = server.submit(jobForm({}, { content: photo(48, 48) })).finally(() => { over = true; });
  assert.equal((await server.get('/healthz')).status, 200);
  await meanwhile(() => over);
  const answer = await answered;
  behave(honest);
  assert.equal(answer.status, status, answer.text());
  const problem = answer.json();
  if (status === 415) assert.equal(problem.field, 'content', answer.text());
  await nothingIsLeft(server, before);
  await server.stillWorks();
  return problem;
}

describe('a decoder that', () => {
  test('crashes at once', () => misbehaving('kill -SEGV $$', 415));
  test('does what the sandbox forbids', () => misbehaving('kill -SYS $$', 415));
  test('finds the picture damaged', () => misbehaving('exit 10', 415));
  test('has no memory within its limit', () => misbehaving('exit 11', 415));
  test('eats memory up to its limit', () => misbehaving('ulimit -v 100000; tail /dev/zero; exit 11', 415));
  test('is killed by the system, as happens for want of memory', () => misbehaving('kill -KILL $$', 503));
  test('could not be confined', () => misbehaving('exit 12', 500));
  test('ends with a code that nobody knows', () => misbehaving('exit 77', 500));

  test('says that it is done and wrote nothing', () => misbehaving('exit 0', 415));
  test('writes too little', () => misbehaving(`${header}; printf 0123456789 >&4`, 415));
  test('writes a byte too little', () => misbehaving(`${header}; head -c 6911 /dev/zero >&4`, 415));
  test('writes a byte too much', () => misbehaving(`${header}; head -c 6913 /dev/zero >&4`, 415));
  test('writes far too much', () => misbehaving(`${header}; head -c 64000000 /dev/zero >&4`, 415));
  test('announces other dimensions', () =>
    misbehaving("printf '\\061\\0\\0\\0\\060\\0\\0\\0' >&4; head -c 7056 /dev/zero >&4", 415));
  test('announces impossible dimensions', async () => {
    for (const bytes of ['\\377\\377\\377\\377\\377\\377\\377\\377', '\\0\\0\\0\\200\\0\\0\\0\\200', '\\0\\0\\0\\0\\0\\0\\0\\0'])
      await misbehaving(`printf '${bytes}' >&4; head -c 6912 /dev/zero >&4`, 415);
  });
  test('writes just what it should, and then crashes', () =>
    misbehaving(`${header}; head -c 6912 /dev/zero >&4; kill -SEGV $$`, 415));
});

describe('a decoder that does not end', () => {
  // While it is waited for, others are answered at once.
  const others = async (over = () => false) => {
    for (const path of ['/v1/jobs', '/readyz', '/v1/limits', '/metrics']) {
      assert.equal((await server.get(path)).status, 200);
      assert.ok(!over(), `${path} was answered only after the decoder was killed`);
    }
  };

  test('computes for ever', () => misbehaving('while :; do :; done', 415, others));
  test('sleeps', async () => {
    const problem = await misbehaving('exec sleep 601', 415, others);
    assert.match(problem.detail, /too long/);
    assert.deepEqual(running('sleep\x00601'), []);
  });
  test('closes its files and lives on', async () => {
    await misbehaving('exec 3<&- 4>&-; exec sleep 602', 415, others);
    assert.deepEqual(running('sleep\x00602'), []);
  });
  test('stops itself', () => misbehaving('kill -STOP $$', 415, others));
  test('wants no signals', () => misbehaving("trap '' TERM INT HUP XCPU; while :; do :; done", 415, others));
  test('writes for ever', () => misbehaving(`${header}; while :; do printf x >&4; done`, 415, others));

  test('many of them at once', async () => {
    const before = openFiles(server);
    behave('exec sleep 603');
    const answers = Array.from({ length: 6 }, () => server.submit(jobForm()));
    await others();
    for (const answer of await Promise.all(answers)) assert.equal(answer.status, 415, answer.text());
    behave(honest);
    await nothingIsLeft(server, before);
    await server.stillWorks();
  });
  test('whose client has gone meanwhile', async () => {
    const before = openFiles(server);
    behave('exec sleep 604');
    const { socket } = await server.connect();
    const { body, type } = await encodeForm(jobForm());
    socket.write(`POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n`);
    socket.write(body);
    await until(() => running('sleep\x00604').length > 0, 'the decoder to run');
    socket.destroy();
    behave(honest);
    await server.stillWorks();
    await until(() => running('sleep\x00604').length === 0, 'the decoder to be killed');
    await nothingIsLeft(server, before);
  });
});

describe('a decoder that starts others', () => {
  const gone = (number) => until(() => running(`sleep\x00${number}`).length === 0, 'what it started to be gone');

  test('and ends', async () => {
    await misbehaving('sleep 605 & sleep 605 & exit 0', 415);
    await gone(605);
  });
  test('and waits for them', async () => {
    await misbehaving('sleep 606 & sleep 606 & wait', 415);
    await gone(606);
  });
  test('and crashes', async () => {
    await misbehaving('(sleep 607; sleep 607) & kill -SEGV $$', 415);
    await gone(607);
  });
});

// The worker decodes once more: what was good when the job was accepted need not be so then.
test('a decoder that turns bad once the job was accepted', async () => {
  await until(() => children(server).length === 0, 'earlier children to end');
  const before = openFiles(server), counter = join(folder, 'count');
  writeFileSync(counter, '');
  behave(`printf x >>${counter}; [ $(wc -c <${counter}) -gt 2 ] && kill -SEGV $$; ${honest}`);
  const { id } = await server.accept();
  const job = await server.waitFor(id, 'succeeded', 'failed', 'canceled');
  behave(honest);
  assert.equal(job.state, 'failed');
  assert.match(job.error.detail, /signal 11/);
  await nothingIsLeft(server, before);
  await server.stillWorks();
});
