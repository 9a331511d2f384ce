// SPDX-License-Identifier: Apache-2.0
import { useState } from 'preact/hooks';
import { duration, shortId } from '../format';
import { t } from '../i18n';
import { useData, useNow } from '../live';
import { href } from '../router';
import type { Run, RunStatus } from '../types';
import { Ago, Card, Empty, ErrorBox, PageHead, Progress, Skeleton, Status, statusText, useTitle } from '../ui/bits';

const STATUSES: RunStatus[] = ['running', 'succeeded', 'failed', 'cancelled'];
const PAGE = 50;

export function Runs({ query }: { query: URLSearchParams }) {
    useTitle(t('runs.title'));
    const [limit, setLimit] = useState(PAGE);
    const { data, error } = useData<{ runs: Run[] }>(`/api/v1/runs?limit=${limit}`);
    const only = query.get('status');
    if (!data) return error ? <ErrorBox error={error} /> : <Skeleton lines={10} />;
    if (!data.runs.length)
        return (
            <>
                <PageHead title={t('runs.title')} />
                <Empty icon="runs" title={t('runs.empty')} body={t('runs.empty.body')} command="tenon run pipeline.yaml" />
            </>
        );
    const shown = data.runs.filter((r) => !only || r.status === only);
    return (
        <>
            <PageHead title={t('runs.title')} />
            <nav class="filters" aria-label={t('common.status')}>
                <a href={href('runs')} aria-current={!only ? 'true' : undefined}>
                    {t('common.all')}
                </a>
                {STATUSES.map((s) => (
                    <a key={s} href={href('runs', { status: s })} aria-current={only === s ? 'true' : undefined}>
                        {statusText(s)}
                    </a>
                ))}
            </nav>
            <Card flush>
                {shown.length ? <RunTable runs={shown} /> : <p class="none">{t('runs.filter.empty')}</p>}
            </Card>
            {data.runs.length >= limit && (
                <button type="button" class="button" onClick={() => setLimit(limit + PAGE)}>
                    {t('runs.more')}
                </button>
            )}
        </>
    );
}

export function RunTable({ runs, brief }: { runs: Run[]; brief?: boolean }) {
    const now = useNow(runs.some((r) => r.status === 'running'));
    return (
        <div class="table-wrap">
            <table class="table">
                <thead>
                    <tr>
                        <th>{t('runs.pipeline')}</th>
                        <th>{t('common.status')}</th>
                        <th class="wide-only">{t('runs.steps')}</th>
                        <th class="right">{t('common.duration')}</th>
                        {!brief && <th class="wide-only">{t('runs.who')}</th>}
                        <th class="right">{t('common.started')}</th>
                    </tr>
                </thead>
                <tbody>
                    {runs.map((r) => (
                        <tr key={r.id}>
                            <td>
                                <a class="row-link" href={href('runs', r.id)}>
                                    {r.pipeline}
                                </a>{' '}
                                <span class="mono faint">{shortId(r.id)}</span>
                            </td>
                            <td>
                                <Status status={r.status} />
                            </td>
                            <td class="wide-only">
                                <Progress done={r.steps_done} total={r.steps_total} status={r.status} />
                            </td>
                            <td class="right num">{duration((r.ended_at ?? now) - r.created_at)}</td>
                            {!brief && <td class="wide-only">{r.who}</td>}
                            <td class="right faint">
                                <Ago at={r.created_at} />
                            </td>
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}
