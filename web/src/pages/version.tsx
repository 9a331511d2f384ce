// SPDX-License-Identifier: Apache-2.0
//
// One model version: what it is, how good it is, where it came from, where it serves.
import { useState } from 'preact/hooks';
import { sendJson, seg, type ApiError } from '../api';
import { shortId } from '../format';
import { t } from '../i18n';
import { modelLineage } from '../lineage';
import { refresh, useData } from '../live';
import { href } from '../router';
import type { Endpoint, ModelVersion, Signature } from '../types';
import { Ago, Card, Copy, ErrorBox, Facts, MetricTiles, PageHead, ParamTable, Skeleton, hasAny, useTitle } from '../ui/bits';
import { Dag } from '../ui/dag';
import { I, StatusMark } from '../ui/icons';
import { lineageLabels, roleText } from './datasets';

export function ModelVersionPage({ name, version }: { name: string; version: string }) {
    const path = `/api/v1/models/${seg(name)}/versions/${seg(version)}`;
    const { data: v, error } = useData<ModelVersion>(path);
    const { data: served } = useData<{ endpoints: Endpoint[] }>('/api/v1/endpoints');
    useTitle(v && `${v.name} v${v.version}`);
    if (!v) return error ? <ErrorBox error={error} /> : <Skeleton lines={12} />;
    const endpoints = served?.endpoints ?? [];
    return (
        <>
            <PageHead
                up={{ to: href('models', v.name), label: `${t('models.title')} / ${v.name}` }}
                title={<>{v.name} <span class="tag">v{v.version}</span></>}
                sub={
                    <>
                        {v.signature?.task && <span>{taskText(v.signature.task)}</span>}
                        <Ago at={v.created_at} />
                        {v.aliases?.map((a) => <span key={a} class="tag">@{a}</span>)}
                    </>
                }
            >
                <a class="button" href={`${path}/download`} download={`${v.name}-v${v.version}.onnx`}>
                    <I name="download" />
                    {t('model.download')}
                </a>
            </PageHead>
            <div class="columns">
                <div class="stack">
                    {hasAny(v.metrics) && <Card title={t('common.metrics')}><MetricTiles metrics={v.metrics!} /></Card>}
                    <Card title={t('common.lineage')} flush>
                        <Dag {...modelLineage(v, endpoints, lineageLabels())} label={t('model.lineage.label')} maxHeight={340} />
                    </Card>
                    <Card title={t('model.signature')} flush>
                        <SignatureTable signature={v.signature} />
                    </Card>
                </div>
                <div class="stack">
                    <Card><Origin v={v} endpoints={endpoints} /></Card>
                    <Card title={t('model.alias.set')}><AliasForm v={v} /></Card>
                    {hasAny(v.params) && <Card title={t('common.params')}><ParamTable params={v.params!} /></Card>}
                </div>
            </div>
        </>
    );
}

export function taskText(task: string): string {
    if (task === 'binary' || task === 'multiclass' || task === 'regression') return t(`model.task.${task}`);
    return task;
}

function Origin({ v, endpoints }: { v: ModelVersion; endpoints: Endpoint[] }) {
    const here = endpoints.filter((e) => e.model === v.name && String(e.version) === String(v.version));
    return (
        <Facts
            items={[
                [t('model.serving'), here.length ? (
                    <ul class="plain">
                        {here.map((e) => (
                            <li key={e.name}>
                                <a href={href('endpoints', e.name)}><StatusMark status={e.state} /> {e.name}</a>
                            </li>
                        ))}
                    </ul>
                ) : <span class="faint">{t('model.notserved')}</span>],
                [t('model.run'), v.run && <a class="mono" href={href('runs', v.run)}>{shortId(v.run)}</a>],
                [t('model.learnt'), v.datasets?.length ? (
                    <ul class="plain">
                        {v.datasets.map((d, i) => (
                            <li key={i}>
                                <a href={href('datasets', d.name, { version: d.version })}>{d.name} v{d.version}</a>{' '}
                                {d.role && <span class="faint">{roleText(d.role)}</span>}
                            </li>
                        ))}
                    </ul>
                ) : null],
                [t('model.digest'), (
                    <span class="digest">
                        <code>{v.digest.slice(0, 16)}…</code>
                        <Copy text={v.digest} label={t('model.digest')} />
                    </span>
                )],
            ]}
        />
    );
}

export function SignatureTable({ signature }: { signature: Signature }) {
    return (
        <div class="table-wrap">
            <table class="table">
                <thead>
                    <tr>
                        <th>{t('model.inputs')}</th>
                        <th>{t('common.type')}</th>
                        <th />
                    </tr>
                </thead>
                <tbody>
                    {signature.inputs.map((i) => (
                        <tr key={i.name}>
                            <td class="mono">{i.name}</td>
                            <td class="faint">{i.datatype}</td>
                            <td class="faint right">
                                {[i.values?.length ? t('model.values', { n: i.values.length }) : '',
                                    i.optional ? t('common.optional') : ''].filter(Boolean).join(' · ')}
                            </td>
                        </tr>
                    ))}
                </tbody>
                <thead>
                    <tr>
                        <th>{t('model.outputs')}</th>
                        <th />
                        <th />
                    </tr>
                </thead>
                <tbody>
                    {signature.outputs.map((o) => (
                        <tr key={o.name}>
                            <td class="mono">{o.name}</td>
                            <td class="faint">{o.datatype}</td>
                            <td class="faint right mono">{o.shape ? `[${o.shape.join(', ')}]` : ''}</td>
                        </tr>
                    ))}
                    {!!signature.classes?.length && (
                        <tr>
                            <td class="faint">{t('model.classes')}</td>
                            <td colSpan={2} class="right">{signature.classes.slice(0, 20).map((c) => <span key={String(c)} class="tag">{String(c)}</span>)}</td>
                        </tr>
                    )}
                </tbody>
            </table>
        </div>
    );
}

function AliasForm({ v }: { v: ModelVersion }) {
    const [alias, setAlias] = useState('');
    const [error, setError] = useState<string | null>(null);
    const save = (e: Event) => {
        e.preventDefault();
        const name = alias.trim().replace(/^@/, '');
        if (!/^[A-Za-z0-9][\w.-]*$/.test(name)) return setError(t('model.alias.bad'));
        setError(null);
        sendJson('PUT', `/api/v1/models/${seg(v.name)}/aliases/${seg(name)}`, { version: v.version })
            .then(() => {
                setAlias('');
                refresh();
            })
            .catch((e: ApiError) => setError(e.message));
    };
    return (
        <form class="row" onSubmit={save} noValidate>
            <input type="text" value={alias} placeholder={t('model.alias.name')} aria-label={t('model.alias.name')}
                aria-invalid={!!error} spellcheck={false} autocomplete="off"
                onInput={(e) => setAlias(e.currentTarget.value)} />
            <button type="submit" class="button" disabled={!alias.trim()}>{t('model.alias.save')}</button>
            {error && <p class="field-error" role="alert">{error}</p>}
        </form>
    );
}
