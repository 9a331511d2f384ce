// SPDX-License-Identifier: Apache-2.0
//
// One look: what runs, what serves, what there is, how the machine does.
import { bytes, count, countShort, duration, latest, metric, micros } from '../format';
import { lang, t, type Key } from '../i18n';
import { useData, useNow } from '../live';
import { href } from '../router';
import type { Dataset, Endpoint, Model, Run, Status as ServerStatus } from '../types';
import { Ago, Card, Command, ErrorBox, Facts, PageHead, Progress, Skeleton, useTitle } from '../ui/bits';
import { I, Logo, StatusMark, type IconName } from '../ui/icons';
import { RunTable } from './runs';

export function Overview() {
    useTitle(t('nav.overview'));
    const { data: status, error } = useData<ServerStatus>('/api/v1/status', 5000);
    if (!status) return error ? <ErrorBox error={error} /> : <Skeleton lines={10} />;
    const { counts } = status;
    const empty = !counts.runs && !counts.datasets && !counts.models && !counts.endpoints;
    return (
        <>
            <PageHead title={t('nav.overview')} />
            <Stats status={status} />
            {empty ? <Welcome /> : <Rooms status={status} />}
            <System status={status} />
        </>
    );
}

function Stats({ status }: { status: ServerStatus }) {
    const { counts } = status;
    const tiles: [IconName, string, number, Key][] = [
        ['runs', 'runs', counts.runs_running, 'overview.stat.running'],
        ['endpoints', 'endpoints', counts.endpoints, 'overview.stat.endpoints'],
        ['models', 'models', counts.models, 'overview.stat.models'],
        ['datasets', 'datasets', counts.datasets, 'overview.stat.datasets'],
    ];
    return (
        <div class="stats">
            {tiles.map(([icon, to, n, label]) => (
                <a key={to} class="stat" href={href(to)}>
                    <I name={icon} size={18} />
                    <strong>{count(n, lang())}</strong>
                    <span>{t(label, { n })}</span>
                </a>
            ))}
        </div>
    );
}

function Welcome() {
    return (
        <div class="welcome">
            <Logo size={36} />
            <h2>{t('overview.welcome')}</h2>
            <p>{t('overview.welcome.body')}</p>
            <Command text="tenon run pipeline.yaml" />
            <p class="muted">{t('overview.welcome.after')}</p>
        </div>
    );
}

function Rooms({ status }: { status: ServerStatus }) {
    const { data } = useData<{ runs: Run[] }>('/api/v1/runs?limit=8');
    const running = data?.runs.filter((r) => r.status === 'running') ?? [];
    const ended = data?.runs.filter((r) => r.status !== 'running');
    return (
        <div class="columns">
            <div class="stack">
                {running.length > 0 && (
                    <Card title={t('overview.running')} flush>
                        {running.map((r) => (
                            <RunningRow key={r.id} run={r} />
                        ))}
                    </Card>
                )}
                <Card title={t('overview.recent')} flush side={<More to="runs" n={status.counts.runs} />}>
                    {ended ? <RunTable runs={ended} brief /> : <Skeleton lines={4} />}
                </Card>
                <DatasetsCard n={status.counts.datasets} />
            </div>
            <div class="stack">
                <ServingCard n={status.counts.endpoints} />
                <ModelsCard n={status.counts.models} />
            </div>
        </div>
    );
}

function More({ to, n }: { to: string; n: number }) {
    return (
        <a class="more" href={href(to)}>
            {t('overview.more', { n: count(n, lang()) })}
        </a>
    );
}

function RunningRow({ run }: { run: Run }) {
    const now = useNow(true);
    return (
        <a class="line-item" href={href('runs', run.id)}>
            <StatusMark status="running" />
            <strong class="grow">{run.pipeline}</strong>
            <Progress done={run.steps_done} total={run.steps_total} status="running" />
            <span class="num faint">{duration(now - run.created_at)}</span>
        </a>
    );
}

function ServingCard({ n }: { n: number }) {
    const { data } = useData<{ endpoints: Endpoint[] }>('/api/v1/endpoints', 5000);
    return (
        <Card title={t('overview.serving')} flush side={<More to="endpoints" n={n} />}>
            {!data && <Skeleton lines={2} />}
            {data?.endpoints.length === 0 && <p class="none">{t('endpoints.empty')}</p>}
            {data?.endpoints.slice(0, 6).map((e) => (
                <a key={e.name} class="line-item" href={href('endpoints', e.name)}>
                    <StatusMark status={e.state} />
                    <span class="grow two">
                        <strong>{e.name}</strong>
                        <span class="faint">
                            {e.model} v{e.version}
                        </span>
                    </span>
                    <span class="two right num">
                        <span>{countShort(e.requests)}</span>
                        <span class="faint">{micros(e.mean_us)}</span>
                    </span>
                </a>
            ))}
        </Card>
    );
}

function ModelsCard({ n }: { n: number }) {
    const { data } = useData<{ models: Model[] }>('/api/v1/models');
    return (
        <Card title={t('overview.models')} flush side={<More to="models" n={n} />}>
            {!data && <Skeleton lines={2} />}
            {data?.models.length === 0 && <p class="none">{t('models.empty')}</p>}
            {data?.models.slice(0, 6).map((m) => {
                const first = Object.entries(m.metrics ?? {})[0];
                return (
                    <a key={m.name} class="line-item" href={href('models', m.name, m.latest_version)}>
                        <I name="models" />
                        <span class="grow two">
                            <strong>{m.name}</strong>
                            <span class="faint">v{m.latest_version}</span>
                        </span>
                        {first && (
                            <span class="two right num">
                                <span>{metric(latest(first[1]))}</span>
                                <span class="faint">{first[0]}</span>
                            </span>
                        )}
                    </a>
                );
            })}
        </Card>
    );
}

function DatasetsCard({ n }: { n: number }) {
    const { data } = useData<{ datasets: Dataset[] }>('/api/v1/datasets');
    const newest = [...(data?.datasets ?? [])].sort((a, b) => b.created_at - a.created_at).slice(0, 6);
    return (
        <Card title={t('overview.datasets')} flush side={<More to="datasets" n={n} />}>
            {!data && <Skeleton lines={3} />}
            {data?.datasets.length === 0 && <p class="none">{t('datasets.empty')}</p>}
            {newest.map((d) => (
                <a key={d.name} class="line-item" href={href('datasets', d.name)}>
                    <I name="datasets" />
                    <span class="grow">
                        <strong>{d.name}</strong> <span class="faint">v{d.version}</span>
                    </span>
                    <span class="num faint wide-only">{bytes(d.bytes)}</span>
                    <span class="num rows">{t('dataset.rowcount', { rows: count(d.rows, lang()), n: d.rows })}</span>
                    <span class="faint wide-only when">
                        <Ago at={d.created_at} />
                    </span>
                </a>
            ))}
        </Card>
    );
}

function System({ status }: { status: ServerStatus }) {
    const { slots } = status;
    return (
        <Card title={t('overview.system')}>
            <Facts
                items={[
                    [t('overview.slots'), t('runs.progress', { done: slots.busy, total: slots.total })],
                    [t('overview.uptime'), duration(status.uptime_ms)],
                    [t('overview.memory'), bytes(status.rss)],
                    [t('overview.disk'), bytes(status.disk_free)],
                    [t('overview.version'), status.version],
                    [t('overview.onnx'), status.onnxruntime ?? t('overview.noonnx')],
                    [t('overview.address'), <code>{status.url}</code>],
                    [t('overview.dir'), <code>{status.data_dir}</code>],
                ]}
            />
        </Card>
    );
}
