// SPDX-License-Identifier: Apache-2.0
//
// Where the boxes and lines of a DAG go. dagre ranks and orders; the lines through its points become
// smooth curves here. Pure: the same graph gives the same picture.
import dagre from '@dagrejs/dagre';

export interface Box {
    id: string;
    width: number;
    height: number;
}
export interface Link {
    from: string;
    to: string;
}
export interface Placed extends Box {
    x: number; // left edge
    y: number; // top edge
}
export interface Line extends Link {
    path: string; // SVG path data
}
export interface Layout {
    width: number;
    height: number;
    boxes: Placed[];
    lines: Line[];
}
export type Direction = 'LR' | 'TB';

const PAD = 12;

/** Links to boxes that are not there, and from a box to itself, are left out. */
export function layout(boxes: Box[], links: Link[], direction: Direction): Layout {
    if (!boxes.length) return { width: 0, height: 0, boxes: [], lines: [] };
    const g = new dagre.graphlib.Graph();
    const wide = direction === 'LR';
    g.setGraph({
        rankdir: direction,
        nodesep: wide ? 16 : 24,
        ranksep: wide ? 38 : 32,
        edgesep: 12,
        marginx: PAD,
        marginy: PAD,
    });
    g.setDefaultEdgeLabel(() => ({}));
    const known = new Set(boxes.map((b) => b.id));
    for (const b of boxes) g.setNode(b.id, { width: b.width, height: b.height });
    const kept = links.filter((l) => l.from !== l.to && known.has(l.from) && known.has(l.to));
    for (const l of kept) g.setEdge(l.from, l.to);
    dagre.layout(g);
    const placed = boxes.map((b) => {
        const n = g.node(b.id);
        return { ...b, x: n.x - b.width / 2, y: n.y - b.height / 2 };
    });
    const at = new Map(placed.map((b) => [b.id, b]));
    const lines = kept.map((l) => {
        const a = at.get(l.from)!;
        const b = at.get(l.to)!;
        const inner = (g.edge(l.from, l.to).points as Point[]).slice(1, -1);
        return { ...l, path: curve([port(a, wide, true), ...inner, port(b, wide, false)], wide) };
    });
    const { width, height } = g.graph();
    return { width: width ?? 0, height: height ?? 0, boxes: placed, lines };
}

interface Point {
    x: number;
    y: number;
}

/** The middle of the side a line leaves from or arrives at. */
function port(b: Placed, wide: boolean, out: boolean): Point {
    return wide
        ? { x: out ? b.x + b.width : b.x, y: b.y + b.height / 2 }
        : { x: b.x + b.width / 2, y: out ? b.y + b.height : b.y };
}

/** Cubic pieces that leave and arrive along the direction of flow. Inner points that do not bend
 * the line are dropped, so that a plain edge is one plain S. */
function curve(points: Point[], wide: boolean): string {
    const cross = (p: Point) => (wide ? p.y : p.x);
    const first = points[0]!;
    const end = points[points.length - 1]!;
    const low = Math.min(cross(first), cross(end)) - 2;
    const high = Math.max(cross(first), cross(end)) + 2;
    const bends = points.length > 3 || points.slice(1, -1).some((p) => cross(p) < low || cross(p) > high);
    const via = bends ? points : [first, end];
    const r = (n: number) => Math.round(n * 10) / 10;
    let path = `M${r(first.x)},${r(first.y)}`;
    for (let i = 1; i < via.length; i++) {
        const a = via[i - 1]!;
        const b = via[i]!;
        const mid = wide ? (a.x + b.x) / 2 : (a.y + b.y) / 2;
        path += wide
            ? `C${r(mid)},${r(a.y)} ${r(mid)},${r(b.y)} ${r(b.x)},${r(b.y)}`
            : `C${r(a.x)},${r(mid)} ${r(b.x)},${r(mid)} ${r(b.x)},${r(b.y)}`;
    }
    return path;
}

/** Steps in an order in which each comes after what it depends on; cycles keep the given order. */
export function topological<T extends { name: string; deps: string[] }>(steps: T[]): T[] {
    const byName = new Map(steps.map((s) => [s.name, s]));
    const seen = new Set<string>();
    const out: T[] = [];
    const visit = (s: T) => {
        if (seen.has(s.name)) return;
        seen.add(s.name);
        for (const d of s.deps) {
            const dep = byName.get(d);
            if (dep) visit(dep);
        }
        out.push(s);
    };
    steps.forEach(visit);
    return out;
}

/** The links that say something new: one that a longer way says already is left out. A link to
 * something unknown is kept; in a cycle nothing is left out. */
export function reduced(links: Link[]): Link[] {
    const next = new Map<string, Set<string>>();
    for (const l of links) {
        if (!next.has(l.from)) next.set(l.from, new Set());
        next.get(l.from)!.add(l.to);
    }
    const reaches = (from: string, to: string): boolean => {
        const seen = new Set<string>();
        const todo = [...(next.get(from) ?? [])].filter((n) => n !== to);
        while (todo.length) {
            const at = todo.pop()!;
            if (at === to) return true;
            if (at === from) return false; // a cycle: no way is the longer one
            if (seen.has(at)) continue;
            seen.add(at);
            todo.push(...(next.get(at) ?? []));
        }
        return false;
    };
    return links.filter((l) => !reaches(l.from, l.to));
}
