// SPDX-License-Identifier: Apache-2.0
//
// A step's log as it is written. The view sticks to the newest line until the reader scrolls up,
// and then stays where they are reading.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { call, seg, type ApiError } from '../api';
import { t } from '../i18n';
import { LogText, tone } from '../logtext';
import { I } from './icons';

const TAIL = 262144;

export function logUrl(run: string, step: string, attempt: number): string {
    return `/api/v1/runs/${seg(run)}/steps/${seg(step)}/log?attempt=${attempt}`;
}

async function stream(url: string, log: LogText, signal: AbortSignal, changed: () => void): Promise<void> {
    const answer = await call('GET', `${url}&follow=1&tail=${TAIL}`, { signal });
    const reader = answer.body!.getReader();
    for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        log.push(value);
        changed();
    }
}

export function LogView({ run, step, attempt, ended }: { run: string; step: string; attempt: number; ended: boolean }) {
    const url = logUrl(run, step, attempt);
    const [, redraw] = useState(0);
    const log = useRef(new LogText());
    const [state, setState] = useState<'open' | 'done' | ApiError>('open');
    const [wrap, setWrap] = useState(true);
    const [sticky, setSticky] = useState(true);
    const box = useRef<HTMLDivElement>(null);

    useEffect(() => {
        const abort = new AbortController();
        let frame = 0;
        log.current = new LogText();
        setState('open');
        setSticky(true);
        const changed = () => {
            frame ||= requestAnimationFrame(() => {
                frame = 0;
                redraw((n) => n + 1);
            });
        };
        changed();
        stream(url, log.current, abort.signal, changed)
            .then(() => setState('done'))
            .catch((e) => abort.signal.aborted || setState(e as ApiError));
        return () => {
            abort.abort();
            cancelAnimationFrame(frame);
        };
    }, [url]);

    useLayoutEffect(() => {
        const el = box.current;
        if (el && sticky) el.scrollTop = el.scrollHeight;
    });

    const onScroll = () => {
        const el = box.current; // a scroll may be told of after the panel has gone
        if (el) setSticky(el.scrollHeight - el.scrollTop - el.clientHeight < 24);
    };
    const { lines, partial, dropped } = log.current;
    const empty = !lines.length && !partial;
    return (
        <div class="log">
            <div class="log-bar">
                <h3>{t('step.log')}</h3>
                {state === 'open' && !ended && <span class="live live-up">{t('step.log.following')}</span>}
                {dropped > 0 && <span class="faint">{t('step.log.tail')}</span>}
                <label class="check">
                    <input type="checkbox" checked={wrap} onChange={(e) => setWrap(e.currentTarget.checked)} />
                    {t('step.log.wrap')}
                </label>
                <a href={url} target="_blank" rel="noopener">
                    {t('step.log.whole')}
                </a>
            </div>
            <div class={`log-text ${wrap ? 'log-wrap' : ''}`} ref={box} onScroll={onScroll} tabIndex={0}
                role="log" aria-label={t('step.log')}>
                {empty && <div class="log-empty">{t(state === 'done' ? 'step.log.quiet' : 'step.log.empty')}</div>}
                {lines.map((l) => (
                    <div key={l.n} class={`log-line tone-${tone(l.text)}`}>
                        {l.text || '\u00a0'}
                    </div>
                ))}
                {partial && <div class="log-line">{partial}</div>}
                {typeof state === 'object' && (
                    <div class="log-line tone-error">{t('step.log.broken', { message: state.message })}</div>
                )}
            </div>
            {!sticky && (
                <button type="button" class="log-down" onClick={() => setSticky(true)}>
                    <I name="down" size={14} />
                    {t('step.log.bottom')}
                </button>
            )}
        </div>
    );
}
