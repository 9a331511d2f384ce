// SPDX-License-Identifier: Apache-2.0
//
// Numbers, sizes and times as people read them. Pure; the language is an argument.

export type Lang = 'en' | 'zh';
const LOCALE: Record<Lang, string> = { en: 'en-US', zh: 'zh-CN' };

const integers = new Map<Lang, Intl.NumberFormat>();
export function count(n: number | null | undefined, lang: Lang = 'en'): string {
    if (n === null || n === undefined || !Number.isFinite(n)) return '–';
    let f = integers.get(lang);
    if (!f) integers.set(lang, (f = new Intl.NumberFormat(LOCALE[lang], { maximumFractionDigits: 0 })));
    return f.format(n);
}

/** 12,345,678 → "12.3 M": for places too narrow for every digit. */
export function countShort(n: number | null | undefined): string {
    if (n === null || n === undefined || !Number.isFinite(n)) return '–';
    if (Math.abs(n) < 10000) return count(n);
    const units = ['k', 'M', 'G', 'T'];
    let i = -1;
    while (Math.abs(n) >= 999.5 && i < units.length - 1) {
        n /= 1000;
        i++;
    }
    return `${n < 99.95 ? n.toFixed(1) : n.toFixed(0)} ${units[i]}`;
}

export function bytes(n: number | null | undefined): string {
    if (n === null || n === undefined || !Number.isFinite(n) || n < 0) return '–';
    if (n < 1000) return `${n} B`;
    const units = ['kB', 'MB', 'GB', 'TB', 'PB'];
    let i = -1;
    while (n >= 999.5 && i < units.length - 1) {
        n /= 1000;
        i++;
    }
    return `${n < 99.95 ? n.toFixed(1) : n.toFixed(0)} ${units[i]}`;
}

/** A metric or parameter: four significant digits, no noise. */
export function metric(v: number | null | undefined): string {
    if (v === null || v === undefined || Number.isNaN(v)) return '–';
    if (!Number.isFinite(v)) return v > 0 ? '∞' : '−∞';
    if (v === 0) return '0';
    const size = Math.abs(v);
    if (Number.isInteger(v) && size < 1e15) return count(v);
    if (size >= 1e6 || size < 1e-4) return v.toExponential(3).replace('e+', 'e');
    if (size >= 1000) return new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 }).format(v);
    return String(Number(v.toPrecision(4)));
}

/** The latest value of a metric that may be a history. */
export function latest(v: number | number[] | null | undefined): number | null {
    if (Array.isArray(v)) return v.length ? v[v.length - 1]! : null;
    return v ?? null;
}

/** Elapsed time: "0.4 s", "12 s", "3 m 07 s", "2 h 05 m", "3 d 4 h". */
export function duration(ms: number | null | undefined): string {
    if (ms === null || ms === undefined || !Number.isFinite(ms)) return '–';
    if (ms < 0) ms = 0;
    if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
    const s = Math.round(ms / 1000);
    if (s < 60) return `${s} s`;
    const two = (n: number) => String(n).padStart(2, '0');
    if (s < 3600) return `${Math.floor(s / 60)} m ${two(s % 60)} s`;
    const m = Math.floor(s / 60);
    if (m < 1440) return `${Math.floor(m / 60)} h ${two(m % 60)} m`;
    return `${Math.floor(m / 1440)} d ${Math.floor((m % 1440) / 60)} h`;
}

export function micros(us: number | null | undefined): string {
    if (us === null || us === undefined || !Number.isFinite(us) || us <= 0) return '–';
    if (us < 995) return `${us < 9.95 ? us.toFixed(1) : us.toFixed(0)} µs`;
    if (us < 995000) return `${us < 9950 ? (us / 1000).toFixed(2) : (us / 1000).toFixed(1)} ms`;
    return `${(us / 1e6).toFixed(2)} s`;
}

/** "just now", "5m ago", then a date. */
export function ago(t: number | null | undefined, now: number, lang: Lang): string {
    if (!t) return '–';
    const s = Math.round((now - t) / 1000);
    const f = new Intl.RelativeTimeFormat(LOCALE[lang], { numeric: 'auto', style: 'narrow' });
    if (s < 10) return lang === 'zh' ? '刚刚' : 'just now';
    if (s < 60) return f.format(-s, 'second');
    if (s < 3600) return f.format(-Math.floor(s / 60), 'minute');
    if (s < 86400) return f.format(-Math.floor(s / 3600), 'hour');
    if (s < 7 * 86400) return f.format(-Math.floor(s / 86400), 'day');
    return date(t, lang);
}

export function date(t: number, lang: Lang): string {
    return new Intl.DateTimeFormat(LOCALE[lang], {
        year: 'numeric',
        month: 'short',
        day: 'numeric',
    }).format(t);
}

export function dateTime(t: number | null | undefined, lang: Lang): string {
    if (!t) return '–';
    return new Intl.DateTimeFormat(LOCALE[lang], {
        year: 'numeric',
        month: 'short',
        day: 'numeric',
        hour: '2-digit',
        minute: '2-digit',
        second: '2-digit',
        hour12: false,
    }).format(t);
}

/** A probability: never "100%" for what is not certain. */
export function percent(p: number): string {
    if (!Number.isFinite(p)) return '–';
    if (p > 0 && p < 0.001) return '<0.1%';
    if (p < 1 && p > 0.999) return '>99.9%';
    return `${(p * 100).toFixed(1)}%`;
}

export function shortId(id: string): string {
    return id.slice(0, 8);
}

/** Any cell of a table or parameter, on one line. */
export function cell(v: unknown): string {
    if (v === null || v === undefined) return '';
    if (typeof v === 'number') return Number.isInteger(v) ? String(v) : String(Number(v.toPrecision(7)));
    if (typeof v === 'object') return JSON.stringify(v);
    return String(v);
}

/** One word for a POSIX shell, whatever is in it. */
export function shellQuote(s: string): string {
    if (/^[\w@%+=:,./-]+$/.test(s)) return s;
    return `'${s.replace(/'/g, `'\\''`)}'`;
}

/** Evenly spaced round ticks of a time axis of `span` ms: [0, step, 2·step, …]. */
export function timeTicks(span: number, most: number): number[] {
    const steps = [
        100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 144e5,
        432e5, 864e5,
    ];
    const step = steps.find((s) => span / s <= most) ?? Math.ceil(span / most / 864e5) * 864e5;
    const out: number[] = [];
    for (let t = 0; t <= span; t += step) out.push(t);
    return out;
}

/** A tick's label: as few units as it needs. */
export function tickLabel(ms: number): string {
    if (ms === 0) return '0';
    if (ms < 60e3) return `${Number((ms / 1000).toFixed(1))} s`;
    if (ms < 3600e3) return `${Number((ms / 60e3).toFixed(1))} m`;
    return `${Number((ms / 3600e3).toFixed(1))} h`;
}
