// A server that may take little memory: what fits, what does not, and what it says of that.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { jobForm, program, sanitized, Server } from './harness.mjs';
import { painting, photo } from './pictures.mjs';

const MiB = 1024 * 1024;

// The program and its weights take memory, too: how much depends on how it was built. The server has about 300 MiB
// beyond that, whatever it is.
let server, limit;
before(async () => {
  const roomy = await Server.start({ memory_limit: 1000000 });
  const { max_job_memory: budget } = (await roomy.get('/v1/limits')).json();
  await roomy.stop();
  limit = 1000000 - Math.floor(budget / MiB) + 300;
  server = await Server.start({ memory_limit: limit });
});
after(() => server.stop());

// The sizes it names are accepted to be forgotten at once: nobody waits for their pictures.
async function takes(at, options, pictures) {
  const { id } = await at.accept(options, pictures);
  assert.equal((await at.request('DELETE', `/v1/jobs/${id}`)).status, 204);
}

const sentence = /^the job would take about (\d+) MiB of memory at size (\d+), and a job has (\d+) MiB: the largest size that fits is (\d+)$/;

// The size that a refusal names; what it says must hold together.
async function refusedFor(at, options, pictures) {
  const answer = await at.submit(jobForm(options, pictures));
  assert.equal(answer.status, 422, answer.text());
  const problem = answer.json();
  assert.equal(problem.type, 'urn:stylized:invalid');
  assert.equal(problem.field, 'size');
  assert.match(problem.detail, sentence);
  const [estimate, asked, budget, largest] = sentence.exec(problem.detail).slice(1).map(Number);
  assert.equal(asked, options.size);
  assert.equal(budget, Math.floor((await at.get('/v1/limits')).json().max_job_memory / MiB));
  assert.ok(estimate > budget, problem.detail);
  assert.ok(largest < asked, problem.detail);
  assert.match(problem.limit, new RegExp(`^\\d+\\.\\.${largest} pixels$`));
  return { estimate, largest };
}

test('a job that fits is accepted, one that does not is told what would', async () => {
  await takes(server, { size: 512 });
  const { estimate, largest } = await refusedFor(server, { size: 2048 });
  assert.ok(estimate > 400, 'a picture of 4 megapixels needs more than 100 bytes for each of them, in tiles, too');
  assert.ok(largest >= 512);
  await takes(server, { size: largest });
  await refusedFor(server, { size: largest + 1 });
});

test('history, optimizer and proportions count', async () => {
  const { largest: short } = await refusedFor(server, { size: 2048, iterations: 2 });
  const { largest: long } = await refusedFor(server, { size: 2048, iterations: 500 });
  const { largest: halfway } = await refusedFor(server, { size: 2048, iterations: 500, history: 20 });
  const { largest: adam } = await refusedFor(server, { size: 2048, iterations: 500, optimizer: 'adam' });
  assert.ok(long < halfway && halfway < short, `${long} ${halfway} ${short}`);
  assert.ok(Math.abs(adam - short) <= 1, `${adam} ${short}`);
  const flat = { content: photo(96, 24), styles: [painting(80, 20)] };
  await takes(server, { size: short + 1, resize: 'fit' }, flat);
  const { largest: fit } = await refusedFor(server, { size: 2048, resize: 'fit' }, { content: photo(), styles: flat.styles });
  assert.ok(fit >= short && fit < short * 1.05, `${fit} ${short}: the painting is less of a square`);
  await takes(server, { size: long, iterations: 500 });
});

test('a ribbon of which every size is too large is refused for its history', async () => {
  const pictures = { content: photo(2048, 16), styles: [painting(2048, 16)] };
  const options = { size: 2048, resize: 'fit', iterations: 500, history: 200 };
  await takes(server, options, pictures);
  const { max_job_memory: budget } = (await server.get('/v1/limits')).json();
  // Room for 110 MiB: the network fits, 200 pairs of 768 KiB each do not.
  const tight = await Server.start({ memory_limit: limit - Math.floor(budget / MiB) + 110 });
  const answer = await tight.submit(jobForm(options, pictures));
  assert.equal(answer.status, 422, answer.text());
  const problem = answer.json();
  assert.equal(problem.field, 'history');
  const told = /at size (\d+), the smallest possible .* the largest history that fits at that size is (\d+)$/;
  assert.match(problem.detail, told);
  const [size, history] = told.exec(problem.detail).slice(1).map(Number);
  assert.equal(problem.limit, `1..${history} pairs`);
  await takes(tight, { ...options, size, history }, pictures);
  assert.equal((await tight.submit(jobForm({ ...options, size, history: history + 1 }, pictures))).status, 422);
  await tight.stop();
});

// With sanitizers it would take minutes; tests/unit/engine/test_tiles.c looks into tiles there.
test('what does not fit as a whole is seen in tiles, and the job says so', { skip: sanitized }, async () => {
  const { notes } = await server.finished((await server.accept({ size: 768, iterations: 1 })).id);
  assert.equal(notes.length, 1);
  assert.match(notes[0], /tiles of about \d+ pixels/);
  const { notes: small } = await server.finished((await server.accept({ size: 64, iterations: 2 })).id);
  assert.deepEqual(small ?? [], []);
});

test('limits tell what a job has, and what that is in pixels', async () => {
  const limits = (await server.get('/v1/limits')).json();
  assert.ok(limits.max_job_memory < limit * MiB);
  const options = { preset: undefined, iterations: undefined };
  await takes(server, { ...options, size: limits.largest_square });
  const { largest } = await refusedFor(server, { ...options, size: limits.largest_square + 1 });
  assert.equal(largest, limits.largest_square);
  const shared = await Server.start({ memory_limit: limit, workers: 2 });
  const half = (await shared.get('/v1/limits')).json();
  await shared.stop();
  assert.ok(Math.abs(half.max_job_memory / limits.max_job_memory - 0.5) < 0.02);
  assert.ok(half.largest_square < limits.largest_square);
});

test('the largest square is no larger than the option size may be', async () => {
  const roomy = await Server.start({ memory_limit: 1000000, max_size: 300 });
  const limits = (await roomy.get('/v1/limits')).json();
  await roomy.stop();
  assert.equal(limits.largest_square, 300);
  assert.ok(limits.max_job_memory > 900000 * MiB);
});

// What the program does with this command line.
const run = (...args) => new Promise((resolve) => execFile(program, args, (error, stdout, stderr) =>
  resolve({ code: error?.code ?? 0, stderr })));

test('a limit that leaves nothing keeps the server from starting', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'stylized-test-'));
  const { code, stderr } = await run('serve', '--listen', '127.0.0.1:0', '--store', `sqlite:${join(folder, 'jobs.db')}`, '--memory-limit', '2');
  rmSync(folder, { recursive: true });
  assert.equal(code, 1);
  assert.match(stderr, /memory_limit: of 2 MiB the program and its weights take \d+ MiB, which leaves too little/);
});

test('run refuses in the same words', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'stylized-test-'));
  const [content, style, out] = ['content.png', 'style.png', 'out.png'].map((name) => join(folder, name));
  writeFileSync(content, photo());
  writeFileSync(style, painting());
  const repaint = (...flags) => run('run', content, style, '-o', out, '--quiet', '--threads', '1', ...flags);
  const refused = await repaint('--iterations', '2', '--size', '2048', '--memory-limit', String(limit));
  assert.equal(refused.code, 1);
  assert.match(refused.stderr.trim().replace(/^stylized: /, ''), sentence);
  const allowed = await repaint('--iterations', '1', '--size', '32', '--memory-limit', String(limit));
  assert.deepEqual([allowed.code, allowed.stderr], [0, '']);
  const wrong = await repaint('--memory-limit', 'much');
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /memory_limit must be an integer \(0\.\.16777216 MiB\), not much/);
  rmSync(folder, { recursive: true });
});
