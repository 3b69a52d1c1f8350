// A full disk: new jobs are refused with 507, everything else goes on. The store gets a small file system of its own
// (a tmpfs in a mount namespace); where the system allows no such thing, there is nothing to fill and the test is left out.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Server, jobForm } from './harness.mjs';
import { example } from './pictures.mjs';

// 7 MiB, of which something else has one.
const mount = (folder) => ['unshare', '-rm', 'sh', '-c',
  'mount -t tmpfs -o size=7m none "$0" && head -c 1048576 /dev/zero >"$0/ballast" && cd "$0" && exec "$@"', folder];

test('a full disk is 507, and the server not ready', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'stylized-test-'));
  const [command, ...args] = [...mount(folder), 'true'];
  if (spawnSync(command, args).status !== 0) return t.skip('no mount namespaces here');
  const server = await Server.start({}, folder, mount(folder));
  const pictures = { content: example('swirl.jpg'), styles: [example('glass.jpg')] };
  const jobs = [];
  let answer;
  for (let i = 0; i < 30 && answer?.status !== 507; i++) {
    answer = await server.submit(jobForm({ size: 64, iterations: 10000 }, pictures));
    if (answer.status === 202) jobs.push(answer.json());
  }
  assert.equal(answer.status, 507, answer.text());
  assert.ok(jobs.length > 0);
  assert.equal((await server.get('/healthz')).status, 200);
  // What another has filled up to the last byte makes it unready, until there is room again.
  const filler = (size) => writeFileSync(`/proc/${server.child.pid}/root${folder}/filler`, Buffer.alloc(size), { flag: 'a' });
  for (let size = 1 << 20; size >= 4096; size /= 2)
    try {
      for (;;) filler(size);
    } catch ({ code }) {
      assert.equal(code, 'ENOSPC');
    }
  const unready = await server.get('/readyz');
  assert.equal(unready.status, 503);
  assert.match(unready.json().detail, /disk is full/);
  assert.equal((await server.get('/metrics')).status, 200);
  for (const name of ['ballast', 'filler']) rmSync(`/proc/${server.child.pid}/root${folder}/${name}`);
  assert.equal((await server.get('/readyz')).status, 200);
  for (const { id, links } of jobs) assert.equal((await server.get(links.self)).json().id, id);
  assert.equal((await server.get('/v1/jobs')).json().jobs.length, jobs.length, 'what was refused is not there');
  await server.stop();
});

// A limit on the size of files, with the signal that goes with it ignored, is to SQLite what a full disk is.
const bounded = (bytes) => ['python3', '-c', 'import os, resource, signal, sys\n'
  + 'signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n'
  + `resource.setrlimit(resource.RLIMIT_FSIZE, (${bytes}, ${bytes}))\n`
  + 'os.execvp(sys.argv[1], sys.argv[1:])'];

test('where no more can be written, jobs are 507, and those accepted before are done once there is room', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'stylized-test-'));
  const pictures = { content: example('swirl.jpg'), styles: [example('glass.jpg')] };
  const server = await Server.start({}, folder, bounded(3 << 20));
  const jobs = [];
  let answer;
  for (let i = 0; i < 30 && answer?.status !== 507; i++) {
    answer = await server.submit(jobForm({ size: 48, iterations: 2 }, pictures));
    if (answer.status === 202) jobs.push(answer.json());
  }
  assert.equal(answer.status, 507, answer.text());
  assert.equal(answer.json().type, 'urn:stylized:storage-full');
  assert.ok(jobs.length > 0);
  assert.equal((await server.get('/healthz')).status, 200);
  assert.equal((await server.get(jobs[0].links.self)).status, 200);
  await server.kill();

  const second = await Server.start({}, folder);
  for (const { id } of jobs) await second.finished(id);
  assert.equal((await second.get('/v1/jobs')).json().jobs.length, jobs.length, 'what was refused is not there');
  await second.stop();
});
