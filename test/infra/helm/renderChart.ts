/** The chart's objects, as Helm renders them for a set of values. */

import path from 'node:path';
import { loadAllYaml, type KubernetesObject } from '@kubernetes/client-node';
import { ensureHelm } from '../../../infra/toolchain/cluster/helm.ts';
import { runProgram } from '../../../infra/toolchain/run.ts';

const chart = path.resolve(import.meta.dirname, '../../../infra/helm/durable-c2d');

/** Any object of the chart; tests know what they look for. */
export type Rendered = KubernetesObject & Readonly<Record<string, any>>; // eslint-disable-line @typescript-eslint/no-explicit-any

const rendered = new Map<string, Promise<readonly Rendered[]>>();

/** @param files in the chart's `ci` folder, in order; each set is rendered once, so change nothing in what you get */
export const renderChart = (...files: readonly string[]): Promise<readonly Rendered[]> => {
  const key = files.join();
  const earlier = rendered.get(key);
  if (earlier !== undefined) return earlier;
  const objects = render(files);
  rendered.set(key, objects);
  return objects;
};

const render = async (files: readonly string[]): Promise<readonly Rendered[]> => {
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
