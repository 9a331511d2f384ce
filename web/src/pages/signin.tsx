// SPDX-License-Identifier: Apache-2.0
import { useState } from 'preact/hooks';
import type { ApiError } from '../api';
import { t } from '../i18n';
import { Command, useTitle } from '../ui/bits';
import { I, Logo } from '../ui/icons';
import { Switches } from '../ui/shell';

/** The secret of a console link, or null. */
export function linkSecret(text: string): string | null {
    const found = /#link=([^&\s]+)/.exec(text);
    if (!found) return null;
    try {
        return decodeURIComponent(found[1]!);
    } catch {
        return found[1]!;
    }
}

/** Takes the secret out of the address bar, so that it stays in no history or bookmark. */
export function takeLink(): string | null {
    const secret = linkSecret(location.hash);
    if (secret) history.replaceState(null, '', location.pathname + location.search);
    return secret;
}

export function SignIn({ error, onLink }: { error: ApiError | null; onLink: (link: string) => void }) {
    const [text, setText] = useState('');
    const [bad, setBad] = useState(false);
    useTitle(t('signin.submit'));
    const submit = (e: Event) => {
        e.preventDefault();
        const secret = linkSecret(text);
        setBad(!secret);
        if (secret) onLink(secret);
    };
    return (
        <div class="alone">
            <main class="signin">
                <Logo size={40} />
                <h1>{t('signin.title')}</h1>
                {error && (
                    <div class="banner banner-bad" role="alert">
                        <I name="alert" />
                        <div>
                            <strong>{error.status === 0 ? t('error.unreachable') : t('signin.failed')}</strong>
                            <p>{error.status === 0 ? t('error.unreachable.hint') : t('signin.failed.hint')}</p>
                        </div>
                    </div>
                )}
                <p>{t('signin.lead')}</p>
                <Command text="tenon token link" />
                <p class="muted">{t('signin.then')}</p>
                <form onSubmit={submit} noValidate>
                    <label for="link">{t('signin.paste')}</label>
                    <div class="row">
                        <input id="link" type="text" autocomplete="off" spellcheck={false} value={text}
                            placeholder={t('signin.placeholder')} aria-invalid={bad}
                            aria-describedby={bad ? 'link-bad' : undefined}
                            onInput={(e) => setText(e.currentTarget.value)} />
                        <button type="submit" class="button primary">
                            {t('signin.submit')}
                        </button>
                    </div>
                    {bad && (
                        <p class="field-error" id="link-bad" role="alert">
                            {t('signin.nolink')}
                        </p>
                    )}
                </form>
                <Switches />
            </main>
        </div>
    );
}
