// Debian's Chromium, driven by playwright-core, talking to nothing beyond this machine. Pages are served by the tests.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import http from 'node:http';
import { dirname, join } from 'node:path';
import { chromium } from 'playwright-core';
import { patience, program } from '../http/harness.mjs';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

const args = ['--disable-background-networking', '--disable-component-update', '--disable-default-apps', '--disable-sync',
  '--disable-domain-reliability', '--disable-dev-shm-usage', '--no-first-run', '--no-default-browser-check', '--no-pings',
  '--metrics-recording-only', '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1'];

export async function openBrowser() {
  assert.ok(existsSync(executablePath),
    `${executablePath} is missing: install Debian's chromium, or set STYLIZED_SKIP_BROWSER=1 to go without these tests`);
  const asRoot = process.getuid() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({ executablePath, args: [...args, ...asRoot] });
  return browser;
}

// A page and what goes wrong in it: errors of its scripts and on its console, requests to another machine. That a
// preview is not there yet (409) is no fault, though the console tells it.
export async function openPage(browser, options) {
  const page = await browser.newPage(options);
  page.setDefaultTimeout(patience);
  const faults = [];
  page.on('pageerror', (error) => faults.push(`script: ${error.message}`));
  page.on('console', (message) => { if (message.type() === 'error' && !message.text().includes('status of 409')) faults.push(`console: ${message.text()}`); });
  page.on('request', (request) => {
    if (!/^(http:\/\/127\.0\.0\.1:|blob:|data:|about:)/.test(request.url())) faults.push(`request: ${request.url()}`);
  });
  return { page, faults };
}

// Serves one HTML page on an origin of its own.
export async function servePage(html) {
  const server = http.createServer((request, response) => {
    response.writeHead(request.url === '/' ? 200 : 404, { 'content-type': 'text/html; charset=utf-8' });
    response.end(request.url === '/' ? html : '');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

// Where a screenshot goes: screenshots/ in the build folder of the program tested.
export function screenshot(name) {
  const folder = join(dirname(program), '..', '..', 'screenshots');
  mkdirSync(folder, { recursive: true });
  return join(folder, name);
}
