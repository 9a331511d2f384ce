// SPDX-License-Identifier: Apache-2.0
//
// The console's words. English is the source of the keys; the compiler refuses a translation with a
// missing or unknown one, and a test that its placeholders differ.
//
// "{n}" is replaced by the parameter n, "{n|run|runs}" by the first word if n is 1, else the second.
import { useEffect, useState } from 'preact/hooks';
import type { Lang } from './format';
import { en } from './i18n/en';
import { zh } from './i18n/zh';

export type Key = keyof typeof en;
export type Words = Record<Key, string>;
export const words: Record<Lang, Words> = { en, zh };

export type Args = Record<string, string | number>;

export function fill(text: string, args: Args): string {
    return text.replace(/\{(\w+)(?:\|([^|}]*)\|([^}]*))?\}/g, (all, name: string, one, many) => {
        const v = args[name];
        if (v === undefined) return all;
        if (one === undefined) return String(v);
        return v === 1 || v === '1' ? one : many;
    });
}

export function pickLang(stored: string | null, system: string): Lang {
    const tag = stored === 'en' || stored === 'zh' ? stored : system;
    return /^zh\b/i.test(tag) ? 'zh' : 'en';
}

const STORE = 'tenon.lang';

function stored(): string | null {
    try {
        return localStorage.getItem(STORE);
    } catch {
        return null;
    }
}

let current: Lang = typeof navigator === 'undefined' ? 'en' : pickLang(stored(), navigator.language);
const listeners = new Set<() => void>();

export function lang(): Lang {
    return current;
}

export function setLang(l: Lang): void {
    current = l;
    document.documentElement.lang = l === 'zh' ? 'zh-CN' : 'en';
    try {
        localStorage.setItem(STORE, l);
    } catch {
        /* chosen for this page only */
    }
    listeners.forEach((fn) => fn());
}

export function t(key: Key, args: Args = {}): string {
    return fill(words[current][key], args);
}

/** Redraws the whole tree when the language changes; used once, at the root. */
export function useLang(): Lang {
    const [, redraw] = useState(0);
    useEffect(() => {
        const listener = () => redraw((n) => n + 1);
        listeners.add(listener);
        return () => void listeners.delete(listener);
    }, []);
    return current;
}
