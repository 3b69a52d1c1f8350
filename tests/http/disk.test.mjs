// A full disk: new jobs are refused with 507, everything else goes on. The store gets a small file system of its own
// (a tmpfs in a mount namespace); where the system allows no such thing, there is nothing to fill and the test is left out.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Server, jobForm } from './harness.mjs';
import { example } from './pictures.mjs';

const mount = (folder) => ['unshare', '-rm', 'sh', '-c', 'mount -t tmpfs -o size=6m none "$0" && cd "$0" && exec "$@"', folder];

test('a full disk is 507', async (t) => {
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
  for (const { id, links } of jobs) assert.equal((await server.get(links.self)).json().id, id);
  assert.equal((await server.get('/v1/jobs')).json().jobs.length, jobs.length, 'what was refused is not there');
  await server.stop();
});
