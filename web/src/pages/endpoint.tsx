// SPDX-License-Identifier: Apache-2.0
//
// One endpoint: what it serves and how it does, and a form made from the signature to try it.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { sendJson, seg, type ApiError } from '../api';
import { count, metric, micros, percent } from '../format';
import { lang, t } from '../i18n';
import { useData } from '../live';
import { href } from '../router';
import { answerOf, curlLine, exampleFields, kindOf, rowOf } from '../tryit';
import type { Dataset, Endpoint, ModelVersion, Prediction, Row, Signature, SignatureInput, Status as ServerStatus } from '../types';
import { Card, Copy, ErrorBox, PageHead, Skeleton, Status, useTitle } from '../ui/bits';
import { I } from '../ui/icons';
import { taskText } from './version';

export function EndpointPage({ name }: { name: string }) {
    useTitle(name);
    const { data: e, error } = useData<Endpoint>(`/api/v1/endpoints/${seg(name)}`, 3000);
    const { data: v } = useData<ModelVersion>(
        e ? `/api/v1/models/${seg(e.model)}/versions/${seg(String(e.version))}` : null,
    );
    if (!e) return error ? <ErrorBox error={error} /> : <Skeleton lines={12} />;
    const signature = e.signature ?? v?.signature;
    return (
        <>
            <PageHead
                up={{ to: href('endpoints'), label: t('endpoints.title') }}
                title={e.name}
                sub={
                    <>
                        <Status status={e.state} />
                        <a href={href('models', e.model, e.version)}>{e.model} v{e.version}</a>
                        {signature?.task && <span>{taskText(signature.task)}</span>}
                        <span>{t(e.inline ? 'endpoint.inline' : 'endpoint.threads')}</span>
                    </>
                }
            />
            {e.state === 'failed' && (
                <div class="banner banner-bad" role="alert">
                    <I name="alert" />
                    {e.reason}
                </div>
            )}
            <Numbers e={e} />
            {signature ? <TryIt key={`${e.model} ${e.version}`} e={e} signature={signature} version={v} /> : <p class="none">{t('endpoint.nosignature')}</p>}
        </>
    );
}

function Numbers({ e }: { e: Endpoint }) {
    const l = lang();
    return (
        <dl class="tiles tiles-line">
            <div><dt>{t('endpoint.requests')}</dt><dd>{count(e.requests, l)}</dd></div>
            <div><dt>{t('endpoint.rows')}</dt><dd>{count(e.rows, l)}</dd></div>
            <div class={e.failures ? 'bad' : ''}><dt>{t('endpoint.failures')}</dt><dd>{count(e.failures, l)}</dd></div>
            <div><dt>{t('endpoint.mean')}</dt><dd>{micros(e.mean_us)}</dd></div>
            <div><dt>{t('endpoint.batch')}</dt><dd>{e.batches ? metric(e.rows / e.batches) : '–'}</dd></div>
        </dl>
    );
}

type Outcome = { prediction: Prediction; text: string; ms: number } | ApiError;

/** Rows of the dataset version the model learnt from: examples that make sense. */
function useExamples(version: ModelVersion | undefined): Row[] | undefined {
    const from = version?.datasets?.find((d) => d.role === 'train') ?? version?.datasets?.[0];
    const { data, error } = useData<Dataset>(
        from ? `/api/v1/datasets/${seg(from.name)}?version=${from.version}` : null,
    );
    if (!version) return undefined;
    if (!from || error) return [];
    return data ? (data.sample ?? []) : undefined;
}

function TryIt({ e, signature, version }: { e: Endpoint; signature: Signature; version?: ModelVersion }) {
    const examples = useExamples(version);
    const [index, setIndex] = useState(0);
    const [fields, setFields] = useState<Record<string, string>>({});
    const [touched, setTouched] = useState(false);
    const [busy, setBusy] = useState(false);
    const [outcome, setOutcome] = useState<Outcome | null>(null);
    const { row, bad } = useMemo(() => rowOf(signature, fields), [signature, fields]);
    useEffect(() => {
        if (examples && !touched) setFields(exampleFields(signature, examples[0]));
    }, [examples?.length]);

    const set = (name: string, value: string) => {
        setTouched(true);
        setFields({ ...fields, [name]: value });
    };
    const another = () => {
        setTouched(true);
        setFields(exampleFields(signature, examples?.length ? examples[(index + 1) % examples.length] : undefined));
        setIndex(index + 1);
    };
    const clear = () => {
        setTouched(true);
        setFields({});
        setOutcome(null);
    };
    const predict = async (event: Event) => {
        event.preventDefault();
        if (bad.length) return document.getElementById(`in-${bad[0]}`)?.focus();
        setBusy(true);
        setOutcome(await ask(e.name, row));
        setBusy(false);
    };
    return (
        <div class="try">
            <Card title={t('endpoint.try')} side={
                <span class="row">
                    <button type="button" class="ghost" onClick={another}><I name="refresh" size={14} /> {t('endpoint.example')}</button>
                    <button type="button" class="ghost" onClick={clear}>{t('endpoint.clear')}</button>
                </span>
            }>
                <form onSubmit={predict} noValidate>
                    <div class="fields">
                        {signature.inputs.map((i) => (
                            <Field key={i.name} input={i} value={fields[i.name] ?? ''} bad={touched && bad.includes(i.name)}
                                onInput={(v) => set(i.name, v)} />
                        ))}
                    </div>
                    <button type="submit" class="button primary" disabled={busy || e.state !== 'ready'}>
                        {t(busy ? 'endpoint.predicting' : 'endpoint.predict')}
                    </button>
                </form>
            </Card>
            <div class="stack">
                <Card title={t('endpoint.result')} class="result">
                    <div aria-live="polite">
                        {outcome ? <Result outcome={outcome} /> : <p class="muted">{t('endpoint.result.none')}</p>}
                    </div>
                </Card>
                <Curl name={e.name} row={row} />
            </div>
        </div>
    );
}

async function ask(endpoint: string, row: Row): Promise<Outcome> {
    const began = performance.now();
    try {
        const answer = await sendJson<{ predictions: Prediction[] }>(
            'POST', `/v2/models/${seg(endpoint)}/invocations`, { rows: [row] },
        );
        const ms = performance.now() - began;
        return { prediction: answer.predictions[0] ?? {}, text: JSON.stringify(answer, null, 2), ms };
    } catch (e) {
        return e as ApiError;
    }
}

function Field(props: { input: SignatureInput; value: string; bad: boolean; onInput: (v: string) => void }) {
    const { input, value, bad } = props;
    const kind = kindOf(input);
    const id = `in-${input.name}`;
    const options = input.values?.map(String) ?? (kind === 'boolean' ? ['true', 'false'] : []);
    return (
        <div class="field">
            <label for={id}>
                <span class="mono">{input.name}</span>
                <span class="faint" title={t(input.optional ? 'common.optional' : 'common.required')}>
                    {input.datatype}{input.optional ? '?' : ''}
                </span>
            </label>
            <input id={id} type="text" inputMode={kind === 'integer' ? 'numeric' : kind === 'number' ? 'decimal' : 'text'}
                value={value} list={options.length ? `${id}-values` : undefined} autocomplete="off" spellcheck={false}
                placeholder={input.optional ? 'null' : ''} aria-invalid={bad} required={!input.optional}
                aria-describedby={bad ? `${id}-bad` : undefined}
                onInput={(e) => props.onInput(e.currentTarget.value)} />
            {options.length > 0 && (
                <datalist id={`${id}-values`}>
                    {options.map((o) => <option key={o} value={o} />)}
                </datalist>
            )}
            {bad && <p class="field-error" id={`${id}-bad`}>{t('endpoint.field.bad', { kind: t(`kind.${kind}`) })}</p>}
        </div>
    );
}

function Result({ outcome }: { outcome: Outcome }) {
    if (outcome instanceof Error)
        return (
            <div class="step-error">
                <I name="alert" />
                <div>
                    <p>{outcome.message}</p>
                    {outcome.hint && <p class="hint">{outcome.hint}</p>}
                </div>
            </div>
        );
    const answer = answerOf(outcome.prediction);
    const value = typeof answer.value === 'number' ? metric(answer.value) : String(answer.value ?? '–');
    return (
        <>
            <div class="verdict">
                <span class="faint">{answer.target}</span>
                <strong>{value}</strong>
                <span class="faint num">{t('endpoint.took', { time: micros(outcome.ms * 1000) })}</span>
            </div>
            {answer.classes.length > 0 && (
                <ul class="bars">
                    {answer.classes.slice(0, 12).map((c) => (
                        <li key={c.label} class={c.label === String(answer.value) ? 'best' : ''}>
                            <span class="bars-label">{c.label}</span>
                            <span class="bars-track"><span style={{ width: `${Math.max(0, Math.min(1, c.p)) * 100}%` }} /></span>
                            <span class="num">{percent(c.p)}</span>
                        </li>
                    ))}
                </ul>
            )}
            <details>
                <summary>{t('endpoint.answer')}</summary>
                <pre class="code">{outcome.text}</pre>
            </details>
        </>
    );
}

function Curl({ name, row }: { name: string; row: Row }) {
    const { data: status } = useData<ServerStatus>('/api/v1/status');
    const line = curlLine(location.origin, name, status?.data_dir ?? '', row);
    return (
        <Card title={t('endpoint.curl')} side={<Copy text={line} label="curl" />} flush>
            <pre class="code">{line}</pre>
        </Card>
    );
}
