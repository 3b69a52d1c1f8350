// Checks answers against openapi.yaml: path, method and status must be documented, every documented header present
// and well-formed, no undocumented header there, the body of a documented type and, if JSON, of its schema.
//
// Which (method, path, status) were seen is appended to the file named by STYLIZED_COVERAGE; coverage.mjs reports.
import assert from 'node:assert/strict';
import { appendFileSync, readFileSync } from 'node:fs';
import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { parse } from 'yaml';
import { pictureType } from './pictures.mjs';

export const contractFile = new URL('../../openapi.yaml', import.meta.url);
export const contract = parse(readFileSync(contractFile, 'utf8'));

// HTTP's own, and what an answer to a page of another origin may carry besides (browser tests check those).
const alwaysAllowed = new Set(['date', 'connection', 'keep-alive', 'content-length', 'content-type', 'transfer-encoding',
  'vary', 'access-control-allow-origin', 'access-control-expose-headers', 'content-security-policy']);

// What every answer has, to tell browsers what to make of it.
const protection = new Map([['x-content-type-options', 'nosniff'], ['x-frame-options', 'DENY'],
  ['referrer-policy', 'no-referrer'], ['cross-origin-resource-policy', /^(cross|same)-origin$/],
  ['content-security-policy', /^default-src 'none'; (frame-ancestors 'none'$|script-src 'self')/]]);

const ajv = new Ajv.default({ strict: true, strictRequired: false, strictTypes: false, allowUnionTypes: true,
  allErrors: true });
addFormats.default(ajv);
ajv.addFormat('binary', true);
ajv.addVocabulary(Object.keys(contract)); // the document as a whole is no schema, it only holds them
ajv.addSchema(contract, 'contract', undefined, false);

const pointer = (...keys) => keys.map((key) => `/${encodeURIComponent(key.replace(/~/g, '~0').replace(/\//g, '~1'))}`).join('');
const validators = new Map();

// The validator of the schema at a JSON pointer of the document.
function validatorAt(where) {
  if (!validators.has(where)) validators.set(where, ajv.compile({ $ref: `contract#${where}` }));
  return validators.get(where);
}

// Follows $ref, keeping count of where in the document the node is.
export function resolve(where) {
  const node = where.split('/').slice(1).reduce((at, key) =>
    at?.[decodeURIComponent(key).replace(/~1/g, '/').replace(/~0/g, '~')], contract);
  assert.ok(node !== undefined, `openapi.yaml has nothing at ${where}`);
  return node.$ref && Object.keys(node).length === 1 ? resolve(node.$ref.slice(1)) : { node, where };
}

const templates = Object.keys(contract.paths).map((path) => ({ path,
  pattern: new RegExp(`^${path.replace(/[.]/g, '\\.').replace(/\{[^}]+\}/g, '[^/]+')}$`) }))
  .sort((a, b) => a.path.split('{').length - b.path.split('{').length);

export const templateOf = (path) => templates.find(({ pattern }) => pattern.test(path.split('?')[0]))?.path;

// Methods answered on a path: the documented ones and what every path has.
export function methodsOf(template) {
  const methods = Object.keys(contract.paths[template]).filter((key) => key !== 'parameters').map((m) => m.toUpperCase());
  return [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].sort();
}

// Where the answer is documented: its operation's own statuses first, then those that any path may have.
function documented(method, template, status) {
  const key = (method === 'HEAD' ? 'GET' : method).toLowerCase();
  if (template && contract.paths[template][key]?.responses[status])
    return pointer('paths', template, key, 'responses', String(status));
  const anywhere = method === 'OPTIONS' && status === 204 ? 'OPTIONS' : String(status);
  assert.ok(contract['x-everywhere'][anywhere], `${method} ${template ?? 'unknown path'} answered ${status}: not in openapi.yaml`);
  if (status === 404) assert.ok(!template, `${method} ${template} does not document 404`);
  if (status === 405) assert.ok(!contract.paths[template]?.[key], `${method} ${template} is documented, but got 405`);
  return pointer('x-everywhere', anywhere);
}

function checkHeaders(answer, where, headers) {
  const names = new Map(Object.keys(headers).map((name) => [name.toLowerCase(), name]));
  for (const [lower, name] of names) {
    const found = resolve(`${where}${pointer('headers', name)}`);
    const text = answer.headers[lower];
    assert.ok(text !== undefined || !found.node.required, `header ${name} is missing`);
    if (text === undefined) continue;
    const isNumber = found.node.schema.type === 'integer';
    const valid = validatorAt(`${found.where}/schema`);
    assert.ok(valid(isNumber ? Number(text) : text), `header ${name}: ${text}: ${ajv.errorsText(valid.errors)}`);
  }
  for (const name of Object.keys(answer.headers))
    assert.ok(names.has(name) || alwaysAllowed.has(name) || protection.has(name), `header ${name} is not in openapi.yaml`);
  for (const [name, value] of protection)
    assert.match(answer.headers[name] ?? '', value instanceof RegExp ? value : new RegExp(`^${value}$`), name);
}

function checkBody(answer, where, content) {
  const type = answer.headers['content-type']?.split(';')[0];
  if (!content) {
    assert.equal(answer.body.length, 0, 'the body should be empty');
    return;
  }
  assert.ok(content[type], `content type ${type} is not documented`);
  if (answer.method === 'HEAD') return assert.equal(answer.body.length, 0, 'an answer to HEAD has no body');
  if (type.endsWith('json')) {
    const valid = validatorAt(`${where}${pointer('content', type, 'schema')}`);
    assert.ok(valid(answer.json()), `body: ${ajv.errorsText(valid.errors)}\n${answer.text()}`);
  } else if (type.startsWith('image/') && answer.status === 200) {
    assert.equal(pictureType(answer.body), type);
  }
  if (type === 'application/problem+json') {
    assert.equal(answer.json().status, answer.status, "the problem's status is not the answer's");
    assert.equal(answer.json().request_id, answer.headers['x-request-id']);
  }
}

// `answer`: {method, path, status, headers: {lower case: text}, body: Buffer, json(), text()}
export function checkAnswer(answer) {
  const { method, path, status } = answer;
  const template = templateOf(path);
  try {
    const found = resolve(documented(method, template, status));
    checkHeaders(answer, found.where, found.node.headers ?? {});
    checkBody(answer, found.where, found.node.content);
    if (status === 405) assert.deepEqual(answer.headers.allow.split(', ').sort(), methodsOf(template));
  } catch (error) {
    error.message = `${method} ${path} -> ${status} breaks the contract: ${error.message}\n${JSON.stringify(answer.headers)}`;
    throw error;
  }
  if (process.env.STYLIZED_COVERAGE)
    appendFileSync(process.env.STYLIZED_COVERAGE, `${method} ${template ?? '*'} ${status}\n`);
}

// Checks what a webhook was sent: {method, headers: {lower case: text}, body}.
export function checkWebhook({ method, headers, body }) {
  const where = pointer('webhooks', 'jobEnded', method.toLowerCase());
  const { parameters, requestBody } = resolve(where).node;
  for (const [i, { name, required, schema }] of parameters.entries()) {
    const text = headers[name.toLowerCase()];
    assert.ok(text !== undefined || !required, `header ${name} is missing`);
    const valid = validatorAt(`${where}${pointer('parameters', String(i), 'schema')}`);
    assert.ok(valid(schema.type === 'integer' ? Number(text) : text), `header ${name}: ${text}`);
  }
  const [type] = Object.keys(requestBody.content);
  assert.equal(headers['content-type'], type);
  const valid = validatorAt(`${where}${pointer('requestBody', 'content', type, 'schema')}`);
  assert.ok(valid(JSON.parse(body)), ajv.errorsText(valid.errors));
}

// Validates any value against a schema of the contract, e.g. a job found in a log.
export function checkSchema(name, value) {
  const valid = validatorAt(`/components/schemas/${name}`);
  assert.ok(valid(value), `${name}: ${ajv.errorsText(valid.errors)}`);
}
