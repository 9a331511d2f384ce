// SPDX-License-Identifier: Apache-2.0
//
// The console as a person uses it: Debian's Chromium against a real server that has really run a
// pipeline. test_console.py starts the server and reports each test by name; by hand:
//
//   TENON_URL=http://127.0.0.1:8700 TENON_TOKEN=$(cat tenon-data/owner.token) \
//       node --test test/e2e/console.mjs
//
// SHOTS=DIR keeps a picture of every page in both languages, themes and widths.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import test, { after, before } from 'node:test';

const require = createRequire(new URL('../../web/package.json', import.meta.url));
const { chromium } = require('playwright-core');

const BASE = process.env.TENON_URL;
const TOKEN = process.env.TENON_TOKEN;
const PHONE = { width: 390, height: 844 };
const DESK = { width: 1440, height: 900 };

const PIPELINE = `kind: pipeline
name: console-loop
params: {rounds: 20}
steps:
  - {name: load, kind: ingest, path: trips.csv, dataset: trips}
  - name: features
    kind: sql
    inputs: [trips]
    dataset: trip_features
    sql: select *, hour >= 16 as evening from trips
  - name: train
    kind: train
    input: trip_features
    where: day < 20
    target: late
    exclude: [day]
    params: {rounds: "\${params.rounds}", max_depth: 4, seed: 7}
  - {name: evaluate, kind: evaluate, model: train, input: trip_features, where: day >= 20}
  - {name: register, kind: register, model: train, metrics: evaluate, as: lateness}
  - {name: deploy, kind: deploy, model: lateness, endpoint: lateness, after: [register]}
`;
const shell = (name, command) => `kind: pipeline\nname: ${name}\nsteps:\n  - {name: work, kind: run, command: ["sh", "-c", ${JSON.stringify(command)}]}\n`;

function trips(n = 4000) {
    let seed = 3;
    const random = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
    const lines = ['carrier,hour,distance,day,late'];
    for (let i = 0; i < n; i++) {
        const carrier = ['UA', 'AA', 'DL', ''][Math.floor(random() * 4)];
        const hour = Math.floor(random() * 24);
        const p = 0.1 + 0.5 * (hour > 15) + 0.2 * (carrier === 'UA');
        const distance = random() < 0.5 ? '' : 100 + Math.floor(random() * 2900);
        lines.push(`${carrier},${hour},${distance},${1 + Math.floor(random() * 30)},${random() < p}`);
    }
    return lines.join('\n');
}

async function api(method, path, body, raw) {
    const answer = await fetch(BASE + path, {
        method,
        headers: { Authorization: `Bearer ${TOKEN}`, ...(body && !raw ? { 'Content-Type': 'application/json' } : {}) },
        body: raw ? body : body && JSON.stringify(body),
    });
    const text = await answer.text();
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
    return JSON.parse(text);
}

async function submit(yaml, files = {}) {
    const digests = {};
    for (const [path, content] of Object.entries(files))
        digests[path] = (await api('POST', '/api/v1/blobs', content, true)).digest;
    return (await api('POST', '/api/v1/runs', { file: 'pipeline.yaml', yaml, params: {}, files: digests })).id;
}

async function ended(run) {
    for (let i = 0; i < 1500; i++) {
        const r = await api('GET', `/api/v1/runs/${run}`);
        if (r.status !== 'running') return r;
        await new Promise((done) => setTimeout(done, 100));
    }
    throw new Error(`run ${run} has not ended`);
}

let browser;
let run; // the finished run every page is about
let broken; // a run whose step failed
const troubles = []; // what the browser complained about, anywhere
const foreign = []; // requests that left our origin

async function person({ viewport = DESK, lang = 'en-US', theme = 'light', signedIn = true } = {}) {
    const context = await browser.newContext({ viewport, locale: lang, colorScheme: theme, acceptDownloads: true });
    const page = await context.newPage();
    page.setDefaultTimeout(Number(process.env.PATIENCE ?? 20000));
    page.on('pageerror', (e) => troubles.push(String(e)));
    page.on('console', (m) => {
        if (m.type() === 'error' && !/status of 4\d\d/.test(m.text())) troubles.push(m.text());
    });
    page.on('request', (r) => r.url().startsWith(BASE) || r.url().startsWith('blob:') || foreign.push(r.url()));
    if (signedIn) {
        await page.goto((await api('POST', '/api/v1/links')).url);
        await page.waitForSelector('main#main h1');
    }
    return { page, context };
}

/** One test with a person of its own. */
function as(name, options, fn) {
    test(name, async () => {
        const { page, context } = await person(options);
        try {
            await fn(page, context);
        } finally {
            await context.close();
        }
    });
}
const open = async (page, path) => {
    await page.goto(BASE + path);
    await page.waitForSelector('main#main h1, main#main [role=alert]');
};
const text = (page, selector) => page.locator(selector).first().innerText();

before(async () => {
    assert.ok(BASE && TOKEN, 'TENON_URL and TENON_TOKEN must name a running server');
    browser = await chromium.launch({
        executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
        args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
            '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    });
    const id = await submit(PIPELINE, { 'trips.csv': trips() });
    run = await ended(id);
    assert.equal(run.status, 'succeeded', JSON.stringify(run, null, 1));
    broken = await ended(await submit(shell('broken', "echo before; echo 'error: the disk is made of cheese'; exit 3")));
    assert.equal(broken.status, 'failed');
});
after(() => browser?.close());

as('signed out, it says how to get a link', { signedIn: false }, async (page) => {
    await page.goto(`${BASE}/console/models`);
    await page.waitForSelector('.signin');
    assert.match(await text(page, '.signin'), /tenon token link/);
    await page.fill('#link', 'nonsense');
    await page.click('button[type=submit]');
    assert.match(await text(page, '#link-bad'), /#link=/);
});

as('a link signs in once and leaves the address bar', { signedIn: false }, async (page) => {
    const { url } = await api('POST', '/api/v1/links');
    await page.goto(url);
    await page.waitForSelector('main#main h1');
    assert.doesNotMatch(page.url(), /link=/);
    await page.goBack().catch(() => {});
    assert.doesNotMatch(page.url(), /link=/);
    const other = await person({ signedIn: false });
    await other.page.goto(url);
    await other.page.waitForSelector('.signin [role=alert]');
    assert.doesNotMatch(other.page.url(), /link=/);
    const fresh = await api('POST', '/api/v1/links');
    await other.page.fill('#link', fresh.url);
    await other.page.click('button[type=submit]');
    await other.page.waitForSelector('main#main h1');
    await other.context.close();
});

as('signing out ends the session', {}, async (page) => {
    await page.click('.who button');
    await page.waitForSelector('.signin');
    await page.goto(`${BASE}/console/runs`);
    await page.waitForSelector('.signin');
});

as('the overview shows what runs, serves and exists', {}, async (page) => {
    await open(page, '/console/');
    await page.waitForSelector('.stat');
    for (const [path, name] of [[`runs/${run.id}`, 'console-loop'], ['endpoints/lateness', 'lateness'], ['datasets/trips', 'trips'], ['models/lateness/1', 'lateness']])
        await page.locator(`main a[href^="/console/${path}"]`, { hasText: name }).first().waitFor();
    assert.match(await text(page, '.facts'), /ONNX Runtime/);
});

as('a run shows its graph, its timeline, and the log of the step that is chosen', {}, async (page) => {
    await open(page, `/console/runs/${run.id}`);
    assert.equal(await page.locator('.dag .node').count(), run.steps.length);
    assert.equal(await page.locator('.dag .node-succeeded').count(), run.steps.length);
    assert.equal(await page.locator('.timeline li').count(), run.steps.length);
    await page.locator('.dag a', { hasText: 'evaluate' }).click();
    await page.waitForSelector('.step-panel h2:has-text("evaluate")');
    assert.match(page.url(), /step=evaluate/);
    assert.match(await text(page, '.step-panel .tiles'), /auc/);
    await page.locator('.timeline a', { hasText: 'train' }).click();
    await page.waitForSelector('.step-panel h2:has-text("train")');
    const log = await (await fetch(`${BASE}/api/v1/runs/${run.id}/steps/train/log`, { headers: { Authorization: `Bearer ${TOKEN}` } })).text();
    const line = log.split('\n').find((l) => l.trim().length > 8);
    if (line) await page.locator('.log-line', { hasText: line.trim().slice(0, 40) }).first().waitFor();
    await page.goBack();
    await page.waitForSelector('.step-panel h2:has-text("evaluate")');
});

as('outputs lead from a run to what it made', {}, async (page) => {
    await open(page, `/console/runs/${run.id}?step=register`);
    await page.locator('.outputs a', { hasText: 'lateness' }).first().click();
    await page.waitForSelector('h1:has-text("lateness")');
    assert.match(page.url(), /\/console\/models\/lateness\/1$/);
    await page.locator('.dag a', { hasText: 'trip_features' }).click();
    await page.waitForSelector('h1:has-text("trip_features")');
    await page.locator('.dag a', { hasText: 'trips' }).first().waitFor();
});

as('a failed step says what went wrong, and its log is there', {}, async (page) => {
    await open(page, `/console/runs/${broken.id}`);
    await page.waitForSelector('.step-panel .status-failed');
    const error = broken.steps[0].error;
    if (error) assert.ok((await text(page, '.step-error')).includes(error.message));
    await page.locator('.log-line.tone-error', { hasText: 'made of cheese' }).waitFor();
});

as('a run that starts and ends shows both without a reload', {}, async (page) => {
    await open(page, '/console/runs');
    await page.evaluate(() => (window.sameDocument = true));
    const id = await submit(shell('live', 'for i in 1 2 3 4; do echo tick $i; sleep 0.5; done'));
    const row = page.locator(`tr:has(a[href="/console/runs/${id}"])`);
    await row.waitFor();
    await row.locator('.status-succeeded').waitFor({ timeout: 60000 });
    await row.locator('a').first().click();
    await page.locator('.log-line', { hasText: 'tick 4' }).waitFor();
    assert.equal(await page.evaluate(() => window.sameDocument), true);
});

as('a log is followed, and stops following a reader who scrolls up', {}, async (page) => {
    const id = await submit(shell('chatty', 'seq 1 3000; sleep 2; seq 3001 3100; sleep 600'));
    await open(page, `/console/runs/${id}?step=work`);
    await page.locator('.log-line', { hasText: /^3100$/ }).waitFor({ timeout: 60000 });
    const box = page.locator('.log-text');
    const gap = () => box.evaluate((e) => e.scrollHeight - e.scrollTop - e.clientHeight);
    assert.ok((await gap()) < 30, 'at the newest line');
    await box.evaluate((e) => (e.scrollTop = 100));
    await page.waitForSelector('.log-down');
    await page.click('.log-down');
    await page.waitForSelector('.log-down', { state: 'detached' });
    assert.ok((await gap()) < 30, 'back at the newest line');

    await page.getByRole('button', { name: 'Cancel run' }).click();
    await page.getByRole('button', { name: 'Yes, cancel it' }).click();
    await page.locator('.page-head .status-cancelled').waitFor({ timeout: 60000 });
    assert.equal((await ended(id)).status, 'cancelled');
});

as('a million lines do not drown the browser', {}, async (page) => {
    const id = await submit(shell('flood', 'seq 1 1000000; echo the end'));
    await ended(id);
    await open(page, `/console/runs/${id}?step=work`);
    await page.locator('.log-line', { hasText: 'the end' }).waitFor({ timeout: 60000 });
    assert.ok((await page.locator('.log-line').count()) <= 4100);
});

as('a dataset shows schema, rows, versions and lineage', {}, async (page) => {
    await open(page, '/console/datasets/trip_features');
    const d = await api('GET', '/api/v1/datasets/trip_features');
    for (const c of d.schema) await page.locator('.schema li', { hasText: c.name }).first().waitFor();
    assert.equal(await page.locator('.sample tbody tr').count(), d.sample.length);
    await page.locator('.dag .node.here', { hasText: 'trip_features' }).waitFor();
    await page.locator('.dag a', { hasText: 'lateness' }).first().waitFor();
});

as('a model version can be read, downloaded and given an alias', {}, async (page) => {
    await open(page, '/console/models/lateness/1');
    const v = await api('GET', '/api/v1/models/lateness/versions/1');
    assert.ok((await text(page, '.tiles')).includes('auc'));
    await page.getByPlaceholder('Alias, such as champion').fill('champion');
    await page.getByRole('button', { name: 'Set', exact: true }).click();
    await page.locator('.page-head .tag', { hasText: '@champion' }).waitFor();
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByText('Download model.onnx').click()]);
    const bytes = readFileSync(await download.path());
    assert.equal(createHash('sha256').update(bytes).digest('hex'), v.digest);
});

as('the form of an endpoint predicts what the API predicts, and so does its curl line', {}, async (page) => {
    await open(page, '/console/endpoints/lateness');
    await page.waitForSelector('.fields input');
    const row = { carrier: 'UA', hour: 18, distance: 500, evening: true };
    for (const [name, value] of Object.entries(row)) await page.fill(`#in-${name}`, String(value));
    await page.getByRole('button', { name: 'Predict' }).click();
    await page.waitForSelector('.verdict');
    const { predictions } = await api('POST', '/v2/models/lateness/invocations', { rows: [row] });
    const [{ late, probability }] = predictions;
    assert.equal(await text(page, '.verdict strong'), late);
    assert.ok((await text(page, '.bars .best')).includes(`${(probability[late] * 100).toFixed(1)}%`));
    const curl = (await page.locator('.try pre.code').last().innerText()).replace(/\$\(cat [^)]*\)/, '$TOKEN');
    const said = execFileSync('sh', ['-c', curl], { encoding: 'utf8', env: { ...process.env, TOKEN } });
    assert.deepEqual(JSON.parse(said).predictions, predictions);
    await page.getByRole('button', { name: 'Clear' }).click();
    await page.getByRole('button', { name: 'Predict' }).click();
    assert.equal(await page.locator('.verdict').count(), 0, 'an empty form is not sent');
});

as('what is not there says so, with the server’s hint', {}, async (page) => {
    await open(page, '/console/datasets/tripz');
    assert.match(await text(page, '.error-box'), /tripz/);
    await open(page, '/console/no/such/page');
    assert.match(await text(page, 'h1'), /Not here/);
});

as('the language and the colours are a choice that stays', {}, async (page) => {
    await open(page, '/console/');
    await page.getByRole('button', { name: '中文' }).click();
    await page.waitForSelector('h1:has-text("总览")');
    await page.locator('.switches > button').click();
    await page.locator('.switches > button').click();
    await page.reload();
    await page.waitForSelector('h1:has-text("总览")');
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
    const dark = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    assert.ok(dark.match(/\d+/g).slice(0, 3).every((c) => Number(c) < 64), dark);
});

as('Chinese is what a Chinese browser sees first', { lang: 'zh-CN' }, async (page) => {
    await open(page, '/console/runs');
    await page.waitForSelector('h1:has-text("运行")');
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'zh-CN');
});

as('a keyboard is enough', {}, async (page) => {
    await open(page, `/console/runs/${run.id}`);
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
    for (let i = 0; i < 40; i++) {
        await page.keyboard.press('Tab');
        if (await page.evaluate(() => !!document.activeElement.closest('.dag'))) break;
    }
    const label = await page.evaluate(() => document.activeElement.getAttribute('aria-label'));
    await page.keyboard.press('Enter');
    await page.waitForSelector(`.step-panel[aria-label="${label.split(',')[0]}"]`);
});

const pages = () => [
    ['overview', '/console/'], ['runs', '/console/runs'], ['run', `/console/runs/${run.id}`],
    ['run-failed', `/console/runs/${broken.id}`], ['datasets', '/console/datasets'], ['dataset', '/console/datasets/trip_features'],
    ['models', '/console/models'], ['model', '/console/models/lateness'], ['version', '/console/models/lateness/1'],
    ['endpoints', '/console/endpoints'], ['endpoint', '/console/endpoints/lateness'],
];

for (const [width, viewport] of [['phone', PHONE], ['desk', DESK]])
    for (const [theme, lang] of [['light', 'en-US'], ['dark', 'zh-CN'], ['light', 'zh-CN'], ['dark', 'en-US']])
        as(`every page fits and names its controls: ${width}, ${theme}, ${lang}`, { viewport, theme, lang }, async (page) => {
            for (const [name, path] of pages()) {
                await open(page, path);
                await page.waitForFunction(() => !document.querySelector('.skeleton'));
                const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
                assert.ok(over <= 0, `${name} is ${over} px wider than the window`);
                const nameless = await page.evaluate(() =>
                    [...document.querySelectorAll('a, button, input')]
                        .filter((e) => !(e.innerText?.trim() || e.getAttribute('aria-label') || e.labels?.length || e.querySelector('title')))
                        .map((e) => e.outerHTML.slice(0, 120)));
                assert.deepEqual(nameless, [], name);
                if (process.env.SHOTS) {
                    mkdirSync(process.env.SHOTS, { recursive: true });
                    await page.waitForTimeout(300);
                    await page.screenshot({ path: `${process.env.SHOTS}/${name}-${width}-${theme}-${lang.slice(0, 2)}.png`, fullPage: true });
                }
            }
        });

test('nothing left our origin and the browser had nothing to complain about', () => {
    assert.deepEqual(foreign, []);
    assert.deepEqual(troubles, []);
});
