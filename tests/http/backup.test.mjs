// A copy of the store that was made while the service ran, in the ways that docs/operations.md tells, is a whole one.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Server } from './harness.mjs';

// The program sqlite3 does the same with the same library.
const ways = {
  '.backup': 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).backup(sqlite3.connect(sys.argv[2]))',
  'VACUUM INTO': 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute("VACUUM INTO ?", (sys.argv[2],))',
};

for (const [way, script] of Object.entries(ways))
  test(`a backup by ${way} while a job runs`, async () => {
    const server = await Server.start();
    const done = await server.accept();
    await server.finished(done.id);
    const picture = (await server.get(done.links.result)).body;
    const slow = await server.accept({ size: 64, iterations: 10000 });
    await server.waitFor(slow.id, 'running');
    const waiting = await server.accept();

    const folder = mkdtempSync(join(tmpdir(), 'stylized-test-'));
    execFileSync('python3', ['-c', script, join(server.folder, 'jobs.db'), join(folder, 'jobs.db')]);
    await server.request('DELETE', slow.links.self);
    await server.finished(waiting.id);
    await server.stop();

    const restored = await Server.start({}, folder);
    assert.deepEqual((await restored.get(done.links.result)).body, picture);
    await restored.waitFor(slow.id, 'running');
    assert.equal((await restored.job(waiting.id)).state, 'queued');
    await restored.request('DELETE', slow.links.self);
    await restored.finished(waiting.id);
    await restored.stop();
  });
