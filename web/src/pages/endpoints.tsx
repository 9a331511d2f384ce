// SPDX-License-Identifier: Apache-2.0
import { count, micros } from '../format';
import { lang, t } from '../i18n';
import { useData } from '../live';
import { href } from '../router';
import type { Endpoint } from '../types';
import { Card, Empty, ErrorBox, PageHead, Skeleton, Status, useTitle } from '../ui/bits';

export function Endpoints() {
    useTitle(t('endpoints.title'));
    const { data, error } = useData<{ endpoints: Endpoint[] }>('/api/v1/endpoints', 5000);
    if (!data) return error ? <ErrorBox error={error} /> : <Skeleton lines={6} />;
    return (
        <>
            <PageHead title={t('endpoints.title')} />
            {data.endpoints.length ? (
                <Card flush>
                    <EndpointTable endpoints={data.endpoints} />
                </Card>
            ) : (
                <Empty icon="endpoints" title={t('endpoints.empty')} body={t('endpoints.empty.body')} command="tenon endpoint deploy late late-arrival" />
            )}
        </>
    );
}

function EndpointTable({ endpoints }: { endpoints: Endpoint[] }) {
    return (
        <div class="table-wrap">
            <table class="table">
                <thead>
                    <tr>
                        <th>{t('common.name')}</th>
                        <th>{t('common.status')}</th>
                        <th>{t('endpoint.model')}</th>
                        <th class="right">{t('endpoint.requests')}</th>
                        <th class="right wide-only">{t('endpoint.failures')}</th>
                        <th class="right wide-only">{t('endpoint.mean')}</th>
                    </tr>
                </thead>
                <tbody>
                    {endpoints.map((e) => (
                        <tr key={e.name}>
                            <td>
                                <a class="row-link" href={href('endpoints', e.name)}>{e.name}</a>
                            </td>
                            <td><Status status={e.state} title={e.reason} /></td>
                            <td>
                                <a href={href('models', e.model, e.version)}>{e.model} v{e.version}</a>
                            </td>
                            <td class="right num">{count(e.requests, lang())}</td>
                            <td class="right num wide-only">{count(e.failures, lang())}</td>
                            <td class="right num wide-only">{micros(e.mean_us)}</td>
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}
