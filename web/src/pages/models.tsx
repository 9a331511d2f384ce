// SPDX-License-Identifier: Apache-2.0
import { seg } from '../api';
import { latest, metric } from '../format';
import { t } from '../i18n';
import { useData } from '../live';
import { href } from '../router';
import type { Metrics, Model, ModelVersion } from '../types';
import { Ago, Card, Empty, ErrorBox, PageHead, Skeleton, useTitle } from '../ui/bits';

export function Models() {
    useTitle(t('models.title'));
    const { data, error } = useData<{ models: Model[] }>('/api/v1/models');
    if (!data) return error ? <ErrorBox error={error} /> : <Skeleton lines={8} />;
    return (
        <>
            <PageHead title={t('models.title')} />
            {data.models.length ? (
                <Card flush>
                    <ModelTable models={data.models} />
                </Card>
            ) : (
                <Empty icon="models" title={t('models.empty')} body={t('models.empty.body')} command="tenon run pipeline.yaml" />
            )}
        </>
    );
}

function ModelTable({ models }: { models: Model[] }) {
    return (
        <div class="table-wrap">
            <table class="table">
                <thead>
                    <tr>
                        <th>{t('common.name')}</th>
                        <th class="right">{t('common.latest')}</th>
                        <th>{t('models.aliases')}</th>
                        <th class="wide-only">{t('common.metrics')}</th>
                        <th class="right wide-only">{t('common.created')}</th>
                    </tr>
                </thead>
                <tbody>
                    {models.map((m) => (
                        <tr key={m.name}>
                            <td>
                                <a class="row-link" href={href('models', m.name)}>{m.name}</a>
                            </td>
                            <td class="right num">v{m.latest_version}</td>
                            <td>
                                {Object.entries(m.aliases ?? {}).map(([alias, v]) => (
                                    <span key={alias} class="tag">@{alias} → v{v}</span>
                                ))}
                            </td>
                            <td class="wide-only"><MetricLine metrics={m.metrics} /></td>
                            <td class="right faint wide-only"><Ago at={m.created_at} /></td>
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}

function MetricLine({ metrics }: { metrics: Metrics | null }) {
    return (
        <span class="metric-line">
            {Object.entries(metrics ?? {}).slice(0, 3).map(([k, v]) => (
                <span key={k}>
                    <span class="faint">{k}</span> <span class="num">{metric(latest(v))}</span>
                </span>
            ))}
        </span>
    );
}

const METRIC_COLUMNS = 5;

/** All versions of one model side by side. */
export function ModelPage({ name }: { name: string }) {
    useTitle(name);
    const { data, error } = useData<{ versions: ModelVersion[] }>(`/api/v1/models/${seg(name)}/versions`);
    if (!data) return error ? <ErrorBox error={error} /> : <Skeleton lines={8} />;
    const keys = [...new Set(data.versions.flatMap((v) => Object.keys(v.metrics ?? {})))].slice(0, METRIC_COLUMNS);
    return (
        <>
            <PageHead up={{ to: href('models'), label: t('models.title') }} title={name} />
            <Card title={t('common.versions')} flush>
                <div class="table-wrap">
                    <table class="table">
                        <thead>
                            <tr>
                                <th>{t('common.version')}</th>
                                <th>{t('models.aliases')}</th>
                                {keys.map((k) => <th key={k} class="right wide-only">{k}</th>)}
                                <th class="right">{t('common.created')}</th>
                            </tr>
                        </thead>
                        <tbody>
                            {data.versions.map((v) => (
                                <tr key={v.version}>
                                    <td>
                                        <a class="row-link" href={href('models', name, v.version)}>v{v.version}</a>
                                    </td>
                                    <td>{v.aliases?.map((a) => <span key={a} class="tag">@{a}</span>)}</td>
                                    {keys.map((k) => (
                                        <td key={k} class="right num wide-only">{metric(latest(v.metrics?.[k]))}</td>
                                    ))}
                                    <td class="right faint"><Ago at={v.created_at} /></td>
                                </tr>
                            ))}
                        </tbody>
                    </table>
                </div>
            </Card>
        </>
    );
}
