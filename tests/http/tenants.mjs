// Tokens for tests: made by the program itself, written to a file that a server reads.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, jobForm, program } from './harness.mjs';

// `stylized token NAME RIGHT...` as {line, token}.
export function makeToken(name, ...rights) {
  const { status, stdout, stderr } = spawnSync(program, ['token', name, ...rights], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return { line: stdout, token: stderr.trim() };
}

// Starts a server for tenants such as {ann: ['max_queued=2'], bob: []}, and gives for each a client that asks as that
// tenant: `ann.get(path)`, `ann.post(options, headers)`. `folder`: of an earlier server, whose tokens hold.
export async function startFor(tenants, flags = {}, { folder = mkdtempSync(join(tmpdir(), 'stylized-test-')), tokens } = {}) {
  tokens ??= Object.fromEntries(Object.entries(tenants).map(([name, rights]) => [name, makeToken(name.split('_')[0], ...rights)]));
  const file = join(folder, 'tokens');
  writeFileSync(file, Object.values(tokens).map(({ line }) => line).join(''), { mode: 0o600 });
  const server = await Server.start({ tokens_file: file, ...flags }, folder);
  const clients = Object.fromEntries(Object.entries(tokens).map(([name, { token }]) => [name, clientOf(server, token)]));
  return { server, tokens, ...clients };
}

export function clientOf(server, token) {
  const own = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const request = (method, path, { headers = {}, ...rest } = {}) =>
    server.request(method, path, { headers: { ...own, ...headers }, ...rest });
  const client = {
    request,
    get: (path, headers) => request('GET', path, { headers }),
    post: (options = {}, headers = {}, pictures) => request('POST', '/v1/jobs', { body: jobForm(options, pictures), headers }),
    async accept(options, headers) {
      const answer = await client.post(options, headers);
      assert.equal(answer.status, 202, answer.text());
      return answer.json();
    },
    job: async (id) => (await client.get(`/v1/jobs/${id}`)).json(),
    list: async (query = '') => (await client.get(`/v1/jobs${query}`)).json().jobs,
  };
  return client;
}
