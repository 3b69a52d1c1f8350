// A page of another origin uses the service with fetch, as README.md says it can.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from '../http/harness.mjs';
import { example } from '../http/pictures.mjs';
import { openBrowser, openPage, servePage } from './browser.mjs';

let server, browser, site;
before(async () => {
  site = await servePage('<!doctype html><title>another origin</title><link rel="icon" href="data:,">');
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  site?.close();
});

// Runs in the page. Sends the job, polls, fetches; tells what a page could read.
async function useService({ base, content, style }) {
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const form = new FormData();
  form.append('content', new Blob([bytes(content)], { type: 'image/jpeg' }), 'content.jpg');
  form.append('style', new Blob([bytes(style)], { type: 'image/jpeg' }), 'style.jpg');
  form.append('options', JSON.stringify({ size: 48, iterations: 3, resize: 'fit' }));
  // A header of its own makes the browser ask first (preflight).
  const accepted = await fetch(`${base}/v1/jobs`, { method: 'POST', body: form, headers: { 'X-Request-ID': 'from-a-page' } });
  const header = (answer, name) => answer.headers.get(name);
  const seen = { status: accepted.status, location: header(accepted, 'Location'), retryAfter: header(accepted, 'Retry-After'),
    requestId: header(accepted, 'X-Request-ID') };
  let job = await accepted.json();
  while (job.state === 'queued' || job.state === 'running') {
    await new Promise((resume) => setTimeout(resume, 100));
    const answer = await fetch(base + seen.location);
    seen.etag = header(answer, 'ETag');
    job = await answer.json();
  }
  const result = await fetch(base + job.links.result);
  const picture = await createImageBitmap(await result.blob());
  const problem = await fetch(`${base}/v1/jobs/none`);
  const deleted = await fetch(base + job.links.self, { method: 'DELETE' });
  return { ...seen, state: job.state, resultEtag: header(result, 'ETag'), size: [picture.width, picture.height],
    problem: (await problem.json()).status, deleted: deleted.status };
}

const pictures = () => ({ content: example('cat.jpg').toString('base64'), style: example('swirl.jpg').toString('base64') });

test('a page of another origin posts, polls and fetches', async () => {
  server = await Server.start();
  const { page, faults } = await openPage(browser);
  await page.goto(site.url);
  const seen = await page.evaluate(useService, { base: server.url, ...pictures() });
  assert.equal(seen.status, 202);
  assert.match(seen.location, /^\/v1\/jobs\/[a-z2-7]{26}$/);
  assert.ok(Number(seen.retryAfter) >= 1);
  assert.equal(seen.requestId, 'from-a-page');
  assert.equal(seen.state, 'succeeded');
  assert.ok(seen.etag && seen.resultEtag);
  assert.deepEqual(seen.size, [48, 32]);
  assert.equal(seen.problem, 404, 'a page can read problems too');
  assert.equal(seen.deleted, 204);
  assert.deepEqual(faults.filter((fault) => !fault.includes('404')), []); // the console reports that one
  await page.close();
  await server.stop();
});

test('a page whose origin is not configured can not', async () => {
  server = await Server.start({ cors_origins: 'http://elsewhere.test' });
  const { page } = await openPage(browser);
  await page.goto(site.url);
  await assert.rejects(page.evaluate(useService, { base: server.url, ...pictures() }), /Failed to fetch/);
  await page.close();
  assert.deepEqual((await server.get('/v1/jobs')).json().jobs, [], 'the preflight already stops it');
  await server.stop();
});
