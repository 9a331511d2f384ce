// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from 'preact/hooks';
import { getJson, seg } from '../api';
import { bytes, cell, count } from '../format';
import { lang, t } from '../i18n';
import { datasetLineage, type Labels } from '../lineage';
import { useData } from '../live';
import { href } from '../router';
import type { Dataset, Model, ModelVersion, Row } from '../types';
import { Ago, Card, Empty, ErrorBox, Facts, PageHead, Skeleton, useTitle } from '../ui/bits';
import { Dag } from '../ui/dag';
import { I } from '../ui/icons';

export function Datasets() {
    useTitle(t('datasets.title'));
    const { data, error } = useData<{ datasets: Dataset[] }>('/api/v1/datasets');
    if (!data) return error ? <ErrorBox error={error} /> : <Skeleton lines={8} />;
    return (
        <>
            <PageHead title={t('datasets.title')} />
            {data.datasets.length ? (
                <Card flush>
                    <DatasetTable datasets={data.datasets} />
                </Card>
            ) : (
                <Empty icon="datasets" title={t('datasets.empty')} body={t('datasets.empty.body')} command="tenon data ingest trips.csv --name trips" />
            )}
        </>
    );
}

function DatasetTable({ datasets }: { datasets: Dataset[] }) {
    return (
        <div class="table-wrap">
            <table class="table">
                <thead>
                    <tr>
                        <th>{t('common.name')}</th>
                        <th class="right">{t('common.version')}</th>
                        <th class="right">{t('common.rows')}</th>
                        <th class="right wide-only">{t('common.columns')}</th>
                        <th class="right wide-only">{t('common.size')}</th>
                        <th class="right">{t('common.created')}</th>
                    </tr>
                </thead>
                <tbody>
                    {datasets.map((d) => (
                        <tr key={d.name}>
                            <td>
                                <a class="row-link" href={href('datasets', d.name)}>{d.name}</a>
                            </td>
                            <td class="right num">v{d.version}</td>
                            <td class="right num">{count(d.rows, lang())}</td>
                            <td class="right num wide-only">{d.schema.length}</td>
                            <td class="right num wide-only">{bytes(d.bytes)}</td>
                            <td class="right faint"><Ago at={d.created_at} /></td>
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}

export function DatasetPage({ name, query }: { name: string; query: URLSearchParams }) {
    useTitle(name);
    const asked = query.get('version');
    const path = `/api/v1/datasets/${seg(name)}`;
    const { data: d, error } = useData<Dataset>(asked ? `${path}?version=${seg(asked)}` : path);
    const { data: all } = useData<{ versions: Dataset[] }>(`${path}/versions`);
    if (!d) return error ? <ErrorBox error={error} /> : <Skeleton lines={12} />;
    const newest = all?.versions[0]?.version ?? d.version;
    return (
        <>
            <PageHead
                up={{ to: href('datasets'), label: t('datasets.title') }}
                title={<>{d.name} <span class="tag">v{d.version}</span></>}
                sub={
                    <>
                        <span>{t('dataset.rowcount', { rows: count(d.rows, lang()), n: d.rows })}</span>
                        <span>{t('dataset.colcount', { n: d.schema.length })}</span>
                        <span>{bytes(d.bytes)}</span>
                        <Ago at={d.created_at} />
                    </>
                }
            />
            {d.version < newest && (
                <div class="banner">
                    <I name="alert" />
                    <a href={href('datasets', name)}>{t('dataset.old', { version: d.version, latest: newest })}</a>
                </div>
            )}
            <div class="columns">
                <div class="stack">
                    <LineageCard dataset={d} />
                    <Card title={t('dataset.sample')} flush>
                        {d.sample?.length ? <Sample dataset={d} rows={d.sample} /> : <p class="none">{t('dataset.nosample')}</p>}
                    </Card>
                </div>
                <div class="stack">
                    <Card>
                        <Facts
                            items={[
                                [t('dataset.source'), d.source && <code>{d.source}</code>],
                                [t('dataset.made'), d.run && (
                                    <a href={href('runs', d.run, { step: d.step })}>{d.step ?? d.run.slice(0, 8)}</a>
                                )],
                            ]}
                        />
                    </Card>
                    <Card title={t('dataset.schema')} flush>
                        <Schema dataset={d} />
                    </Card>
                    {all && (
                        <Card title={t('common.versions')} flush>
                            <VersionList name={name} versions={all.versions} here={d.version} />
                        </Card>
                    )}
                </div>
            </div>
        </>
    );
}

const NUMERIC = /^(byte|short|integer|int|long|float|double|decimal.*)$/;

function Schema({ dataset }: { dataset: Dataset }) {
    return (
        <ul class="schema">
            {dataset.schema.map((c) => (
                <li key={c.name}>
                    <span class="mono grow">{c.name}</span>
                    <span class="faint">{c.type}{c.nullable ? '?' : ''}</span>
                </li>
            ))}
        </ul>
    );
}

function Sample({ dataset, rows }: { dataset: Dataset; rows: Row[] }) {
    return (
        <div class="table-wrap sample" tabIndex={0} role="region" aria-label={t('dataset.sample')}>
            <table class="table mono">
                <thead>
                    <tr>
                        {dataset.schema.map((c) => (
                            <th key={c.name} class={NUMERIC.test(c.type) ? 'right' : ''}>{c.name}</th>
                        ))}
                    </tr>
                </thead>
                <tbody>
                    {rows.map((row, i) => (
                        <tr key={i}>
                            {dataset.schema.map((c) => {
                                const v = row[c.name];
                                const none = v === null || v === undefined;
                                return (
                                    <td key={c.name} class={NUMERIC.test(c.type) ? 'right' : ''}>
                                        {none ? <span class="faint">null</span> : cell(v)}
                                    </td>
                                );
                            })}
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}

function VersionList({ name, versions, here }: { name: string; versions: Dataset[]; here: number }) {
    return (
        <>
            {versions.map((v) => (
                <a key={v.version} class="line-item" href={href('datasets', name, { version: v.version })}
                    aria-current={v.version === here ? 'true' : undefined}>
                    <strong class="grow">v{v.version}</strong>
                    <span class="num">{count(v.rows, lang())}</span>
                    <span class="faint when"><Ago at={v.created_at} /></span>
                </a>
            ))}
        </>
    );
}

const MODELS_MAX = 20;

/** The versions of the newest models; enough to say who learnt from a dataset. */
function useModelVersions(): ModelVersion[] {
    const { data } = useData<{ models: Model[] }>('/api/v1/models');
    const [versions, setVersions] = useState<ModelVersion[]>([]);
    const key = data?.models.map((m) => `${m.name}@${m.latest_version}`).join(' ');
    useEffect(() => {
        let gone = false;
        Promise.all(
            (data?.models ?? []).slice(0, MODELS_MAX).map((m) =>
                getJson<{ versions: ModelVersion[] }>(`/api/v1/models/${seg(m.name)}/versions`)
                    .then((a) => a.versions.slice(0, 50))
                    .catch(() => []),
            ),
        ).then((lists) => gone || setVersions(lists.flat()));
        return () => {
            gone = true;
        };
    }, [key]);
    return versions;
}

export function lineageLabels(): Labels {
    return {
        run: t('run.title'),
        rows: (n) => t('dataset.rowcount', { rows: count(n, lang()), n }),
        role: (role) => roleText(role ?? ''),
    };
}

export function roleText(role: string): string {
    if (role === 'train') return t('role.train');
    if (role === 'evaluate') return t('role.evaluate');
    return role;
}

function LineageCard({ dataset }: { dataset: Dataset }) {
    const { data } = useData<{ datasets: Dataset[] }>('/api/v1/datasets');
    const models = useModelVersions();
    const lineage = datasetLineage(dataset, data?.datasets ?? [], models, lineageLabels());
    if (lineage.nodes.length < 2) return null;
    return (
        <Card title={t('common.lineage')} flush>
            <Dag {...lineage} label={t('dataset.lineage.label')} maxHeight={340} />
        </Card>
    );
}
