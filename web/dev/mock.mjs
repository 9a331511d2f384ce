// SPDX-License-Identifier: Apache-2.0
//
// A stand-in for the server, for working on the console alone and for pictures of states that are
// hard to reach. Nothing here is real; the shapes are docs/api.md's, the story is examples/flights.
//
//   npm run build && npm run mock -- [--port 8799] [--empty] [--readonly]
//
// Open http://127.0.0.1:8799/#link=dev. The newest run is "running" for ever: its clock starts when
// the mock starts and starts over when it is done.
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { LOGS, MODEL_VERSIONS, PLAN, YAML, datasets, params } from './story.mjs';

const { values: args } = parseArgs({
    options: {
        port: { type: 'string', default: '8799' },
        empty: { type: 'boolean', default: false },
        readonly: { type: 'boolean', default: false },
    },
});
const dist = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist');
const TYPES = { html: 'text/html; charset=utf-8', js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' };
const CSP = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

const born = Date.now();
const id = (s) => createHash('md5').update(s).digest('hex');
const MINUTE = 60e3;
const HOUR = 60 * MINUTE;

// Runs: the same plan, told up to a point in time.

const LIVE = id('live');
const FAILED = id('failed');
const DONE = id('done');
const CANCELLED = id('cancelled');

function timeline() {
    const at = {};
    for (const s of PLAN) {
        const start = Math.max(0.12, ...s.deps.map((d) => at[d].end)) + 0.03;
        at[s.name] = { start, end: start + s.takes };
    }
    return at;
}
const TIMES = timeline();
const WHOLE = Math.max(...Object.values(TIMES).map((t) => t.end));

function stepAt(s, begin, elapsed, broken) {
    const t = TIMES[s.name];
    const base = { name: s.name, kind: s.kind, deps: s.deps, why: null, attempt: 1, error: null, summary: null, metrics: {}, outputs: [], attempts: [] };
    const started = Math.round(begin + t.start * 1000);
    const ended = Math.round(begin + t.end * 1000);
    const one = (status, more) => [{ n: 1, status, started_at: started, ended_at: null, code: null, signal: null, reason: null, ...more }];
    if (broken && s.name !== broken.step && downstream(s.name, broken.step))
        return { ...base, attempt: 0, status: broken.rest, started_at: null, ended_at: null, why: `${broken.step} did not succeed` };
    if (elapsed < t.start)
        return { ...base, attempt: 0, status: s.queued && elapsed > t.start - 1 ? 'queued' : 'waiting', started_at: null, ended_at: null, why: `waits for ${s.deps.join(', ') || 'a slot'}` };
    if (broken?.step === s.name) return broken.make(base, started, ended);
    if (elapsed < t.end) return { ...base, status: 'running', started_at: started, ended_at: null, attempts: one('running') };
    return { ...base, status: 'succeeded', started_at: started, ended_at: ended, summary: s.summary, metrics: s.metrics ?? {}, outputs: s.outputs ?? [], attempts: one('succeeded', { ended_at: ended, code: 0 }) };
}

function downstream(step, of) {
    const s = PLAN.find((p) => p.name === step);
    return s.deps.some((d) => d === of || downstream(d, of));
}

const failure = {
    step: 'train',
    rest: 'skipped',
    make: (base, started, ended) => ({
        ...base, status: 'failed', attempt: 3, started_at: started, ended_at: ended + 9000,
        error: { code: 'invalid', message: "train: no column 'lat' in dataset 'flight_features' (pipeline.yaml:38:13)", hint: "did you mean 'late'?" },
        attempts: [
            { n: 1, status: 'failed', started_at: started, ended_at: started + 2100, code: null, signal: 9, reason: 'out of memory: used 2.0 GB of 2.0 GB' },
            { n: 2, status: 'failed', started_at: started + 4000, ended_at: started + 6200, code: 1, signal: null, reason: null },
            { n: 3, status: 'failed', started_at: started + 8000, ended_at: ended + 9000, code: 3, signal: null, reason: null },
        ],
    }),
};
const cancellation = {
    step: 'train',
    rest: 'cancelled',
    make: (base, started) => ({
        ...base, status: 'cancelled', started_at: started, ended_at: started + 1500,
        attempts: [{ n: 1, status: 'cancelled', started_at: started, ended_at: started + 1500, code: null, signal: 15, reason: 'cancelled by owner' }],
    }),
};

let cancelledAt = 0;
function run(rid) {
    const make = (begin, elapsed, broken, status, end, who = 'owner') => {
        const steps = PLAN.map((s) => stepAt(s, begin, elapsed, broken));
        const all = steps.length;
        const done = steps.filter((s) => s.status === 'succeeded').length;
        return { id: rid, pipeline: 'flights', status, who, params, created_at: begin, ended_at: end, file: 'examples/flights/pipeline.yaml', yaml: YAML, steps_done: done, steps_total: all, steps };
    };
    switch (rid) {
        case LIVE: {
            const elapsed = ((Date.now() - born) / 1000 + TIMES.train.start + 2) % (WHOLE + 20);
            if (cancelledAt) return make(cancelledAt - 12000, 12, cancellation, 'cancelled', cancelledAt);
            const begin = Math.round(Date.now() - elapsed * 1000);
            const over = elapsed > WHOLE;
            return make(begin, elapsed, null, over ? 'succeeded' : 'running', over ? begin + Math.round(WHOLE * 1000) : null);
        }
        case FAILED:
            return make(born - 42 * MINUTE, 1e9, failure, 'failed', born - 42 * MINUTE + Math.round(TIMES.train.end * 1000) + 9100, 'ci');
        case DONE:
            return make(born - 3 * HOUR, 1e9, null, 'succeeded', Math.round(born - 3 * HOUR + WHOLE * 1000));
        case CANCELLED:
            return make(born - 26 * HOUR, 1e9, cancellation, 'cancelled', born - 26 * HOUR + 12000);
    }
    return null;
}
const runs = () => [LIVE, FAILED, DONE, CANCELLED].map(run);

// Models and endpoints.

let aliases = { champion: 2, challenger: 3 };
const versions = () =>
    MODEL_VERSIONS.map((v) => ({
        ...v, digest: createHash('sha256').update(String(v.version)).digest('hex'), run: DONE, attempt: `${DONE}/register/1`,
        created_at: born - (4 - v.version) * HOUR, aliases: Object.keys(aliases).filter((a) => aliases[a] === v.version),
    }));
let requests = 18234;
const endpoints = () => [
    { name: 'late-arrival', model: 'late-arrival', version: 2, state: 'ready', reason: null, signature: MODEL_VERSIONS[0].signature, inline: true, requests: (requests += 7), failures: 3, rows: requests * 3, batches: Math.round(requests * 0.8), mean_us: 61.4 },
    { name: 'late-arrival-next', model: 'late-arrival', version: 3, state: 'loading', reason: null, signature: null, inline: false, requests: 0, failures: 0, rows: 0, batches: 0, mean_us: 0 },
    { name: 'arrival-delay', model: 'arrival-delay', version: 1, state: 'failed', reason: 'ONNX Runtime refused the model: opset 23 is newer than this runtime supports (21)', signature: null, inline: false, requests: 0, failures: 0, rows: 0, batches: 0, mean_us: 0 },
];

const status = () => ({
    version: '0.1.0', project: 'default', data_dir: '/home/ada/tenon-data', url: `http://127.0.0.1:${args.port}`, uptime_ms: Date.now() - born + 5 * HOUR,
    read_only: args.readonly ? 'the disk did not confirm a write (fsync: Input/output error)' : null, onnxruntime: '1.21.1',
    counts: args.empty ? { datasets: 0, runs: 0, runs_running: 0, models: 0, endpoints: 0 } : { datasets: 4, runs: 4, runs_running: run(LIVE).status === 'running' ? 1 : 0, models: 2, endpoints: 3 },
    slots: { total: 4, busy: args.empty ? 0 : 1 }, disk_free: 218e9, rss: 47.3e6,
});

function predict(body) {
    const row = body.rows?.[0] ?? {};
    const need = ['carrier', 'dep_minute', 'origin', 'dest'].find((c) => row[c] === undefined);
    if (need) throw { status: 400, body: { error: `column '${need}' is missing (row 1); it is not optional` } };
    const p = 1 / (1 + Math.exp(-(Number(row.dep_minute) - 1150) / 260));
    return { predictions: [{ late: p > 0.5 ? 'true' : 'false', probability: { false: 1 - p, true: p } }] };
}

// Routes.

const nothing = (message, hint) => ({ status: 404, body: { error: { code: 'not_found', message, hint } } });
const list = (x) => (args.empty ? [] : x);

function get(path, query) {
    const [, kind, name, sub, ref] = path.replace('/api/v1', '').split('/').map(decodeURIComponent);
    if (kind === 'status') return status();
    if (kind === 'session') return { name: 'owner', project: 'default', perms: ['read', 'write', 'predict', 'admin'] };
    if (kind === 'runs' && !name) return { runs: list(runs()).map(({ steps, yaml, ...r }) => r) };
    if (kind === 'runs') return run(name) ?? fail(nothing(`no run '${name}'`));
    if (kind === 'datasets' && !name) return { datasets: list(datasets(born, DONE)) };
    if (kind === 'datasets') {
        const d = datasets(born, DONE).find((x) => x.name === name) ?? fail(nothing(`no dataset '${name}'`, "did you mean 'flights'?"));
        const older = { ...d, version: d.version - 1, rows: d.rows - 1213, created_at: d.created_at - 30 * HOUR };
        const all = d.version > 0 ? [d, older] : [d];
        if (sub === 'versions') return { versions: all };
        return all.find((x) => !query.get('version') || String(x.version) === query.get('version')) ?? fail(nothing(`no version ${query.get('version')} of dataset '${name}'`));
    }
    if (kind === 'models' && !name)
        return { models: list([
            { name: 'late-arrival', latest_version: 3, versions: 3, aliases, created_at: born - 26 * HOUR, metrics: MODEL_VERSIONS[0].metrics },
            { name: 'arrival-delay', latest_version: 1, versions: 1, aliases: {}, created_at: born - 50 * HOUR, metrics: { rmse: 38.21, mae: 22.904, r2: 0.0911 } },
        ]) };
    if (kind === 'models') {
        const of = versions().map((v) => ({ ...v, name }));
        if (!['late-arrival', 'arrival-delay'].includes(name)) fail(nothing(`no model '${name}'`, "did you mean 'late-arrival'?"));
        if (sub === 'versions' && !ref) return { versions: of };
        return of.find((v) => ref === 'latest' || String(v.version) === ref) ?? fail(nothing(`model '${name}' has no version ${ref}`));
    }
    if (kind === 'endpoints' && !name) return { endpoints: list(endpoints()) };
    if (kind === 'endpoints') return endpoints().find((e) => e.name === name) ?? fail(nothing(`no endpoint '${name}'`));
    fail(nothing('no such address'));
}
function fail(answer) {
    throw answer;
}

async function log(path, query, res) {
    const step = decodeURIComponent(path.split('/')[6]);
    const rid = path.split('/')[4];
    const s = run(rid)?.steps.find((x) => x.name === step);
    res.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' });
    let lines = LOGS[step] ?? [`${step}: ok`];
    if (s?.status === 'failed') lines = [...lines.slice(0, 3), 'error: ' + s.error.message, 'hint: ' + s.error.hint];
    if (s?.status !== 'running') return res.end(lines.join('\n') + '\n');
    for (let i = 0; !res.destroyed && i < 400; i++) {
        res.write(`${lines[i % lines.length]}\n`);
        if (i > 14) await new Promise((r) => setTimeout(r, 350));
    }
    res.end();
}

function events(res) {
    res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    let seq = 100;
    res.write(': hello\n\n');
    const timer = setInterval(() => {
        const e = { seq: ++seq, time: Date.now(), kind: 'step.changed', subject: `run/${LIVE}`, data: {} };
        res.write(`id: ${seq}\nevent: ${e.kind}\ndata: ${JSON.stringify(e)}\n\n`);
    }, 1500);
    res.on('close', () => clearInterval(timer));
}

async function bodyOf(req) {
    let text = '';
    for await (const piece of req) text += piece;
    return text ? JSON.parse(text) : {};
}

async function answer(req, res) {
    const url = new URL(req.url, 'http://x');
    const path = url.pathname;
    const signedIn = /mock=1/.test(req.headers.cookie ?? '');
    const send = (code, body, headers = {}) => {
        res.writeHead(code, { 'Content-Type': 'application/json', 'X-Request-Id': id(String(Math.random())), ...headers });
        res.end(JSON.stringify(body));
    };
    if (!path.startsWith('/api/') && !path.startsWith('/v2/')) {
        const file = path.startsWith('/assets/') ? path.slice(8) : 'index.html';
        const bytes = await readFile(join(dist, file)).catch(() => null);
        if (!bytes) return send(404, { error: { code: 'not_found', message: 'no such file' } });
        res.writeHead(200, { 'Content-Type': TYPES[file.split('.').pop()], 'Content-Security-Policy': CSP });
        return res.end(bytes);
    }
    if (path === '/api/v1/session' && req.method === 'POST') {
        const { link } = await bodyOf(req);
        if (link !== 'dev') return send(401, { error: { code: 'unauthenticated', message: 'this link was used already or has expired', hint: 'make a new one: tenon token link' } });
        return send(200, { name: 'owner', project: 'default', role: 'owner' }, { 'Set-Cookie': 'mock=1; HttpOnly; SameSite=Strict; Path=/' });
    }
    if (!signedIn) return send(401, { error: { code: 'unauthenticated', message: 'sign in first', hint: 'tenon token link' } });
    if (path === '/api/v1/session' && req.method === 'DELETE') return send(200, {}, { 'Set-Cookie': 'mock=; Max-Age=0; Path=/' });
    if (path === '/api/v1/events') return events(res);
    if (/\/log$/.test(path)) return log(path, url.searchParams, res);
    if (req.method === 'GET') return send(200, get(path, url.searchParams));
    const body = await bodyOf(req);
    if (/\/cancel$/.test(path)) cancelledAt = Date.now();
    else if (/\/aliases\//.test(path)) aliases = { ...aliases, [decodeURIComponent(path.split('/').pop())]: body.version };
    else if (/\/invocations$/.test(path)) return send(200, predict(body));
    send(200, {});
}

createServer((req, res) => {
    answer(req, res).catch((e) => {
        if (!e.status) console.error(e);
        res.writeHead(e.status ?? 500, { 'Content-Type': 'application/json', 'X-Request-Id': id('x') });
        res.end(JSON.stringify(e.body ?? { error: { code: 'internal', message: String(e) } }));
    });
}).listen(Number(args.port), '127.0.0.1', () => console.log(`http://127.0.0.1:${args.port}/#link=dev`));
