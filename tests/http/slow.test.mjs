// Clients that take their time, against a server whose patience is short.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkAnswer } from './contract.mjs';
import { Server, parseAnswer } from './harness.mjs';

// Sends `first`, then a byte every 100 ms until the connection ends; returns the seconds that took.
async function drip(server, first) {
  const { socket, closed } = await server.connect();
  const start = Date.now();
  socket.write(first);
  const timer = setInterval(() => socket.write('a'), 100);
  const received = await closed;
  clearInterval(timer);
  return { seconds: (Date.now() - start) / 1000, received };
}

test('headers and bodies that drip are cut off at the total deadline, not at the pause between bytes', async () => {
  const server = await Server.start({ request_timeout: 2, idle_timeout: 60 });
  const [headers, body] = await Promise.all([
    drip(server, 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: '),
    drip(server, 'POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n' +
      'Content-Length: 100000\r\n\r\n--b\r\nContent-Disposition: form-data; name="content"; filename="a.png"\r\n\r\n'),
  ]);
  for (const [method, path, { seconds, received }] of [['GET', '/healthz', headers], ['POST', '/v1/jobs', body]]) {
    assert.ok(seconds >= 1.5 && seconds < 30, `${seconds} s`);
    const answer = parseAnswer(method, path, received);
    checkAnswer(answer);
    assert.equal(answer.status, 408);
  }
  await server.stillWorks();
  await server.stop();
});

test('a silent connection is closed', async () => {
  const server = await Server.start({ request_timeout: 60, idle_timeout: 1 });
  const { socket, closed } = await server.connect();
  socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'); // answered, then kept alive and silent
  const start = Date.now();
  const received = await closed;
  assert.match(received.toString(), /^HTTP\/1.1 200/);
  assert.ok(Date.now() - start < 30_000);
  await server.stop();
});

test('slow clients do not keep others waiting', async () => {
  const server = await Server.start();
  const slow = await Promise.all(Array.from({ length: 100 }, () => server.connect()));
  for (const { socket } of slow)
    socket.write('POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 9999\r\n\r\n--b');
  await sleep(100);
  await server.stillWorks();
  for (const { socket } of slow) socket.destroy();
  await server.stop();
});
