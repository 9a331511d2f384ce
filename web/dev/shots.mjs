// SPDX-License-Identifier: Apache-2.0
//
// Pictures of every page of the mock in both widths, themes and languages, into web/shots/.
//   npm run build && node dev/mock.mjs & node dev/shots.mjs [--only run] [--base URL]
import { mkdir } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const { values: args } = parseArgs({
    options: {
        base: { type: 'string', default: 'http://127.0.0.1:8799' },
        out: { type: 'string', default: 'shots' },
        only: { type: 'string' },
        look: { type: 'string', default: 'wide-light-en,wide-dark-zh,phone-light-zh,phone-dark-en' },
        full: { type: 'boolean', default: true },
    },
});
const id = (s) => createHash('md5').update(s).digest('hex');
const PAGES = {
    overview: '/console/',
    runs: '/console/runs',
    run: `/console/runs/${id('live')}`,
    'run-failed': `/console/runs/${id('failed')}`,
    'run-done': `/console/runs/${id('done')}?step=evaluate`,
    datasets: '/console/datasets',
    dataset: '/console/datasets/flight_features',
    'dataset-old': '/console/datasets/flights?version=3',
    models: '/console/models',
    model: '/console/models/late-arrival',
    version: '/console/models/late-arrival/2',
    endpoints: '/console/endpoints',
    endpoint: '/console/endpoints/late-arrival',
    'endpoint-failed': '/console/endpoints/arrival-delay',
    missing: '/console/datasets/fligths',
    nowhere: '/console/nowhere/at/all',
    signin: null,
    'signin-failed': null,
};

await mkdir(args.out, { recursive: true });
const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
for (const look of args.look.split(',')) {
    const [width, theme, lang] = look.split('-');
    const context = await browser.newContext({
        viewport: width === 'wide' ? { width: 1440, height: 900 } : { width: 390, height: 844 },
        deviceScaleFactor: width === 'wide' ? 1 : 2,
        colorScheme: theme,
        locale: lang === 'zh' ? 'zh-CN' : 'en-US',
    });
    const page = await context.newPage();
    page.on('console', (m) => m.type() === 'error' && !/40[14]/.test(m.text()) && console.log(look, m.text()));
    page.on('pageerror', (e) => console.log(look, String(e)));
    const names = Object.keys(PAGES).filter((n) => !args.only || args.only.split(',').includes(n));
    const snap = async (name) => {
        await page.waitForTimeout(700);
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (over > 0) console.log(`${name} ${look}: ${over} px wider than the window`);
        await page.screenshot({ path: `${args.out}/${name}-${look}.png`, fullPage: args.full });
    };
    if (names.includes('signin')) await page.goto(`${args.base}/console/`), await snap('signin');
    if (names.includes('signin-failed')) await page.goto(`${args.base}/?x#link=old`), await snap('signin-failed');
    await page.goto(`${args.base}/?y#link=dev`);
    await page.waitForSelector('main#main');
    for (const name of names) {
        if (!PAGES[name]) continue;
        await page.goto(args.base + PAGES[name]);
        if (name === 'endpoint') {
            await page.waitForTimeout(600);
            await page.click('button[type=submit]');
        }
        await snap(name);
    }
    await context.close();
}
await browser.close();
