// Masks: where the picture is painted, and which part of a painting is its style. And transparency.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { jobForm, program, sanitized, Server, until } from './harness.mjs';
import { crop, painting, photo, png, readPng } from './pictures.mjs';

let server;
before(async () => { server = await Server.start(); });
after(() => server.stop());

const [side, half] = [48, 24];
const options = { size: side, resize: 'fit', iterations: 4 };
const rightHalf = (width = side, height = side) => png(width, height, (x) => Array(3).fill(x < width / 2 ? 0 : 255));
// Two paintings in one: each half has its own colours and pattern.
const mixed = png(40, 40, (x, y) => x < 20 ? [(y & 4) * 60, 40, 200] : [250, (x & 2) * 120, 30]);
// Opaque on the left, transparent on the right, and half of each between.
const seeThrough = png(side, side, (x, y) => [x * 5, y * 5, 90, x < 20 ? 255 : x < 28 ? 128 : 0]);

async function paint(pictures, more = {}) {
  const { id } = await server.accept({ ...options, ...more }, pictures);
  await server.finished(id);
  return readPng((await server.get(`/v1/jobs/${id}/result`)).body);
}

test('the photo stays where content_mask is black', async () => {
  const whole = await paint({}), part = await paint({ contentMask: rightHalf() }), before = readPng(photo());
  assert.deepEqual(crop(part, 0, 0, half, side), crop(before, 0, 0, half, side));
  assert.notDeepEqual(crop(whole, 0, 0, half, side), crop(before, 0, 0, half, side));
  assert.notDeepEqual(crop(part, half, 0, half, side), crop(before, half, 0, half, side));
  assert.notDeepEqual(crop(part, half, 0, half, side), crop(whole, half, 0, half, side), 'its style is matched there alone');
});

test('also at several scales, and with the colours of the photo', async () => {
  const part = await paint({ contentMask: rightHalf(90, 90), content: photo(90, 90) },
    { size: 128, preset: 'fast', iterations: 3, scale_iterations: 3, preserve_colors: 'luminance' });
  const photoAlone = await paint({ content: photo(90, 90) }, { size: 128, content_weight: 1, style_weight: 0, iterations: 1 });
  assert.deepEqual(crop(part, 0, 0, 56, 128), crop(photoAlone, 0, 0, 56, 128));
  assert.notDeepEqual(crop(part, 72, 0, 56, 128), crop(photoAlone, 72, 0, 56, 128));
});

// The last layers of the network have no pixel for the last 15 columns.
test('a mask may be white at the edge alone', async () => {
  const content = photo(79, 79), contentMask = png(79, 79, (x) => Array(3).fill(x < 64 ? 0 : 255));
  const part = await paint({ content, contentMask }, { size: 79, iterations: 12 });
  assert.deepEqual(crop(part, 0, 0, 64, 79), crop(readPng(content), 0, 0, 64, 79));
  assert.notDeepEqual(crop(part, 64, 0, 15, 79), crop(readPng(content), 64, 0, 15, 79));
});

test('a style is what style_mask shows of it', async () => {
  const all = await paint({ styles: [mixed] });
  const right = await paint({ styles: [mixed], styleMasks: [rightHalf(40, 40)] });
  const white = await paint({ styles: [mixed], styleMasks: [png(40, 40, () => [255, 255, 255])] });
  assert.notDeepEqual(right, all);
  assert.deepEqual(white, all, 'all of it');
  const two = await paint({ styles: [mixed, painting()], styleMasks: [rightHalf(40, 40), rightHalf(40, 40)] });
  const other = await paint({ styles: [mixed, painting()], styleMasks: [rightHalf(40, 40), png(40, 40, () => [255, 255, 255])] });
  assert.notDeepEqual(two, other, 'each painting has its own');
});

test('run takes the same masks as files', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'stylized-masks-'));
  const at = (name) => join(folder, name);
  writeFileSync(at('photo.png'), photo());
  writeFileSync(at('mixed.png'), mixed);
  writeFileSync(at('painting.png'), painting());
  writeFileSync(at('mask.png'), rightHalf());
  writeFileSync(at('style-mask.png'), rightHalf(40, 40));
  const run = (...args) => promisify(execFile)(program, ['run', at('photo.png'), ...args, '-o', at('out.png'), '--quiet', '--preset',
    'gatys', '--size', String(side), '--resize', 'fit', '--iterations', '4'], { cwd: folder });
  await run(at('mixed.png'), '--content-mask', at('mask.png'), '--style-mask', at('style-mask.png'));
  assert.deepEqual(readPng(readFileSync(at('out.png'))),
    await paint({ styles: [mixed], contentMask: rightHalf(), styleMasks: [rightHalf(40, 40)] }));
  await run(at('mixed.png'), at('painting.png'), '--style-mask', `,${at('style-mask.png')}`);
  const white = png(40, 40, () => [255, 255, 255]);
  assert.deepEqual(readPng(readFileSync(at('out.png'))),
    await paint({ styles: [mixed, painting()], styleMasks: [white, rightHalf(40, 40)] }));
  await assert.rejects(run(at('mixed.png'), at('painting.png'), '--style-mask', at('style-mask.png')),
    /2 paintings and 1 masks of paintings/);
  await assert.rejects(run(at('mixed.png'), '--content-mask', at('missing.png')), /missing\.png/);
  rmSync(folder, { recursive: true });
});

async function refused(status, field, pictures, more) {
  const answer = await server.submit(jobForm({ ...options, ...more }, pictures));
  assert.equal(answer.status, status, answer.text());
  assert.equal(answer.json().field, field);
  return answer.json();
}

test('masks that cannot be are refused', async () => {
  const black = png(side, side, () => [0, 0, 0]), speck = png(100, 100, (x, y) => Array(3).fill(x + y < 4 ? 255 : 0));
  assert.match((await refused(422, 'content_mask', { contentMask: black })).detail, /black/);
  await refused(422, 'content_mask', { contentMask: speck });
  await refused(422, 'style_mask', { styleMasks: [png(40, 40, () => [0, 0, 0])] });
  assert.match((await refused(422, 'content_mask', { contentMask: rightHalf(48, 40) })).detail, /48x40.*48x48/);
  await refused(422, 'style_mask', { styleMasks: [rightHalf(48, 40)] });
  const few = await refused(422, 'style_mask', { styles: [mixed, painting()], styleMasks: [rightHalf(40, 40)] });
  assert.equal(few.limit, 'exactly 2');
  await refused(422, 'style_mask', { styleMasks: [rightHalf(40, 40), rightHalf(40, 40)] });
  await refused(415, 'content_mask', { contentMask: Buffer.from('no picture') });
  await refused(415, 'style_mask', { styleMasks: [Buffer.from('no picture')] });
  const twice = jobForm(options, { contentMask: rightHalf() });
  twice.append('content_mask', new Blob([rightHalf()]), 'again.png');
  assert.equal((await server.submit(twice)).json().field, 'content_mask');
});

test('another mask is another request under the same key', async () => {
  const send = (contentMask) => server.request('POST', '/v1/jobs',
    { body: jobForm(options, { contentMask }), headers: { 'idempotency-key': 'masked' } });
  const first = await send(rightHalf());
  assert.equal(first.status, 202);
  assert.equal((await send(rightHalf())).headers['idempotency-replayed'], 'true');
  assert.equal((await send(png(side, side, () => [255, 255, 255]))).status, 422);
});

test('a job that is interrupted has its masks and its transparency afterwards', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'stylized-masked-'));
  const long = { ...options, iterations: sanitized ? 45 : 90 };
  const pictures = { content: seeThrough, contentMask: rightHalf(), styles: [mixed], styleMasks: [rightHalf(40, 40)] };
  const first = await Server.start({ checkpoint_interval: 1 }, folder);
  const { id, links } = await first.accept(long, pictures);
  await until(async () => (await first.job(id)).progress?.evaluation > long.iterations / 3, 'some evaluations', 5);
  await first.kill();
  const second = await Server.start({}, folder);
  assert.ok((await second.finished(id)).attempts > 1, 'it was interrupted');
  const { body } = await second.get(links.result);
  await second.stop();
  const unbroken = await server.accept(long, pictures);
  await server.finished(unbroken.id);
  assert.deepEqual(body, (await server.get(unbroken.links.result)).body);
});

test('what is transparent in the photo is so in the picture', async () => {
  const kept = await paint({ content: seeThrough }), given = readPng(seeThrough);
  assert.deepEqual(kept.alpha, given.alpha);
  const flat = await paint({ content: seeThrough }, { alpha: 'flatten' });
  assert.equal(flat.alpha, undefined);
  assert.deepEqual(crop(flat, 0, 0, 20, side), crop(kept, 0, 0, 20, side), 'the same picture where it is opaque');
  assert.equal((await paint({ content: photo() })).alpha, undefined, 'an opaque photo gives an opaque picture');
});

test('what cannot be seen at all is refused, unless it is flattened', async () => {
  const invisible = png(side, side, (x, y) => [x * 5, y * 5, 90, 0]);
  assert.match((await refused(422, 'content', { content: invisible })).detail, /alpha=flatten/);
  const flat = await paint({ content: invisible }, { alpha: 'flatten' });
  assert.equal(flat.alpha, undefined);
  await paint({ content: invisible }, { size: 48, grid: 'seed=1,2' }); // sheets are opaque
  const speck = png(side, side, (x, y) => [x * 5, y * 5, 90, x + y === 0 ? 255 : 0]);
  assert.equal((await paint({ content: speck })).alpha[0], 255);
});

test('run refuses and keeps the same', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'stylized-alpha-'));
  const at = (name) => join(folder, name);
  writeFileSync(at('photo.png'), seeThrough);
  writeFileSync(at('nothing.png'), png(side, side, () => [9, 9, 9, 0]));
  writeFileSync(at('painting.png'), painting());
  const run = (name, ...args) => promisify(execFile)(program, ['run', at(name), at('painting.png'), '-o', at('out.png'), '--quiet',
    '--preset', 'gatys', '--size', String(side), '--resize', 'fit', '--iterations', '4', ...args], { cwd: folder });
  await run('photo.png');
  assert.deepEqual(readPng(readFileSync(at('out.png'))), await paint({ content: seeThrough }));
  await run('photo.png', '--alpha=flatten');
  assert.deepEqual(readPng(readFileSync(at('out.png'))), await paint({ content: seeThrough }, { alpha: 'flatten' }));
  await assert.rejects(run('nothing.png'), /nothing\.png: content is transparent everywhere/);
  await run('nothing.png', '--grid', 'seed=1,2');
  rmSync(folder, { recursive: true });
});

test('every cell of a sheet has the masks', async () => {
  const masks = { contentMask: rightHalf(), styles: [mixed], styleMasks: [rightHalf(40, 40)] };
  const sheet = await paint(masks, { preset: 'fast', scales: 1, grid: 'style_weight=1,100' });
  for (const [column, style_weight] of [1, 100].entries()) {
    const single = await paint(masks, { preset: 'fast', scales: 1, style_weight });
    const left = sheet.width - (2 - column) * (side + 8), top = sheet.height - side - 8;
    assert.deepEqual(crop(sheet, left, top, side, side), single);
  }
});

test('other formats keep it as they can, and previews are white behind', async () => {
  const { id } = await server.accept({ ...options, format: 'webp' }, { content: seeThrough });
  await server.finished(id);
  const as = async (type) => (await server.get(`/v1/jobs/${id}/result`, { accept: type })).body;
  const again = async (content) => paint({ content }, { content_weight: 1, style_weight: 0, iterations: 1 });
  const webp = await again(await as('image/webp')), jpeg = await again(await as('image/jpeg'));
  assert.deepEqual(webp.alpha, readPng(seeThrough).alpha);
  assert.equal(jpeg.alpha, undefined);
  const preview = await again((await server.get(`/v1/jobs/${id}/preview`)).body);
  for (const flat of [jpeg, preview])
    for (const value of crop(flat, 36, 0, 12, side).rgb) assert.ok(value > 240, 'white where nothing is');
});
