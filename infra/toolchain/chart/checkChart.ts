/**
 * Run as a program: checks the Helm chart. Lint at its strictest for every set of values in `ci`, a schema that is the
 * one of the configuration, and for every file in `ci/refused` the refusal that its first line tells.
 */

import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { ensureHelm } from '../cluster/helm.ts';
import { messageOf } from '../parts.ts';
import { runProgram } from '../run.ts';
import { valuesSchema } from './valuesSchema.ts';

const chart = path.resolve(import.meta.dirname, '../../helm/durable-c2d');
const patienceMs = 60_000;
const complete = path.join(chart, 'ci/complete-values.yaml');

/** Values that make an installation; each set is given in this order. */
const accepted: readonly (readonly string[])[] = [
  ['ci/complete-values.yaml'],
  ['ci/complete-values.yaml', 'ci/everything-values.yaml'],
  ['ci/complete-values.yaml', 'ci/bucket-values.yaml'],
  ['ci/outside-values.yaml'],
];

const helm = await ensureHelm((line) => console.log(line));
const run = (...args: readonly string[]): Promise<string> => runProgram(helm.path, args, { timeoutMs: patienceMs });
const problems: string[] = [];

const valueFlags = (files: readonly string[]): readonly string[] => files.flatMap((file) => ['--values', path.join(chart, file)]);

for (const files of [[], ...accepted]) {
  await run('lint', '--strict', chart, ...valueFlags(files)).catch((err: unknown) =>
    problems.push(`lint with ${files.join(', ') || 'the defaults'}: ${messageOf(err)}`),
  );
}
for (const files of accepted) {
  await run('template', 'c2d', chart, '--namespace', 'durable-c2d', ...valueFlags(files)).catch((err: unknown) =>
    problems.push(`${files.join(', ')}: ${messageOf(err)}`),
  );
}

const written: unknown = JSON.parse(await readFile(path.join(chart, 'values.schema.json'), 'utf8'));
if (JSON.stringify(written) !== JSON.stringify(valuesSchema())) {
  problems.push('values.schema.json is not the one of the configuration: run node infra/toolchain/chart/writeValuesSchema.ts');
}

const refusedFolder = path.join(chart, 'ci/refused');
for (const name of await readdir(refusedFolder)) {
  const file = path.join(refusedFolder, name);
  const expected = /^# refused: (.+)$/m.exec(await readFile(file, 'utf8'))?.[1];
  const refusal = await run('template', 'c2d', chart, '--namespace', 'durable-c2d', '--values', complete, '--values', file).then(
    () => undefined,
    (err: unknown) => messageOf(err),
  );
  if (expected === undefined) problems.push(`${name}: its first line does not tell the refusal`);
  else if (refusal === undefined) problems.push(`${name}: it is not refused`);
  else if (!refusal.includes(expected)) problems.push(`${name}: it is refused for another reason: ${refusal}`);
}

for (const problem of problems) console.log(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
