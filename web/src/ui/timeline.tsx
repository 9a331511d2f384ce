// SPDX-License-Identifier: Apache-2.0
//
// When each step ran, attempt by attempt, on one axis. It is the run's list of steps as well.
import { duration, tickLabel, timeTicks } from '../format';
import { t } from '../i18n';
import { href } from '../router';
import type { Run, Step } from '../types';
import { statusText } from './bits';
import { StatusMark } from './icons';

interface Bar {
    from: number;
    to: number;
    status: string;
}

export function bars(step: Step, now: number): Bar[] {
    const tries = (step.attempts ?? []).filter((a) => a.started_at);
    if (tries.length)
        return tries.map((a) => ({ from: a.started_at!, to: a.ended_at ?? now, status: a.status }));
    if (!step.started_at) return [];
    return [{ from: step.started_at, to: step.ended_at ?? now, status: step.status }];
}

export function Timeline(props: { run: Run; steps: Step[]; now: number; selected: string | null }) {
    const { run, steps, now } = props;
    const start = run.created_at;
    const span = Math.max((run.ended_at ?? now) - start, 1);
    const ticks = timeTicks(span, 6);
    const at = (ms: number) => `${Math.max(0, Math.min(100, (ms / span) * 100))}%`;
    return (
        <div class="timeline">
            <div class="timeline-axis" aria-hidden="true">
                {ticks.map((tick) => (
                    <span key={tick} style={{ left: at(tick) }}>
                        {tickLabel(tick)}
                    </span>
                ))}
            </div>
            <ol>
                {steps.map((s) => (
                    <li key={s.name}>
                        <a href={href('runs', run.id, { step: s.name })} aria-current={props.selected === s.name ? 'true' : undefined}
                            title={s.why ?? undefined}>
                            <StatusMark status={s.status} />
                            <span class="timeline-name">{s.name}</span>
                            <span class="timeline-track">
                                {s.started_at !== null && ticks.map((tick) => (
                                    <i key={tick} style={{ left: at(tick) }} />
                                ))}
                                {bars(s, now).map((b) => (
                                    <b key={b.from} class={`bar bar-${b.status}`}
                                        style={{ left: at(b.from - start), width: at(b.to - b.from) }} />
                                ))}
                                {!s.started_at && <em>{s.why ?? statusText(s.status)}</em>}
                            </span>
                            <span class="num faint">
                                {s.started_at ? duration((s.ended_at ?? now) - s.started_at) : ''}
                            </span>
                            <span class="sr">{statusText(s.status)}</span>
                        </a>
                    </li>
                ))}
            </ol>
            {!steps.length && <p class="none">{t('common.none')}</p>}
        </div>
    );
}
