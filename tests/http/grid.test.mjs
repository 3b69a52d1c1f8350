// Sheets: jobs whose option `grid` gives options several values.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { jobForm, sanitized, Server, until } from './harness.mjs';
import { crop, painting, photo, pictureSize, pictureType, readPng } from './pictures.mjs';
import { readMetrics } from './promtext.mjs';

const gap = 8;

let server;
before(async () => { server = await Server.start(); });
after(() => server.stop());

const result = async (from, { links }) => readPng((await from.get(links.result, { accept: 'image/png' })).body);

// The finished job of these options, as JSON, and its picture.
async function painted(options, pictures) {
  const { id } = await server.accept({ preset: undefined, size: undefined, iterations: undefined, options: JSON.stringify(options) }, pictures);
  const job = await server.finished(id);
  return { job, picture: await result(server, job) };
}

// The cell in a column and a row of a sheet of equal cells, which lie at its right and lower edge.
function cell(sheet, [columns, rows], [width, height], column, row) {
  const left = sheet.width - (columns - column) * (width + gap), top = sheet.height - (rows - row) * (height + gap);
  return crop(sheet, left, top, width, height);
}

const isWhite = ({ rgb }) => rgb.every((value) => value === 255);

test('every cell is, pixel by pixel, what the same options give alone; headings stand beside', async () => {
  const shared = { size: 56, iterations: 3, scale_iterations: 2, seed: 5 };
  const grid = { style_weight: [0.1, 100], preset: ['fast', 'balanced'] };
  const { job, picture: sheet } = await painted({ ...shared, learning_rate: 0.5, grid });
  assert.deepEqual(job.options.grid, grid);
  assert.deepEqual([job.options.size, job.options.learning_rate, job.options.preset], [56, 0.5, 'balanced']);
  assert.deepEqual([job.output.width, job.output.height], [sheet.width, sheet.height]);
  assert.deepEqual(job.notes, []);
  const seen = new Set();
  for (const [row, preset] of grid.preset.entries())
    for (const [column, style_weight] of grid.style_weight.entries()) {
      const { picture } = await painted({ ...shared, learning_rate: 0.5, style_weight, preset });
      assert.deepEqual(cell(sheet, [2, 2], [56, 56], column, row), picture, `style_weight=${style_weight}, preset=${preset}`);
      seen.add(picture.rgb.toString('base64'));
    }
  assert.equal(seen.size, 2, 'the weights differ; the presets do not, with these evaluations');
  const left = sheet.width - 2 * (56 + gap), top = sheet.height - 2 * (56 + gap);
  assert.ok(left > 56 && top > gap, 'there is room for headings');
  for (const row of [0, 1]) assert.ok(!isWhite(crop(sheet, 0, top + row * (56 + gap), left, 56)));
  const headings = [0, 1].map((column) => crop(sheet, left + column * (56 + gap), 0, 56, top));
  for (const heading of headings) assert.ok(!isWhite(heading));
  assert.notDeepEqual(headings[0], headings[1]);
});

test('cells of several shapes lie in the middle of their place; each has what its preset says', async () => {
  const pictures = { content: photo(60, 40), styles: [painting()] }, shared = { size: 60, iterations: 2 };
  const { picture: sheet } = await painted({ ...shared, grid: { preset: ['gatys', 'fast'] } }, pictures);
  const { picture: square } = await painted({ ...shared, preset: 'gatys' }, pictures);
  const { picture: wide } = await painted({ ...shared, preset: 'fast' }, pictures);
  assert.deepEqual([square.height, wide.height], [60, 40]);
  assert.deepEqual(cell(sheet, [2, 1], [60, 60], 0, 0), square);
  assert.deepEqual(crop(cell(sheet, [2, 1], [60, 60], 1, 0), 0, 10, 60, 40), wide);
  assert.ok(isWhite(crop(cell(sheet, [2, 1], [60, 60], 1, 0), 0, 0, 60, 10)));
});

test('text in a form means the same as JSON; values alone have one row; the size has a default', async () => {
  const { job, picture } = await painted({ iterations: 1, scales: 1, grid: { init: ['content', 'noise'] } });
  assert.deepEqual([job.options.size, job.options.grid], [192, { init: ['content', 'noise'] }]);
  const form = jobForm({ preset: undefined, size: undefined, iterations: 1, scales: 1, grid: ' init = content , noise' });
  const { id } = (await server.submit(form)).json();
  const again = await server.finished(id);
  assert.deepEqual(again.options, job.options);
  assert.equal(again.output.sha256, job.output.sha256);
  assert.notDeepEqual(cell(picture, [2, 1], [192, 192], 0, 0), cell(picture, [2, 1], [192, 192], 1, 0));
});

test('progress and history count over all cells', async () => {
  const iterations = 15, all = 4 * iterations;
  const { id, links } = await server.accept({ size: 64, iterations, grid: 'strength=0.2,0.8;clamp=true,false' });
  const seen = [];
  const job = await until(async () => {
    const now = await server.job(id);
    if (now.progress) seen.push(now.progress);
    return now.state === 'succeeded' && now;
  }, 'the sheet', 20);
  assert.ok(seen.some(({ evaluation }) => evaluation > iterations), 'more than one cell was seen');
  for (const [i, { evaluation, evaluations, fraction }] of seen.entries()) {
    assert.equal(evaluations, all);
    assert.ok(Math.abs(fraction - evaluation / all) < 1e-9, 'the cells are equally large');
    assert.ok(i === 0 || evaluation >= seen[i - 1].evaluation);
  }
  assert.ok(seen.some(({ eta_seconds: eta }) => eta > 0));
  const { evaluation } = (await server.get(links.history)).json();
  assert.deepEqual(evaluation, Array.from({ length: all }, (_, i) => i + 1), job.id);
});

describe('refused', () => {
  const wrong = [
    ['an unknown option', { nothing: [1] }, 'grid', /names of options/],
    ['an option of the whole sheet', { format: ['png', 'jpeg'] }, 'grid', /size, alpha, format, quality/],
    ['too many values', { seed: [1, 2, 3, 4, 5, 6, 7, 8, 9] }, 'grid', /1\.\.8 values/],
    ['too many options', { seed: [1], clamp: [true], strength: [1] }, 'grid', /1\.\.2 options/],
    ['a value out of bounds', { strength: [0.5, 2] }, 'grid', /0\.\.1/],
    ['a value of another type', { strength: ['strong'] }, 'grid', /0\.\.1/],
    ['a name that is none', { preset: ['fast', 'slow'] }, 'grid', /gatys, fast, balanced, quality/],
    ['values that cannot be together', { style_weight: [0, 1], content_weight: [0, 1] }, 'grid', /greater than 0/],
    ['no lists', { strength: 1 }, 'grid', /name=value/],
    ['no values', { strength: [] }, 'grid', /name=value/],
    ['no object', ['strength'], 'grid', /name=value/],
    ['a size above 256', { seed: [1] }, 'size', /16\.\.256 pixels/, { size: 257 }],
    ['a photo too narrow for one of the cells', { resize: ['stretch', 'fit'] }, 'content', /at least 16/, { size: 32 }, photo(100, 40)],
  ];
  for (const [what, grid, field, limit, more = {}, content = photo()] of wrong)
    test(what, async () => {
      const form = jobForm({ preset: undefined, size: undefined, iterations: undefined,
        options: JSON.stringify({ iterations: 1, ...more, grid }) }, { content });
      const answer = await server.submit(form);
      assert.equal(answer.status, 422, answer.text());
      assert.equal(answer.json().field, field);
      assert.match(answer.json().limit, limit);
    });
  for (const text of ['strength', 'strength=', '=1', 'strength=0.1;;seed=1', 'x'.repeat(600)])
    test(`the text ${text.slice(0, 30)}`, async () => {
      const answer = await server.submit(jobForm({ grid: text }));
      assert.equal(answer.status, 422, answer.text());
      assert.equal(answer.json().field, 'grid');
    });
});

test('a sheet that is stopped has what there is; previews show the sheet', async () => {
  const slow = await Server.start({ preview_interval: 50 });
  const { id, links } = await slow.accept({ size: 64, iterations: 2000, grid: 'seed=1,2,3' });
  await until(async () => (await slow.get(links.preview, { accept: 'image/jpeg' })).status === 200, 'a preview');
  const preview = (await slow.get(links.preview)).body;
  assert.equal(pictureType(preview), 'image/jpeg');
  const { progress } = await slow.job(id);
  assert.equal(progress.evaluations, 6000);
  assert.ok(progress.fraction < 1 / 3);
  assert.equal((await slow.request('POST', links.cancel)).status, 200);
  const job = await slow.waitFor(id, 'canceled');
  assert.match(job.notes.at(-1), /stopped after \d+ of 6000 evaluations/);
  const sheet = await result(slow, job);
  assert.deepEqual(pictureSize(preview), [sheet.width, sheet.height]);
  assert.ok(new Set(cell(sheet, [3, 1], [64, 64], 0, 0).rgb).size > 50, 'the first cell was begun');
  assert.equal(new Set(cell(sheet, [3, 1], [64, 64], 2, 0).rgb).size, 1, 'the last one was not');
  await slow.stop();
});

test('a deadline is shared by the cells, and the notes name them', async () => {
  const { job } = await painted({ size: 96, scales: 1, iterations: 10000, deadline_seconds: 2, grid: { clamp: [true, false] } });
  assert.deepEqual(job.notes.map((note) => note.split(': ')[0]), ['clamp=true', 'clamp=false']);
  for (const note of job.notes) assert.match(note, /deadline_seconds/);
});

test('where many cells have something to tell, the last note says how many', async () => {
  const { job } = await painted({ size: 32, iterations: 10000, deadline_seconds: 1.4,
    grid: { seed: [1, 2, 3, 4, 5, 6, 7], clamp: [true, false] } });
  assert.equal(job.notes.length, 13);
  assert.equal(job.notes.at(-1), 'There is as much to tell of 2 more cells.');
});

test('after kill -9 and after SIGTERM a sheet goes on in the cell where it was', async () => {
  const settings = { workers: 1, checkpoint_interval: 1 };
  const iterations = sanitized ? 24 : 60;
  const options = { preset: 'balanced', size: 64, scales: 1, iterations, grid: 'style_weight=1,10;optimizer=lbfgs,adam', learning_rate: 0.02 };
  let second = await Server.start(settings);
  const { id, links } = await second.accept(options);
  const metric = async (name) => readMetrics((await second.get('/metrics')).text()).value(name);
  const evaluation = async () => (await second.job(id)).progress?.evaluation ?? 0;
  for (const [round, end] of ['kill', 'stop'].entries()) {
    await until(async () => (await evaluation()) >= 1.2 * iterations * (round + 1), 'a later cell');
    const at = await evaluation(), saved = await metric('stylized_checkpoints_total');
    await until(async () => end === 'stop' || (await metric('stylized_checkpoints_total')) > saved, 'a checkpoint');
    await (end === 'stop' ? second.stop({ keep: true }) : second.kill());
    second = await Server.start(settings, second.folder);
    await until(async () => (await evaluation()) > 0, 'the job to go on');
    assert.ok((await evaluation()) >= at, `${end}: nothing before ${at} is computed again`);
    assert.ok((await metric('stylized_evaluations_total')) < (await evaluation()), `${end}: not all were made by this process`);
  }
  const job = await second.finished(id);
  assert.equal(job.attempts, 2);
  assert.deepEqual(job.notes, []);
  assert.deepEqual((await second.get(links.history)).json().evaluation, Array.from({ length: 4 * iterations }, (_, i) => i + 1));
  const whole = await second.finished((await second.accept(options)).id);
  assert.equal(job.output.sha256, whole.output.sha256, 'interrupted or not, it is the same sheet');
  await second.stop();
});
