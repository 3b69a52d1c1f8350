// Starts the real program, talks to it, stops it. Every answer that comes in here is checked against openapi.yaml.
//
// STYLIZED_BIN        the program; default: that of ../../build
// STYLIZED_SANITIZED  1: it was built with sanitizers
// Each server listens on a free port of 127.0.0.1 and has a store of its own in a temporary folder. What it logs must
// be JSON lines, and it must end with exit code 0 (a sanitizer's report makes it end otherwise).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { checkAnswer } from './contract.mjs';
import { painting, photo } from './pictures.mjs';

export const program = process.env.STYLIZED_BIN ?? fileURLToPath(new URL('../../build/src/app/stylized', import.meta.url));

// Whether the program computes many times slower than others do, as a build with sanitizers does: tests that need an
// interrupted job, not a long one, then ask for less.
export const sanitized = process.env.STYLIZED_SANITIZED === '1';

// Generous: sanitizers on two busy cores. Only a failing test ever waits so long.
export const patience = 240_000;

// Waits until `probe` returns something true; returns that.
export async function until(probe, what, every = 50) {
  const end = Date.now() + patience;
  for (;;) {
    const found = await probe();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await sleep(every);
  }
}

export const fileOf = (bytes, type = 'image/png') => new Blob([bytes], { type });

// The form of a small job, of the reference's preset; an option whose value is undefined is left out.
export function jobForm(options = {}, { content = photo(), styles = [painting()], contentMask, styleMasks = [] } = {}) {
  const form = new FormData();
  if (content) form.append('content', fileOf(content), 'content.png');
  for (const style of styles) form.append('style', fileOf(style), 'style.png');
  if (contentMask) form.append('content_mask', fileOf(contentMask), 'content-mask.png');
  for (const mask of styleMasks) form.append('style_mask', fileOf(mask), 'style-mask.png');
  for (const [name, value] of Object.entries({ preset: 'gatys', size: 32, iterations: 2, ...options }))
    if (value !== undefined) form.append(name, String(value));
  return form;
}

// A FormData as bytes and its content type.
export async function encodeForm(form) {
  const encoded = new Response(form);
  return { body: Buffer.from(await encoded.arrayBuffer()), type: encoded.headers.get('content-type') };
}

export class Answer {
  constructor(method, path, status, rawHeaders, body) {
    Object.assign(this, { method, path, status, body, headers: {} });
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i].toLowerCase();
      assert.ok(!(name in this.headers) || name === 'vary', `header ${name} is sent twice`);
      this.headers[name] = name in this.headers ? `${this.headers[name]}, ${rawHeaders[i + 1]}` : rawHeaders[i + 1];
    }
  }
  text() { return this.body.toString(); }
  json() { return JSON.parse(this.text()); }
}

// What a raw connection received, as an Answer.
export function parseAnswer(method, path, bytes) {
  const end = bytes.indexOf('\r\n\r\n');
  assert.ok(end > 0, `no answer, but: ${JSON.stringify(bytes.toString('latin1'))}`);
  const [first, ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const pairs = lines.flatMap((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]);
  return new Answer(method, path, Number(first.split(' ')[1]), pairs, bytes.subarray(end + 4));
}

// A test that fails leaves its server behind: that must not keep this process going, and ends with it.
const running = new Set();
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export class Server {
  logs = [];
  noise = []; // lines that are not JSON: a sanitizer's report, for example

  // `flags`: {max_queued: 2, ...}; `folder`: of an earlier server, to go on with its store; `wrapper`: a command and
  // its arguments that runs the rest of its command line, as nice(1) does.
  static async start(flags = {}, folder = mkdtempSync(join(tmpdir(), 'stylized-test-')), wrapper = []) {
    const server = new Server();
    server.folder = folder;
    const settings = { listen: '127.0.0.1:0', store: `sqlite:${join(folder, 'jobs.db')}`, threads: 1, ...flags };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name.replaceAll('_', '-')}`, String(value)]);
    const [command, ...rest] = [...wrapper, program, 'serve', ...args];
    server.child = spawn(command, rest, { stdio: ['ignore', 'ignore', 'pipe'], cwd: folder });
    server.ended = new Promise((resolve) => server.child.once('close', (code, signal) => resolve({ code, signal })));
    server.child.once('error', (error) => server.noise.push(String(error)));
    createInterface({ input: server.child.stderr }).on('line', (line) => server.#read(line));
    server.#hold('unref');
    running.add(server.child);
    server.ended.then(() => running.delete(server.child));
    await until(() => server.port || server.noise.length || server.child.exitCode !== null, 'the server to listen', 10);
    assert.ok(server.port, `the server did not start: ${server.noise.join('\n')}`);
    return server;
  }

  #hold(how) {
    this.child[how]();
    this.child.stderr[how]();
  }

  #read(line) {
    try {
      const entry = JSON.parse(line);
      this.logs.push(entry);
      if (entry.event === 'serve.listening') this.port = entry.port;
    } catch {
      this.noise.push(line);
    }
  }

  get url() { return `http://127.0.0.1:${this.port}`; }

  // `body`: FormData, string or Buffer. `contract: false` for what no contract describes (the page's files).
  async request(method, path, { headers = {}, body, contract = true } = {}) {
    const extra = {};
    if (body instanceof FormData) {
      const encoded = await encodeForm(body);
      body = encoded.body;
      extra['content-type'] = encoded.type;
    }
    if (body !== undefined) extra['content-length'] = Buffer.byteLength(body);
    const answer = await new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: this.port, method, path, headers: { ...extra, ...headers }, agent: false };
      const request = http.request(options, (response) => {
        const parts = [];
        response.on('data', (part) => parts.push(part));
        response.on('error', reject);
        response.on('end', () =>
          resolve(new Answer(method, path, response.statusCode, response.rawHeaders, Buffer.concat(parts))));
      });
      request.on('error', reject);
      request.setTimeout(patience, () => request.destroy(new Error(`${method} ${path}: no answer`)));
      request.end(body);
    });
    if (contract) checkAnswer(answer);
    return answer;
  }

  get(path, headers) { return this.request('GET', path, { headers }); }

  submit(form) { return this.request('POST', '/v1/jobs', { body: form }); }

  // Submits and returns the accepted job.
  async accept(options, pictures) {
    const answer = await this.submit(jobForm(options, pictures));
    assert.equal(answer.status, 202, answer.text());
    return answer.json();
  }

  async job(id) { return (await this.get(`/v1/jobs/${id}`)).json(); }

  // Polls until the job is in one of these states.
  waitFor(id, ...states) {
    return until(async () => {
      const job = await this.job(id);
      return states.includes(job.state) && job;
    }, `job ${id} to be ${states}`);
  }

  async finished(id) {
    const job = await this.waitFor(id, 'succeeded', 'failed', 'canceled');
    assert.equal(job.state, 'succeeded', JSON.stringify(job.error));
    return job;
  }

  // A normal job still works: what is asked after each attack.
  async stillWorks() {
    assert.equal((await this.get('/healthz')).status, 200);
    const { id } = await this.accept();
    await this.finished(id);
    assert.equal((await this.get(`/v1/jobs/${id}/result`)).status, 200);
  }

  // A bare TCP connection, for what no HTTP client would send. `received` grows; `closed` resolves with it.
  async connect() {
    const socket = net.connect(this.port, '127.0.0.1');
    const connection = { socket, received: Buffer.alloc(0) };
    socket.on('data', (data) => { connection.received = Buffer.concat([connection.received, data]); });
    socket.on('error', () => {});
    connection.closed = new Promise((resolve) => socket.once('close', () => resolve(connection.received)));
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return connection;
  }

  // Sends text on a bare connection and returns the answer, checked. `Connection: close` is the caller's to send.
  async raw(method, path, text) {
    const { socket, closed } = await this.connect();
    socket.write(text);
    const answer = parseAnswer(method, path, await closed);
    checkAnswer(answer);
    return answer;
  }

  async kill(signal = 'SIGKILL') {
    this.#hold('ref');
    this.child.kill(signal);
    return this.ended;
  }

  // Asks it to stop, expects a clean end and well-formed logs; removes its folder unless told to keep it.
  async stop({ keep = false } = {}) {
    const { code, signal } = await this.kill('SIGTERM');
    if (!keep) rmSync(this.folder, { recursive: true, force: true });
    assert.deepEqual(this.noise, [], 'standard error holds other things than JSON lines');
    assert.deepEqual({ code, signal }, { code: 0, signal: null });
    for (const entry of this.logs) assert.ok(entry.time && entry.level && entry.event, JSON.stringify(entry));
  }
}
