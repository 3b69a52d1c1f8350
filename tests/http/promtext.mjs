// A strict reader of Prometheus' text format 0.0.4: throws at what is not as the format has it.
import assert from 'node:assert/strict';

const name = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"(?:,(?!\})|(?=\})))*)\})? (\S+)$/;

function readNumber(text) {
  if (/^[+-]Inf$/.test(text)) return text[0] === '-' ? -Infinity : Infinity;
  if (text === 'NaN') return NaN;
  assert.match(text, /^-?\d+(\.\d+)?(e[+-]\d+)?$/);
  return Number(text);
}

const keyOf = (labels) => Object.entries(labels).sort().map(([label, value]) => `${label}=${JSON.stringify(value)}`).join();

function checkHistogram(family, samples) {
  const groups = new Map();
  for (const { suffix, labels: { le, ...labels }, value } of samples) {
    const key = keyOf(labels);
    if (!groups.has(key)) groups.set(key, { buckets: [] });
    const group = groups.get(key);
    assert.equal(suffix === '_bucket', le !== undefined, `${family}: le belongs to buckets`);
    if (suffix === '_bucket') group.buckets.push([readNumber(le), value]);
    else if (['_sum', '_count'].includes(suffix) && !(suffix in group)) group[suffix] = value;
    else assert.fail(`${family}${suffix}`);
  }
  for (const { buckets, _count, _sum } of groups.values()) {
    assert.ok(buckets.every(([le, n], i) => i === 0 || (le > buckets[i - 1][0] && n >= buckets[i - 1][1])), family);
    assert.deepEqual(buckets.at(-1), [Infinity, _count], family);
    assert.ok(_sum >= 0, family);
  }
}

// {families: Map name -> {type, help, samples: [{suffix, labels, value}]}, value(name, labels), names()}
export function readMetrics(text) {
  const families = new Map();
  let family;
  assert.ok(text.endsWith('\n'));
  for (const line of text.slice(0, -1).split('\n')) {
    const [, keyword, subject, rest] = line.match(/^# (HELP|TYPE) (\S+) (.+)$/) ?? [];
    if (keyword === 'HELP') {
      assert.match(subject, name);
      assert.ok(!families.has(subject), `${subject} is there twice`);
      families.set(subject, family = { name: subject, help: rest, samples: [] });
    } else if (keyword === 'TYPE') {
      assert.ok(family.name === subject && !family.type && family.samples.length === 0, line);
      assert.match(rest, /^(counter|gauge|histogram)$/);
      assert.ok(rest !== 'counter' || subject.endsWith('_total'), `${subject} should end in _total`);
      family.type = rest;
    } else {
      const [, full, pairs, value] = line.match(sample) ?? assert.fail(`no sample: ${line}`);
      assert.ok(family?.type && full.startsWith(family.name), `out of place: ${line}`);
      const labels = {};
      for (const [, label, text] of (pairs ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
        assert.ok(!(label in labels), line);
        labels[label] = text.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
      }
      family.samples.push({ suffix: full.slice(family.name.length), labels, value: readNumber(value) });
    }
  }
  for (const { name: subject, type, samples } of families.values()) {
    assert.ok(type, subject);
    const series = samples.map(({ suffix, labels }) => suffix + keyOf(labels));
    assert.equal(new Set(series).size, series.length, `${subject} has a series twice`);
    if (type === 'histogram') checkHistogram(subject, samples);
    else assert.ok(samples.every(({ suffix, labels }) => suffix === '' && !('le' in labels)), subject);
  }
  // The value of a series; undefined if it is not there.
  const value = (full, labels = {}) => {
    for (const { name: subject, samples } of families.values())
      for (const each of samples)
        if (subject + each.suffix === full && keyOf(each.labels) === keyOf(labels)) return each.value;
    return undefined;
  };
  // All names that a query may use.
  const names = () => new Set([...families.values()].flatMap(({ name: subject, type }) =>
    type === 'histogram' ? ['_bucket', '_sum', '_count'].map((suffix) => subject + suffix) : [subject]));
  return { families, value, names };
}
