// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import test from 'node:test';
import { execFileSync } from 'node:child_process';
import * as f from '../src/format';

test('durations read like a clock, whatever their size', () => {
    const cases: [number | null, string][] = [
        [null, '–'], [-5, '0.0 s'], [0, '0.0 s'], [420, '0.4 s'], [9949, '9.9 s'], [9950, '10 s'], [59499, '59 s'],
        [59500, '1 m 00 s'], [187000, '3 m 07 s'], [3600000, '1 h 00 m'], [7500000, '2 h 05 m'], [277200000, '3 d 5 h'],
    ];
    for (const [ms, text] of cases) assert.equal(f.duration(ms), text, String(ms));
});

test('sizes and counts never show four digits before a unit', () => {
    assert.equal(f.bytes(0), '0 B');
    assert.equal(f.bytes(999), '999 B');
    assert.equal(f.bytes(999949), '1.0 MB');
    assert.equal(f.bytes(218e9), '218 GB');
    assert.equal(f.bytes(-1), '–');
    assert.equal(f.countShort(9999), '9,999');
    assert.equal(f.countShort(18234), '18.2 k');
    assert.equal(f.countShort(999950), '1.0 M');
    assert.equal(f.countShort(null), '–');
    assert.equal(f.micros(61.4), '61 µs');
    assert.equal(f.micros(1234), '1.23 ms');
    assert.equal(f.micros(0), '–');
});

test('metrics keep four significant digits and name the impossible', () => {
    assert.equal(f.metric(0.746312), '0.7463');
    assert.equal(f.metric(27075), '27,075');
    assert.equal(f.metric(0.00001234), '1.234e-5');
    assert.equal(f.metric(-1234.567), '-1,234.6');
    assert.equal(f.metric(NaN), '–');
    assert.equal(f.metric(Infinity), '∞');
    assert.equal(f.latest([0.5, 0.4]), 0.4);
    assert.equal(f.latest([]), null);
    assert.equal(f.latest(3), 3);
});

test('a probability is certain only when it is', () => {
    assert.equal(f.percent(1), '100.0%');
    assert.equal(f.percent(0.99999), '>99.9%');
    assert.equal(f.percent(0.00001), '<0.1%');
    assert.equal(f.percent(0), '0.0%');
    assert.equal(f.percent(0.1234), '12.3%');
});

test('ages are told in the reader’s language', () => {
    const now = Date.UTC(2026, 0, 10);
    assert.equal(f.ago(now - 2000, now, 'en'), 'just now');
    assert.equal(f.ago(now - 2000, now, 'zh'), '刚刚');
    assert.match(f.ago(now - 5 * 60000, now, 'en'), /^5\s?m(in\.)? ago$/);
    assert.match(f.ago(now - 5 * 60000, now, 'zh'), /^5\s?分钟前$/);
    assert.match(f.ago(now - 30 * 86400000, now, 'en'), /2025/);
    assert.equal(f.ago(null, now, 'en'), '–');
});

test('a quoted word reaches a real shell unchanged', () => {
    for (const word of ['plain', "it's", '$(reboot)', '`x` "y" \\ !', '', "'", 'a b\nc', '航班 O\'Hare'])
        assert.equal(execFileSync('sh', ['-c', `printf %s ${f.shellQuote(word)}`], { encoding: 'utf8' }), word);
});

test('an axis has a few round ticks', () => {
    assert.deepEqual(f.timeTicks(12000, 6), [0, 2000, 4000, 6000, 8000, 10000, 12000]);
    for (const span of [1, 900, 61e3, 5e6, 4e8, 9e10]) assert.ok(f.timeTicks(span, 6).length <= 7, String(span));
    assert.equal(f.tickLabel(90000), '1.5 m');
});
