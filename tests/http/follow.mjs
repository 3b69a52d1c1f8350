// Follows a job's events. What comes in is checked against openapi.yaml: the header, and the data of every event.
import assert from 'node:assert/strict';
import http from 'node:http';
import { checkAnswer, checkSchema } from './contract.mjs';
import { Answer, patience, until } from './harness.mjs';

const schemas = { state: 'Job', progress: 'Progress', preview: 'Preview' };

// Server-Sent Events as they are specified: blocks of fields, ended by an empty line.
function parse(text) {
  const fields = { data: [] }, comments = [];
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon === 0) comments.push(line.slice(1));
    else if (line.startsWith('data:')) fields.data.push(line.slice(5).trimStart());
    else fields[line.slice(0, colon)] = line.slice(colon + 1).trimStart();
  }
  return { ...fields, comments };
}

export class Stream {
  events = []; // {id, event, data, time}
  comments = 0;
  text = '';
  ended = false; // properly, by the server
  #rest = '';

  // Resolves when the header is there.
  static async open(server, id, headers = {}) {
    const stream = new Stream();
    const path = `/v1/jobs/${id}/events`;
    stream.request = http.get({ host: '127.0.0.1', port: server.port, path, headers, agent: false });
    stream.request.setTimeout(patience, () => stream.close());
    const response = await new Promise((resolve, reject) => stream.request.once('response', resolve).once('error', reject));
    stream.request.on('error', () => {});
    response.on('error', () => {});
    stream.closed = new Promise((resolve) => response.once('close', resolve));
    response.once('end', () => { stream.ended = true; });
    stream.status = response.statusCode;
    stream.answer = new Answer('GET', path, response.statusCode, response.rawHeaders, Buffer.alloc(0));
    response.setEncoding('utf8');
    response.on('data', (text) => stream.#take(text));
    if (stream.status === 200) checkAnswer(stream.answer);
    return stream;
  }

  #take(text) {
    this.text += text;
    const blocks = (this.#rest + text).split('\n\n');
    this.#rest = blocks.pop();
    for (const block of blocks) {
      const { id, event, data, comments } = parse(block);
      this.comments += comments.length;
      if (!event) continue;
      assert.match(id, /^[a-z2-7]{13}-[0-9]+$/);
      assert.equal(data.length, 1);
      checkSchema(schemas[event], JSON.parse(data[0]));
      this.events.push({ id, event, data: JSON.parse(data[0]), time: Date.now() });
    }
  }

  of(kind) { return this.events.filter(({ event }) => event === kind); }
  get states() { return this.of('state').map(({ data }) => data.state); }
  get numbers() { return this.events.map(({ id }) => Number(id.split('-')[1])); }
  get lastId() { return this.events.at(-1).id; }

  until(probe, what) { return until(() => probe(this), what, 20); }

  close() {
    this.request.destroy();
    return this.closed;
  }
}
