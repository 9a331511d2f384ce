// SPDX-License-Identifier: Apache-2.0
//
// Routes under /console/ with the history API. A link is an ordinary <a href>: opening it in a new
// tab works, and a plain click is taken over here.
import { useEffect, useState } from 'preact/hooks';

export interface Place {
    /** Path segments after /console/, decoded: ["runs", "<id>"]. */
    parts: string[];
    query: URLSearchParams;
}

export function parsePlace(pathname: string, search: string): Place {
    const rest = pathname.replace(/^\/console(\/|$)|^\//, '');
    const parts = rest.split('/').filter(Boolean).map(decode);
    return { parts, query: new URLSearchParams(search) };
}

function decode(s: string): string {
    try {
        return decodeURIComponent(s);
    } catch {
        return s;
    }
}

/** The address of a page: href('runs', id) or href('runs', id, {step: 'train'}). */
export function href(...parts: (string | number | Record<string, string | number | null>)[]): string {
    const query = new URLSearchParams();
    const path: string[] = [];
    for (const part of parts) {
        if (typeof part === 'object') {
            for (const [k, v] of Object.entries(part)) if (v !== null) query.set(k, String(v));
        } else {
            path.push(encodeURIComponent(part));
        }
    }
    const q = query.toString();
    return `/console/${path.join('/')}${q ? `?${q}` : ''}`;
}

const listeners = new Set<() => void>();
function changed(): void {
    listeners.forEach((fn) => fn());
}

export function navigate(to: string, replace = false): void {
    const before = location.pathname;
    history[replace ? 'replaceState' : 'pushState'](null, '', to);
    changed();
    if (location.pathname !== before) {
        window.scrollTo(0, 0);
        document.getElementById('main')?.focus({ preventScroll: true });
    }
}

function onClick(e: MouseEvent): void {
    if (e.defaultPrevented || e.button || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    const a = (e.target as Element).closest?.('a');
    if (!a || a.target || a.hasAttribute('download')) return;
    const to = a.getAttribute('href');
    if (!to?.startsWith('/console/')) return;
    e.preventDefault();
    navigate(to);
}

export function startRouter(): void {
    addEventListener('popstate', changed);
    document.addEventListener('click', onClick);
}

export function usePlace(): Place {
    const [, redraw] = useState(0);
    useEffect(() => {
        const listener = () => redraw((n) => n + 1);
        listeners.add(listener);
        return () => void listeners.delete(listener);
    }, []);
    return parsePlace(location.pathname, location.search);
}
