// The command line: exit codes, what is written, Ctrl-C.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Server, patience, program } from './harness.mjs';
import { crop, pictureType, readPng } from './pictures.mjs';

const example = (name) => fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));
const [photo, painting, other] = ['cat.jpg', 'swirl.jpg', 'coffee.jpg'].map(example);

let folder;
before(() => { folder = mkdtempSync(join(tmpdir(), 'stylized-cli-')); });
after(() => rmSync(folder, { recursive: true }));
const at = (name) => join(folder, name);

// Runs the program; `onError` sees its standard error as it comes, `env` adds to the environment.
function stylized(args, onError = () => {}, env = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: folder, timeout: patience,
      stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    let printed = '', error = '';
    child.stdout.on('data', (data) => { printed += data; });
    child.stderr.on('data', (data) => { error += data; onError(child, error); });
    child.on('close', (code, signal) => resolve({ code, signal, printed, error }));
  });
}

test('run writes a picture and a report', async () => {
  const { code, error } = await stylized(['run', photo, painting, '-o', at('a.png'), '--size', '48', '--resize=fit',
    '--option', 'iterations=4', '--threads', '1', '--report', at('a.json')]);
  assert.equal(code, 0, error);
  assert.match(error, /^1\/4 loss [\d.e+]+, .* left$/m); // plain lines, as this is no terminal
  assert.equal(pictureType(readFileSync(at('a.png'))), 'image/png');
  const report = JSON.parse(readFileSync(at('a.json')));
  assert.equal(report.losses.length, 4);
  assert.deepEqual([report.evaluations, report.threads, report.width, report.height], [4, 1, 48, 32]);
  assert.deepEqual(report.layers.map(({ name, kind }) => `${kind} ${name}`), ['style relu1_1', 'style relu2_1',
    'style relu3_1', 'style relu4_1', 'style relu5_1', 'content relu4_2']);
  const total = report.layers.reduce((sum, { loss }) => sum + loss, 0);
  assert.ok(Math.abs(total - report.losses[0]) <= 1e-9 * total);
  assert.ok(report.seconds > 0 && report.seconds_per_evaluation > 0 && report.peak_rss_bytes > 1e6);
  assert.match(report.weights, /^sha256:[0-9a-f]{64}$/);
  assert.deepEqual([report.options.preset, report.options.size, report.options.iterations], ['balanced', 48, 4]);
  assert.equal(report.best_loss, Math.min(...report.losses));
  assert.deepEqual(report.scales, [{ width: 48, height: 32, evaluations: 4 }]);
});

test('run tells beforehand what it will take', async () => {
  const run = async (...options) => {
    const { code, error } = await stylized(['run', photo, painting, '-o', at('e.png'), '--report', at('e.json'), ...options]);
    assert.equal(code, 0, error);
    assert.match(error, /^about (\d+ min )?\d+ s and \d+ MiB of memory\n/);
    const { estimate, seconds } = JSON.parse(readFileSync(at('e.json')));
    assert.equal(Number(/(\d+) MiB/.exec(error)[1]), Math.floor(estimate.memory / 2 ** 20) + 1);
    return { ...estimate, taken: seconds };
  };
  const small = await run('--size=64', '--scales=1', '--iterations=20'), large = await run('--size=128', '--scales=1', '--iterations=20');
  for (const { seconds, taken } of [small, large]) // others use the machine, too
    assert.ok(seconds > taken / 20 && seconds < 20 * taken, `${seconds} s estimated, ${taken} s measured`);
  assert.ok(large.memory > 1.2 * small.memory, `${large.memory} ${small.memory}`);
  const shallow = await run('--size=128', '--scales=1', '--iterations=20', '--style-layers=relu1_1', '--content-layers=relu1_1');
  assert.ok(shallow.memory < large.memory, `${shallow.memory} ${large.memory}`);
  const sheet = await run('--size=64', '--scales=1', '--iterations=20', '--grid=strength=0.2,0.4');
  assert.equal(sheet.memory, small.memory);
  const hurried = await run('--size=128', '--iterations=10000', '--deadline-seconds=0.5');
  assert.equal(hurried.seconds, 0.5);
});

test('the report tells what was computed at each scale', async () => {
  const { report } = await painted('--iterations=2', '--scale-iterations=5', '--scales=2', '--resize=stretch');
  assert.deepEqual(report.scales, [{ width: 64, height: 64, evaluations: 5 }, { width: 128, height: 128, evaluations: 2 }]);
});

test('run --grid writes a sheet, whose report tells of each cell', async () => {
  const shared = ['-q', '--size=48', '--scales=1', '--iterations=2', '--threads=1'];
  const { code, error } = await stylized(['run', photo, painting, ...shared, '-o', at('sheet.png'), '--report', at('sheet.json'),
    '--grid', 'style_weight=1,100;preset=fast,gatys']);
  assert.equal(code, 0, error);
  const sheet = readPng(readFileSync(at('sheet.png'))), report = JSON.parse(readFileSync(at('sheet.json')));
  assert.deepEqual(report.cells.map(({ cell, width, height, evaluations }) => [cell, width, height, evaluations]), [
    ['style_weight=1, preset=fast', 48, 32, 2], ['style_weight=100, preset=fast', 48, 32, 2],
    ['style_weight=1, preset=gatys', 48, 48, 2], ['style_weight=100, preset=gatys', 48, 48, 2]]);
  assert.deepEqual([report.evaluations, report.width, report.height], [8, sheet.width, sheet.height]);
  assert.deepEqual(report.options.grid, { style_weight: [1, 100], preset: ['fast', 'gatys'] });
  assert.equal((await stylized(['run', photo, painting, ...shared, '-o', at('cell.png'), '--preset=gatys', '--style-weight=100'])).code, 0);
  const single = readPng(readFileSync(at('cell.png')));
  assert.deepEqual(crop(sheet, sheet.width - 56, sheet.height - 56, 48, 48), single);
  const wrong = await stylized(['run', photo, painting, ...shared, '-o', at('none.png'), '--grid', 'nothing=1']);
  assert.equal(wrong.code, 2);
  assert.match(wrong.error, /nothing is no option/);
});

// The picture and the report of a small run with these options.
async function painted(...options) {
  const { code, error } = await stylized(['run', photo, painting, '-q', '-o', at('painted.png'), '--report', at('painted.json'),
    '--size=128', '--threads=1', ...['iterations', 'scale-iterations'].filter((name) => !options.some((option) => option.startsWith(`--${name}=`)))
      .map((name) => `--${name}=3`), ...options]);
  assert.equal(code, 0, error);
  return { picture: readFileSync(at('painted.png')), report: JSON.parse(readFileSync(at('painted.json'))) };
}

test('each option of the optimisation changes what it says', async () => {
  const plain = await painted();
  assert.deepEqual((await painted()).picture, plain.picture, 'the same twice');
  assert.equal(plain.report.evaluations, 6, 'two scales: none below 64 pixels');
  assert.equal((await painted('--scales=1')).report.evaluations, 3);
  assert.equal((await painted('--scale-iterations=5')).report.evaluations, 8);
  const more = ['--scale-iterations=12'], usual = (await painted(...more)).picture;
  for (const option of ['--clamp=false', '--precondition=false', '--optimizer=adam', '--init=noise', '--init=style',
    '--preserve-colors=luminance', '--preserve-colors=histogram'])
    assert.notDeepEqual((await painted(option, ...more)).picture, usual, option);
  // A first trial that goes too far is taken back but without a search; one that is too short for Wolfe is lengthened.
  for (const [rate, search] of [[20, 'none'], [0.05, 'strong_wolfe']]) {
    const steps = [`--learning-rate=${rate}`, ...more];
    assert.notDeepEqual((await painted(`--line-search=${search}`, ...steps)).picture, (await painted(...steps)).picture, search);
  }
  const adam = ['--optimizer=adam', '--scales=1', '--iterations=9'];
  const [steps, averaged] = [await painted(...adam), await painted(...adam, '--average=0.5')];
  assert.deepEqual(averaged.report.losses.slice(0, 8), steps.report.losses.slice(0, 8));
  assert.notEqual(averaged.report.losses[8], steps.report.losses[8]);
});

test('a seed makes its own noise', async () => {
  const noise = (seed) => painted('--init=noise', `--seed=${seed}`);
  const one = await noise(1), again = await noise(1), two = await noise(2);
  assert.deepEqual(one.picture, again.picture);
  assert.notDeepEqual(one.picture, two.picture);
  assert.deepEqual((await painted('--seed=2')).picture, (await painted()).picture, 'which the photo needs not');
});

test('the number of threads does not change a bit', async () => {
  for (const threads of ['1', '2'])
    assert.equal((await stylized(['run', photo, painting, '-q', '-o', at(`${threads}.png`), '--size=48',
      '--iterations=4', '--threads', threads])).code, 0);
  assert.deepEqual(readFileSync(at('1.png')), readFileSync(at('2.png')));
});

// The losses of the first evaluation, which is the photo's own.
async function firstLosses(...options) {
  const { code, error } = await stylized(['run', photo, painting, '-q', '-o', at('first.png'), '--size=64',
    '--iterations=1', '--report', at('first.json'), ...options]);
  assert.equal(code, 0, error);
  return JSON.parse(readFileSync(at('first.json'))).layers;
}

test('strength weighs the style, and style_scale enlarges the painting', async () => {
  const plain = await firstLosses(), strong = await firstLosses('--strength=0.75'), large = await firstLosses('--style-scale=2');
  assert.deepEqual(await firstLosses('--strength=0.5', '--style-scale=1'), plain);
  const styles = (layers) => layers.filter(({ kind }) => kind === 'style').map(({ loss }) => loss);
  styles(strong).forEach((loss, i) => assert.ok(Math.abs(loss / styles(plain)[i] - 10) < 1e-4, `${loss}`));
  styles(large).forEach((loss, i) => assert.ok(Math.abs(loss / styles(plain)[i] - 1) > 1e-3, `${loss}`));
  const painted = async (extra) => {
    assert.equal((await stylized(['run', photo, painting, '-q', '-o', at('s.png'), '--size=64', '--iterations=12', ...extra])).code, 0);
    return readFileSync(at('s.png'));
  };
  assert.notDeepEqual(await painted(['--style-scale=2']), await painted([]));
});

test('each style weighs as much as it is told', async () => {
  const of = async (styles, ...options) => {
    const { code, error } = await stylized(['run', photo, ...styles, '-q', '-o', at('w.png'), '--size=64', '--iterations=6',
      '--report', at('w.json'), ...options]);
    assert.equal(code, 0, error);
    return { picture: readFileSync(at('w.png')), report: JSON.parse(readFileSync(at('w.json'))) };
  };
  const both = [painting, other], equal = await of(both), first = await of([painting]), second = await of([other]);
  assert.deepEqual((await of(both, '--style-weights=3,3')).picture, equal.picture);
  assert.deepEqual((await of(both, '--style-weights=7,0')).report.losses, first.report.losses, 'the first alone');
  assert.deepEqual((await of(both, '--style-weights=0,0.5')).report.losses, second.report.losses, 'the second alone');
  const more = await of(both, '--style-weights=3,1');
  assert.notDeepEqual(more.picture, equal.picture);
  assert.notDeepEqual(more.picture, first.picture);
  assert.deepEqual(more.report.options.style_weights, [3, 1]);
  for (const weights of ['1', '1,1,1', '0,0'])
    assert.match((await stylized(['run', photo, ...both, '--style-weights', weights])).error, /style_weights/, weights);
});

test('losses are those of the layers that are told, times their factors', async () => {
  const plain = await firstLosses();
  const found = ({ name, kind }) => plain.find((each) => each.name === name && each.kind === kind).loss;
  const names = (layers) => layers.map(({ name, kind }) => `${kind} ${name}`);
  const chosen = await firstLosses('--style-layers=relu1_1=3,relu3_2', '--content-layers=relu2_1=0.5,relu4_2=2');
  assert.deepEqual(names(chosen), ['style relu1_1', 'style relu3_2', 'content relu2_1', 'content relu4_2']);
  assert.ok(Math.abs(chosen[0].loss / found(chosen[0]) - 3) < 1e-5);
  const shown = JSON.parse(readFileSync(at('first.json'))).options;
  assert.deepEqual([shown.style_layers, shown.content_layers], [{ relu1_1: 3, relu3_2: 1 }, { relu2_1: 0.5, relu4_2: 2 }]);
  assert.deepEqual(await firstLosses('--style-layers=', '--content-layers='), plain, 'none: those of the reference');
  assert.deepEqual(JSON.parse(readFileSync(at('first.json'))).options.content_layers, { relu4_2: 1 });
  const usual = (await painted()).picture;
  for (const option of ['--style-layers=relu1_1,relu2_1', '--content-layers=relu2_1'])
    assert.notDeepEqual((await painted(option)).picture, usual, option);
});

test('tv_weight smooths, and style_loss matches something else', async () => {
  const plain = await firstLosses(), smooth = await firstLosses('--tv-weight=2'), means = await firstLosses('--style-loss=mean_std');
  const [tv, ...rest] = smooth.filter(({ kind }) => kind === 'tv');
  assert.ok(tv.loss > 0 && rest.length === 0);
  assert.deepEqual(smooth.filter(({ kind }) => kind !== 'tv'), plain);
  const [twice] = (await firstLosses('--tv-weight=4')).filter(({ kind }) => kind === 'tv');
  assert.ok(Math.abs(twice.loss / tv.loss - 2) < 1e-6);
  assert.deepEqual(means.map(({ name }) => name), plain.map(({ name }) => name));
  means.forEach(({ kind, loss }, i) => assert.equal(loss === plain[i].loss, kind === 'content'));
  const usual = (await painted()).picture;
  for (const option of ['--tv-weight=100', '--style-loss=mean_std'])
    assert.notDeepEqual((await painted(option)).picture, usual, option);
});

test('the ending of the name, or --format, decides the format', async () => {
  const formats = [['b.jpg', [], 'image/jpeg'], ['b.webp', [], 'image/webp'], ['b.png', ['--format=jpeg'], 'image/jpeg']];
  for (const [name, more, type] of formats) {
    const { code, error } = await stylized(['run', photo, painting, other, '-o', at(name), '-q', '--size=32',
      '--iterations=1', ...more]);
    assert.equal(code, 0, error);
    assert.equal(error, '');
    assert.equal(pictureType(readFileSync(at(name))), type);
  }
});

test('score tells the loss, and writes the gradient', async () => {
  const { code, printed } = await stylized(['score', photo, painting, other, '--size=48', '--resize=fit',
    '--gradient', at('g.npy')]);
  assert.equal(code, 0);
  const { loss, width, height, layers } = JSON.parse(printed);
  assert.deepEqual([width, height], [48, 32]);
  assert.equal(layers.length, 6);
  assert.ok(Math.abs(layers.reduce((sum, layer) => sum + layer.loss, 0) - loss) <= 1e-9 * loss);
  const gradient = readFileSync(at('g.npy'));
  assert.match(gradient.toString('latin1', 10, 128), /'descr': '<f4'.*'shape': \(3, 32, 48\)/);
  assert.equal(gradient.length, 128 + 4 * 3 * 32 * 48);
  // A picture's own content loss is 0.
  const same = JSON.parse((await stylized(['score', photo, painting, photo, '--size=48'])).printed);
  assert.equal(same.layers.find(({ kind }) => kind === 'content').loss, 0);
  assert.ok(same.loss > 0);
  assert.deepEqual([same.width, same.height], [48, 48]);
});

test('score hints at --resize where a picture is not of the reference\'s square', async () => {
  await stylized(['run', photo, painting, '-o', at('fit.png'), '--size=48', '--preset=gatys', '--resize=fit', '--iterations=1', '-q']);
  const plain = await stylized(['score', photo, painting, at('fit.png'), '--size=48']);
  assert.match(plain.error, /fit\.png of 48x32 pixels is stretched to a square.*--resize=fit/);
  assert.equal((await stylized(['score', photo, painting, at('fit.png'), '--size=48', '--resize=fit'])).error, '');
});

test('Ctrl-C writes the best picture so far', async () => {
  let sent = false;
  const { code, error } = await stylized(['run', photo, painting, '-o', at('c.png'), '--size=64', '--iterations=10000'],
    (child, text) => { if (!sent && /loss/.test(text)) { sent = true; child.kill('SIGINT'); } });
  assert.equal(code, 130, error);
  assert.equal(pictureType(readFileSync(at('c.png'))), 'image/png');
});

test('weights info describes and checks a file', async () => {
  const { code, printed } = await stylized(['weights', 'info']);
  assert.equal(code, 0);
  const info = JSON.parse(printed);
  assert.deepEqual([info.tensors, info.parameters, info.dtype, info.input_scale], [26, 12944960, 'F16', 255]);
  const broken = await stylized(['weights', 'info', photo]);
  assert.equal(broken.code, 1);
  assert.match(broken.error, /^stylized: .*cat\.jpg/);
});

const wrongUsage = [
  [], ['nonsense'], ['run'], ['run', photo], ['run', photo, painting, '--nonsense'],
  ['run', photo, painting, '--size=0'], ['run', photo, painting, '--size'], ['run', photo, painting, '--option', 'x=1'],
  ['run', photo, painting, '--threads=many'], ['run', photo, painting, '-o', 'picture.gif'],
  ['score', photo, painting], ['score', photo, painting, other, '--resize=crop'], ['weights'],
  ['serve', '--port=80'], ['serve', 'file'], ['serve', '--config', '/nonexistent'], ['health', 'a', 'b'], ['token'],
];
for (const args of wrongUsage)
  test(`wrong usage is exit code 2: ${args.map((a) => a.replace(/.*\//, '')).join(' ')}`, async () => {
    const { code, error } = await stylized(args);
    assert.equal(code, 2, error);
    assert.notEqual(error, '');
  });

test('failures are exit code 1 with a sentence, and write nothing', async () => {
  const failing = [
    [['run', '/nonexistent.jpg', painting, '-o', at('d.png')], /nonexistent/],
    [['run', photo, painting, '-o', at('d.png'), '--weights', photo], /cat\.jpg/],
    [['run', photo, example('README.md'), '-o', at('d.png')], /README\.md: this is no/],
    [['run', photo, painting, '-o', '/nonexistent/d.png', '--size=32', '--iterations=1', '-q'], /nonexistent/],
    [['serve', '--store=sqlite:/nonexistent/x.db', '--listen=127.0.0.1:0'], /store/],
    [['serve', '--weights=/nonexistent', `--store=sqlite:${at('x.db')}`, '--listen=127.0.0.1:0'], /nonexistent/],
    [['health', 'http://127.0.0.1:1/healthz'], /127\.0\.0\.1:1/],
  ];
  for (const [args, sentence] of failing) {
    const { code, error } = await stylized(args);
    assert.equal(code, 1, `${args.join(' ')}: ${error}`);
    assert.match(error, sentence);
  }
  assert.equal(existsSync(at('d.png')), false);
});

test('health asks where the environment says that the service listens', async () => {
  const server = await Server.start();
  for (const host of ['127.0.0.1', '0.0.0.0', 'localhost'])
    assert.equal((await stylized(['health'], undefined, { STYLIZED_LISTEN: `${host}:${server.port}` })).code, 0, host);
  await server.stop();
  const gone = await stylized(['health'], undefined, { STYLIZED_LISTEN: `0.0.0.0:${server.port}` });
  assert.equal(gone.code, 1);
  assert.match(gone.error, new RegExp(`http://127\\.0\\.0\\.1:${server.port}/healthz`));
  const six = await stylized(['health'], undefined, { STYLIZED_LISTEN: '[::]:1' });
  assert.match(six.error, /http:\/\/\[::1\]:1\/healthz/);
  for (const listen of ['127.0.0.1:0', 'nonsense', ''])
    assert.match((await stylized(['health'], undefined, { STYLIZED_LISTEN: listen })).error, /does not tell which port/);
});

test('every command explains itself', async () => {
  for (const command of [[], ['run'], ['score'], ['serve'], ['weights'], ['token'], ['health']]) {
    const { code, printed } = await stylized([...command, '--help']);
    assert.equal(code, 0);
    assert.match(printed, /Usage: stylized/);
  }
  assert.match((await stylized(['--version'])).printed, /^stylized \d+\.\d+\.\d+$/m);
});
