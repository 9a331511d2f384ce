// SPDX-License-Identifier: Apache-2.0
//
// The small parts every page is made of.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ApiError } from '../api';
import { ago, cell, dateTime, latest, metric } from '../format';
import { lang, t, type Key } from '../i18n';
import { refresh, useNow } from '../live';
import { href } from '../router';
import type { Metrics, Params } from '../types';
import { I, StatusMark, type IconName } from './icons';

export function statusText(status: string): string {
    const key = `status.${status}`;
    return isKey(key) ? t(key) : status;
}

const KNOWN = new Set(
    ['running', 'succeeded', 'failed', 'cancelled', 'waiting', 'queued', 'skipped', 'ready', 'loading'].map(
        (s) => `status.${s}`,
    ),
);
function isKey(key: string): key is Key {
    return KNOWN.has(key);
}

export function Status({ status, title }: { status: string; title?: string | null }) {
    return (
        <span class={`status status-${status}`} title={title ?? undefined}>
            <StatusMark status={status} />
            {statusText(status)}
        </span>
    );
}

export function Ago({ at }: { at: number | null | undefined }) {
    const now = useNow(true);
    if (!at) return <span class="faint">–</span>;
    return (
        <time dateTime={new Date(at).toISOString()} title={dateTime(at, lang())}>
            {ago(at, now, lang())}
        </time>
    );
}

export function PageHead(props: {
    title: ComponentChildren;
    up?: { to: string; label: string };
    sub?: ComponentChildren;
    children?: ComponentChildren;
}) {
    return (
        <header class="page-head">
            <div class="page-head-text">
                {props.up && (
                    <a class="crumb" href={props.up.to}>
                        {props.up.label}
                    </a>
                )}
                <h1>{props.title}</h1>
                {props.sub && <div class="sub">{props.sub}</div>}
            </div>
            {props.children && <div class="actions">{props.children}</div>}
        </header>
    );
}

export function Card(props: {
    title?: ComponentChildren;
    side?: ComponentChildren;
    class?: string;
    flush?: boolean;
    children: ComponentChildren;
}) {
    return (
        <section class={`card ${props.class ?? ''}`}>
            {props.title && (
                <div class="card-head">
                    <h2>{props.title}</h2>
                    {props.side}
                </div>
            )}
            <div class={props.flush ? 'card-flush' : 'card-body'}>{props.children}</div>
        </section>
    );
}

export function Copy({ text, label }: { text: string; label?: string }) {
    const [done, setDone] = useState(false);
    const timer = useRef(0);
    useEffect(() => () => clearTimeout(timer.current), []);
    const copy = async () => {
        try {
            await navigator.clipboard.writeText(text);
        } catch {
            copyOldWay(text); // the clipboard API needs TLS or loopback
        }
        setDone(true);
        clearTimeout(timer.current);
        timer.current = window.setTimeout(() => setDone(false), 1600);
    };
    return (
        <button type="button" class="copy" onClick={copy} title={t('common.copy')}
            aria-label={label ? `${t('common.copy')}: ${label}` : t('common.copy')}>
            <I name={done ? 'check' : 'copy'} size={14} />
            <span class="sr" aria-live="polite">
                {done ? t('common.copied') : ''}
            </span>
        </button>
    );
}

function copyOldWay(text: string): void {
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'sr';
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
}

/** Something to type in a terminal. */
export function Command({ text }: { text: string }) {
    return (
        <div class="command">
            <code>{text}</code>
            <Copy text={text} label={text} />
        </div>
    );
}

export function Empty(props: { icon: IconName; title: string; body: string; command?: string }) {
    return (
        <div class="empty">
            <span class="empty-icon">
                <I name={props.icon} size={22} />
            </span>
            <h2>{props.title}</h2>
            <p>{props.body}</p>
            {props.command && <Command text={props.command} />}
        </div>
    );
}

export function ErrorBox({ error, onRetry = refresh }: { error: ApiError; onRetry?: () => void }) {
    const away = error.status === 0;
    const missing = error.status === 404;
    return (
        <div class="error-box" role="alert">
            <I name="alert" size={18} />
            <div>
                <h2>{t(away ? 'error.unreachable' : missing ? 'error.notfound' : 'error.title')}</h2>
                {!away && <p>{error.message}</p>}
                {(error.hint || away) && <p class="hint">{error.hint ?? t('error.unreachable.hint')}</p>}
                {error.requestId && <p class="faint">{t('common.request', { id: error.requestId })}</p>}
                <p>
                    {missing ? (
                        <a class="button" href={href()}>
                            {t('error.home')}
                        </a>
                    ) : (
                        <button type="button" class="button" onClick={() => onRetry()}>
                            {t('common.retry')}
                        </button>
                    )}
                </p>
            </div>
        </div>
    );
}

export function Skeleton({ lines = 6 }: { lines?: number }) {
    return (
        <div class="skeleton" role="status" aria-label={t('common.loading')}>
            {Array.from({ length: lines }, (_, i) => (
                <span key={i} class={`bone bone-${i % 4}`} />
            ))}
        </div>
    );
}

/** Name and value pairs; pairs without a value are left out. */
export function Facts({ items }: { items: [string, ComponentChildren][] }) {
    const shown = items.filter(([, v]) => v !== null && v !== undefined && v !== '' && v !== false);
    return (
        <dl class="facts">
            {shown.map(([name, value]) => (
                <div key={name}>
                    <dt>{name}</dt>
                    <dd>{value}</dd>
                </div>
            ))}
        </dl>
    );
}

export function MetricTiles({ metrics }: { metrics: Metrics }) {
    return (
        <dl class="tiles">
            {Object.entries(metrics).map(([name, v]) => (
                <div key={name}>
                    <dt title={name}>{name}</dt>
                    <dd>{metric(latest(v))}</dd>
                </div>
            ))}
        </dl>
    );
}

export function ParamTable({ params }: { params: Params }) {
    return (
        <dl class="facts mono">
            {Object.entries(params).map(([name, v]) => (
                <div key={name}>
                    <dt>{name}</dt>
                    <dd>{cell(v)}</dd>
                </div>
            ))}
        </dl>
    );
}

export function Progress({ done, total, status }: { done: number; total: number; status: string }) {
    const share = total ? Math.min(done / total, 1) : 0;
    return (
        <span class="progress-row">
            <span class={`progress progress-${status}`} role="progressbar" aria-valuemin={0}
                aria-valuemax={total} aria-valuenow={done} aria-label={t('runs.steps')}>
                <span style={{ width: `${share * 100}%` }} />
            </span>
            <span class="num">{t('runs.progress', { done, total })}</span>
        </span>
    );
}

export function hasAny(o: object | null | undefined): boolean {
    return !!o && Object.keys(o).length > 0;
}

export function useTitle(title: string | undefined): void {
    useEffect(() => {
        document.title = title ? `${title} · Tenon` : 'Tenon';
    }, [title]);
}
