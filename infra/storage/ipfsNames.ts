/** Names in the file system of a node: of those that are given at the same time, many in one turn and with one write of its root. */

import type { KuboRPCClient } from 'kubo-rpc-client';

/** Gives content that the node has a name in a folder that is there; another one of that name goes. Noted when it resolves. */
export type NameContent = (cid: string, path: string) => Promise<void>;

interface Naming {
  readonly cid: string;
  readonly path: string;
  readonly settled: PromiseWithResolvers<void>;
}

/** below the 256 changes after which Kubo wants its file system flushed */
const mostAtOnce = 100;
const shortMs = 30_000;

const shortly = () => ({ signal: AbortSignal.timeout(shortMs) });

/** @param inTurn runs a change of the node's file system while there is no other */
export const createNaming = (client: KuboRPCClient, inTurn: <T>(work: () => Promise<T>) => Promise<T>): NameContent => {
  let waiting: Naming[] = [];
  const takeTurn = (): void => {
    let taken: readonly Naming[] = [];
    const turn = inTurn(async () => {
      [taken, waiting] = [waiting.slice(0, mostAtOnce), waiting.slice(mostAtOnce)];
      if (waiting.length > 0) takeTurn();
      await nameAll(client, taken);
    });
    turn.catch((err: unknown) => {
      // a turn that never came leaves those who waited for it to whoever asks next: they are told as well
      if (taken.length === 0) [taken, waiting] = [waiting, []];
      for (const { settled } of taken) settled.reject(err instanceof Error ? err : new Error(String(err)));
    });
  };
  return (cid, path) => {
    const settled = Promise.withResolvers<void>();
    waiting.push({ cid, path, settled });
    if (waiting.length === 1) takeTurn();
    return settled.promise;
  };
};

/** Each fails for itself; what keeps the root from being written fails all. */
const nameAll = async (client: KuboRPCClient, namings: readonly Naming[]): Promise<void> => {
  const outcomes: PromiseSettledResult<void>[] = [];
  // of changes at once some are lost
  for (const naming of namings) outcomes.push(...(await Promise.allSettled([nameFile(client, naming)])));
  await client.files.flush('/', shortly());
  namings.forEach(({ settled }, index) => {
    const outcome = outcomes[index];
    if (outcome?.status === 'rejected') settled.reject(outcome.reason);
    else settled.resolve();
  });
};

const nameFile = async (client: KuboRPCClient, { cid, path }: Naming): Promise<void> => {
  const name = (): Promise<void> => client.files.cp(`/ipfs/${cid}`, path, { flush: false, ...shortly() });
  try {
    await name();
  } catch (err) {
    if (!isTaken(err)) throw err;
    if ((await client.files.stat(path, shortly())).cid.toString() === cid) return;
    await client.files.rm(path, shortly());
    await name();
  }
};

const isTaken = (err: unknown): boolean => err instanceof Error && err.message.includes('already has entry');
