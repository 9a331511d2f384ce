// SPDX-License-Identifier: Apache-2.0
//
// Fresh data without reloads: a cache of GET answers that every server event makes stale.
//
// One stream of /api/v1/events per tab, closed while the tab is hidden (a browser has six
// connections per host, and every tab would hold one). An event re-reads whatever the page shows,
// at most twice a second; that is one or two small reads, and it cannot forget a relation between
// kinds of objects that a finer scheme would have to know.
import { useEffect, useState } from 'preact/hooks';
import { ApiError, call, getJson } from './api';
import { SseParser } from './sse';

interface Entry {
    data?: unknown;
    error?: ApiError;
    stale: boolean;
    loading: Promise<void> | null;
    listeners: Set<() => void>;
}

const cache = new Map<string, Entry>();
const CACHE_MAX = 60;

function entry(path: string): Entry {
    let e = cache.get(path);
    if (!e) {
        trim();
        e = { stale: true, loading: null, listeners: new Set() };
        cache.set(path, e);
    }
    return e;
}

function trim(): void {
    for (const [path, e] of cache) {
        if (cache.size < CACHE_MAX) return;
        if (!e.listeners.size) cache.delete(path);
    }
}

function load(path: string): Promise<void> {
    const e = entry(path);
    if (e.loading) return e.loading;
    e.stale = false;
    e.loading = getJson(path)
        .then((data) => {
            e.data = data;
            delete e.error;
        })
        .catch((error) => {
            e.error = error as ApiError;
            // What was there stays readable when the server is away, but not when it is gone.
            if (e.error.status) delete e.data;
        })
        .finally(() => {
            e.loading = null;
            e.listeners.forEach((fn) => fn());
            if (e.stale && e.listeners.size) void load(path);
        });
    return e.loading;
}

/** Everything shown is read again now; everything else when it is next shown. */
export function refresh(): void {
    for (const [path, e] of cache) {
        e.stale = true;
        if (e.listeners.size) void load(path);
    }
}

export function forget(): void {
    cache.clear();
}

export interface Loaded<T> {
    data?: T;
    error?: ApiError;
}

/** The answer of GET path, kept fresh. null = nothing to read yet. pollMs: for numbers that change
 * without an event. */
export function useData<T>(path: string | null, pollMs = 0): Loaded<T> {
    const [, redraw] = useState(0);
    useEffect(() => {
        if (!path) return;
        const e = entry(path);
        const listener = () => redraw((n) => n + 1);
        e.listeners.add(listener);
        if (e.stale || e.error) void load(path);
        const timer = pollMs
            ? setInterval(() => document.visibilityState === 'visible' && void load(path), pollMs)
            : 0;
        return () => {
            e.listeners.delete(listener);
            clearInterval(timer);
        };
    }, [path, pollMs]);
    if (!path) return {};
    const e = cache.get(path);
    return { data: e?.data as T | undefined, error: e?.error };
}

/** Now, redrawn every second while `on`: elapsed times. */
export function useNow(on: boolean): number {
    const [now, setNow] = useState(Date.now());
    useEffect(() => {
        if (!on) return;
        setNow(Date.now());
        const timer = setInterval(() => setNow(Date.now()), 1000);
        return () => clearInterval(timer);
    }, [on]);
    return now;
}

// The stream.

let last = 0;
let stopped = true;
let abort: AbortController | null = null;
let connected = false;
const connectionListeners = new Set<(up: boolean) => void>();

function setConnected(up: boolean): void {
    if (up === connected) return;
    connected = up;
    connectionListeners.forEach((fn) => fn(up));
}

let due = 0;
function refreshSoon(): void {
    if (due) return;
    due = window.setTimeout(() => {
        due = 0;
        refresh();
    }, 400);
}

async function readStream(signal: AbortSignal): Promise<void> {
    const query = last ? `?after=${last}` : '';
    const answer = await call('GET', `/api/v1/events${query}`, {
        signal,
        headers: { Accept: 'text/event-stream' },
    });
    setConnected(true);
    refreshSoon();
    const reader = answer.body!.getReader();
    const decoder = new TextDecoder();
    const parser = new SseParser();
    for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        for (const message of parser.push(decoder.decode(value, { stream: true }))) {
            const seq = Number(message.id);
            if (seq > last) last = seq;
            refreshSoon();
        }
    }
}

async function follow(): Promise<void> {
    for (let wait = 500; !stopped && document.visibilityState === 'visible'; ) {
        abort = new AbortController();
        const began = Date.now();
        try {
            await readStream(abort.signal);
        } catch (e) {
            if ((e as Error).name === 'AbortError') break;
            if ((e as ApiError).status === 401) break;
        }
        setConnected(false);
        if (Date.now() - began > 10000) wait = 500;
        await new Promise((done) => setTimeout(done, wait));
        wait = Math.min(wait * 2, 10000);
    }
    abort = null;
}

function onVisibility(): void {
    if (document.visibilityState === 'visible') {
        if (!abort && !stopped) void follow();
    } else {
        abort?.abort();
    }
}

export function startLive(): () => void {
    stopped = false;
    document.addEventListener('visibilitychange', onVisibility);
    void follow();
    return () => {
        stopped = true;
        document.removeEventListener('visibilitychange', onVisibility);
        abort?.abort();
    };
}

export function useConnected(): boolean {
    const [up, setUp] = useState(connected);
    useEffect(() => {
        connectionListeners.add(setUp);
        return () => void connectionListeners.delete(setUp);
    }, []);
    return up;
}
