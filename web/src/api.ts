// SPDX-License-Identifier: Apache-2.0
//
// Calls to the server. Everything goes to our own origin with the session's cookie; a failed call
// throws ApiError, and a 401 tells the app that nobody is signed in.
import type { ErrorBody } from './types';

export class ApiError extends Error {
    constructor(
        readonly status: number,
        readonly code: string,
        message: string,
        readonly hint: string | null = null,
        readonly requestId: string | null = null,
    ) {
        super(message);
    }
}

let onSignedOut: () => void = () => {};
export function setSignedOutHandler(fn: () => void): void {
    onSignedOut = fn;
}

/** The error of an answer, in our shape or in that of /v2 ({"error": "text"}). */
export function errorOf(status: number, body: unknown, requestId: string | null): ApiError {
    const error = (body as { error?: ErrorBody | string } | null)?.error;
    if (typeof error === 'string') return new ApiError(status, 'error', error, null, requestId);
    if (error?.message)
        return new ApiError(status, error.code, error.message, error.hint ?? null, requestId);
    return new ApiError(status, 'http', `HTTP ${status}`, null, requestId);
}

export async function call(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    let answer: Response;
    try {
        answer = await fetch(path, { method, credentials: 'same-origin', ...init });
    } catch (e) {
        if ((e as Error).name === 'AbortError') throw e;
        throw new ApiError(0, 'unreachable', (e as Error).message);
    }
    if (answer.ok) return answer;
    const body = await answer.json().catch(() => null);
    if (answer.status === 401 && path !== '/api/v1/session') onSignedOut();
    throw errorOf(answer.status, body, answer.headers.get('X-Request-Id'));
}

export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
    return (await call('GET', path, signal ? { signal } : {})).json() as Promise<T>;
}

export async function sendJson<T>(method: string, path: string, body?: unknown): Promise<T> {
    const init: RequestInit =
        body === undefined
            ? {}
            : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } };
    const text = await (await call(method, path, init)).text();
    return (text ? JSON.parse(text) : {}) as T;
}

export const seg = encodeURIComponent;
