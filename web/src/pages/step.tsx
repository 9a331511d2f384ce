// SPDX-License-Identifier: Apache-2.0
//
// Everything about one step of a run: what went wrong, what it measured and made, its attempts, and
// its log.
import { seg } from '../api';
import { dateTime, duration } from '../format';
import { lang, t } from '../i18n';
import { href } from '../router';
import type { Attempt, Output, Run, Step } from '../types';
import { Facts, MetricTiles, Status, hasAny } from '../ui/bits';
import { I, StatusMark, type IconName } from '../ui/icons';
import { LogView } from '../ui/log';

export function StepPanel(props: { run: Run; step: Step; now: number; attempt: number | null }) {
    const { run, step, now } = props;
    const attempts = step.attempts ?? [];
    const shown = attempts.find((a) => a.n === props.attempt) ?? attempts[attempts.length - 1];
    return (
        <section class="card step-panel" aria-label={step.name}>
            <div class="card-head">
                <h2>
                    {step.name} <span class="tag">{step.kind}</span>
                </h2>
                <Status status={step.status} />
            </div>
            <div class="card-body">
                {step.why && !step.ended_at && <p class="why">{step.why}</p>}
                {step.error && <StepError step={step} />}
                {step.summary && <p class="summary">{step.summary}</p>}
                <Facts
                    items={[
                        [t('common.duration'), step.started_at ? duration((step.ended_at ?? now) - step.started_at) : null],
                        [t('common.started'), step.started_at ? dateTime(step.started_at, lang()) : null],
                        [t('step.inputs'), step.deps.length ? <StepLinks run={run} names={step.deps} /> : null],
                    ]}
                />
                {hasAny(step.metrics) && <MetricTiles metrics={step.metrics!} />}
                {!!step.outputs?.length && (
                    <>
                        <h3>{t('step.outputs')}</h3>
                        <ul class="outputs">
                            {step.outputs.map((o) => (
                                <li key={`${o.type} ${o.name}`}>
                                    <OutputLink output={o} />
                                </li>
                            ))}
                        </ul>
                    </>
                )}
                {(attempts.length > 1 || shown?.reason) && (
                    <Attempts run={run} step={step} attempts={attempts} shown={shown} now={now} />
                )}
            </div>
            {shown ? (
                <LogView key={shown.n} run={run.id} step={step.name} attempt={shown.n} ended={!!shown.ended_at} />
            ) : (
                <p class="none">{t('step.log.none')}</p>
            )}
        </section>
    );
}

function StepLinks({ run, names }: { run: Run; names: string[] }) {
    return (
        <>
            {names.map((name, i) => (
                <span key={name}>
                    {i > 0 && ', '}
                    <a href={href('runs', run.id, { step: name })}>{name}</a>
                </span>
            ))}
        </>
    );
}

function StepError({ step }: { step: Step }) {
    const e = step.error!;
    return (
        <div class="step-error" role="alert">
            <StatusMark status="failed" />
            <div>
                <p>{e.message}</p>
                {e.hint && <p class="hint">{e.hint}</p>}
            </div>
        </div>
    );
}

const outputIcon: Record<Output['type'], IconName> = {
    dataset: 'datasets',
    model: 'models',
    artifact: 'artifact',
    endpoint: 'endpoints',
};

function outputHref(o: Output): string | null {
    switch (o.type) {
        case 'dataset':
            return href('datasets', o.name, { version: o.version ?? null });
        case 'model':
            return o.version ? href('models', o.name, o.version) : href('models', o.name);
        case 'endpoint':
            return href('endpoints', o.name);
        default:
            return typeof o.version === 'string' && /^[0-9a-f]{64}$/.test(o.version)
                ? `/api/v1/blobs/${seg(o.version)}`
                : null;
    }
}

function OutputLink({ output: o }: { output: Output }) {
    const to = outputHref(o);
    const known = o.type in outputIcon;
    const text = (
        <>
            <I name={outputIcon[o.type] ?? 'artifact'} />
            <span class="faint">{known ? t(`output.${o.type}`) : o.type}</span>
            <strong>{o.name}</strong>
            {typeof o.version === 'number' && <span class="faint">v{o.version}</span>}
        </>
    );
    if (!to) return <span class="output">{text}</span>;
    return (
        <a class="output" href={to} download={o.type === 'artifact' ? o.name : undefined}>
            {text}
        </a>
    );
}

function Attempts(props: { run: Run; step: Step; attempts: Attempt[]; shown?: Attempt; now: number }) {
    return (
        <>
            <h3>{t('step.attempts')}</h3>
            <ul class="attempts">
                {props.attempts.map((a) => (
                    <li key={a.n}>
                        <a href={href('runs', props.run.id, { step: props.step.name, attempt: a.n })}
                            aria-current={props.shown?.n === a.n ? 'true' : undefined}>
                            <StatusMark status={a.status} />
                            <span>{t('step.attempt', { n: a.n })}</span>
                            <span class="faint grow">{how(a)}</span>
                            <span class="num faint">
                                {a.started_at ? duration((a.ended_at ?? props.now) - a.started_at) : ''}
                            </span>
                        </a>
                    </li>
                ))}
            </ul>
        </>
    );
}

/** How an attempt ended: the reason if there is one, else its exit status or signal. */
function how(a: Attempt): string {
    if (a.reason) return a.reason;
    if (a.signal) return t('step.signal', { signal: a.signal });
    if (a.code) return t('step.exit', { code: a.code });
    return '';
}
