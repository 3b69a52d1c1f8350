// The product's own page, used as a person would: with mouse and keyboard, on a desktop and on a phone.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Server, until } from '../http/harness.mjs';
import { startFor } from '../http/tenants.mjs';
import { openBrowser, openPage, screenshot } from './browser.mjs';

const picture = (name) => fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));

let server, browser;
before(async () => {
  server = await Server.start({ preview_interval: 1 });
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await server.stop();
});

async function open(options) {
  const { page, faults } = await openPage(browser, options);
  await page.goto(server.url);
  await page.waitForSelector('#size');
  return { page, faults };
}

async function choose(page, options) {
  await page.setInputFiles('#content', picture('cat.jpg'));
  await page.setInputFiles('#style', [picture('swirl.jpg'), picture('glass.jpg')]);
  for (const [name, value] of Object.entries(options))
    if (name === 'resize' || name === 'format') await page.selectOption(`#${name}`, value);
    else await page.fill(`#${name}`, String(value));
}

const shown = (page, id) => page.locator(`#${id}`);
const pictureIsShown = (page) => page.waitForFunction(() => {
  const image = document.getElementById('job-picture');
  return !image.hidden && image.complete && image.naturalWidth > 0;
});

test('two pictures, one button: progress, then the result', async () => {
  const { page, faults } = await open({ viewport: { width: 1200, height: 900 } });
  assert.equal(await page.title(), 'stylized');
  await choose(page, { size: 64, iterations: 100, resize: 'fit' });
  assert.equal(await page.locator('.thumbs img').count(), 3);
  await page.screenshot({ path: screenshot('page-chosen.png'), fullPage: true });
  await page.click('#submit');

  await page.waitForFunction(() => document.getElementById('job-progress').value > 0);
  assert.equal(await shown(page, 'job-state').textContent(), 'Painting');
  assert.match(await shown(page, 'job-numbers').textContent(), /^Evaluation \d+ of 100 · loss [\d.e+]+( · about \d+ \w+ left)?$/);
  await pictureIsShown(page); // a preview
  await page.screenshot({ path: screenshot('page-painting.png'), fullPage: true });

  await page.waitForFunction(() => document.getElementById('job-state').textContent === 'Done');
  await page.waitForFunction(() => document.getElementById('job-picture').alt === 'The result');
  await pictureIsShown(page);
  const size = await page.$eval('#job-picture', (image) => [image.naturalWidth, image.naturalHeight]);
  assert.deepEqual(size, [64, 43]);
  assert.ok(await shown(page, 'job-progress').isHidden());

  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#job-download')]);
  assert.match(download.suggestedFilename(), /^[a-z2-7]{26}\.png$/);
  assert.equal(await page.locator('#jobs li').count(), 1);
  await page.screenshot({ path: screenshot('page-done.png'), fullPage: true });

  await page.reload();
  await page.waitForFunction(() => document.getElementById('job-state').textContent === 'Done');
  assert.deepEqual(faults, []);
  await page.close();
});

test('a mask says where the photo is painted', async () => {
  const { page, faults } = await open();
  await choose(page, { size: 96, iterations: 3, resize: 'fit' });
  await page.click('summary');
  await page.setInputFiles('#content_mask', picture('swirl.jpg')); // of other proportions
  await page.click('#submit');
  await page.waitForFunction(() => document.getElementById('content_mask-error').textContent.includes('proportions'));
  await page.setInputFiles('#content_mask', picture('cat-mask.png'));
  await page.screenshot({ path: screenshot('page-mask.png'), fullPage: true });
  const [answer] = await Promise.all([page.waitForResponse((each) => each.request().method() === 'POST'), page.click('#submit')]);
  assert.equal(answer.status(), 202);
  const masked = await server.finished((await answer.json()).id);
  await page.setInputFiles('#content_mask', []);
  const [again] = await Promise.all([page.waitForResponse((each) => each.request().method() === 'POST'), page.click('#submit')]);
  const whole = await server.finished((await again.json()).id);
  assert.notEqual(masked.output.sha256, whole.output.sha256);
  assert.deepEqual(faults.filter((fault) => !/422/.test(fault)), []);
  await page.close();
});

test('a job is stopped and deleted from the page', async () => {
  const { page, faults } = await open();
  await choose(page, { size: 64, iterations: 10000 });
  await page.click('#submit');
  await pictureIsShown(page);
  await page.click('#job-cancel');
  await page.waitForFunction(() => document.getElementById('job-state').textContent === 'Stopped');
  assert.match(await shown(page, 'job-numbers').textContent(), /^64 × 43, png, \d+ KiB · It was stopped after \d+ of 10000 evaluations\.$/);
  const before = await page.locator('#jobs li').count();
  await page.locator('#jobs button', { hasText: 'Delete' }).first().click();
  await page.waitForFunction((count) => document.querySelectorAll('#jobs li').length === count - 1, before);
  assert.ok(await shown(page, 'job').isHidden(), 'the job shown was the one deleted');
  assert.deepEqual((await server.get('/v1/jobs?state=canceled')).json().jobs, []);
  assert.deepEqual(faults, []);
  await page.close();
});

test('mistakes are told beside the field', async () => {
  const { page } = await open();
  await page.click('#submit');
  assert.equal(await shown(page, 'content-error').textContent(), 'Choose a picture.');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'content', 'the field has the focus');

  await choose(page, { size: 64, iterations: 2 });
  await page.setInputFiles('#content', fileURLToPath(import.meta.url));
  await page.click('#submit');
  await page.waitForFunction(() => document.getElementById('content-error').textContent.length > 10);

  await page.setInputFiles('#content', picture('cat.jpg'));
  await page.fill('#size', '9');
  await page.click('#submit');
  assert.notEqual(await shown(page, 'size-error').textContent(), '');
  assert.equal(await shown(page, 'size').getAttribute('aria-invalid'), 'true');
  assert.equal(await shown(page, 'content-error').textContent(), '', 'the earlier mistake is forgotten');
  await page.close();
});

test('a mistake that only the server finds opens the folded options', async () => {
  const { page } = await open();
  await choose(page, { size: 64, iterations: 2 });
  await page.$eval('#content_weight', (field) => { field.value = 0; });
  await page.$eval('#style_weight', (field) => { field.value = 0; });
  await page.click('#submit');
  await page.waitForFunction(() => document.getElementById('style_weight-error').textContent.includes('both'));
  assert.ok(await shown(page, 'style_weight').isVisible());
  await page.close();
});

test('the strength is a slider that the server gets', async () => {
  const { page } = await open();
  await choose(page, { size: 64, iterations: 2 });
  assert.equal(await shown(page, 'strength').getAttribute('type'), 'range');
  assert.equal(await shown(page, 'strength').inputValue(), '0.5');
  await page.focus('#strength');
  for (let i = 0; i < 10; i++) await page.keyboard.press('ArrowRight');
  assert.equal(await page.locator('output[for=strength]').textContent(), '0.6');
  const [answer] = await Promise.all([
    page.waitForResponse((response) => response.request().method() === 'POST'), page.click('#submit')]);
  assert.equal((await answer.json()).options.strength, 0.6);
  await page.close();
});

// Options that no server here has, so that each type has its control whatever the table holds.
test('every type of option has a control, which a preset fills', async () => {
  const added = [
    { name: 'truth', type: 'boolean', default: false, unit: '', help: 'a truth value' },
    { name: 'shares', type: 'array', default: [], minimum: 0, maximum: 9, max_items: 4, unit: '', help: 'a list' },
    { name: 'layers', type: 'object', default: { one: 1 }, minimum: 0, maximum: 5, enum: ['one', 'two'], unit: '', help: 'factors' }];
  const { page, faults } = await openPage(browser);
  const change = (path, edit) => page.route(`**${path}`, async (route) => {
    const response = await route.fetch();
    const json = await response.json();
    for (const preset of json.presets ?? []) preset.estimate = { size: 512, seconds: 64, memory: 1e9 };
    edit(json);
    await route.fulfill({ response, json });
  });
  await change('/v1/limits', (limits) => limits.options.push(...added));
  await change('/v1/presets', ({ presets, default: initial }) => {
    const preset = presets.find(({ name }) => name === initial);
    Object.assign(preset.options, { truth: true, shares: [1, 0.5], layers: { one: 1, two: 0.25 } });
    preset.help = 'what the preset is for';
  });
  let sent;
  await page.route('**/v1/jobs', (route) => {
    if (route.request().method() !== 'POST') return route.continue();
    sent = route.request().postDataBuffer().toString('latin1');
    return route.abort();
  });
  await page.goto(server.url);
  await page.waitForSelector('#size');
  assert.equal(await shown(page, 'preset-hint').textContent(), 'what the preset is for; about 64 s at 512 pixels');
  await page.fill('#size', '256');
  assert.equal(await shown(page, 'preset-hint').textContent(), 'what the preset is for; about 16 s at 256 pixels');
  await page.fill('#size', '');
  assert.equal(await shown(page, 'preset-hint').textContent(), 'what the preset is for');
  await page.click('summary');
  await choose(page, { size: 64 });
  await page.screenshot({ path: screenshot('page-options.png'), fullPage: true });
  await page.selectOption('#truth', 'false');
  await page.click('#submit');
  await until(() => sent, 'the form');
  for (const [name, value] of [['truth', 'false'], ['shares', '1,0.5'], ['layers', 'one=1,two=0.25']])
    assert.match(sent, new RegExp(`name="${name}"\r\n\r\n${value}\r\n`));
  assert.deepEqual(faults.filter((fault) => !/ERR_FAILED/.test(fault)), []);
  await page.close();
});

test('a sheet is asked for in one line, and its cells are small', async () => {
  const { page, faults } = await open();
  await choose(page, { iterations: 1 });
  await page.evaluate(() => { for (const folded of document.querySelectorAll('details')) folded.open = true; });
  await page.fill('#grid', 'clamp=true,false');
  await page.locator('#grid').blur();
  assert.equal(await page.inputValue('#size'), '192');
  await page.fill('#size', '48');
  await page.click('#submit');
  await page.waitForFunction(() => document.getElementById('job-picture').alt === 'The result');
  await pictureIsShown(page);
  const width = await page.$eval('#job-picture', (image) => image.naturalWidth);
  assert.ok(width >= 2 * (48 + 8) && width < 3 * (48 + 8), 'two cells stand side by side');
  await page.fill('#grid', 'nothing=1');
  await page.click('#submit');
  await page.waitForFunction(() => document.getElementById('grid-error').textContent.includes('nothing is no option'));
  assert.deepEqual(faults.filter((fault) => !fault.includes('422')), []);
  await page.close();
});

test('the keyboard is enough', async () => {
  const { page } = await open();
  const reached = [];
  for (let i = 0; i < 12; i++) {
    await page.keyboard.press('Tab');
    reached.push(await page.evaluate(() => document.activeElement.id || document.activeElement.tagName));
  }
  for (const id of ['content', 'style', 'preset', 'size', 'resize', 'iterations', 'SUMMARY', 'submit']) assert.ok(reached.includes(id), `${id} of ${reached}`);
  await page.close();
});

test('a picture can be dropped', async () => {
  const { page } = await open();
  await page.evaluate(() => {
    const data = new DataTransfer();
    data.items.add(new File(['x'], 'dropped.png', { type: 'image/png' }));
    document.getElementById('content').closest('.drop').dispatchEvent(new DragEvent('drop', { dataTransfer: data, cancelable: true }));
  });
  assert.equal(await page.$eval('#content', (input) => input.files[0].name), 'dropped.png');
  await page.close();
});

test('every field has a label, and nothing is wider than a phone', async () => {
  const { page } = await open({ viewport: { width: 360, height: 740 }, colorScheme: 'dark', reducedMotion: 'reduce' });
  await page.click('summary');
  const unlabelled = await page.$$eval('input, select', (fields) => fields.filter(({ labels }) => labels.length === 0).map(({ id }) => id));
  assert.deepEqual(unlabelled, []);
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= window, `${content} > ${window}`);
  await choose(page, { size: 64, iterations: 20 });
  await page.click('#submit');
  await page.waitForFunction(() => document.getElementById('job-state').textContent === 'Done');
  await pictureIsShown(page);
  await page.screenshot({ path: screenshot('page-phone.png'), fullPage: true });
  await page.close();
});

test('the page says so when the server is gone', async () => {
  const gone = await Server.start();
  const { page } = await openPage(browser);
  await page.goto(gone.url);
  await page.waitForSelector('#size');
  await choose(page, { size: 64, iterations: 2 });
  await gone.stop();
  await page.click('#submit');
  await until(async () => (await shown(page, 'form-error').textContent()) === 'The server cannot be reached.', 'the message');
  await page.close();
});

test('the job is followed by its stream of events, and no polls', async () => {
  const { page, faults } = await open();
  const asked = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await choose(page, { size: 64, iterations: 60 });
  await page.click('#submit');
  await page.waitForFunction(() => document.getElementById('job-picture').alt === 'The result');
  const about = asked.map((path) => path.match(/^\/v1\/jobs\/[a-z2-7]{26}(\/.*)?$/)).filter(Boolean).map(([, tail]) => tail ?? '');
  assert.equal(about.filter((tail) => tail === '/events').length, 1);
  assert.equal(about.filter((tail) => tail === '').length, 0);
  assert.equal(about.filter((tail) => tail === '/result').length, 1);
  assert.deepEqual(faults, []);
  await page.close();
});

test('the page goes on following after the server was away', async () => {
  const first = await Server.start();
  const { page } = await openPage(browser);
  await page.goto(first.url);
  await page.waitForSelector('#size');
  await choose(page, { size: 64, iterations: 10000 });
  await page.click('#submit');
  await page.waitForFunction(() => document.getElementById('job-progress').value > 0);
  await first.kill();
  await until(async () => (await shown(page, 'job-numbers').textContent()) === 'The server cannot be reached.', 'the message');
  const second = await Server.start({ listen: `127.0.0.1:${first.port}` }, first.folder);
  await until(async () => /^Evaluation/.test(await shown(page, 'job-numbers').textContent()), 'progress');
  await page.click('#job-cancel');
  await page.waitForFunction(() => document.getElementById('job-state').textContent === 'Stopped');
  await page.close();
  await second.stop();
});

test('a server that wants a token gets it from who has one', async () => {
  const { server: closed, tokens } = await startFor({ ann: [], bob: [] });
  const { page, faults } = await openPage(browser, { viewport: { width: 1200, height: 900 } });
  const use = async (token) => {
    await page.fill('#token', token);
    await page.keyboard.press('Enter');
  };
  await page.goto(closed.url);
  await page.waitForSelector('#token-dialog[open]');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'token', 'the field has the focus');
  await page.screenshot({ path: screenshot('page-token.png') });
  await use('nst_wrong');
  await page.waitForFunction(() => document.getElementById('token-error').textContent.includes('does not know'));
  await use(tokens.ann.token);
  await page.waitForSelector('#token-dialog:not([open])', { state: 'attached' });

  await choose(page, { size: 64, iterations: 20 });
  await page.click('#submit');
  await page.waitForFunction(() => document.getElementById('job-picture').alt === 'The result');
  await pictureIsShown(page);
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#job-download')]);
  assert.match(download.suggestedFilename(), /^[a-z2-7]{26}\.png$/);
  await page.waitForFunction(() => document.querySelector('#jobs img')?.naturalWidth > 0);
  await page.screenshot({ path: screenshot('page-token-done.png'), fullPage: true });

  await page.reload();
  await page.waitForFunction(() => document.getElementById('job-state').textContent === 'Done');
  assert.ok(await page.locator('#token-dialog').isHidden(), 'it is kept while the tab is open');
  await page.click('#forget');
  await page.waitForSelector('#token-dialog[open]');
  await use(tokens.bob.token);
  await page.waitForSelector('#token-dialog:not([open])', { state: 'attached' });
  await page.waitForFunction(() => document.getElementById('job').hidden, "ann's job is not bob's to see");
  assert.equal(await page.locator('#jobs li').count(), 0);
  assert.deepEqual(faults.filter((fault) => !/status of 40[14]/.test(fault)), []);
  await page.close();
  await closed.stop();
});

test('whoever has no token is not asked again and again', async () => {
  const { server: closed } = await startFor({ ann: [] });
  const { page } = await openPage(browser);
  await page.goto(`${closed.url}/#aaaaaaaaaaaaaaaaaaaaaaaaaa`);
  await page.waitForSelector('#token-dialog[open]');
  await page.click('#token-cancel');
  await page.waitForFunction(() => document.getElementById('job-numbers').textContent.includes('token'));
  await choose(page, { size: 64, iterations: 2 });
  assert.ok(await page.locator('#token-dialog').isHidden());
  await page.click('#submit');
  await page.waitForSelector('#token-dialog[open]');
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.getElementById('form-error').textContent.includes('token'));
  await page.close();
  await closed.stop();
});
