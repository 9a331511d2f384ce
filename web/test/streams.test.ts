// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import test from 'node:test';
import { clean, LogText, tone } from '../src/logtext';
import { SseParser } from '../src/sse';

test('events come whole, however the stream is cut', () => {
    const stream = ': hello\n\nid: 7\nevent: run.submitted\ndata: {"a":\ndata: 1}\n\r\ndata:x\r\n\r\nevent: lost\n\n';
    const want = [
        { event: 'run.submitted', data: '{"a":\n1}', id: '7' },
        { event: 'message', data: 'x', id: '7' },
    ];
    for (let size = 1; size <= stream.length; size++) {
        const parser = new SseParser();
        const got = [];
        for (let i = 0; i < stream.length; i += size) got.push(...parser.push(stream.slice(i, i + size)));
        assert.deepEqual(got, want, `pieces of ${size}`);
    }
});

test('a log keeps its newest lines and says how many it dropped', () => {
    const log = new LogText(100);
    for (let i = 0; i < 1000; i++) log.push(`line ${i}\n`);
    assert.equal(log.lines.length, 100);
    assert.equal(log.lines[0]!.text, 'line 900');
    assert.equal(log.dropped, 900);
    assert.equal(new Set(log.lines.map((l) => l.n)).size, 100);
});

test('a character cut in two pieces is one character', () => {
    const log = new LogText();
    const bytes = new TextEncoder().encode('航班\n');
    for (const b of bytes) log.push(new Uint8Array([b]));
    assert.equal(log.lines[0]!.text, '航班');
});

test('progress bars show their last state, colours are dropped', () => {
    const log = new LogText();
    log.push('10%\r50%\r');
    assert.equal(log.partial, '50%');
    log.push('100%\n\x1b[31mred\x1b[0m \x1b]0;title\x07end\r\n');
    assert.deepEqual(log.lines.map((l) => l.text), ['100%', 'red end']);
    assert.equal(clean('a\tb\x00c'), 'a\tbc');
});

test('a gigabyte without a newline stays bounded', () => {
    const log = new LogText();
    for (let i = 0; i < 100; i++) log.push('x'.repeat(100000));
    assert.ok(log.partial.length < 5000);
});

test('errors, hints and warnings are told apart from talk about them', () => {
    assert.equal(tone('error: no column'), 'error');
    assert.equal(tone('Traceback (most recent call last):'), 'error');
    assert.equal(tone('ValueError: bad'), 'error');
    assert.equal(tone('hint: did you mean'), 'hint');
    assert.equal(tone('WARNING: slow'), 'warn');
    assert.equal(tone('0 errors, 0 warnings'), '');
});
