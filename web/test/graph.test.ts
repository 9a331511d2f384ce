// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import test from 'node:test';
import { layout, reduced, topological, type Link, type Placed } from '../src/graph';
import { PLAN } from '../dev/story.mjs';

type Planned = { name: string; deps: string[] };
const plan = PLAN as Planned[];
const boxes = plan.map((s) => ({ id: s.name, width: 120, height: 46 }));
const links: Link[] = plan.flatMap((s) => s.deps.map((d) => ({ from: d, to: s.name })));
const overlap = (a: Placed, b: Placed) =>
    a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

for (const direction of ['LR', 'TB'] as const) {
    test(`${direction}: no two boxes overlap, all are inside, and every line goes forward`, () => {
        const g = layout(boxes, links, direction);
        assert.equal(g.boxes.length, boxes.length);
        assert.equal(g.lines.length, links.length);
        for (const a of g.boxes) {
            assert.ok(a.x >= 0 && a.y >= 0 && a.x + a.width <= g.width && a.y + a.height <= g.height, a.id);
            for (const b of g.boxes) assert.ok(a === b || !overlap(a, b), `${a.id} and ${b.id}`);
        }
        const at = new Map(g.boxes.map((b) => [b.id, b]));
        for (const l of links) {
            const [from, to] = [at.get(l.from)!, at.get(l.to)!];
            assert.ok(direction === 'LR' ? from.x + from.width < to.x : from.y + from.height < to.y);
        }
        for (const l of g.lines) assert.match(l.path, /^M[-\d.]+,[-\d.]+(C[-\d., ]+)+$/);
    });
}

test('the same graph gives the same picture', () => {
    assert.deepEqual(layout(boxes, links, 'LR'), layout(boxes, links, 'LR'));
});

test('nothing, one box, unknown ends, loops and cycles are drawn and not fatal', () => {
    assert.deepEqual(layout([], [], 'LR'), { width: 0, height: 0, boxes: [], lines: [] });
    const one = [{ id: 'a', width: 10, height: 10 }];
    assert.equal(layout(one, [{ from: 'a', to: 'a' }, { from: 'a', to: 'gone' }], 'LR').lines.length, 0);
    const two = [...one, { id: 'b', width: 10, height: 10 }];
    assert.equal(layout(two, [{ from: 'a', to: 'b' }, { from: 'b', to: 'a' }], 'TB').lines.length, 2);
});

test('a link that a longer way implies is left out, and nothing else', () => {
    const kept = reduced(links).map((l) => `${l.from}>${l.to}`);
    assert.ok(!kept.includes('features>evaluate'));
    assert.ok(!kept.includes('train>register'));
    assert.ok(!kept.includes('features>show'));
    assert.deepEqual(kept.filter((l) => l.endsWith('>features')).length, 3);
    assert.equal(kept.length, 3 + 5);
    const cycle = [{ from: 'a', to: 'b' }, { from: 'b', to: 'a' }];
    assert.deepEqual(reduced(cycle), cycle);
});

test('steps come after what they depend on', () => {
    const order = topological([...plan].reverse()).map((s) => s.name);
    assert.equal(order.length, plan.length);
    for (const s of plan) for (const d of s.deps) assert.ok(order.indexOf(d) < order.indexOf(s.name));
    const cyclic = [{ name: 'a', deps: ['b'] }, { name: 'b', deps: ['a'] }];
    assert.equal(topological(cyclic).length, 2);
});
