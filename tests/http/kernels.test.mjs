// The kernels that a computer has, the two ways to add up, and the measuring command.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { patience, program } from './harness.mjs';

const example = (name) => fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));
const [photo, painting, other] = ['cat.jpg', 'swirl.jpg', 'coffee.jpg'].map(example);

let folder;
before(() => { folder = mkdtempSync(join(tmpdir(), 'stylized-kernels-')); });
after(() => rmSync(folder, { recursive: true }));
const at = (name) => join(folder, name);

const stylized = (...args) => spawnSync(program, args, { cwd: folder, timeout: patience, encoding: 'utf8' });

function succeeds(...args) {
  const { status, stdout, stderr } = stylized(...args);
  assert.equal(status, 0, stderr);
  return stdout;
}

const near = (a, b, tolerance) => Math.abs(a - b) <= tolerance * Math.max(Math.abs(a), Math.abs(b));

// The sentence about an unknown kernel names those that can run here.
function kernels() {
  const { status, stderr } = stylized('bench', '--kernel', 'abacus');
  assert.equal(status, 2);
  const [, list] = /^stylized: there is no kernel abacus for this processor: kernel can be (.+)\n$/.exec(stderr);
  return list.split(', ');
}

test('every kernel that can run here computes the same losses', () => {
  const names = kernels();
  assert.equal(names[0], 'auto');
  assert.equal(names.at(-1), 'generic');
  const losses = names.map((name) => {
    succeeds('run', photo, painting, '-q', '-o', at('k.png'), '--size=64', '--iterations=2', '--kernel', name,
      '--report', at('k.json'));
    return JSON.parse(readFileSync(at('k.json'))).losses;
  });
  for (const [first, second] of losses) {
    assert.ok(near(first, losses[0][0], 1e-5), `${first} ${losses[0][0]}`);
    assert.ok(near(second, losses[0][1], 1e-3), `${second} ${losses[0][1]}`);
  }
});

test('a kernel that cannot run is refused everywhere', () => {
  for (const args of [['run', photo, painting], ['score', photo, painting, other]]) {
    const { status, stderr } = stylized(...args, '--kernel=abacus');
    assert.equal(status, 2);
    assert.match(stderr, /there is no kernel abacus/);
  }
  const { status, stderr } = stylized('serve', '--kernel=abacus');
  assert.equal(status, 2);
  assert.match(stderr, /kernel must be one of the choices \(auto, avx512, avx2, generic\)/);
});

test('score adds up as the reference does, and with --fast as jobs do', () => {
  const args = ['score', photo, painting, other, '--size=96'];
  const exact = JSON.parse(succeeds(...args)), fast = JSON.parse(succeeds(...args, '--fast'));
  assert.ok(near(exact.loss, fast.loss, 1e-4));
  exact.layers.forEach(({ name, loss }, i) => {
    assert.equal(fast.layers[i].name, name);
    assert.ok(near(loss, fast.layers[i].loss, 1e-4), name);
  });
  assert.notDeepEqual(exact, fast); // else one of them would not be what it says
});

test('bench tells where the time goes', () => {
  const result = JSON.parse(succeeds('bench', '--size=64', '--repeat=3', '--threads=2', '--kernel=generic', '--json'));
  assert.deepEqual([result.size, result.threads, result.kernel], [64, 2, 'generic']);
  assert.equal(result.evaluation_seconds.length, 3);
  assert.ok(result.evaluation_seconds[0] <= result.median_seconds && result.median_seconds <= result.evaluation_seconds[2]);
  assert.ok(result.peak_gflops > 0 && result.peak_rss_bytes > 1e6 && result.median_cpu_seconds > 0);
  const passes = (pass) => result.layers.filter((layer) => layer.pass === pass).map(({ name }) => name);
  assert.equal(passes('forward').length, 13);
  assert.deepEqual(passes('backward'), passes('forward').reverse());
  assert.deepEqual(passes('loss'), ['relu1_1', 'relu2_1', 'relu3_1', 'relu4_1', 'relu4_2', 'relu5_1']);
  for (const { name, seconds, gflop, gflop_direct: direct } of result.layers)
    assert.ok(seconds > 0 && gflop >= 0 && direct >= 0, name);
  // 64 to 64 channels, nine taps, 64x64 pixels
  const second = result.layers.find(({ name, pass }) => name === 'relu1_2' && pass === 'forward');
  assert.ok(near(second.gflop_direct, 2 * 9 * 64 ** 4 * 1e-9, 1e-6));
  const parts = result.layers.reduce((sum, { seconds }) => sum + seconds, 0);
  assert.ok(parts < 1.5 * result.median_seconds);

  const table = succeeds('bench', '--size=32', '--repeat=1');
  assert.match(table, /^32x32, \d+ threads, kernel \w+, peak \d+ GFLOP\/s$/m);
  assert.match(table, /^relu1_1 +backward +direct/m);
  assert.match(table, /^evaluation: median [\d.]+ ms/m);
});

test('bench refuses what it does not know', () => {
  for (const [args, sentence] of [[['--size=8'], /size must be an integer \(16\.\./], [['--repeat=0'], /repeat must be/],
    [['--threads=0'], /threads must be/], [['cat.jpg'], /bench takes no files/]]) {
    const { status, stderr } = stylized('bench', ...args);
    assert.equal(status, 2);
    assert.match(stderr, sentence);
  }
});
