// The way of a job: sent, polled, fetched, listed, canceled, forgotten.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { Server, fileOf, jobForm, until } from './harness.mjs';
import { example, painting, photo, pictureSize, pictureType } from './pictures.mjs';

let server;
before(async () => { server = await Server.start({ preview_interval: 1 }); });
after(() => server.stop());

// A job that runs until it is stopped, at the latest at the end of the test.
async function acceptLong(t) {
  const job = await server.accept({ size: 64, iterations: 5000 });
  t.after(() => server.request('DELETE', job.links.self));
  return job;
}

test('a photo becomes a picture of the size asked for', async () => {
  const form = jobForm({ size: 48, iterations: 3, resize: 'fit' }, { content: example('cat.jpg'), styles: [example('swirl.jpg')] });
  const sent = await server.submit(form);
  assert.equal(sent.status, 202);
  const job = sent.json();
  assert.equal(sent.headers.location, job.links.self);
  assert.equal(job.options.size, 48);
  assert.equal(job.options.resize, 'fit');
  assert.equal(job.options.preset, 'gatys');

  const done = await server.finished(job.id);
  assert.deepEqual([done.output.width, done.output.height], [48, 32], 'cat.jpg is 451x300');
  assert.equal(done.attempts, 1);
  assert.ok(done.created_at <= done.started_at && done.started_at <= done.finished_at && done.finished_at < done.expires_at);

  const result = await server.get(done.links.result);
  assert.equal(result.status, 200);
  assert.equal(pictureType(result.body), 'image/png');
  assert.deepEqual(pictureSize(result.body), [48, 32]);
  assert.equal(result.body.length, done.output.bytes);
  assert.equal(createHash('sha256').update(result.body).digest('hex'), done.output.sha256);
});

test('stretch makes a square', async () => {
  const { id } = await server.accept({ size: 32, resize: 'stretch' }, { content: photo(64, 40), styles: [painting()] });
  const { output, links } = await server.finished(id);
  assert.deepEqual([output.width, output.height], [32, 32]);
  assert.deepEqual(pictureSize((await server.get(links.result)).body), [32, 32]);
});

for (const format of ['png', 'jpeg', 'webp'])
  test(`format ${format}`, async () => {
    const { id } = await server.accept({ format, quality: 80 });
    const { output, links } = await server.finished(id);
    assert.equal(output.format, format);
    const { body } = await server.get(links.result);
    assert.equal(pictureType(body), `image/${format}`);
    assert.deepEqual(pictureSize(body), [32, 32]);
  });

test('lists and layers come as JSON or as text, and are shown as they are used', async () => {
  const styles = [painting(), photo()];
  const asText = jobForm({ style_weights: '3, 1', style_layers: 'relu1_1,relu3_2=0.5', content_layers: '' }, { styles });
  const asJson = jobForm({}, { styles });
  asJson.append('options', JSON.stringify({ style_weights: [3, 1], style_layers: { relu1_1: 1, relu3_2: 0.5, relu5_1: 0 }, content_layers: [] }));
  for (const form of [asText, asJson]) {
    const answer = await server.submit(form);
    assert.equal(answer.status, 202, answer.text());
    const { options, id } = answer.json();
    assert.deepEqual([options.style_weights, options.style_layers, options.content_layers],
      [[3, 1], { relu1_1: 1, relu3_2: 0.5 }, { relu4_2: 1 }]);
    assert.equal((await server.finished(id)).state, 'succeeded');
  }
});

test('options come as one JSON object, as fields, or as both', async () => {
  const form = jobForm({ size: undefined, iterations: undefined, content_weight: 0.5 });
  form.append('options', JSON.stringify({ size: 32, iterations: 1, optimizer: 'adam', learning_rate: 2, pooling: 'avg' }));
  const { options, id } = (await server.submit(form)).json();
  assert.deepEqual(options, { preset: 'gatys', size: 32, resize: 'stretch', iterations: 1, scales: 1, scale_iterations: 35,
    optimizer: 'adam', line_search: 'none', learning_rate: 2, history: 100, clamp: false, precondition: false, average: 0,
    pooling: 'avg', content_weight: 0.5, style_weight: 1, style_weights: [],
    style_layers: { relu1_1: 1, relu2_1: 1, relu3_1: 1, relu4_1: 1, relu5_1: 1 }, content_layers: { relu4_2: 1 },
    style_loss: 'gram', tv_weight: 0, strength: 0.5,
    style_scale: 1, init: 'content', seed: 0, preserve_colors: 'none', grid: {}, alpha: 'keep', format: 'png', quality: 92, deadline_seconds: 0 });
  await server.finished(id);
});

test('several styles, and fields before the files', async () => {
  const form = new FormData();
  form.append('size', '32');
  form.append('iterations', '1');
  for (const name of ['swirl.jpg', 'glass.jpg', 'woodcut.jpg']) form.append('style', fileOf(example(name)), name);
  form.append('content', fileOf(photo()), 'photo.png');
  const sent = await server.submit(form);
  assert.equal(sent.status, 202, sent.text());
  await server.finished(sent.json().id);
});

test('a running job shows progress and previews', async (t) => {
  const { id, links } = await acceptLong(t);
  const early = await server.get(links.preview);
  assert.ok([200, 409].includes(early.status));
  const job = await until(async () => {
    const now = await server.job(id);
    return now.progress?.evaluation > 0 && now;
  }, 'progress');
  assert.equal(job.progress.evaluations, 5000);
  assert.ok(job.progress.fraction > 0 && job.progress.fraction < 1);
  assert.deepEqual(job.progress.scale, { index: 0, count: 1, width: 64, height: 64 });
  const { loss, content_loss, style_loss } = job.progress;
  assert.ok(Math.abs(loss - content_loss - style_loss) <= 1e-5 * loss);

  const preview = await until(async () => {
    const answer = await server.get(links.preview);
    return answer.status === 200 && answer;
  }, 'a preview');
  assert.deepEqual(pictureSize(preview.body), [64, 64]);
  const same = await server.get(links.preview, { 'if-none-match': preview.headers.etag });
  assert.ok([200, 304].includes(same.status)); // a newer one may be there already

  const problem = await server.get(links.result);
  assert.equal(problem.status, 409, 'there is no result yet');

  const stopped = await server.request('POST', links.cancel);
  assert.equal(stopped.status, 200);
  const ended = await server.waitFor(id, 'canceled');
  assert.ok(ended.output, 'what was there is kept');
  assert.equal(ended.notes.length, 1);
  const [, made] = ended.notes[0].match(/^It was stopped after (\d+) of 5000 evaluations\.$/);
  assert.ok(made > 0 && made < 5000);
  const kept = await server.get(links.result);
  assert.equal(kept.status, 200);
  assert.deepEqual(pictureSize(kept.body), [64, 64]);
  assert.equal((await server.request('POST', links.cancel)).status, 409, 'it has ended');
});

test('a finished job has a preview, with an ETag that holds', async () => {
  const { id, links } = await server.accept();
  await server.finished(id);
  const preview = await server.get(links.preview);
  assert.equal(preview.status, 200);
  assert.equal((await server.get(links.preview, { 'if-none-match': preview.headers.etag })).status, 304);
});

test('a deadline ends a job, which says so', async () => {
  const { id } = await server.accept({ preset: 'balanced', size: 128, iterations: 5000, deadline_seconds: 2 });
  const { started_at: started, finished_at: finished, notes, output } = await server.finished(id);
  assert.ok(Date.parse(finished) - Date.parse(started) < 20000, 'all of it would take minutes');
  assert.ok(output);
  assert.match(notes.join(' '), /deadline_seconds the run made fewer evaluations than asked for: \d+/);
});

test('a waiting job is canceled at once, and has no pictures', async (t) => {
  const running = await acceptLong(t);
  await server.waitFor(running.id, 'running');
  const waiting = await acceptLong(t);
  assert.equal(waiting.state, 'queued');
  assert.equal(waiting.queue.position, 1);
  const answer = await server.request('POST', waiting.links.cancel);
  assert.equal(answer.status, 200);
  assert.equal(answer.json().state, 'canceled');
  assert.equal((await server.get(waiting.links.result)).status, 409);
  assert.equal((await server.get(waiting.links.preview)).status, 409);
});

test('a deleted job is forgotten, whatever its state', async (t) => {
  const running = await acceptLong(t);
  await server.waitFor(running.id, 'running');
  const queued = await acceptLong(t);
  for (const { links } of [queued, running]) {
    const answer = await server.request('DELETE', links.self);
    assert.equal(answer.status, 204);
    for (const path of [links.self, links.result, links.preview])
      assert.equal((await server.get(path)).status, 404, path);
    assert.equal((await server.request('DELETE', links.self)).status, 404);
    assert.equal((await server.request('POST', links.cancel)).status, 404);
  }
  await server.stillWorks();
});

test('a poll costs nothing while nothing changes', async () => {
  const { id, links } = await server.accept();
  await server.finished(id);
  const { headers } = await server.get(links.self);
  const again = await server.get(links.self, { 'if-none-match': headers.etag });
  assert.equal(again.status, 304);
  assert.equal(again.headers.etag, headers.etag);
  assert.equal((await server.get(links.self, { 'if-none-match': '"another"' })).status, 200);
});

test('the list is newest first, in pages, by state', async (t) => {
  const ids = [];
  for (let i = 0; i < 5; i++) ids.unshift((await server.accept({ iterations: 1 })).id);
  for (const id of ids) await server.finished(id);

  const first = (await server.get('/v1/jobs?limit=2')).json();
  assert.deepEqual(first.jobs.map(({ id }) => id), ids.slice(0, 2));
  const second = (await server.get(`/v1/jobs?limit=2&cursor=${first.next_cursor}`)).json();
  assert.deepEqual(second.jobs.map(({ id }) => id), ids.slice(2, 4));

  const all = [];
  for (let cursor = ''; cursor !== null;) {
    const page = (await server.get(`/v1/jobs?limit=3${cursor && `&cursor=${cursor}`}`)).json();
    all.push(...page.jobs.map(({ id }) => id));
    cursor = page.next_cursor;
  }
  assert.equal(new Set(all).size, all.length, 'no job is on two pages');
  assert.deepEqual(all.slice(0, 5), ids);

  const stopped = await acceptLong(t);
  await server.request('POST', stopped.links.cancel);
  await server.waitFor(stopped.id, 'canceled');
  assert.deepEqual((await server.get('/v1/jobs?state=canceled')).json().jobs.map(({ id }) => id), [stopped.id]);
  assert.deepEqual((await server.get('/v1/jobs?state=running')).json(), { jobs: [], next_cursor: null });
});

for (const query of ['limit=0', 'limit=101', 'limit=x', 'limit=1e1', 'state=done', 'cursor=%00', 'cursor=nonsense', 'order=asc'])
  test(`a list is not made by ${query}`, async () => {
    const answer = await server.get(`/v1/jobs?${query}`);
    assert.equal(answer.status, 422);
    assert.equal(answer.json().field, query.split('=')[0]);
  });
