// A browser's own EventSource follows a job from a page of another origin: it connects again by itself, also to a server
// that was started anew, and stops when there is nothing more to come.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server, until } from '../http/harness.mjs';
import { openBrowser, openPage, servePage } from './browser.mjs';

let browser, site;
before(async () => {
  site = await servePage('<!doctype html><title>another origin</title><link rel="icon" href="data:,">');
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  site?.close();
});

// Runs in the page.
function follow(url) {
  const seen = { events: [], source: new EventSource(url) };
  for (const kind of ['state', 'progress', 'preview'])
    seen.source.addEventListener(kind, ({ data, lastEventId }) => seen.events.push({ kind, lastEventId, ...JSON.parse(data) }));
  window.seen = seen;
}

test('EventSource follows a job to its end, and no further', async () => {
  const one = await Server.start({ preview_interval: 1 });
  const { id, links } = await one.accept({ size: 64, iterations: 10000 });
  const { page } = await openPage(browser);
  await page.goto(site.url);
  await page.evaluate(follow, one.url + links.events);
  await page.waitForFunction(() => ['progress', 'preview'].every((kind) => window.seen.events.some((event) => event.kind === kind)));
  await one.stop({ keep: true });

  const two = await Server.start({ listen: `127.0.0.1:${one.port}` }, one.folder);
  const before = await page.evaluate(() => window.seen.events.length);
  await page.waitForFunction((count) => window.seen.events.slice(count).some(({ kind }) => kind === 'progress'), before);
  await two.request('POST', links.cancel);
  await page.waitForFunction(() => window.seen.source.readyState === EventSource.CLOSED);
  const events = await page.evaluate(() => window.seen.events);
  assert.equal(events.filter(({ state }) => state === 'canceled').length, 1);
  assert.equal(events.at(-1).state, 'canceled');
  assert.equal(new Set(events.map(({ lastEventId }) => lastEventId)).size, events.length, 'nothing comes twice');
  await until(() => two.logs.some(({ path, status }) => path === `/v1/jobs/${id}/events` && status === 204), 'the last question');
  await page.close();
  await two.stop();
});
