// SPDX-License-Identifier: Apache-2.0
//
// Who is here, and which page: signed out → sign in; signed in → the shell around one page.
import { Component, type ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { ApiError, getJson, sendJson, setSignedOutHandler } from './api';
import { t, useLang } from './i18n';
import { forget, startLive } from './live';
import { href, navigate, usePlace, type Place } from './router';
import type { Session } from './types';
import { DatasetPage, Datasets } from './pages/datasets';
import { EndpointPage } from './pages/endpoint';
import { Endpoints } from './pages/endpoints';
import { ModelPage, Models } from './pages/models';
import { ModelVersionPage } from './pages/version';
import { Overview } from './pages/overview';
import { RunPage } from './pages/run';
import { Runs } from './pages/runs';
import { SignIn, takeLink } from './pages/signin';
import { ErrorBox, PageHead, useTitle } from './ui/bits';
import { Shell } from './ui/shell';

type Who = Session | 'unknown' | 'nobody' | ApiError;

export function App() {
    useLang();
    const [who, setWho] = useState<Who>('unknown');
    const [linkError, setLinkError] = useState<ApiError | null>(null);

    const [redeeming, setRedeeming] = useState(false);

    const redeem = async (link: string) => {
        setRedeeming(true);
        setWho('unknown');
        setLinkError(null);
        try {
            await sendJson('POST', '/api/v1/session', { link });
            forget();
            setWho(await getJson<Session>('/api/v1/session'));
            if (!location.pathname.startsWith('/console/')) navigate(href(), true);
        } catch (e) {
            setLinkError(e as ApiError);
            setWho('nobody');
        } finally {
            setRedeeming(false);
        }
    };
    const look = () =>
        getJson<Session>('/api/v1/session').then(setWho, (e: ApiError) =>
            setWho(e.status === 401 || e.status === 403 ? 'nobody' : e),
        );
    useEffect(() => {
        setSignedOutHandler(() => setWho('nobody'));
        const arrive = () => {
            const link = takeLink();
            if (link) void redeem(link);
            return !!link;
        };
        addEventListener('hashchange', arrive);
        if (!arrive()) void look();
        return () => removeEventListener('hashchange', arrive);
    }, []);
    const signedIn = typeof who === 'object' && !(who instanceof ApiError);
    useEffect(() => (signedIn ? startLive() : undefined), [signedIn]);

    if (who instanceof ApiError)
        return (
            <div class="alone">
                <ErrorBox error={who} onRetry={look} />
            </div>
        );
    if (who === 'unknown')
        return (
            <div class="alone" aria-busy="true">
                {redeeming && <p class="muted">{t('signin.working')}</p>}
            </div>
        );
    if (who === 'nobody') return <SignIn error={linkError} onLink={redeem} />;
    const signOut = () => {
        sendJson('DELETE', '/api/v1/session').finally(() => {
            forget();
            setLinkError(null);
            setWho('nobody');
        });
    };
    return <Inside session={who} onSignOut={signOut} />;
}

function Inside({ session, onSignOut }: { session: Session; onSignOut: () => void }) {
    const place = usePlace();
    return (
        <Shell at={place.parts[0] ?? ''} session={session} onSignOut={onSignOut}>
            <Guard key={place.parts.join('/')}>{page(place)}</Guard>
        </Shell>
    );
}

function page({ parts, query }: Place) {
    const [room = '', name, item] = parts;
    const depth = parts.length;
    if (depth === 0) return <Overview />;
    if (room === 'runs' && depth === 1) return <Runs query={query} />;
    if (room === 'runs' && depth === 2) return <RunPage id={name!} query={query} />;
    if (room === 'datasets' && depth === 1) return <Datasets />;
    if (room === 'datasets' && depth === 2) return <DatasetPage name={name!} query={query} />;
    if (room === 'models' && depth === 1) return <Models />;
    if (room === 'models' && depth === 2) return <ModelPage name={name!} />;
    if (room === 'models' && depth === 3) return <ModelVersionPage name={name!} version={item!} />;
    if (room === 'endpoints' && depth === 1) return <Endpoints />;
    if (room === 'endpoints' && depth === 2) return <EndpointPage name={name!} />;
    return <NotFound />;
}

function NotFound() {
    useTitle(t('error.notfound'));
    return (
        <>
            <PageHead title={t('error.notfound')} sub={t('error.page')} />
            <a class="button" href={href()}>
                {t('error.home')}
            </a>
        </>
    );
}

/** A page that throws says so and leaves the rest of the console standing. */
class Guard extends Component<{ children: ComponentChildren }, { error: Error | null }> {
    override state = { error: null as Error | null };
    static override getDerivedStateFromError(error: Error) {
        return { error };
    }
    override render() {
        if (!this.state.error) return this.props.children;
        return (
            <>
                <PageHead title={t('error.crash')} />
                <pre class="code">{String(this.state.error)}</pre>
            </>
        );
    }
}

