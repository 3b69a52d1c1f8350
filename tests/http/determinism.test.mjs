// The same job gives the same bytes: again, with other numbers of threads, and while other jobs run beside it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Server } from './harness.mjs';
import { example } from './pictures.mjs';

const pictures = { content: example('cat.jpg'), styles: [example('swirl.jpg')] };
const options = { size: 64, iterations: 4, resize: 'fit' };

async function digest(server, extra = {}) {
  const { id } = await server.accept({ ...options, ...extra }, pictures);
  return (await server.finished(id)).output.sha256;
}

test('one job, one picture, whatever the threads and the load', async () => {
  const alone = await Server.start({ threads: 1 });
  const first = await digest(alone);
  assert.equal(await digest(alone), first, 'the same job again');
  assert.notEqual(await digest(alone, { style_weight: 50 }), first, 'another job is another picture');
  await alone.stop();

  const busy = await Server.start({ threads: 2, workers: 2 });
  assert.deepEqual(await Promise.all([digest(busy), digest(busy)]), [first, first]);
  await busy.stop();
});
