// A store that is damaged where a start does not look: what needs that place fails with 500, the rest goes on.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sanitized, Server, until } from './harness.mjs';

// The first byte of the page that the tree of a table or index begins at.
function rootOf(database, name) {
  const script = 'import sqlite3, sys\n'
    + 'db = sqlite3.connect(sys.argv[1])\n'
    + 'root, = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (sys.argv[2],)).fetchone()\n'
    + 'size, = db.execute("PRAGMA page_size").fetchone()\n'
    + 'print((root - 1) * size)';
  return Number(execFileSync('python3', ['-c', script, database, name]));
}

function overwrite(file, offset) {
  const descriptor = openSync(file, 'r+');
  writeSync(descriptor, Buffer.alloc(64, 0xa5), 0, 64, offset);
  closeSync(descriptor);
}

test('a damaged picture is 500 with a word in the log, and harms nobody else', async () => {
  const first = await Server.start();
  const { id } = await first.accept();
  const { links } = await first.finished(id);
  await first.stop({ keep: true });
  const database = join(first.folder, 'jobs.db');
  overwrite(database, rootOf(database, 'pictures'));

  const second = await Server.start({}, first.folder);
  const result = await second.get(links.result);
  assert.equal(result.status, 500);
  assert.equal(result.json().type, 'urn:stylized:internal');
  assert.doesNotMatch(result.text(), /malformed|sqlite|jobs\.db/i, 'the inside is not told to clients');
  const failure = second.logs.find(({ event }) => event === 'http.failure');
  assert.equal(failure.status, 'corrupt');
  assert.equal(failure.request_id, result.headers['x-request-id']);
  assert.equal((await second.job(id)).state, 'succeeded');
  assert.equal((await second.get('/v1/jobs')).json().jobs.length, 1);
  assert.equal((await second.get('/healthz')).status, 200);
  await second.stop();
});

test('a job whose checkpoint is damaged is begun again, and says so', async () => {
  const settings = { checkpoint_interval: 1 };
  const first = await Server.start(settings);
  const { id } = await first.accept({ size: sanitized ? 32 : 64, iterations: 80 });
  await until(async () => (await first.job(id)).progress?.evaluation > 20, 'some evaluations');
  await first.stop({ keep: true }); // which stores one
  const script = 'import sqlite3, sys\n'
    + 'db = sqlite3.connect(sys.argv[1])\n'
    + 'print(db.execute("UPDATE pictures SET bytes = zeroblob(length(bytes)) WHERE role = \'checkpoint\'").rowcount)\n'
    + 'db.commit()';
  assert.equal(Number(execFileSync('python3', ['-c', script, join(first.folder, 'jobs.db')])), 1);
  const second = await Server.start(settings, first.folder);
  const { state, notes } = await second.finished(id);
  assert.equal(state, 'succeeded');
  assert.equal(notes.length, 1);
  assert.match(notes[0], /begun again/);
  await second.stop();
});

test('a damaged queue is found at the start, before anything is accepted', async () => {
  const first = await Server.start();
  await first.accept();
  await first.stop({ keep: true });
  const database = join(first.folder, 'jobs.db');
  overwrite(database, rootOf(database, 'jobs'));
  await assert.rejects(Server.start({}, first.folder), /malformed|damaged/);
});
