// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { fill, pickLang, words, type Key } from '../src/i18n';

const keys = Object.keys(words.en) as Key[];
const holes = (s: string) => [...new Set([...s.matchAll(/\{(\w+)/g)].map((m) => m[1]))].sort();

test('both languages have every key, and words in it', () => {
    assert.deepEqual(Object.keys(words.zh).sort(), [...keys].sort());
    for (const k of keys) {
        assert.ok(words.en[k].trim(), `en ${k}`);
        assert.ok(words.zh[k].trim(), `zh ${k}`);
    }
});

test('a translation fills no hole that the English has not', () => {
    for (const k of keys)
        for (const hole of holes(words.zh[k])) assert.ok(holes(words.en[k]).includes(hole), `${k}: {${hole}}`);
});

test('Chinese is Chinese, apart from names', () => {
    const names = new Set(['signin.placeholder', 'overview.version', 'overview.onnx', 'runs.progress']);
    for (const k of keys)
        if (!names.has(k)) assert.match(words.zh[k], /[\u4e00-\u9fff]/, `${k}: ${words.zh[k]}`);
});

test('every key is used somewhere', () => {
    const root = process.cwd();
    const all = readdirSync(`${root}/src`, { recursive: true } as never) as unknown as string[];
    const source = all
        .filter((f) => /\.tsx?$/.test(f) && !/i18n\/(en|zh)/.test(f))
        .map((f) => readFileSync(`${root}/src/${f}`, 'utf8'))
        .join('\n');
    const built = [/^status\./, /^theme\./, /^kind\./, /^output\./, /^model\.task\./];
    for (const k of keys)
        if (!built.some((b) => b.test(k))) assert.ok(source.includes(`'${k}'`), `${k} is not used`);
});

test('holes are filled and counted', () => {
    assert.equal(fill('{n} {n|row|rows}', { n: 1 }), '1 row');
    assert.equal(fill('{n} {n|row|rows}', { n: 2 }), '2 rows');
    assert.equal(fill('{n} {n|row|rows}', { n: 0 }), '0 rows');
    assert.equal(fill('a {missing} b', {}), 'a {missing} b');
    assert.equal(fill('{x}', { x: '{y}' }), '{y}');
});

test('the language is what was chosen, else the system’s, else English', () => {
    assert.equal(pickLang('zh', 'en-US'), 'zh');
    assert.equal(pickLang('en', 'zh-CN'), 'en');
    assert.equal(pickLang(null, 'zh-TW'), 'zh');
    assert.equal(pickLang(null, 'de-DE'), 'en');
    assert.equal(pickLang('xx', 'zh'), 'zh');
});
