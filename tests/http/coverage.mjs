// Tells which answers that openapi.yaml documents were really given during the tests; one that is missing is a failure.
import { readFileSync } from 'node:fs';
import { contract } from './contract.mjs';

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
  console.log(`openapi.yaml: ${documented.length - missing.length} of ${documented.length} documented answers were given for real`);
  for (const pair of missing) console.log(`  not given: ${pair}`);
  return missing.length === 0;
}
