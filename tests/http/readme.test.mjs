// Runs README.md's examples. A fenced ```sh or ```js block is an example when the line before it is
// <!-- test: NAME -->; blocks of one name are one script, in their order. Scripts run in a folder of their own that
// has examples/ in it, `stylized` is on the PATH, http://127.0.0.1:8080 becomes the test's server, and sizes become 32
// so that the reference's 500 evaluations take seconds. A shell script must succeed, and leave a picture or print a job; a
// JavaScript one must define stylize(content, style, options), which is called with Blobs and must give a picture.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkSchema } from './contract.mjs';
import { Server, patience, program } from './harness.mjs';
import { pictureType } from './pictures.mjs';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const scripts = new Map();
for (const [, name, language, text] of readme.matchAll(/^<!-- test: ([\w-]+) -->\n```(sh|js)\n(.*?)^```$/gms)) {
  const script = scripts.get(name) ?? { language, text: '', first: text };
  assert.equal(language, script.language, `the blocks of ${name} are of two languages`);
  scripts.set(name, { ...script, text: script.text + text });
}

// Between the two blocks of this one a server is started with the file that the first makes.
const withTokens = 'tokens';

let server;
before(async () => { server = await Server.start(); });
after(() => server.stop());

function run(command, args, cwd) {
  const env = { ...process.env, PATH: dirname(program) + delimiter + process.env.PATH };
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env, timeout: patience, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '', printed = '';
    child.stdout.on('data', (data) => { printed += data; });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { output += data; });
    child.on('close', (code) => resolve({ code, output, printed }));
  });
}

test('README.md has examples in sh and in js', () => {
  const languages = new Set([...scripts.values()].map(({ language }) => language));
  assert.deepEqual([...languages].sort(), ['js', 'sh']);
});

const call = `
import { readFileSync, writeFileSync } from 'node:fs';
const blob = (name) => new Blob([readFileSync('examples/' + name)]);
const result = await stylize(blob('cat.jpg'), blob('swirl.jpg'), { size: 32, iterations: 2 });
writeFileSync('result', Buffer.from(await result.arrayBuffer()));
`;

function picturesIn(folder) {
  return readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile())
    .map(({ name }) => pictureType(readFileSync(join(folder, name)))).filter((type) => type.startsWith('image/'));
}

for (const [name, { language, text, first }] of scripts)
  test(`README.md: ${name}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'stylized-readme-'));
    symlinkSync(fileURLToPath(new URL('../../examples', import.meta.url)), join(folder, 'examples'));
    let asked = server;
    if (name === withTokens) {
      const { code, output } = await run('bash', ['-euo', 'pipefail', '-c', first], folder);
      assert.equal(code, 0, output);
      asked = await Server.start({ tokens_file: join(folder, 'tokens') });
      assert.equal((await asked.get('/v1/jobs')).status, 401);
    }
    const script = (name === withTokens ? text.slice(first.length) : text).replaceAll('http://127.0.0.1:8080', asked.url)
      .replace(/\bsize(["']?\s*[=:,]\s*["']?)\d+/g, (_, between) => `size${between}32`);
    writeFileSync(join(folder, 'script.mjs'), script + call);
    const { code, output, printed } = language === 'sh'
      ? await run('bash', ['-euo', 'pipefail', '-c', script], folder)
      : await run(process.execPath, ['script.mjs'], folder);
    const pictures = picturesIn(folder);
    rmSync(folder, { recursive: true });
    if (asked !== server) await asked.stop();
    assert.equal(code, 0, output);
    if (pictures.length > 0) return;
    const job = JSON.parse(printed);
    checkSchema('Job', job);
    for (const [, grid] of text.matchAll(/grid='([^']*)'/g)) // a client may have its own idea of a semicolon
      assert.deepEqual(Object.keys(job.options.grid), grid.split(';').map((part) => part.split('=')[0]));
  });
