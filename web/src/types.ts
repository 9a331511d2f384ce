// SPDX-License-Identifier: Apache-2.0
//
// The shapes of docs/api.md. Times are milliseconds since 1970; ids are 32 hex digits.

export type RunStatus = 'running' | 'succeeded' | 'failed' | 'cancelled';
export type StepStatus = RunStatus | 'waiting' | 'queued' | 'skipped';
export type EndpointState = 'ready' | 'loading' | 'failed';

export type Scalar = string | number | boolean | null;
export type Params = Record<string, unknown>;
/** A number, or a history with one point per step. */
export type Metrics = Record<string, number | number[] | null>;
export type Row = Record<string, unknown>;

export interface Status {
    version: string;
    project: string;
    data_dir: string;
    url: string;
    uptime_ms: number;
    read_only: string | null;
    onnxruntime: string | null;
    counts: Record<'datasets' | 'runs' | 'runs_running' | 'models' | 'endpoints', number>;
    slots: { total: number; busy: number };
    disk_free: number;
    rss: number;
}

export interface Session {
    name: string;
    project: string;
    perms?: string[];
}

export interface DatasetRef {
    name: string;
    version: number;
    role?: string;
}

export interface Dataset {
    name: string;
    version: number;
    rows: number;
    bytes: number;
    schema: { name: string; type: string; nullable: boolean }[];
    sample?: Row[];
    run: string | null;
    step: string | null;
    source: string | null;
    inputs: DatasetRef[] | null;
    created_at: number;
}

export interface Attempt {
    n: number;
    status: StepStatus;
    started_at: number | null;
    ended_at: number | null;
    code: number | null;
    signal: number | null;
    reason: string | null;
}

export interface ErrorBody {
    code: string;
    message: string;
    hint?: string | null;
}

export interface Output {
    type: 'dataset' | 'model' | 'artifact' | 'endpoint';
    name: string;
    version?: number | string | null;
}

export interface Step {
    name: string;
    kind: string;
    deps: string[];
    status: StepStatus;
    why: string | null;
    attempt: number;
    started_at: number | null;
    ended_at: number | null;
    error: ErrorBody | null;
    summary: string | null;
    metrics: Metrics | null;
    outputs: Output[] | null;
    attempts: Attempt[] | null;
}

export interface Run {
    id: string;
    pipeline: string;
    status: RunStatus;
    who: string | null;
    params: Params | null;
    created_at: number;
    ended_at: number | null;
    file?: string | null;
    yaml?: string | null;
    steps_done: number;
    steps_total: number;
    steps?: Step[];
}

export interface TrackingRun {
    id: string;
    experiment: string;
    step: string | null;
    params: Params | null;
    metrics: Metrics | null;
}

export interface Model {
    name: string;
    latest_version: number;
    versions: number;
    aliases: Record<string, number> | null;
    created_at: number;
    metrics: Metrics | null;
}

export interface SignatureInput {
    name: string;
    datatype: string;
    optional?: boolean;
    /** What the column held in training: a boolean travels as FP32 but is written true or false. */
    kind?: 'number' | 'category' | 'boolean' | string;
    example?: Scalar;
    /** Categories the model learnt, where the trainer recorded them. */
    values?: Scalar[];
}

export interface Signature {
    inputs: SignatureInput[];
    outputs: { name: string; datatype: string; shape?: number[] }[];
    classes?: Scalar[];
    task?: 'binary' | 'multiclass' | 'regression' | string;
}

export interface ModelVersion {
    name: string;
    version: number;
    digest: string;
    signature: Signature;
    metrics: Metrics | null;
    params: Params | null;
    datasets: DatasetRef[] | null;
    run: string | null;
    attempt: string | null;
    created_at: number;
    aliases: string[] | null;
}

export interface Endpoint {
    name: string;
    model: string;
    version: number | string;
    state: EndpointState;
    reason: string | null;
    signature: Signature | null;
    inline: boolean;
    requests: number;
    failures: number;
    rows: number;
    batches: number;
    mean_us: number;
}

/** One row's answer: the target's predicted value, and for classes their probabilities. */
export type Prediction = Record<string, unknown> & { probability?: Record<string, number> };
