// openapi.yaml itself: linted with Redocly's rules (../redocly.yaml), warnings included, and checked for what linters
// do not see. The linter is used as a library: its command line asks the network for newer versions.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { lint, loadConfig } from '@redocly/openapi-core';
import { contract, contractFile, resolve } from './contract.mjs';

test('openapi.yaml passes the linter', async () => {
  const config = await loadConfig({ configPath: fileURLToPath(new URL('../redocly.yaml', import.meta.url)) });
  const problems = await lint({ ref: fileURLToPath(contractFile), config });
  assert.deepEqual(problems.map(({ severity, ruleId, message, location: [at] }) =>
    `${severity} ${ruleId} at ${at?.pointer}: ${message}`), []);
});

// Calls visit(node, pointer) on every object of the document.
function walk(visit, node = contract, where = '') {
  if (typeof node !== 'object' || node === null) return;
  visit(node, where);
  for (const [key, child] of Object.entries(node))
    walk(visit, child, `${where}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`);
}

test('every reference leads somewhere and every component is used', () => {
  const used = new Set();
  walk(({ $ref, security = [] }) => {
    for (const name of security.flatMap(Object.keys)) used.add(`#/components/securitySchemes/${name}`);
    if (!$ref) return;
    resolve($ref.slice(1));
    used.add($ref.split('/').slice(0, 4).join('/'));
  });
  for (const [kind, components] of Object.entries(contract.components))
    for (const name of Object.keys(components))
      assert.ok(used.has(`#/components/${kind}/${name}`), `${kind}/${name} is never used`);
});

test('no object schema leaves room for what it does not name', () => {
  walk((node, where) => {
    if (node.type === 'object' && !where.includes('/allOf/')) // conditions on objects described elsewhere
      assert.equal(node.additionalProperties, false, where);
  });
});

test('every answer has a request id, and every error is a problem', () => {
  walk((node, where) => {
    const status = Number(/\/responses\/(\d{3})$/.exec(where)?.[1]);
    if (!status || where.startsWith('/webhooks/')) return; // those are others' answers to us
    const { node: response } = resolve(where);
    assert.ok(response.headers['X-Request-ID'], where);
    if (status >= 400) assert.deepEqual(Object.keys(response.content), ['application/problem+json'], where);
  });
});

test('the lock file names no registry', () => {
  const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'));
  for (const [name, entry] of Object.entries(lock.packages)) assert.equal(entry.resolved, undefined, name);
});
