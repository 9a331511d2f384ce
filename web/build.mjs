// SPDX-License-Identifier: Apache-2.0
//
// Bundles the console. Ninja calls it (web/meson.build) with --out DIR and --depfile FILE, so that
// a changed source rebuilds the binary; people call it as `npm run build` (into web/dist), `npm run
// dev` (and again on every change) and `npm test` (the unit tests into web/build-test).
import { build, context } from 'esbuild';
import { copyFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';

const here = dirname(fileURLToPath(import.meta.url));
const { values: args } = parseArgs({
    options: {
        out: { type: 'string', default: join(here, 'dist') },
        depfile: { type: 'string' },
        watch: { type: 'boolean', default: false },
        test: { type: 'boolean', default: false },
    },
});

const statics = ['index.html', 'boot.js', 'icon.svg'];

/** @type {import('esbuild').BuildOptions} */
const common = {
    bundle: true,
    absWorkingDir: here,
    jsx: 'automatic',
    jsxImportSource: 'preact',
    logLevel: 'warning',
    legalComments: 'none',
    charset: 'utf8',
};

const app = {
    ...common,
    entryPoints: { app: 'src/main.tsx' },
    outdir: resolve(args.out),
    format: 'esm',
    target: ['es2020', 'chrome90', 'firefox90', 'safari14'],
    minify: !args.watch,
    metafile: true,
};

async function copyStatics() {
    await mkdir(args.out, { recursive: true });
    await Promise.all(statics.map((f) => copyFile(join(here, 'static', f), join(args.out, f))));
}

/** Every input of the bundle in Make's syntax, which Ninja reads. */
async function writeDepfile(metafile) {
    const inputs = Object.keys(metafile.inputs).map((f) => resolve(here, f));
    inputs.push(...statics.map((f) => join(here, 'static', f)));
    const escape = (path) => path.replace(/([ #$\\])/g, '\\$1');
    await writeFile(args.depfile, `${join(args.out, 'app.js')}: ${inputs.map(escape).join(' ')}\n`);
}

async function report() {
    let total = 0;
    for (const name of (await readdir(args.out)).sort()) {
        const path = join(args.out, name);
        if (!(await stat(path)).isFile()) continue;
        const bytes = await readFile(path);
        const packed = gzipSync(bytes).length;
        total += packed;
        const kb = (n) => `${(n / 1024).toFixed(1)} KB`.padStart(10);
        console.log(`${name.padEnd(12)}${kb(bytes.length)}${kb(packed)} gzipped`);
    }
    console.log(`all together ${(total / 1024).toFixed(1)} KB gzipped`);
}

async function buildTests() {
    const files = (await readdir(join(here, 'test'))).filter((f) => f.endsWith('.test.ts'));
    await build({
        ...common,
        entryPoints: files.map((f) => join('test', f)),
        outdir: join(here, 'build-test'),
        outExtension: { '.js': '.mjs' },
        platform: 'node',
        format: 'esm',
        target: 'node18',
        sourcemap: 'inline',
    });
}

if (args.test) {
    await buildTests();
} else if (args.watch) {
    await copyStatics();
    await (await context(app)).watch();
    console.log(`watching; bundle in ${args.out}`);
} else {
    await copyStatics();
    const { metafile } = await build(app);
    if (args.depfile) await writeDepfile(metafile);
    else await report();
}
