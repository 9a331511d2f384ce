// SPDX-License-Identifier: Apache-2.0 - the made-up story that dev/mock.mjs tells

export const params = { rounds: 300 };

const ds = (name, version) => ({ type: 'dataset', name, version });
export const PLAN = [
    { name: 'load-flights', kind: 'ingest', deps: [], takes: 1.9, summary: '336,776 rows into flights, version 4', outputs: [ds('flights', 4)] },
    { name: 'load-weather', kind: 'ingest', deps: [], takes: 0.7, summary: '26,115 rows into weather, version 4', outputs: [ds('weather', 4)] },
    { name: 'load-planes', kind: 'ingest', deps: [], takes: 0.4, summary: '3,322 rows into planes, version 4', outputs: [ds('planes', 4)] },
    { name: 'features', kind: 'sql', deps: ['load-flights', 'load-weather', 'load-planes'], takes: 2.6, summary: '327,346 rows, 27 columns into flight_features', outputs: [ds('flight_features', 4)] },
    { name: 'train', kind: 'train', deps: ['features'], takes: 46.4, queued: true, summary: '300 rounds on 131,213 rows, 26 columns', metrics: { train_auc: 0.8124, train_logloss: 0.4392 }, outputs: [{ type: 'artifact', name: 'model.onnx', version: 'a'.repeat(64) }] },
    { name: 'evaluate', kind: 'evaluate', deps: ['train', 'features'], takes: 1.2, summary: '27,075 rows of June', metrics: { auc: 0.74631, logloss: 0.53012, accuracy: 0.7418, precision: 0.6412, recall: 0.3987, f1: 0.49168, rows: 27075 } },
    { name: 'register', kind: 'register', deps: ['train', 'evaluate'], takes: 0.2, summary: 'late-arrival version 3', outputs: [{ type: 'model', name: 'late-arrival', version: 3 }] },
    { name: 'deploy', kind: 'deploy', deps: ['register'], takes: 0.4, summary: 'late-arrival serves version 3', outputs: [{ type: 'endpoint', name: 'late-arrival' }] },
    { name: 'show', kind: 'run', deps: ['deploy', 'features'], takes: 0.9, summary: null },
];

const rounds = Array.from({ length: 60 }, (_, i) => {
    const loss = (0.44 + 0.25 * Math.exp(-i / 14)).toFixed(5);
    return `[${String(i * 5).padStart(3)}/300] train-logloss: ${loss}  ${(1.1 + (i % 7) / 20).toFixed(2)} s left per 10 rounds`;
});
export const LOGS = {
    train: [
        'reading flight_features version 4: 131,213 of 327,346 rows (month <= 5)',
        'columns: 26 (7 categorical), target late: 24.1% true',
        'XGBoost 1.7.4, 4 threads, hist',
        ...rounds,
    ],
    features: ['opening flights, weather, planes', 'running features.sql', '327,346 rows written to 3 files (9.8 MB)'],
    show: ['carrier dest  dep    late?  p      truth', 'UA      IAH   05:15  no     0.121  no', 'B6      SFO   17:45  yes    0.687  yes', 'warning: 1 row had no weather'],
};

export const YAML = `kind: pipeline
name: flights

params:
  rounds: 300

steps:
  - name: load-flights
    kind: ingest
    path: data/flights.parquet
    dataset: flights

  - name: features
    kind: sql
    inputs: [flights, weather, planes]
    file: features.sql
    dataset: flight_features

  - name: train
    kind: train
    input: flight_features
    where: month <= 5
    target: late
    objective: binary
    params: {rounds: \${params.rounds}, max_depth: 6, eta: 0.05}
`;

const col = (name, type, nullable = true) => ({ name, type, nullable });
const FEATURES = [
    col('month', 'integer', false), col('day', 'integer', false), col('carrier', 'string', false), col('origin', 'string', false), col('dest', 'string', false),
    col('distance', 'double'), col('weekday', 'long'), col('dep_minute', 'integer'), col('arr_minute', 'integer'), col('origin_departures', 'long'),
    col('plane_age', 'double'), col('plane_maker', 'string'), col('temp', 'double'), col('wind_speed', 'double'), col('wind_gust', 'double'),
    col('precip', 'double'), col('pressure', 'double'), col('visib', 'double'), col('late', 'boolean'),
];
const FIRST = [
    [1, 1, 'UA', 'EWR', 'IAH', 1400, 2, 315, 499, 22, 14, 'BOEING', 39.02, 12.65858, null, 0, 1011.9, 10, false],
    [1, 1, 'UA', 'LGA', 'IAH', 1416, 2, 329, 510, 19, 15, 'BOEING', 39.92, 14.96014, 21.86482, 0, 1011.4, 10, true],
    [1, 1, 'AA', 'JFK', 'MIA', 1089, 2, 340, 530, 17, 23, 'BOEING', 39.02, 14.96014, null, 0, 1012.1, 10, true],
    [1, 1, 'B6', 'JFK', 'BQN', 1576, 2, 345, 602, 17, 1, 'AIRBUS', 39.02, 14.96014, null, 0, 1012.1, 10, false],
    [1, 1, 'DL', 'LGA', 'ATL', 762, 2, 360, 497, 24, 22, 'BOEING', 39.92, 16.11092, 23.01560, 0, 1011.9, 10, false],
    [1, 1, 'EV', 'LGA', 'IAD', 229, 2, 360, 443, 24, 15, 'CANADAIR', 39.92, 16.11092, 23.0156, 0, 1011.9, 10, false],
    [1, 1, 'MQ', 'JFK', 'RDU', 427, 2, 1140, 1255, 31, null, null, 37.94, 13.80936, null, 0.02, 1012.6, 6, true],
];
const rows = (schema, values) => values.map((v) => Object.fromEntries(schema.map((c, i) => [c.name, v[i] ?? null])));

export function datasets(now, run) {
    const at = now - 3 * 3600e3;
    const loaded = (name, count, bytes, schema, sample) => ({ name, version: 4, rows: count, bytes, schema, sample, run, step: `load-${name}`, source: `data/${name}.parquet`, inputs: [], created_at: at });
    const flights = [col('year', 'integer'), col('month', 'integer'), col('day', 'integer'), col('sched_dep_time', 'integer'), col('arr_delay', 'double'), col('carrier', 'string'), col('tailnum', 'string'), col('origin', 'string'), col('dest', 'string'), col('time_hour', 'timestamp')];
    const weather = [col('origin', 'string'), col('time_hour', 'timestamp'), col('temp', 'double'), col('wind_speed', 'double')];
    const planes = [col('tailnum', 'string', false), col('year', 'integer'), col('manufacturer', 'string'), col('seats', 'integer')];
    return [
        { name: 'flight_features', version: 4, rows: 327346, bytes: 9812345, schema: FEATURES, sample: rows(FEATURES, FIRST), run, step: 'features', source: null, inputs: ['flights', 'weather', 'planes'].map((name) => ({ name, version: 4 })), created_at: at + 5000 },
        loaded('flights', 336776, 7340032, flights, rows(flights, [[2013, 1, 1, 515, 11, 'UA', 'N14228', 'EWR', 'IAH', '2013-01-01T10:00:00Z'], [2013, 1, 1, 529, 20, 'UA', 'N24211', 'LGA', 'IAH', '2013-01-01T10:00:00Z']])),
        loaded('planes', 3322, 50211, planes, rows(planes, [['N10156', 2004, 'EMBRAER', 55], ['N102UW', 1998, 'AIRBUS INDUSTRIE', 182]])),
        loaded('weather', 26115, 481234, weather, rows(weather, [['EWR', '2013-01-01T06:00:00Z', 39.02, 10.35702]])),
    ];
}

const input = (name, datatype, optional, values) => ({ name, datatype, optional, ...(values ? { values } : {}) });
const signature = {
    inputs: [
        input('carrier', 'BYTES', false, ['9E', 'AA', 'AS', 'B6', 'DL', 'EV', 'F9', 'FL', 'HA', 'MQ', 'OO', 'UA', 'US', 'VX', 'WN', 'YV']),
        input('origin', 'BYTES', false, ['EWR', 'JFK', 'LGA']), input('dest', 'BYTES', false, ['ATL', 'BOS', 'BQN', 'IAD', 'IAH', 'MIA', 'ORD', 'RDU', 'SFO']),
        input('distance', 'FP32', true), input('weekday', 'INT64', false), input('dep_minute', 'INT64', false), input('arr_minute', 'INT64', false),
        input('origin_departures', 'INT64', true), input('plane_age', 'FP32', true), input('plane_maker', 'BYTES', true, ['AIRBUS', 'BOEING', 'CANADAIR', 'EMBRAER']),
        input('temp', 'FP32', true), input('wind_speed', 'FP32', true), input('wind_gust', 'FP32', true), input('precip', 'FP32', true),
        input('pressure', 'FP32', true), input('visib', 'FP32', true),
    ],
    outputs: [{ name: 'label', datatype: 'BYTES', shape: [-1] }, { name: 'probabilities', datatype: 'FP32', shape: [-1, 2] }],
    classes: ['false', 'true'],
    task: 'binary',
};
const version = (n, auc, logloss) => ({
    name: 'late-arrival', version: n, signature, metrics: { auc, logloss, accuracy: 0.7418, precision: 0.6412, recall: 0.3987, f1: 0.49168, rows: 27075 },
    params: { objective: 'binary:logistic', rounds: 300, max_depth: 6, eta: 0.05, subsample: 0.8, colsample: 0.5, min_child_weight: 10, seed: 2013 },
    datasets: [{ name: 'flight_features', version: 4, role: 'train' }, { name: 'flight_features', version: 4, role: 'evaluate' }],
});
export const MODEL_VERSIONS = [version(3, 0.74631, 0.53012), version(2, 0.74127, 0.53398), version(1, 0.73804, 0.53777)];
