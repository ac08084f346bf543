// Holds a dashboard against the types that Grafana publishes for it:
//
//     npm install && node check.mjs dashboard.json
//
// The compiler compares: the dashboard becomes a constant of Grafana's type, and
// so do the options and the style of every time series, for which the type of a
// dashboard has no more than "anything".

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const published = join(here, 'node_modules/@grafana/schema/dist/types');
const dashboard = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const work = mkdtempSync(join(here, 'check-'));
process.on('exit', () => rmSync(work, { recursive: true }));

// JSON has texts where the types have enums: each becomes the union of its
// values.
function unionsForEnums(source) {
    return source.replace(/export declare enum (\w+) \{([^}]*)\}/g, (_, name, body) => {
        const members = body.replace(/\/\*[\s\S]*?\*\//g, '').split(',');
        const values = members.map((member) => member.split('=')[1]?.trim()).filter(Boolean);
        return `export type ${name} = ${values.join(' | ')};`;
    });
}

for (const name of readdirSync(published, { recursive: true, encoding: 'utf8' })) {
    if (name.endsWith('.d.ts')) {
        mkdirSync(dirname(join(work, name)), { recursive: true });
        writeFileSync(join(work, name), unionsForEnums(readFileSync(join(published, name), 'utf8')));
    }
}

const literal = (value) => JSON.stringify(value, null, 2);
const series = dashboard.panels.filter((panel) => panel.type === 'timeseries');
if (series.length === 0) {
    throw new Error('the dashboard has no time series');
}
writeFileSync(join(work, 'dashboard.ts'), `
import type { Dashboard } from './raw/dashboard/x/types.gen';
import type { FieldConfig, Options } from './raw/composable/timeseries/panelcfg/x/types.gen';
export const whole: Dashboard = ${literal(dashboard)};
export const options: Options[] = ${literal(series.map((panel) => panel.options))};
export const styles: FieldConfig[] = ${literal(series.map((panel) => panel.fieldConfig.defaults.custom))};
`);
writeFileSync(join(work, 'tsconfig.json'), literal({
    compilerOptions: {
        noEmit: true, strict: true, skipLibCheck: true, types: [],
        target: 'es2022', module: 'esnext', moduleResolution: 'bundler',
        paths: { '@grafana/schema': ['./index.d.ts'] },
    },
    files: ['dashboard.ts'],
}));

const compiler = spawnSync(join(here, 'node_modules/.bin/tsc'), ['-p', work], { encoding: 'utf8' });
process.stdout.write(compiler.stdout + compiler.stderr);
if (compiler.status !== 0) {
    process.exit(1);
}
console.log(`${dashboard.panels.length} panels are what Grafana's types say`);
