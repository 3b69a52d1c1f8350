// What the kernel tells of a server's process: open descriptors, children, and who else runs on its behalf.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { until } from './harness.mjs';

const read = (path) => {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // it has ended meanwhile
  }
};

const processes = () => readdirSync('/proc').filter((name) => /^\d+$/.test(name));

export const openFiles = (server) => readdirSync(`/proc/${server.child.pid}/fd`).length;

// Ids of its children, those among them that nobody has waited for.
export const children = (server) => processes().filter((id) => {
  const stat = read(`/proc/${id}/stat`);
  return Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0]) === server.child.pid;
});

// Ids of processes with this in their command line.
export const running = (text) => processes().filter((id) => read(`/proc/${id}/cmdline`).includes(text));

// Kilobytes of memory the server holds.
export const residentKb = (server) => Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${server.child.pid}/status`))?.[1]);

// Waits until the server has no child and no more open files than `before`: the kernel closes a client's connection
// a moment after its answer has arrived.
export async function nothingIsLeft(server, before) {
  await until(() => children(server).length === 0 && openFiles(server) <= before,
    `the server to have no child and ${before} open files, not ${children(server)} and ${openFiles(server)}`);
  assert.equal(children(server).length, 0);
}
