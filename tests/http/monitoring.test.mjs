// What docs/ says of logs and metrics is so: the tables, the alerts, and the queries of the dashboard.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { before, test } from 'node:test';
import { parse } from 'yaml';
import { Server, fileOf, jobForm } from './harness.mjs';
import { readMetrics } from './promtext.mjs';

const read = (name) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
const guide = read('operations.md');
const dashboard = JSON.parse(read('grafana-dashboard.json'));
let metrics;

before(async () => {
  const server = await Server.start();
  const { id } = await server.accept();
  await server.finished(id);
  assert.equal((await server.submit(jobForm({}, { content: fileOf('GIF89a') }))).status, 415);
  metrics = readMetrics((await server.get('/metrics')).text());
  await server.stop();
});

// Names of metrics in a query: what is left without strings, matchers, functions and the labels of aggregations.
function namesIn(query) {
  const bare = query.replace(/"[^"]*"/g, '').replace(/\{[^}]*\}/g, '').replace(/\[[^\]]*\]/g, '')
    .replace(/\b(by|without|on|ignoring)\s*\([^)]*\)/g, '');
  return [...bare.matchAll(/[a-zA-Z_:][\w:]*(?!\s*\(|\w)/g)].map(([name]) => name)
    .filter((name) => !['and', 'or', 'unless', 'by', 'up', 'bool'].includes(name));
}

function checkQuery(query, where) {
  const names = namesIn(query);
  assert.ok(names.length > 0, `${where}: no metric in ${query}`);
  for (const name of names) assert.ok(metrics.names().has(name), `${where}: there is no metric ${name}`);
  // Values of the labels that only we give.
  for (const [, label, value] of query.matchAll(/\b(route|state|method)="([^"]*)"/g))
    assert.ok([...metrics.families.values()].some(({ samples }) => samples.some(({ labels }) => labels[label] === value)),
      `${where}: there is no ${label} ${value}`);
}

// All C files below a folder of the repository.
function sources(folder) {
  const at = new URL(`../../${folder}/`, import.meta.url);
  return readdirSync(at, { withFileTypes: true }).flatMap((entry) => entry.isDirectory()
    ? sources(`${folder}/${entry.name}`) : entry.name.endsWith('.c') ? [readFileSync(new URL(entry.name, at), 'utf8')] : []);
}

test('the table of events has all that are logged', () => {
  const logged = new Set(sources('src').flatMap((text) =>
    [...text.matchAll(/nst_log_(?:event|failure|failure_of)\([^;]*?"([a-z_]+\.[a-z_]+)"/g)].map(([, event]) => event)));
  const cells = [...guide.matchAll(/^\| ((?:`[a-z_]+\.[a-z_]+`(?:, )?)+) \|/gm)].map(([, names]) => names);
  const told = new Set(cells.flatMap((names) => [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => name)));
  assert.ok(logged.size > 10);
  assert.deepEqual([...told].sort(), [...logged].sort());
});

test('the table of metrics has all that there are, with their types and labels', () => {
  const rows = [...guide.matchAll(/^\| (`[^|]+`) \| (counter|gauge|histogram) \|([^|]*)\|/gm)];
  const told = new Map(rows.flatMap(([, names, type, labels]) => [...names.matchAll(/`([^`]+)`/g)]
    .map(([, name]) => [name, { type, labels: [...labels.matchAll(/`([^`]+)`/g)].map(([, label]) => label).sort() }])));
  const real = new Map([...metrics.families.values()].map(({ name, type, samples }) => {
    assert.ok(samples.length > 0, name);
    return [name, { type, labels: Object.keys(samples[0].labels).filter((label) => label !== 'le').sort() }];
  }));
  assert.deepEqual(told, real);
});

test('the alerts ask for metrics that there are', () => {
  const { groups } = parse(guide.match(/```yaml\n(groups:[^]*?)```/)[1]);
  const rules = groups.flatMap((group) => group.rules);
  assert.ok(rules.length > 5);
  for (const { alert, expr, annotations } of rules) {
    assert.ok(annotations.summary, alert);
    if (!/^up\{/.test(expr)) checkQuery(expr, alert);
  }
});

test('the dashboard asks for metrics that there are, on panels that do not overlap', () => {
  const taken = new Set();
  const ids = new Set();
  for (const { id, title, type, targets = [], gridPos: { x, y, w, h } } of dashboard.panels) {
    assert.ok(!ids.has(id) && ids.add(id), title);
    assert.ok(x + w <= 24 && title);
    for (let i = 0; i < w; i++)
      for (let j = 0; j < h; j++) {
        assert.ok(!taken.has(`${x + i} ${y + j}`), `${title} lies over another`);
        taken.add(`${x + i} ${y + j}`);
      }
    assert.equal(targets.length > 0, type !== 'row', title);
    for (const { expr } of targets) checkQuery(expr, title);
  }
  for (const { expr } of dashboard.annotations.list) checkQuery(expr, 'annotation');
  const variables = dashboard.templating.list.map(({ name }) => name);
  for (const [, name] of JSON.stringify(dashboard).matchAll(/\$\{?(\w+)\}?/g))
    assert.ok([...variables, '__rate_interval', '__all'].includes(name), `there is no variable ${name}`);
  for (const { query } of dashboard.templating.list.filter(({ type }) => type === 'query'))
    checkQuery(query.query.match(/^label_values\((.*), \w+\)$/)[1], 'variable');
});

test('every metric is on the dashboard', () => {
  const queries = JSON.stringify(dashboard);
  for (const name of metrics.families.keys()) assert.ok(queries.includes(name), `${name} is not shown`);
});
