// SPDX-License-Identifier: Apache-2.0
//
// One run: its graph, its timeline, and the step that was chosen.
import { useEffect, useRef, useState } from 'preact/hooks';
import { sendJson, seg, type ApiError } from '../api';
import { cell, duration, shortId } from '../format';
import { reduced, topological } from '../graph';
import { t } from '../i18n';
import { refresh, useData, useNow } from '../live';
import { href } from '../router';
import type { Run, Step } from '../types';
import { Ago, Card, Copy, ErrorBox, PageHead, Progress, Skeleton, Status, hasAny, statusText, useTitle } from '../ui/bits';
import { Dag } from '../ui/dag';
import { Timeline } from '../ui/timeline';
import { StepPanel } from './step';

export function RunPage({ id, query }: { id: string; query: URLSearchParams }) {
    const { data: run, error } = useData<Run>(`/api/v1/runs/${seg(id)}`);
    useTitle(run && `${run.pipeline} ${shortId(run.id)}`);
    const now = useNow(run?.status === 'running');
    useShowChosen(query.get('step'));
    if (!run) return error ? <ErrorBox error={error} /> : <Skeleton lines={12} />;
    const steps = topological(run.steps ?? []);
    const chosen = steps.find((s) => s.name === query.get('step')) ?? interesting(steps);
    return (
        <>
            <RunHead run={run} now={now} />
            <Card class="graph-card" flush>
                <Graph run={run} steps={steps} now={now} selected={chosen?.name ?? null} />
            </Card>
            <div class="run-columns">
                <div class="stack">
                    <Card title={t('run.timeline')} flush>
                        <Timeline run={run} steps={steps} now={now} selected={chosen?.name ?? null} />
                    </Card>
                    {run.yaml && <Definition run={run} />}
                </div>
                {chosen ? (
                    <StepPanel key={chosen.name} run={run} step={chosen} now={now} attempt={Number(query.get('attempt')) || null} />
                ) : (
                    <p class="none">{t('run.pick')}</p>
                )}
            </div>
        </>
    );
}

/** Where the panel stands below the graph, choosing a step brings it into sight. */
function useShowChosen(step: string | null): void {
    const before = useRef(step);
    useEffect(() => {
        if (step === before.current) return;
        before.current = step;
        const panel = document.querySelector('.step-panel');
        if (panel && panel.getBoundingClientRect().top > window.innerHeight * 0.6)
            panel.scrollIntoView({ behavior: 'smooth', block: 'start' });
    }, [step]);
}

/** What a person came to see: the failure, else what runs, else the end. */
function interesting(steps: Step[]): Step | undefined {
    const by = (status: string) => steps.find((s) => s.status === status);
    return by('failed') ?? by('running') ?? [...steps].reverse().find((s) => s.status === 'succeeded') ?? steps[0];
}

export function stepTime(s: Step, now: number): string {
    if (!s.started_at) return '';
    return duration((s.ended_at ?? now) - s.started_at);
}

function Graph({ run, steps, now, selected }: { run: Run; steps: Step[]; now: number; selected: string | null }) {
    return (
        <Dag
            label={t('run.graph.label')}
            selected={selected}
            nodes={steps.map((s) => ({
                id: s.name,
                title: s.name,
                sub: [s.kind, stepTime(s, now) || statusText(s.status)].join(' · '),
                status: s.status,
                href: href('runs', run.id, { step: s.name }),
            }))}
            links={reduced(steps.flatMap((s) => s.deps.map((d) => ({ from: d, to: s.name }))))}
        />
    );
}

function RunHead({ run, now }: { run: Run; now: number }) {
    const params = Object.entries(run.params ?? {});
    return (
        <>
            <PageHead
                up={{ to: href('runs'), label: t('runs.title') }}
                title={
                    <>
                        {run.pipeline} <span class="mono faint title-id">{shortId(run.id)}</span>{' '}
                        <Copy text={run.id} label={run.id} />
                    </>
                }
                sub={
                    <>
                        <Status status={run.status} />
                        <span class="num">{duration((run.ended_at ?? now) - run.created_at)}</span>
                        <Ago at={run.created_at} />
                        {run.who && <span>{t('run.by', { who: run.who })}</span>}
                        <Progress done={run.steps_done} total={run.steps_total} status={run.status} />
                    </>
                }
            >
                {run.status === 'running' && <CancelButton id={run.id} />}
            </PageHead>
            {hasAny(run.params) && (
                <ul class="chips" aria-label={t('common.params')}>
                    {params.map(([k, v]) => (
                        <li key={k}>
                            <span class="faint">{k}</span> {cell(v)}
                        </li>
                    ))}
                </ul>
            )}
        </>
    );
}

function CancelButton({ id }: { id: string }) {
    const [state, setState] = useState<'idle' | 'asking' | 'sent'>('idle');
    const [error, setError] = useState<ApiError | null>(null);
    const cancel = () => {
        setState('sent');
        sendJson('POST', `/api/v1/runs/${seg(id)}/cancel`)
            .then(refresh)
            .catch((e: ApiError) => {
                setError(e);
                setState('idle');
            });
    };
    if (state === 'asking')
        return (
            <div class="confirm" role="alertdialog" aria-label={t('run.cancel')}>
                <span>{t('run.cancel.sure')}</span>
                <button type="button" class="button danger" onClick={cancel} ref={(el) => el?.focus()}>
                    {t('run.cancel.yes')}
                </button>
                <button type="button" class="button" onClick={() => setState('idle')}>
                    {t('run.cancel.no')}
                </button>
            </div>
        );
    return (
        <>
            {error && <span class="field-error">{error.message}</span>}
            <button type="button" class="button" disabled={state === 'sent'} onClick={() => setState('asking')}>
                {t('run.cancel')}
            </button>
        </>
    );
}

function Definition({ run }: { run: Run }) {
    return (
        <details class="card definition">
            <summary>
                <h2>{t('run.definition')}</h2>
                <span class="mono faint">{run.file}</span>
            </summary>
            <pre class="code">{run.yaml}</pre>
        </details>
    );
}
