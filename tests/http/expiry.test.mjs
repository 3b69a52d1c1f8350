// Finished jobs expire: 410 for a while, not 404, so that a client knows it came too late.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Server, until } from './harness.mjs';

test('an expired job is 410, and not listed', async () => {
  const server = await Server.start({ result_ttl: 2 });
  const { id, links } = await server.accept();
  const { finished_at, expires_at } = await server.finished(id);
  assert.equal(Date.parse(expires_at) - Date.parse(finished_at), 2000);
  await until(async () => (await server.get(links.self)).status === 410, 'the job to expire', 200);
  assert.ok(Date.now() >= Date.parse(expires_at));
  for (const path of [links.result, links.preview, links.events, links.history]) assert.equal((await server.get(path)).status, 410, path);
  assert.equal((await server.request('POST', links.cancel)).status, 410);
  assert.deepEqual((await server.get('/v1/jobs')).json().jobs, []);
  await server.stop();
});
