// A receiver of webhooks on 127.0.0.1, which answers as it is told and checks every call against openapi.yaml.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { checkSchema, checkWebhook } from './contract.mjs';
import { until } from './harness.mjs';

export const secret = `whsec_${Buffer.from('a key of thirty-two bytes, or so').toString('base64')}`;

const sign = (id, time, body) => `v1,${createHmac('sha256', Buffer.from(secret.slice(6), 'base64'))
  .update(`${id}.${time}.`).update(body).digest('base64')}`;

export class Receiver {
  calls = []; // {path, headers, body, event, time}
  connections = 0;
  // The status of each answer, in order, then the last for all; null: none at all, {status, headers} for more.
  answers;

  static async start(answers = [204], { port = 0, tls } = {}) {
    const receiver = new Receiver();
    receiver.answers = answers;
    receiver.server = tls ? https.createServer(tls) : http.createServer();
    receiver.server.on('connection', () => { receiver.connections++; });
    receiver.server.on('request', (request, response) => receiver.#take(request, response));
    await new Promise((resolve, reject) => receiver.server.listen(port, '127.0.0.1', resolve).once('error', reject));
    receiver.port = receiver.server.address().port;
    receiver.server.unref();
    return receiver;
  }

  get host() { return `127.0.0.1:${this.port}`; }
  url(path = '/hook') { return `http://${this.host}${path}`; }

  // Settings of a server that may call this receiver.
  settings(more = {}) {
    return { webhook_hosts: this.host, webhook_secret: secret, webhook_private: true, ...more };
  }

  #take(request, response) {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('error', () => {});
    request.on('end', () => {
      const body = Buffer.concat(parts);
      const { method, url: path, headers } = request;
      this.calls.push({ method, path, headers, body, time: Date.now() });
      const answer = this.answers[Math.min(this.calls.length, this.answers.length) - 1];
      if (answer === null) return;
      const { status, headers: more } = typeof answer === 'number' ? { status: answer } : answer;
      response.writeHead(status, more).end();
    });
  }

  // Waits for the n-th call and returns it, checked: {headers, body, event, id}.
  async call(n = 1) {
    await until(() => this.calls.length >= n, `call ${n}`, 20);
    const call = this.calls[n - 1];
    const { headers, body } = call;
    checkWebhook(call);
    const id = headers['webhook-id'], time = headers['webhook-timestamp'];
    assert.equal(headers['webhook-signature'], sign(id, time, body));
    assert.ok(Math.abs(time * 1000 - call.time) < 60_000, 'the timestamp is that of the call');
    const event = JSON.parse(body);
    checkSchema('JobEvent', event);
    assert.equal(event.type, `job.${event.data.state}`);
    assert.equal(event.timestamp, event.data.finished_at);
    assert.equal(id, `msg_${event.data.id}`);
    return { ...call, id, event };
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}
