// SPDX-License-Identifier: Apache-2.0
//
// The try-it form's arithmetic: text fields to one row of named columns by the signature, and the
// same call as a curl line. Pure.
import { shellQuote } from './format';
import type { Prediction, Row, Signature, SignatureInput } from './types';

export type Kind = 'text' | 'integer' | 'number' | 'boolean';

export function kindOf({ datatype, kind }: Pick<SignatureInput, 'datatype' | 'kind'>): Kind {
    if (datatype === 'BOOL' || kind === 'boolean') return 'boolean';
    if (/^U?INT\d+$/.test(datatype)) return 'integer';
    if (/^(FP|BF)\d+$/.test(datatype)) return 'number';
    return 'text';
}

/** A field's text as the JSON value of its column; undefined = left out. */
export function valueOf(input: SignatureInput, text: string): { value?: unknown; bad?: true } {
    const trimmed = text.trim();
    if (trimmed === '') return input.optional ? {} : { bad: true };
    switch (kindOf(input)) {
        case 'boolean':
            if (/^(true|1)$/i.test(trimmed)) return { value: true };
            return /^(false|0)$/i.test(trimmed) ? { value: false } : { bad: true };
        case 'integer':
            return /^[+-]?\d+$/.test(trimmed) ? { value: Number(trimmed) } : { bad: true };
        case 'number': {
            const n = Number(trimmed);
            return Number.isFinite(n) ? { value: n } : { bad: true };
        }
        default:
            return { value: text };
    }
}

export function rowOf(signature: Signature, fields: Record<string, string>): { row: Row; bad: string[] } {
    const row: Row = {};
    const bad: string[] = [];
    for (const input of signature.inputs) {
        const got = valueOf(input, fields[input.name] ?? '');
        if (got.bad) bad.push(input.name);
        else if (got.value !== undefined) row[input.name] = got.value;
    }
    return { row, bad };
}

/** Fields filled from a row of the dataset the model learnt from, else with something plausible. */
export function exampleFields(signature: Signature, sample: Row | undefined): Record<string, string> {
    const fields: Record<string, string> = {};
    for (const input of signature.inputs) {
        const v = sample?.[input.name];
        if (v !== undefined && v !== null) fields[input.name] = String(v);
        else if (sample && input.name in sample) fields[input.name] = '';
        else fields[input.name] = plausible(input);
    }
    return fields;
}

function plausible(input: SignatureInput): string {
    if (input.example !== undefined && input.example !== null) return String(input.example);
    if (input.values?.length) return String(input.values[0] ?? '');
    switch (kindOf(input)) {
        case 'boolean':
            return 'false';
        case 'integer':
            return '1';
        case 'number':
            return '1.0';
        default:
            return input.optional ? '' : 'a';
    }
}

export function curlLine(url: string, endpoint: string, dataDir: string, row: Row): string {
    const body = JSON.stringify({ rows: [row] });
    const token = dataDir ? `"Authorization: Bearer $(cat ${shellQuote(`${dataDir}/owner.token`)})"`
                          : '"Authorization: Bearer $TENON_TOKEN"';
    return [
        `curl -s ${shellQuote(`${url}/v2/models/${encodeURIComponent(endpoint)}/invocations`)}`,
        `  -H ${token}`,
        `  -H 'Content-Type: application/json'`,
        `  -d ${shellQuote(body)}`,
    ].join(' \\\n');
}

export interface Answer {
    target: string;
    value: unknown;
    /** Most probable first; empty for regression. */
    classes: { label: string; p: number }[];
}

/** {"late":"false","probability":{…}} or {"prediction":12.3}, whatever the target is called. */
export function answerOf(prediction: Prediction | undefined): Answer {
    const p = prediction ?? {};
    const target = Object.keys(p).find((k) => k !== 'probability') ?? '';
    const classes = Object.entries(p.probability ?? {})
        .map(([label, v]) => ({ label, p: Number(v) }))
        .sort((a, b) => b.p - a.p);
    return { target, value: p[target], classes };
}
