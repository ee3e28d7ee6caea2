/** Filters of the outputs: each waits at a gate of its own, and has its turn between the algorithm's end and the first upload. */

import { mkdir } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { FilterEnd } from '../gateway/protocol.ts';
import { followAlgorithm, type FollowedAlgorithm } from './algorithm.ts';
import { judgeFilter } from './filterVerdict.ts';
import { abandonAlgorithm, openPipes, type Pipes } from './pipes.ts';
import { openState, type FilteredOutputs, type StateFile } from './state.ts';

/** A filter of this pod. */
export interface FilterPlace {
  /** whose it is */
  readonly by: string;
  /** as it was asked of the runtime */
  readonly image: string;
  /** how long it may take */
  readonly seconds: number;
}

/** A filter that waits, or has had its turn in an earlier life of this agent. */
export interface OpenFilter extends FilterPlace {
  readonly pipes: Pipes;
  readonly stateFile: StateFile;
  readonly followed: FollowedAlgorithm;
  /** the last of what it wrote, once it has written everything */
  readonly log: Promise<Buffer>;
}

const folderOf = (filtersFolder: string, n: number): string => `${filtersFolder}/${n}`;

/** So much of a filter's output is kept for the operator. */
const keptLogBytes = 4_096;

/**
 * Lets the wrappers of all filters in.
 * @param wereThere all of them waited already in an earlier life of this agent: who is not there now will not come
 */
export const openFilters = (places: readonly FilterPlace[], filtersFolder: string, wereThere: boolean): Promise<readonly OpenFilter[]> =>
  Promise.all(
    places.map(async (place, n) => {
      const folder = folderOf(filtersFolder, n);
      // on a cluster the hook that brings the busybox may come later
      await mkdir(folder, { recursive: true });
      const stateFile = openState(`${folder}/agent-state.json`);
      const pipes = await openPipes(folder);
      const isGone = wereThere && !pipes.wrapperIsThere;
      const followed = isGone && !stateFile.state.released ? goneBefore : followAlgorithm(pipes, stateFile, () => false);
      return { ...place, pipes, stateFile, followed, log: isGone ? Promise.resolve(Buffer.alloc(0)) : readTail(pipes.log) };
    }),
  );

const goneBefore: FollowedAlgorithm = {
  arrived: Promise.resolve(),
  began: Promise.resolve({ kind: 'gone' }),
  ended: Promise.resolve('unknown'),
};

/** For an agent that does not come back: no filter is to hold up the end of its pod. */
export const abandonFilters = (places: readonly FilterPlace[], filtersFolder: string): void =>
  places.forEach((_place, n) => abandonAlgorithm(folderOf(filtersFolder, n)));

const readTail = async (pipe: Readable): Promise<Buffer> => {
  let tail = Buffer.alloc(0);
  pipe.on('data', (chunk: Buffer) => (tail = Buffer.concat([tail, chunk]).subarray(-keptLogBytes)));
  pipe.on('error', () => pipe.destroy());
  await new Promise((resolve) => pipe.once('close', resolve));
  return tail;
};

/** Why a pod whose filters have not all arrived will not have them. */
export interface Absence {
  readonly type: 'PodUnsealed' | 'FilterFailed';
  readonly message: string;
}

/** Waits for the wrappers of all filters: no algorithm runs whose outputs could not be judged. @returns undefined once all are there */
export const awaitFilters = async (filters: readonly OpenFilter[]): Promise<Absence | undefined> => {
  const absences = filters.map(async ({ by, followed }): Promise<Absence | undefined> => {
    const first = await Promise.race([followed.began, followed.arrived.then(() => undefined)]);
    if (first === undefined) return undefined;
    return first.kind === 'unsealed'
      ? { type: 'PodUnsealed', message: `the filter of ${by} is not sealed (${first.why}), so the algorithm was not started` }
      : { type: 'FilterFailed', message: `the filter of ${by} ended before its turn, so the algorithm was not started` };
  });
  return (await Promise.all(absences)).find((absence) => absence !== undefined);
};

/**
 * Has one filter after another look at the outputs, until one of them does not let them go. Each runs once, however often
 * the agent is restarted meanwhile.
 */
export const runFilters = async (filters: readonly OpenFilter[]): Promise<FilteredOutputs> => {
  const ends: FilterEnd[] = [];
  for (const filter of filters) {
    const { end, withheld } = await runFilter(filter);
    ends.push(end);
    if (withheld !== undefined) return { ends, withheld };
  }
  return { ends };
};

const runFilter = async (filter: OpenFilter): Promise<{ readonly end: FilterEnd; readonly withheld?: FilteredOutputs['withheld'] }> => {
  const { by, image, seconds, pipes, stateFile, followed } = filter;
  const { state } = stateFile;
  const isFirst = !state.released;
  if (isFirst) {
    state.released = true;
    state.releasedAtMs = Date.now();
    stateFile.save();
  }
  // what an earlier life of this agent wrote may have been lost with it
  if (isFirst || (pipes.wrapperIsThere && state.startedAtMs === null)) pipes.openGate(state.nonce);
  const lateAtMs = (state.releasedAtMs ?? Date.now()) + seconds * 1_000;
  const timer = setTimeout(() => pipes.killAlgorithm(), Math.max(0, lateAtMs - Date.now()));
  const exit = await followed.ended;
  clearTimeout(timer);
  const withheld = judgeFilter(filter, exit, (state.lastWord?.atMs ?? Date.now()) >= lateAtMs);
  const log = (await filter.log).toString('base64');
  return {
    end: { by, image, exitCode: exit === 'unknown' ? null : exit.exitCode, log },
    ...(withheld !== undefined && { withheld }),
  };
};
