// SPDX-License-Identifier: Apache-2.0
//
// The frame around every page: rooms on the left (at the bottom on a phone), who is signed in,
// language and colours.
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { lang, setLang, t, type Key } from '../i18n';
import { useConnected, useData } from '../live';
import { href } from '../router';
import type { Session, Status } from '../types';
import { I, Logo, type IconName } from './icons';

const rooms: { path: string; icon: IconName; label: Key }[] = [
    { path: '', icon: 'overview', label: 'nav.overview' },
    { path: 'runs', icon: 'runs', label: 'nav.runs' },
    { path: 'datasets', icon: 'datasets', label: 'nav.datasets' },
    { path: 'models', icon: 'models', label: 'nav.models' },
    { path: 'endpoints', icon: 'endpoints', label: 'nav.endpoints' },
];

export function Shell(props: {
    at: string;
    session: Session;
    onSignOut: () => void;
    children: ComponentChildren;
}) {
    const { data: status, error } = useData<Status>('/api/v1/status');
    return (
        <div class="shell">
            <a class="skip" href="#main" onClick={(e) => {
                e.preventDefault();
                document.getElementById('main')?.focus();
            }}>
                {t('app.skip')}
            </a>
            <div class="side">
                <a class="brand" href={href()} aria-label={t('app.console')}>
                    <Logo />
                    <span>Tenon</span>
                </a>
                <nav aria-label={t('nav.label')}>
                    {rooms.map((room) => (
                        <a key={room.path} href={href(...(room.path ? [room.path] : []))}
                            aria-current={props.at === room.path ? 'page' : undefined}>
                            <I name={room.icon} />
                            <span>{t(room.label)}</span>
                            {room.path === 'runs' && !!status?.counts.runs_running && (
                                <span class="badge">{status.counts.runs_running}</span>
                            )}
                        </a>
                    ))}
                </nav>
                <div class="side-end">
                    <Live />
                    <Switches />
                    <div class="who">
                        <div>
                            <strong>{props.session.name}</strong>
                            <span>{t('session.project', { project: props.session.project })}</span>
                        </div>
                        <button type="button" class="ghost" onClick={props.onSignOut}
                            aria-label={t('session.signout')} title={t('session.signout')}>
                            <I name="signout" />
                        </button>
                    </div>
                </div>
            </div>
            <main id="main" tabIndex={-1}>
                {status?.read_only && (
                    <div class="banner banner-bad" role="alert">
                        <I name="alert" />
                        {t('app.readonly', { reason: status.read_only })}
                    </div>
                )}
                {error?.status === 0 && (
                    <div class="banner" role="alert">
                        <I name="alert" />
                        {t('app.offline')}
                    </div>
                )}
                {props.children}
            </main>
        </div>
    );
}

function Live() {
    const up = useConnected();
    return (
        <span class={`live ${up ? 'live-up' : ''}`} role="status">
            {t(up ? 'app.live' : 'app.reconnecting')}
        </span>
    );
}

type Theme = 'auto' | 'light' | 'dark';
const THEMES: Theme[] = ['auto', 'light', 'dark'];
const themeIcon: Record<Theme, IconName> = { auto: 'auto', light: 'sun', dark: 'moon' };

function storedTheme(): Theme {
    const theme = document.documentElement.dataset.theme;
    return theme === 'light' || theme === 'dark' ? theme : 'auto';
}

function setTheme(theme: Theme): void {
    if (theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    try {
        localStorage.setItem('tenon.theme', theme);
    } catch {
        /* chosen for this page only */
    }
}

export function Switches() {
    const [theme, redraw] = useState(storedTheme());
    const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]!;
    const choose = () => {
        setTheme(next);
        redraw(next);
    };
    const name = `${t('app.theme')}: ${t(`theme.${theme}`)}`;
    return (
        <div class="switches">
            <button type="button" class="ghost" onClick={choose} aria-label={name} title={name}>
                <I name={themeIcon[theme]} />
            </button>
            <div class="segments" role="group" aria-label={t('app.language')}>
                <button type="button" lang="en" aria-pressed={lang() === 'en'} onClick={() => setLang('en')}>
                    EN
                </button>
                <button type="button" lang="zh-CN" aria-pressed={lang() === 'zh'} onClick={() => setLang('zh')}>
                    中文
                </button>
            </div>
        </div>
    );
}
