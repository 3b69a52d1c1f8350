// What the server says of itself: limits, presets, health, the contract, the page; and what holds for every request.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { contract, contractFile, methodsOf } from './contract.mjs';
import { sanitized, Server, until } from './harness.mjs';
import { readMetrics } from './promtext.mjs';

let server;
before(async () => { server = await Server.start(); });
after(() => server.stop());

const documentedOptions = contract.components.schemas.Options.properties;

const plain = (value) => JSON.parse(JSON.stringify(value));

// What openapi.yaml says of an option, less its description.
const ofSchema = ({ description, ...schema }) => schema;

// An option of /v1/limits in the words of JSON Schema.
function asSchema({ type, minimum, maximum, default: initial, enum: names, max_items: maxItems }) {
  const number = { type: 'number', minimum, maximum };
  if (type === 'array') return { type, maxItems, items: number, default: initial };
  if (type === 'object' && !names) // several values for each of some names
    return { type, additionalProperties: false, default: initial,
      patternProperties: { '^[a-z_]+$': { type: 'array', minItems: 1, items: { type: ['number', 'boolean', 'string'] } } } };
  if (type === 'object')
    return { type, additionalProperties: false, default: initial, patternProperties: { [`^(${names.join('|')})$`]: number } };
  return plain({ type, minimum, maximum, default: initial, enum: names });
}

test('the options that openapi.yaml documents are those that the server has', async () => {
  const { options } = (await server.get('/v1/limits')).json();
  const documented = Object.fromEntries(Object.entries(documentedOptions).map(([name, schema]) => [name, ofSchema(schema)]));
  assert.deepEqual(Object.fromEntries(options.map((option) => [option.name, asSchema(option)])), documented);
  const { properties } = contract.components.schemas.JobForm;
  const all = [...options.map(({ name }) => name), ...Object.keys(contract.components.schemas.Terms.properties)];
  assert.deepEqual(Object.keys(properties), ['content', 'style', 'content_mask', 'style_mask', 'options', ...all]);
  assert.deepEqual(Object.keys(contract.components.schemas.JobOptions.properties), all);
  assert.deepEqual(contract.components.schemas.ResolvedOptions.required, options.map(({ name }) => name));
});

test('scripts/openapi_options.py writes what the server tells', async () => {
  const script = fileURLToPath(new URL('../../scripts/openapi_options.py', import.meta.url));
  const input = (await server.get('/v1/presets')).text().replaceAll('style_scale', 'another_scale');
  const { components: { schemas } } = parse(execFileSync('python3', [script, '--print'], { input, encoding: 'utf8' }));
  const { options } = JSON.parse(input);
  const names = options.map(({ name }) => name);
  assert.ok(names.includes('another_scale'));
  assert.deepEqual(Object.entries(schemas.Options.properties).map(([name, schema]) => [name, ofSchema(schema)]),
    options.map((option) => [option.name, asSchema(option)]));
  assert.deepEqual(schemas.ResolvedOptions.required, names);
  for (const { properties } of [schemas.JobForm, schemas.JobOptions])
    assert.deepEqual(Object.keys(properties).filter((name) => names.includes(name)), names);
});

test('the presets that openapi.yaml documents are those that the server has', async () => {
  const presets = (await server.get('/v1/presets')).json();
  assert.equal(presets.default, documentedOptions.preset.default);
  assert.deepEqual(presets.presets.map(({ name }) => name), documentedOptions.preset.enum);
  for (const { name, options } of presets.presets) assert.equal(options.preset, name);
  const defaults = presets.presets.find(({ name }) => name === presets.default).options;
  for (const [name, { default: initial }] of Object.entries(documentedOptions)) assert.deepEqual(defaults[name], initial, name);
});

test('presets tell every option, and what they take on this machine', async () => {
  const { options, presets } = (await server.get('/v1/presets')).json();
  const limits = (await server.get('/v1/limits')).json();
  assert.deepEqual(options, limits.options);
  for (const { options: { size }, estimate } of presets) {
    assert.equal(estimate.size, size);
    assert.ok(estimate.memory > 100 * size * size && estimate.memory < 1e5 * size * size, `${estimate.memory} bytes`);
  }
  const { seconds } = presets.find(({ name }) => name === 'gatys').estimate;
  // By the processor's time, of one thread: the clock's depends on what else the machine does.
  const spent = async () => readMetrics((await server.get('/metrics')).text()).value('process_cpu_seconds_total');
  const size = sanitized ? 64 : 128, earlier = await spent();
  await server.finished((await server.accept({ preset: 'gatys', size, iterations: 20 })).id);
  const taken = (await spent() - earlier) * (500 / 20) * (512 / size) ** 2;
  assert.ok(seconds > taken / 20 && seconds < taken * 20, `${seconds} s estimated, ${taken} s measured`);
});

test('limits follow the configuration', async () => {
  const small = await Server.start({ max_queued: 3, max_size: 100, max_styles: 2, max_file_bytes: 5000, max_pixels: 1234 });
  const limits = (await small.get('/v1/limits')).json();
  await small.stop();
  assert.equal(limits.max_queued, 3);
  assert.equal(limits.max_styles, 2);
  assert.equal(limits.max_file_bytes, 5000);
  assert.equal(limits.max_pixels, 1234);
  assert.equal(limits.options.find(({ name }) => name === 'size').maximum, 100);
});

test('alive and ready', async () => {
  for (const path of ['/healthz', '/readyz']) {
    const answer = await server.get(path);
    assert.equal(answer.status, 200);
    assert.equal(answer.json().status, 'ok');
  }
});

test('openapi.yaml is served as it is', async () => {
  const answer = await server.get('/openapi.yaml');
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.body, readFileSync(contractFile));
  assert.equal((await server.get('/openapi.yaml', { 'if-none-match': answer.headers.etag })).status, 304);
});

test('the page and all that it loads come from here', async () => {
  const page = await server.get('/');
  assert.equal(page.status, 200);
  assert.equal((await server.get('/', { 'if-none-match': page.headers.etag })).status, 304);
  const seen = new Set();
  const queue = [...page.text().matchAll(/(?:src|href)="([^"#]+)"/g)].map(([, path]) => path);
  for (const path of queue) {
    assert.match(path, /^\/[a-z.0-9/]+$/, 'nothing from elsewhere');
    if (seen.has(path)) continue;
    seen.add(path);
    const file = await server.request('GET', path, { contract: false });
    assert.equal(file.status, 200, path);
    const types = { js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml', yaml: 'application/yaml' };
    assert.equal(file.headers['content-type'].split(';')[0], types[path.split('.').at(-1)], path);
    if (path.endsWith('.js'))
      queue.push(...[...file.text().matchAll(/from '\.(\/[^']+)'/g)].map(([, module]) => module));
  }
  assert.ok(seen.has('/app.js') && seen.has('/style.css'));
});

test("a request id is taken from the client if it is usable, else made", async () => {
  const echoed = await server.get('/v1/presets', { 'x-request-id': 'order-66.b_2' });
  assert.equal(echoed.headers['x-request-id'], 'order-66.b_2');
  await until(() => server.logs.some(({ request_id }) => request_id === 'order-66.b_2'), 'its line in the log');
  const made = new Set();
  for (const id of ['', 'with space', 'x'.repeat(1000), '"quoted"', '{}', undefined]) {
    const answer = await server.get('/v1/jobs/none', id === undefined ? {} : { 'x-request-id': id });
    assert.notEqual(answer.headers['x-request-id'], id);
    made.add(answer.headers['x-request-id']);
  }
  assert.equal(made.size, 6);
});

for (const path of ['/v2/jobs', '/v1', '/v1/jobs/', '/v1/jobs/x', '/v1/jobs/../limits', '/v1//jobs', '/v1/jobs/%00', '/HEALTHZ',
  '/web/app.js', '/app.js/', '/etc/passwd', '/v1/jobs/aaaaaaaaaaaaaaaaaaaaaaaaaa', '/v1/jobs/aaaaaaaaaaaaaaaaaaaaaaaaaa/x'])
  test(`nothing is at ${path}`, async () => {
    assert.equal((await server.get(path)).status, 404);
  });

test('unknown jobs are 404 everywhere', async () => {
  const job = '/v1/jobs/aaaaaaaaaaaaaaaaaaaaaaaaaa';
  for (const [method, path] of [['GET', ''], ['DELETE', ''], ['POST', '/cancel'], ['GET', '/result'], ['GET', '/preview'],
    ['GET', '/events'], ['GET', '/history']])
    assert.equal((await server.request(method, job + path)).status, 404, method + path);
});

for (const template of Object.keys(contract.paths)) {
  const path = template.replace('{id}', 'aaaaaaaaaaaaaaaaaaaaaaaaaa');
  test(`methods of ${template}`, async () => {
    const allowed = methodsOf(template);
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND']) {
      const { status } = await server.request(method, path);
      assert.equal(status === 405, !allowed.includes(method), `${method} ${path} -> ${status}`);
    }
    const preflight = await server.request('OPTIONS', path);
    assert.equal(preflight.status, 204);
    assert.deepEqual(preflight.headers.allow.split(', ').sort(), allowed);
  });
}

const cors = (answer) => answer.headers['access-control-allow-origin'];
const preflight = (at, origin) => at.request('OPTIONS', '/v1/jobs', { headers: { origin,
  'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type,idempotency-key' } });

test('pages of any origin may call, by default', async () => {
  const asked = await preflight(server, 'http://page.test');
  assert.equal(asked.status, 204);
  assert.equal(cors(asked), '*');
  assert.match(asked.headers['access-control-allow-methods'], /\bPOST\b/);
  for (const header of ['Content-Type', 'Idempotency-Key', 'Prefer'])
    assert.match(asked.headers['access-control-allow-headers'], new RegExp(`\\b${header}\\b`, 'i'));
  for (const path of ['/v1/limits', '/v1/jobs/none']) {
    const answer = await server.get(path, { origin: 'http://page.test' });
    assert.equal(cors(answer), '*', path);
    for (const header of ['Location', 'Retry-After', 'ETag', 'X-Request-ID'])
      assert.match(answer.headers['access-control-expose-headers'], new RegExp(`\\b${header}\\b`, 'i'));
  }
});

test('only the origins configured may call', async () => {
  const picky = await Server.start({ cors_origins: 'http://one.test https://two.test:8443' });
  for (const origin of ['http://one.test', 'https://two.test:8443'])
    for (const answer of [await preflight(picky, origin), await picky.get('/v1/limits', { origin })]) {
      assert.equal(cors(answer), origin);
      assert.match(answer.headers.vary, /\bOrigin\b/);
    }
  for (const origin of ['http://one.test:80', 'http://one.tes', 'http://one.test.evil', 'https://one.test', 'null', '*'])
    for (const answer of [await preflight(picky, origin), await picky.get('/v1/limits', { origin })])
      assert.equal(cors(answer), undefined, origin);
  await picky.stop();
});

test('no origin may call where none is configured', async () => {
  const closed = await Server.start({ cors_origins: '' });
  assert.equal(cors(await closed.get('/v1/limits', { origin: 'http://page.test' })), undefined);
  assert.equal(cors(await preflight(closed, 'http://page.test')), undefined);
  await closed.stop();
});
