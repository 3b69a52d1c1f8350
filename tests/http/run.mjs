// Runs the HTTP and browser tests. See run.sh.
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { run } from 'node:test';
import { spec as Spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { reportCoverage } from './coverage.mjs';
import { program } from './harness.mjs';

if (!existsSync(program)) {
  console.error(`${program} is not there: build it first, or set STYLIZED_BIN`);
  process.exit(1);
}

const tests = (folder) => {
  const path = fileURLToPath(new URL(folder, import.meta.url));
  return readdirSync(path).filter((name) => name.endsWith('.test.mjs')).map((name) => join(path, name));
};
// Files of tests in which one job at a time computes, or nothing but the program's command line is tried.
const computing = ['cli', 'determinism', 'grid', 'kernels', 'masks', 'memory', 'readme'];
const isService = (file) => !computing.includes(basename(file, '.test.mjs'));
// "all", "http", "service" (http without those), "browser", or parts of files' names, as "http/events"
const wanted = process.argv.slice(2).length ? process.argv.slice(2) : ['all'];
const wants = (scope) => wanted.includes('all') || wanted.includes(scope);
const isNamed = (scope, file) => wanted.some((part) => !['all', 'http', 'service', 'browser'].includes(part) &&
  `${scope}/${basename(file)}`.includes(part));
const files = [...tests('.').map((file) => ['http', file]), ...tests('../browser').map((file) => ['browser', file])]
  .filter(([scope, file]) => (wants(scope) && !(scope === 'browser' && process.env.STYLIZED_SKIP_BROWSER === '1')) ||
    (wants('service') && scope === 'http' && isService(file)) || isNamed(scope, file))
  .map(([, file]) => file)
  .sort((a, b) => b.includes('expiry') - a.includes('expiry')); // it waits longest

const scratch = mkdtempSync(join(tmpdir(), 'stylized-coverage-'));
process.env.STYLIZED_COVERAGE = join(scratch, 'seen');
writeFileSync(process.env.STYLIZED_COVERAGE, '');

let failed = files.length === 0;
// Some wait rather than work (expiry), so more at a time than two cores could do.
const stream = run({ files, concurrency: 4 });
stream.on('test:fail', () => { failed = true; });
stream.compose(new Spec()).pipe(process.stdout);
stream.on('end', () => {
  setImmediate(() => {
    if (wants('http') && !reportCoverage(process.env.STYLIZED_COVERAGE)) failed = true;
    rmSync(scratch, { recursive: true });
    process.exitCode = failed ? 1 : 0;
  });
});
