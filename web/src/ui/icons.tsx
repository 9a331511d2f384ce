// SPDX-License-Identifier: Apache-2.0
//
// Every picture of the console, drawn on a 16-unit grid with the text's colour.
import type { ComponentChildren } from 'preact';

function Icon({ children, size = 16 }: { children: ComponentChildren; size?: number }) {
    return (
        <svg class="icon" width={size} height={size} viewBox="0 0 16 16" fill="none" stroke="currentColor"
            stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"
            focusable="false">
            {children}
        </svg>
    );
}

/** The joint: a tenon seated in its mortise. */
export function Logo({ size = 22 }: { size?: number }) {
    return (
        <svg class="logo" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
            <path class="logo-tenon" d="M2 3h7.5v5.5H17v7H9.5V21H2z" />
            <path class="logo-mortise" d="M11 3h11v18H11v-4h7.5V7H11z" />
        </svg>
    );
}

export type IconName = keyof typeof shapes;

const shapes = {
    overview: <path d="M2.5 2.5h4.5v6H2.5zM9 2.5h4.5v3.5H9zM9 8h4.5v5.5H9zM2.5 10.5h4.5v3H2.5z" />,
    runs: <><circle cx="3.5" cy="4" r="1.5" /><circle cx="3.5" cy="12" r="1.5" /><circle cx="12.5" cy="8" r="1.5" /><path d="M5 4h1.5C9 4 8.5 8 11 8M5 12h1.500C9 12 8.5 8 11 8" /></>,
    datasets: <><ellipse cx="8" cy="3.8" rx="5.5" ry="2" /><path d="M2.5 3.800v8.400c0 1.1 2.5 2 5.5 2s5.5-.9 5.5-2V3.800M2.5 8c0 1.1 2.5 2 5.5 2s5.5-.9 5.5-2" /></>,
    models: <path d="M8 1.800l5.5 3.100v6.200L8 14.200l-5.5-3.100V4.900zM2.7 5L8 8l5.3-3M8 8v6" />,
    endpoints: <path d="M8 1.800v5M5 4.500a5 5 0 1 0 6 0" />,
    step: <rect x="2.5" y="4.5" width="11" height="7" rx="1.5" />,
    artifact: <path d="M4 1.800h5l3.5 3.500v8.900H4zM9 1.800v3.500h3.5" />,
    copy: <><rect x="5.5" y="5.5" width="8" height="8" rx="1.5" /><path d="M10.5 5.500V4A1.5 1.5 0 0 0 9 2.500H4A1.5 1.5 0 0 0 2.5 4v5A1.5 1.5 0 0 0 4 10.500h1.5" /></>,
    check: <path d="M3 8.500l3.5 3.500L13 4.5" />,
    close: <path d="M4 4l8 8M12 4l-8 8" />,
    download: <path d="M8 2.500v8M4.8 7.500L8 10.700l3.2-3.200M2.5 13.500h11" />,
    down: <path d="M8 3v10M4 9l4 4 4-4" />,
    plus: <path d="M8 3v10M3 8h10" />,
    minus: <path d="M3 8h10" />,
    fit: <path d="M2.5 6V2.500H6M10 2.500h3.500V6M13.5 10v3.500H10M6 13.500H2.500V10" />,
    sun: <><circle cx="8" cy="8" r="2.8" /><path d="M8 1.500v1.200M8 13.300v1.200M1.5 8h1.200M13.3 8h1.200M3.4 3.400l.9.9M11.7 11.700l.9.9M3.4 12.600l.9-.9M11.7 4.300l.9-.9" /></>,
    moon: <path d="M13.3 9.700A5.8 5.8 0 0 1 6.3 2.700a5.8 5.8 0 1 0 7 7z" />,
    auto: <><circle cx="8" cy="8" r="5.7" /><path d="M8 2.300v11.400a5.7 5.7 0 0 0 0-11.400z" fill="currentColor" stroke="none" /></>,
    signout: <path d="M6.5 2.500H4A1.5 1.5 0 0 0 2.5 4v8A1.5 1.5 0 0 0 4 13.500h2.500M10.5 5l3 3-3 3M13.5 8h-7" />,
    alert: <path d="M8 2L1.8 13.300h12.400zM8 6.500v3M8 11.500v.01" />,
    refresh: <path d="M13.5 8A5.5 5.5 0 1 1 11.8 4M13.5 2v3.500H10" />,
};

export function I({ name, size }: { name: IconName; size?: number }) {
    return <Icon size={size}>{shapes[name]}</Icon>;
}

/** Filled marks, told apart by shape as well as colour. */
export function StatusMark({ status, size = 14 }: { status: string; size?: number }) {
    const cls = `mark mark-${status}`;
    const common = {
        class: cls, width: size, height: size, viewBox: '0 0 14 14',
        'aria-hidden': true, focusable: 'false',
    } as const;
    const stroke = { fill: 'none', stroke: 'currentColor', 'stroke-width': 1.6 } as const;
    const cut = {
        fill: 'none', class: 'mark-cut', 'stroke-width': 1.6,
        'stroke-linecap': 'round', 'stroke-linejoin': 'round',
    } as const;
    switch (status) {
        case 'succeeded':
        case 'ready':
            return <svg {...common}><circle cx="7" cy="7" r="6.5" fill="currentColor" /><path {...cut} d="M4.2 7.200l2 2 3.6-4" /></svg>;
        case 'failed':
            return <svg {...common}><path d="M4.3.5h5.400l3.8 3.800v5.400l-3.8 3.800H4.300L.5 9.700V4.300z" fill="currentColor" /><path {...cut} d="M5 5l4 4M9 5l-4 4" /></svg>;
        case 'running':
        case 'loading':
            return <svg {...common}><circle cx="7" cy="7" r="5.7" {...stroke} opacity=".3" /><path class="spin" d="M7 1.300A5.7 5.7 0 0 1 12.7 7" {...stroke} stroke-linecap="round" /></svg>;
        case 'queued':
            return <svg {...common}><circle cx="7" cy="7" r="5.7" {...stroke} /><path d="M7 3.800V7l2.2 1.5" {...stroke} stroke-linecap="round" stroke-linejoin="round" /></svg>;
        case 'cancelled':
            return <svg {...common}><circle cx="7" cy="7" r="5.7" {...stroke} /><path d="M3.2 10.800l7.6-7.6" {...stroke} /></svg>;
        case 'skipped':
            return <svg {...common}><circle cx="7" cy="7" r="5.7" {...stroke} /><path d="M4.5 7h5" {...stroke} stroke-linecap="round" /></svg>;
        default:
            return <svg {...common}><circle cx="7" cy="7" r="5.7" {...stroke} stroke-dasharray="2.2 2.28" /></svg>;
    }
}
