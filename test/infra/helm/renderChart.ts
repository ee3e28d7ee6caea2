/** The chart's objects, as Helm renders them for a set of values. */

import path from 'node:path';
import { loadAllYaml, type KubernetesObject } from '@kubernetes/client-node';
import { ensureHelm } from '../../../infra/toolchain/cluster/helm.ts';
import { runProgram } from '../../../infra/toolchain/run.ts';

const chart = path.resolve(import.meta.dirname, '../../../infra/helm/durable-c2d');

/** Any object of the chart; tests know what they look for. */
export type Rendered = KubernetesObject & Readonly<Record<string, any>>; // eslint-disable-line @typescript-eslint/no-explicit-any

/** @param files in the chart's `ci` folder, in order */
export const renderChart = async (...files: readonly string[]): Promise<readonly Rendered[]> => {
  const helm = await ensureHelm();
  const values = files.flatMap((file) => ['--values', path.join(chart, 'ci', file)]);
  const text = await runProgram(helm.path, ['template', 'c2d', chart, '--namespace', 'durable-c2d', ...values], { timeoutMs: 60_000 });
  return (loadAllYaml(text) as readonly (Rendered | null)[]).filter((object) => object !== null);
};

/** The only object of that kind and name. */
export const find = (objects: readonly Rendered[], kind: string, name: string): Rendered => {
  const found = objects.filter((object) => object.kind === kind && object.metadata?.name === name);
  if (found.length !== 1) throw new Error(`the chart has ${found.length} of ${kind} ${name}`);
  return found[0]!;
};
