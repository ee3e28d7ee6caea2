/** Filters of outputs as operators configure them, and which of them a job's pod has. */

import { z } from 'zod';
import { JobFailure } from '../../workflows/contract/failures.ts';
import type { OwnerFilter } from '../../workflows/contract/outputPolicy.ts';
import { maxFilters, type PodFilter } from '../../workflows/contract/pod.ts';

const gibibyte = 1024 ** 3;
const day = 86_400;

const variableName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'is no name of a variable');

/** A container that sees the outputs of each job before they leave. Amounts as of an environment: cores, GiB, seconds. */
export const outputFilter = z.strictObject({
  /** as the runtime takes it: `name@sha256:…`, `name:tag` */
  image: z.string().min(1).max(500),
  /** argv; a cluster cannot be asked for the image's own */
  command: z.array(z.string()).min(1),
  env: z.record(variableName, z.string()).default({}),
  /** how long it may take for the outputs of one job */
  seconds: z.number().int().positive().max(day).default(600),
  cpu: z.number().positive().default(1),
  ram: z.number().positive().default(0.25),
});

/** What a publisher's filter may take of an environment. */
export const ownerFilterOffer = z.strictObject({
  /** for all of them together, in one job */
  seconds: z.number().int().positive().max(day).default(600),
  cpu: z.number().positive().default(1),
  ram: z.number().positive().default(0.25),
});

/** A filter as a publisher declares it in a DDO. */
export const ownerFilter = z.strictObject({
  image: z
    .string()
    .max(500)
    .regex(/^[^\s@]+@sha256:[0-9a-f]{64}$/, 'is no image with its digest: name@sha256:…'),
  command: z.array(z.string().max(10_000)).min(1).max(100),
  seconds: z.number().int().positive().max(day).default(60),
}) satisfies z.ZodType<OwnerFilter>;

/** A publisher's filter, and the DID of its dataset. */
export interface WantedFilter {
  readonly by: string;
  readonly filter: OwnerFilter;
}

interface FilteringEnvironment {
  readonly id: string;
  readonly filter?: z.output<typeof outputFilter> | undefined;
  readonly ownerFilters?: z.output<typeof ownerFilterOffer> | undefined;
  readonly limits: { readonly publishSeconds: number };
}

/** @throws JobFailure AssetNotConsumable when the filters of a job's datasets cannot run in the environment: then no job on them may */
export const requireRoomForFilters = (wanted: readonly WantedFilter[], { id, ownerFilters }: FilteringEnvironment): void => {
  const [first] = wanted;
  if (first === undefined) return;
  const refuse = (why: string): never => {
    throw new JobFailure(
      'AssetNotConsumable',
      `The publisher of ${first.by} wants outputs filtered, and ${why}; choose another environment`,
    );
  };
  if (ownerFilters === undefined) refuse(`environment ${id} runs no filters of publishers`);
  const seconds = wanted.reduce((sum, { filter }) => sum + filter.seconds, 0);
  const most = ownerFilters?.seconds ?? 0;
  if (seconds > most) refuse(`the filters of this job may take ${seconds} s, environment ${id} gives them ${most} s`);
  // one place is the operator's
  if (wanted.length >= maxFilters) refuse(`environment ${id} runs ${maxFilters - 1} filters in one job, not ${wanted.length}`);
};

/**
 * The filters of a pod in an environment, in the order in which they run: the operator has the last word.
 * @throws JobFailure AssetNotConsumable for an environment that ran filters of publishers when the job was accepted
 */
export const podFiltersOf = (environment: FilteringEnvironment, wanted: readonly WantedFilter[]): readonly PodFilter[] => {
  requireRoomForFilters(wanted, environment);
  const { id, filter: own, ownerFilters = ownerFilterOffer.parse({}) } = environment;
  const sized = ({ cpu, ram }: { readonly cpu: number; readonly ram: number }) => ({ cpu, memoryBytes: Math.round(ram * gibibyte) });
  // a publisher is not to be handed the data of another; the operator has it anyhow
  const others = wanted.map(({ by, filter }) => ({ ...filter, by, env: {}, ...sized(ownerFilters), seesInputs: false }));
  if (own === undefined) return others;
  const { image, command, env, seconds } = own;
  return [...others, { by: `environment ${id}`, image, command, env, seconds, ...sized(own), seesInputs: true }];
};

/** How long publishing may take: what filters need comes before the first byte leaves. */
export const publishSecondsOf = ({ filter, ownerFilters, limits }: FilteringEnvironment): number =>
  limits.publishSeconds + (filter?.seconds ?? 0) + (ownerFilters?.seconds ?? 0);
