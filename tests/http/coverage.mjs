// Tells which answers that openapi.yaml documents were really given during the tests. `unproduced` are those that no
// test can bring about from outside, each with the reason; any other that is missing is a failure.
import { readFileSync } from 'node:fs';
import { contract } from './contract.mjs';

const unproduced = new Map([
  ['* 500', 'needs a fault of the server'],
  ['POST /v1/jobs 507', 'needs a full disk, and with it mount namespaces'],
]);

export function reportCoverage(file) {
  const seen = new Set(readFileSync(file, 'utf8').split('\n'));
  const everywhere = Object.keys(contract['x-everywhere']).map((key) => key === 'OPTIONS' ? 'OPTIONS' : `* ${key}`);
  const documented = [...everywhere, ...Object.entries(contract.paths).flatMap(([path, item]) =>
    Object.entries(item).filter(([method]) => method !== 'parameters').flatMap(([method, { responses }]) =>
      Object.keys(responses).map((status) => `${method.toUpperCase()} ${path} ${status}`)))];
  const produced = (pair) => {
    if (pair === 'OPTIONS') return [...seen].some((line) => line.startsWith('OPTIONS '));
    if (pair.startsWith('* ')) return [...seen].some((line) => line.endsWith(pair.slice(1)) && !documented.includes(line));
    return seen.has(pair);
  };
  const missing = documented.filter((pair) => !produced(pair));
  const failures = missing.filter((pair) => !unproduced.has(pair));
  console.log(`openapi.yaml: ${documented.length - missing.length} of ${documented.length} documented answers were given for real`);
  for (const pair of missing) console.log(`  not given: ${pair} (${unproduced.get(pair) ?? 'no test brings it about'})`);
  return failures.length === 0;
}
