// What is told for monitoring is what happened.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { Answer, Server, jobForm, until } from './harness.mjs';
import { readMetrics } from './promtext.mjs';

const job = { size: 32, iterations: 3 };

async function scrape(server) {
  const answer = await server.get('/metrics');
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  return readMetrics(answer.text());
}

let server;
before(async () => { server = await Server.start({ max_queued: 5 }); });
after(() => server.stop());

const requests = (metrics, method, route, code) => metrics.value('http_requests_total', { method, route, code: String(code) }) ?? 0;

test('jobs: accepted, queued, run, ended, and how long that took', async () => {
  const start = await scrape(server);
  assert.equal(start.value('stylized_jobs_accepted_total'), 0);
  assert.equal(start.value('stylized_run_seconds_count'), 0);
  const ids = [];
  for (let i = 0; i < 2; i++) ids.push((await server.accept(job)).id);
  for (const id of ids) await server.finished(id);
  const slow = await server.accept({ ...job, iterations: 10000, size: 64 });
  await server.waitFor(slow.id, 'running');
  const waiting = await server.accept(job);
  const busy = await until(async () => {
    const metrics = await scrape(server);
    return metrics.value('stylized_oldest_queued_age_seconds') > 0.5 && metrics;
  }, 'a job to have waited');
  assert.deepEqual(['queued', 'running', 'succeeded', 'failed', 'canceled'].map((state) =>
    busy.value('stylized_jobs', { state })), [1, 1, 2, 0, 0]);
  assert.equal(busy.value('stylized_queue_depth'), 1);
  assert.equal(busy.value('stylized_queue_limit'), 5);
  assert.deepEqual([busy.value('stylized_workers'), busy.value('stylized_workers_busy')], [1, 1]);
  await server.request('DELETE', waiting.links.self);
  await server.request('POST', slow.links.cancel);
  await server.waitFor(slow.id, 'canceled');
  const end = await until(async () => {
    const metrics = await scrape(server);
    return metrics.value('stylized_workers_busy') === 0 && metrics;
  }, 'the worker to be idle');
  assert.equal(end.value('stylized_jobs_accepted_total'), 4);
  assert.equal(end.value('stylized_jobs_ended_total', { state: 'succeeded' }), 2);
  assert.equal(end.value('stylized_jobs_ended_total', { state: 'canceled' }), 1);
  assert.equal(end.value('stylized_run_seconds_count'), 3);
  assert.equal(end.value('stylized_queue_wait_seconds_count'), 3);
  assert.ok(end.value('stylized_run_seconds_sum') > 0);
  assert.ok(end.value('stylized_evaluations_total') >= 2 * job.iterations);
  assert.ok(end.value('stylized_evaluation_seconds_sum') > 0);
  assert.equal(end.value('stylized_oldest_queued_age_seconds'), 0);
});

test('requests: by pattern and status, whatever the path', async () => {
  const begin = await scrape(server);
  const { id } = await server.accept(job);
  for (let i = 0; i < 3; i++) await server.get(`/v1/jobs/${id}`);
  await server.get('/v1/jobs/aaaaaaaaaaaaaaaaaaaaaaaaaa');
  for (const path of ['/wp-login.php', '/.env', '/a"b\\c%0a']) assert.equal((await server.get(path)).status, 404);
  await server.get('/openapi.yaml');
  const { families, value } = await scrape(server);
  const more = (method, route, code) => requests({ value }, method, route, code) - requests(begin, method, route, code);
  assert.equal(more('POST', '/v1/jobs', 202), 1);
  assert.equal(more('GET', '/v1/jobs/{id}', 200), 3);
  assert.equal(more('GET', '/v1/jobs/{id}', 404), 1);
  assert.equal(more('GET', 'unknown', 404), 3);
  assert.equal(more('GET', 'files', 200), 1);
  assert.equal(more('GET', '/metrics', 200), 1);
  for (const { samples } of families.values())
    for (const { labels } of samples)
      if (labels.route) assert.match(labels.route, /^(\/(v1\/)?[a-z]+(\/\{id\}(\/[a-z]+)?)?|files|unknown)$/);
  assert.ok(value('http_request_duration_seconds_count', { method: 'GET', route: '/v1/jobs/{id}' }) >= 4);
  assert.equal(value('http_requests_in_flight'), 1);
  await server.finished(id);
});

test('uploads: what they hold while they come, and pictures that are none', async () => {
  const slow = await server.connect();
  slow.socket.write('POST /v1/jobs HTTP/1.1\r\nHost: t\r\nContent-Type: multipart/form-data; boundary=X\r\n' +
    `Content-Length: 100000\r\n\r\n--X\r\nContent-Disposition: form-data; name="content"\r\n\r\n${'x'.repeat(50000)}`);
  const held = await until(async () => {
    const metrics = await scrape(server);
    return metrics.value('http_upload_bytes') >= 50000 && metrics;
  }, 'the upload to be held');
  assert.equal(held.value('http_requests_in_flight'), 2);
  assert.ok(held.value('http_connections') >= 2);
  slow.socket.destroy();
  await until(async () => (await scrape(server)).value('http_upload_bytes') === 0, 'the upload to be dropped');
  const before = (await scrape(server)).value('stylized_decode_failures_total', { reason: 'unsupported' });
  assert.equal((await server.submit(jobForm({}, { content: Buffer.from('GIF89a, but not really') }))).status, 415);
  assert.equal((await scrape(server)).value('stylized_decode_failures_total', { reason: 'unsupported' }), before + 1);
});

test('the process', async () => {
  const { value } = await scrape(server);
  const { version } = (await server.get('/healthz')).json();
  assert.equal(value('stylized_build_info', { version }), 1);
  assert.ok(Math.abs(value('process_start_time_seconds') - Date.now() / 1000) < 3600);
  assert.ok(value('process_resident_memory_bytes') > 1e6);
  assert.ok(value('process_cpu_seconds_total') > 0);
  assert.ok(value('process_open_fds') > 5 && value('process_open_fds') < value('process_max_fds'));
  assert.ok(value('process_threads') > 3);
});

test('what a killed process left is counted as recovered', async () => {
  const first = await Server.start();
  const { id } = await first.accept({ size: 64, iterations: 10000 });
  await first.waitFor(id, 'running');
  await first.kill();
  const second = await Server.start({}, first.folder);
  assert.equal((await scrape(second)).value('stylized_recovered_total'), 1);
  await second.request('DELETE', `/v1/jobs/${id}`);
  await second.stop();
});

test('metrics can have an address of their own', async () => {
  const apart = await Server.start({ metrics_listen: '127.0.0.1:0' });
  const { metrics_port: port } = apart.logs.find(({ event }) => event === 'serve.listening');
  assert.notEqual(port, apart.port);
  const ask = (method, path) => new Promise((resolve, reject) => {
    http.request({ host: '127.0.0.1', port, method, path, agent: false }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => resolve(new Answer(method, path, response.statusCode, response.rawHeaders, Buffer.concat(parts))));
    }).on('error', reject).end();
  });
  // That is not the contract's /metrics: it would always have it.
  assert.equal((await apart.request('GET', '/metrics', { contract: false })).status, 404);
  assert.equal((await apart.get('/healthz')).status, 200);
  const metrics = await ask('GET', '/metrics');
  assert.equal(metrics.status, 200);
  assert.equal(requests(readMetrics(metrics.text()), 'GET', '/healthz', 200), 1);
  for (const path of ['/', '/app.js', '/healthz', '/readyz', '/v1/jobs', '/v1/limits', '/openapi.yaml'])
    assert.equal((await ask('GET', path)).status, 404, path);
  assert.equal((await ask('POST', '/v1/jobs')).status, 404);
  await apart.stillWorks();
  await apart.stop();
});

test('polls that succeed are logged for debugging only, and lines name the job', async () => {
  const chatty = await Server.start({ log_level: 'debug' });
  const { id, links } = await chatty.accept(job);
  await chatty.finished(id);
  const { etag } = (await chatty.get('/')).headers;
  await chatty.get('/', { 'if-none-match': etag });
  for (const path of ['/healthz', '/readyz', '/metrics', links.result, '/v1/jobs/aaaaaaaaaaaaaaaaaaaaaaaaaa', '/v1/limits'])
    await chatty.get(path);
  const line = (method, path, status) => until(() => chatty.logs.find((entry) => entry.event === 'http.request' &&
    entry.method === method && entry.path === path && entry.status === status), `the line of ${method} ${path}`);
  for (const [path, status] of [['/healthz', 200], ['/readyz', 200], ['/metrics', 200], [links.self, 200], ['/', 304]])
    assert.equal((await line('GET', path, status)).level, 'debug', path);
  for (const [path, status] of [['/', 200], ['/v1/limits', 200], [links.result, 200], ['/v1/jobs/aaaaaaaaaaaaaaaaaaaaaaaaaa', 404]])
    assert.equal((await line('GET', path, status)).level, 'info', path);
  assert.equal((await line('POST', '/v1/jobs', 202)).job_id, id);
  assert.equal((await line('GET', links.self, 200)).job_id, id);
  assert.equal((await line('GET', links.result, 200)).job_id, id);
  assert.ok(!('job_id' in await line('GET', '/healthz', 200)));
  await chatty.stop();
});
