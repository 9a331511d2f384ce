// SPDX-License-Identifier: Apache-2.0
//
// Where things came from and where they went, as graphs: pure functions from the API's objects to
// the nodes that ui/dag.tsx draws.
import { shortId } from './format';
import type { Link } from './graph';
import { href } from './router';
import type { Dataset, DatasetRef, Endpoint, ModelVersion } from './types';
import type { DagNode } from './ui/dag';

const MODELS_SHOWN = 6;

export interface Lineage {
    nodes: DagNode[];
    links: Link[];
}

/** Words of the current language, so that this file stays pure. */
export interface Labels {
    run: string;
    rows: (n: number) => string;
    role: (role: string | undefined) => string;
}

class Builder {
    private nodes = new Map<string, DagNode>();
    private links = new Map<string, Link>();

    node(n: DagNode): string {
        if (!this.nodes.has(n.id)) this.nodes.set(n.id, n);
        return n.id;
    }
    link(from: string, to: string): void {
        this.links.set(`${from} ${to}`, { from, to });
    }
    dataset(d: DatasetRef, sub: string, here = false): string {
        return this.node({
            id: `dataset/${d.name}/${d.version}`,
            title: d.name,
            sub: [`v${d.version}`, sub].filter(Boolean).join(' · '),
            icon: 'datasets',
            href: here ? undefined : href('datasets', d.name, { version: d.version }),
            here,
        });
    }
    run(run: string, step: string | null, label: string): string {
        return this.node({
            id: `run/${run}/${step ?? ''}`,
            title: step ?? label,
            sub: `${label} ${shortId(run)}`,
            icon: 'runs',
            href: step ? href('runs', run, { step }) : href('runs', run),
        });
    }
    model(v: ModelVersion, here = false): string {
        return this.node({
            id: `model/${v.name}/${v.version}`,
            title: v.name,
            sub: `v${v.version}`,
            icon: 'models',
            href: here ? undefined : href('models', v.name, v.version),
            here,
        });
    }
    endpoint(e: Endpoint): string {
        return this.node({
            id: `endpoint/${e.name}`,
            title: e.name,
            sub: `${e.model} v${e.version}`,
            icon: 'endpoints',
            href: href('endpoints', e.name),
        });
    }
    done(): Lineage {
        return { nodes: [...this.nodes.values()], links: [...this.links.values()] };
    }
}

/** datasets → run → version → endpoints. */
export function modelLineage(v: ModelVersion, endpoints: Endpoint[], labels: Labels): Lineage {
    const b = new Builder();
    const here = b.model(v, true);
    const run = v.run ? b.run(v.run, attemptStep(v.attempt), labels.run) : here;
    const roles = new Map<string, { ref: DatasetRef; roles: Set<string> }>();
    for (const d of v.datasets ?? []) {
        const key = `${d.name}/${d.version}`;
        const known = roles.get(key) ?? { ref: d, roles: new Set<string>() };
        if (d.role) known.roles.add(labels.role(d.role));
        roles.set(key, known);
    }
    for (const { ref, roles: r } of roles.values()) b.link(b.dataset(ref, [...r].join(', ')), run);
    if (run !== here) b.link(run, here);
    for (const e of endpoints)
        if (e.model === v.name && String(e.version) === String(v.version)) b.link(here, b.endpoint(e));
    return b.done();
}

/** "RUN/STEP/N" → STEP. */
function attemptStep(attempt: string | null | undefined): string | null {
    return attempt?.split('/')[1] ?? null;
}

/** inputs → step → this version → datasets and models made from it. */
export function datasetLineage(
    d: Dataset,
    others: Dataset[],
    models: ModelVersion[],
    labels: Labels,
): Lineage {
    const b = new Builder();
    const here = b.dataset(d, labels.rows(d.rows), true);
    const maker = d.run ? b.run(d.run, d.step, labels.run) : here;
    if (maker !== here) b.link(maker, here);
    for (const input of d.inputs ?? []) {
        const known = others.find((o) => o.name === input.name && o.version === input.version);
        b.link(b.dataset(input, known ? labels.rows(known.rows) : ''), maker);
    }
    const uses = (refs: DatasetRef[] | null) =>
        refs?.some((r) => r.name === d.name && r.version === d.version) ?? false;
    for (const o of others) if (uses(o.inputs)) b.link(here, b.dataset(o, labels.rows(o.rows)));
    for (const m of models.filter((v) => uses(v.datasets)).slice(0, MODELS_SHOWN)) b.link(here, b.model(m));
    return b.done();
}
