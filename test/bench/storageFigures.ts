/** What `npm run bench:storage` prints: figures of loads, and which goals they meet. */

import { renderTable, round } from './figures.ts';
import type { Load } from './outputLoad.ts';

const mebibyte = 1024 ** 2;
const goals = { ratio: 0.9, filesPerSecond: 300, agentMib: 100, gatewayGrowthMib: 100 } as const;

/** Kinds of store that plain clients can use too. */
export type MeasuredStore = 'bucket' | 'ipfs';

/** One load in one kind of store, measured; times in milliseconds, memory in bytes. */
export interface Measured extends Load {
  readonly store: MeasuredStore;
  readonly publish: number;
  readonly plain: number;
  readonly gatewayMemory: number | null;
  readonly agentMemory: number | null;
}

/** By kind of store; two sizes of one file show whether memory depends on it. */
export interface Loads<Of> {
  readonly bucket: { readonly small: Of; readonly quarter: Of; readonly large: Of };
  readonly ipfs: { readonly small: Of; readonly quarter: Of };
}

const perSecond = (amount: number, milliseconds: number): number => round(amount / (milliseconds / 1_000));

/** Milliseconds as seconds, with one decimal. */
export const inSeconds = (milliseconds: number): number => round(milliseconds / 1_000, 1);

/** Names one load in one kind of store. */
export const labelOf = ({ store, files, bytes }: Pick<Measured, 'store' | 'files' | 'bytes'>): string =>
  `${store} ${files} × ${round(bytes / 1024)} KiB`;

const inMebibytes = (bytes: number | null): number | null => (bytes === null ? null : round(bytes / mebibyte));

/** @param gatewayRest resident memory of the gateway before the first job, in bytes */
export const figuresOf = ({ store, files, bytes, publish, plain, gatewayMemory, agentMemory }: Measured, gatewayRest: number | null) => ({
  ...{ store, files, bytes },
  filesPerSecond: perSecond(files, publish),
  plainFilesPerSecond: perSecond(files, plain),
  mibPerSecond: perSecond((files * bytes) / mebibyte, publish),
  plainMibPerSecond: perSecond((files * bytes) / mebibyte, plain),
  ratio: round(plain / publish, 2),
  gatewayMib: inMebibytes(gatewayMemory),
  gatewayGrowthMib: gatewayMemory === null || gatewayRest === null ? null : inMebibytes(gatewayMemory - gatewayRest),
  agentMib: inMebibytes(agentMemory),
});

export type Figures = ReturnType<typeof figuresOf>;

/** A table with a column for each load. */
export const renderFigures = (loads: readonly Figures[]): string =>
  renderTable(
    ['', ...loads.map(labelOf)],
    [
      ['job, MiB/s', ...loads.map(({ mibPerSecond }) => mibPerSecond)],
      ['plain client, MiB/s', ...loads.map(({ plainMibPerSecond }) => plainMibPerSecond)],
      ['job, files/s', ...loads.map(({ filesPerSecond }) => filesPerSecond)],
      ['plain client, files/s', ...loads.map(({ plainFilesPerSecond }) => plainFilesPerSecond)],
      ['ratio', ...loads.map(({ ratio }) => ratio)],
      ['gateway, MiB resident', ...loads.map(({ gatewayMib }) => gatewayMib ?? 'unknown')],
      ['gateway, MiB above its rest', ...loads.map(({ gatewayGrowthMib }) => gatewayGrowthMib ?? 'unknown')],
      ['agent, MiB resident', ...loads.map(({ agentMib }) => agentMib ?? 'unknown')],
    ],
  );

/** Unknown where the process is not on this machine. */
const isAtMost = (mebibytes: number | null, goal: number): boolean => mebibytes === null || mebibytes <= goal;

/** The goals, and whether all loads meet them. */
export const judge = ({ bucket, ipfs }: Loads<Figures>) => {
  const all = [...Object.values(bucket), ...Object.values(ipfs)];
  return {
    ratio: { goal: goals.ratio, met: bucket.large.ratio >= goals.ratio },
    filesPerSecond: { goal: goals.filesPerSecond, met: bucket.small.filesPerSecond >= goals.filesPerSecond },
    agentMib: { goal: goals.agentMib, met: all.every(({ agentMib }) => isAtMost(agentMib, goals.agentMib)) },
    gatewayGrowthMib: {
      goal: goals.gatewayGrowthMib,
      met: all.every(({ gatewayGrowthMib }) => isAtMost(gatewayGrowthMib, goals.gatewayGrowthMib)),
    },
  };
};
