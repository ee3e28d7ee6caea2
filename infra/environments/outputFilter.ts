/** Filters of outputs as operators configure them, and which of them a job's pod has. */

import { z } from 'zod';
import type { PodFilter } from '../../workflows/contract/pod.ts';

const gibibyte = 1024 ** 3;
const day = 86_400;

const variableName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'is no name of a variable');

/** A container that sees the outputs of each job before they leave. Amounts as of an environment: cores, GiB, seconds. */
export const outputFilter = z.strictObject({
  /** as the runtime takes it: `name@sha256:…`, `name:tag` */
  image: z.string().min(1),
  /** argv; a cluster cannot be asked for the image's own */
  command: z.array(z.string()).min(1),
  env: z.record(variableName, z.string()).default({}),
  /** how long it may take for the outputs of one job */
  seconds: z.number().int().positive().max(day).default(600),
  cpu: z.number().positive().default(1),
  ram: z.number().positive().default(0.25),
});

interface FilteringEnvironment {
  readonly id: string;
  readonly filter?: z.output<typeof outputFilter> | undefined;
  readonly limits: { readonly publishSeconds: number };
}

/** The filters of a pod in an environment, in the order in which they run. */
export const podFiltersOf = ({ id, filter }: FilteringEnvironment): readonly PodFilter[] => {
  if (filter === undefined) return [];
  const { ram, ...rest } = filter;
  // the operator has the inputs anyhow
  return [{ ...rest, by: `environment ${id}`, memoryBytes: Math.round(ram * gibibyte), seesInputs: true }];
};

/** How long publishing may take: what filters need comes before the first byte leaves. */
export const publishSecondsOf = ({ filter, limits }: FilteringEnvironment): number => limits.publishSeconds + (filter?.seconds ?? 0);
