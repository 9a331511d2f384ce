// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import test from 'node:test';
import { errorOf } from '../src/api';
import { datasetLineage, modelLineage, type Labels } from '../src/lineage';
import { linkSecret } from '../src/pages/signin';
import { href, parsePlace } from '../src/router';
import { answerOf, curlLine, exampleFields, rowOf } from '../src/tryit';
import type { Dataset, Endpoint, ModelVersion, Signature } from '../src/types';

const signature: Signature = {
    inputs: [
        { name: 'carrier', datatype: 'BYTES', values: ['UA', 'AA'] },
        { name: 'minute', datatype: 'INT64' },
        { name: 'temp', datatype: 'FP32', optional: true },
        { name: 'rain', datatype: 'BOOL', optional: true },
    ],
    outputs: [],
};

test('fields become one row of the signature’s types', () => {
    const { row, bad } = rowOf(signature, { carrier: 'UA', minute: ' 17 ', temp: '', rain: 'TRUE' });
    assert.deepEqual(row, { carrier: 'UA', minute: 17, rain: true });
    assert.deepEqual(bad, []);
});

test('what the trainer said about a column counts more than how it travels', () => {
    const told: Signature = {
        inputs: [{ name: 'evening', datatype: 'FP32', kind: 'boolean', example: true }, { name: 'n', datatype: 'FP32', example: 5 }],
        outputs: [],
    };
    assert.deepEqual(exampleFields(told, undefined), { evening: 'true', n: '5' });
    assert.deepEqual(rowOf(told, { evening: 'false', n: '2.5' }), { row: { evening: false, n: 2.5 }, bad: [] });
});

test('what cannot be a value of its column is named', () => {
    assert.deepEqual(rowOf(signature, { carrier: '', minute: '1.5', temp: 'warm', rain: 'maybe' }).bad, [
        'carrier', 'minute', 'temp', 'rain',
    ]);
});

test('an example comes from a row learnt from, else from the signature', () => {
    assert.deepEqual(exampleFields(signature, { carrier: 'B6', minute: 5, temp: null }), {
        carrier: 'B6', minute: '5', temp: '', rain: 'false',
    });
    assert.deepEqual(rowOf(signature, exampleFields(signature, undefined)).bad, []);
});

test('the curl line hands a real shell exactly the row', () => {
    const row = { dest: "O'Hare", note: '$HOME `id` "x"\n', n: 1 };
    const line = curlLine('http://127.0.0.1:8700', 'late arrival', '', row).replace(/^curl/, 'printf "%s\\n"');
    const words = execFileSync('sh', ['-c', line], { encoding: 'utf8', env: { TENON_TOKEN: 'tn_x' } });
    assert.ok(words.includes('http://127.0.0.1:8700/v2/models/late%20arrival/invocations'));
    assert.ok(words.includes('Authorization: Bearer tn_x'));
    assert.ok(words.includes(JSON.stringify({ rows: [row] })));
});

test('an answer’s classes come most probable first; regression has none', () => {
    const a = answerOf({ late: 'false', probability: { true: 0.2, false: 0.8 } });
    assert.equal(a.target, 'late');
    assert.equal(a.value, 'false');
    assert.deepEqual(a.classes.map((c) => c.label), ['false', 'true']);
    assert.deepEqual(answerOf({ prediction: 12.3 }), { target: 'prediction', value: 12.3, classes: [] });
    assert.deepEqual(answerOf(undefined).classes, []);
});

test('both error shapes are read, and a body that is none', () => {
    const e = errorOf(404, { error: { code: 'not_found', message: 'no', hint: 'yes' } }, 'r1');
    assert.deepEqual([e.code, e.message, e.hint, e.requestId], ['not_found', 'no', 'yes', 'r1']);
    assert.equal(errorOf(400, { error: 'text' }, null).message, 'text');
    assert.equal(errorOf(502, null, null).message, 'HTTP 502');
});

test('a link’s secret is found in an address and only there', () => {
    assert.equal(linkSecret('http://127.0.0.1:8700/#link=tn_a-b_c'), 'tn_a-b_c');
    assert.equal(linkSecret('#link=x%2Fy'), 'x/y');
    assert.equal(linkSecret('#link=x%'), 'x%');
    assert.equal(linkSecret('http://127.0.0.1:8700/'), null);
});

test('an address and its page agree both ways', () => {
    const to = href('runs', 'a/b', { step: 'x&y', none: null });
    const { pathname, search } = new URL(to, 'http://h');
    const place = parsePlace(pathname, search);
    assert.deepEqual(place.parts, ['runs', 'a/b']);
    assert.equal(place.query.get('step'), 'x&y');
    assert.equal(place.query.has('none'), false);
    assert.deepEqual(parsePlace('/', '').parts, []);
    assert.deepEqual(parsePlace('/console/%E0%A4', '').parts, ['%E0%A4']);
});

const labels: Labels = { run: 'Run', rows: (n) => `${n} rows`, role: (r) => r ?? '' };
const run = 'f'.repeat(32);
const dataset = (name: string, inputs: string[]): Dataset => ({
    name, version: 1, rows: 9, bytes: 1, schema: [], run, step: `make-${name}`, source: null,
    inputs: inputs.map((i) => ({ name: i, version: 1 })), created_at: 1,
});
const version = {
    name: 'late', version: 2, digest: '', signature, metrics: {}, params: {}, run, attempt: `${run}/train/1`,
    datasets: [{ name: 'b', version: 1, role: 'train' }, { name: 'b', version: 1, role: 'evaluate' }], created_at: 1, aliases: [],
} as ModelVersion;

test('a model comes from its data through its run and goes to the endpoints of that version', () => {
    const serving = { name: 'e', model: 'late', version: 2 } as Endpoint;
    const other = { name: 'o', model: 'late', version: 1 } as Endpoint;
    const { nodes, links } = modelLineage(version, [serving, other], labels);
    assert.deepEqual(nodes.map((n) => n.title).sort(), ['b', 'e', 'late', 'train']);
    assert.equal(nodes.find((n) => n.title === 'b')!.sub, 'v1 · train, evaluate');
    assert.equal(links.length, 3);
});

test('a dataset shows what made it and what uses it', () => {
    const b = dataset('b', ['a']);
    const { nodes, links } = datasetLineage(b, [dataset('a', []), b, dataset('c', ['b'])], [version], labels);
    assert.deepEqual(nodes.map((n) => n.title).sort(), ['a', 'b', 'c', 'late', 'make-b']);
    assert.equal(links.length, 4);
    assert.equal(nodes.filter((n) => n.here).length, 1);
});
