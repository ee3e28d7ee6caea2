/** Results in IPFS: pinned on the operator's nodes, with a CID for each file and one for all of a job. */

import { Readable } from 'node:stream';
import { createTurns } from './inTurn.ts';
import { createIpfsNode, type Exclusively, type IpfsNode } from './ipfsNode.ts';
import { createFolders, preferred, type IpfsDeps, type IpfsStoreOptions } from './ipfsNodes.ts';
import { attemptsOf, filePaths, jobPath, pathsOf, type AttemptPaths } from './ipfsPaths.ts';
import { readStored } from './ipfsRead.ts';
import { replicate, sealOn } from './ipfsSeal.ts';
import { completeFile, writePart, writeWhole } from './ipfsUpload.ts';
import type { ContentIds, ResultStore, SealedFile } from './resultStore.ts';

/**
 * A store on one or more nodes. Parts are gathered in the file system of the first node that answers; a complete file
 * is laid out as `ipfs add --cid-version=1` does it; `seal` makes the job's directory, pins it and copies it to the
 * other nodes. Whoever learns a CID can read the content wherever a node of the store is connected to.
 */
export const ipfsStore = (
  options: IpfsStoreOptions,
  exclusively: Exclusively,
): ResultStore & Required<Pick<ResultStore, 'seal' | 'putWhole'>> => {
  // first in turn here, so that this process asks for one lock at a time
  const turns = createTurns();
  const inTurn: Exclusively = (name, work) => turns(name, () => exclusively(name, work));
  const nodeDeps = { exclusively: inTurn, idleMs: options.idleSeconds * 1_000 };
  const deps: IpfsDeps = { nodes: options.nodes.map((address) => createIpfsNode(address, nodeDeps)), options, folders: createFolders() };
  const completing = shareRunning<void>();
  const sealing = shareRunning<ContentIds>();
  return {
    putPart: (file, part, bytes) => writePart(deps, file, part, bytes),
    complete: (file, expected) =>
      completing(`${filePaths(options.folder, file).whole} ${expected.sha256}`, () => completeFile(deps, file, expected)),
    putWhole: (file, whole, bytes) => writeWhole(deps, file, whole, bytes),
    read: async (file, range) => Readable.from(await readStored(deps, file, range), { objectMode: false }),
    seal: (attempt, files) => sealing(pathsOf(options.folder, attempt).attempt, () => sealAttempt(deps, attempt, files)),
    remove: (job) => removeStored(deps, job),
    check: () => checkNodes(deps),
  };
};

/** Callers who ask for the same while it is under way get the one answer: a client gives up and asks again sooner than a large file is read. */
const shareRunning = <T>(): ((key: string, work: () => Promise<T>) => Promise<T>) => {
  const running = new Map<string, Promise<T>>();
  return (key, work) => {
    const current = running.get(key);
    if (current !== undefined) return current;
    const started = work().finally(() => running.delete(key));
    running.set(key, started);
    return started;
  };
};

const sealAttempt = async (
  { nodes, options }: IpfsDeps,
  attempt: Parameters<ResultStore['remove']>[0] & { readonly podAttempt: number },
  files: readonly SealedFile[],
): Promise<ContentIds> => {
  const paths = pathsOf(options.folder, attempt);
  const first = preferred(nodes);
  const sealed = await sealOn(first, nodes, paths, files);
  const others = nodes.filter((node) => node !== first);
  const copied = await Promise.allSettled(others.map((node) => replicate(first, node, paths, sealed.root)));
  const failed = copied.find(({ status }) => status === 'rejected');
  const copies = 1 + copied.filter(({ status }) => status === 'fulfilled').length;
  if (copies < wantedCopies(options) && failed?.status === 'rejected') throw failed.reason;
  return sealed;
};

const removeStored = async ({ nodes, options, folders }: IpfsDeps, job: Parameters<ResultStore['remove']>[0]): Promise<void> => {
  folders.forget();
  const removals = await Promise.allSettled(nodes.map((node) => removeFrom(node, options.folder, job)));
  for (const removal of removals) if (removal.status === 'rejected') throw removal.reason;
  if (!options.collectGarbage) return;
  // nobody waits for it, and a node that fails here does so the next time or collects by itself
  for (const node of nodes) node.collectGarbage().catch(() => undefined);
};

const removeFrom = async (node: IpfsNode, folder: string, job: Parameters<ResultStore['remove']>[0]): Promise<void> => {
  const attempts: readonly AttemptPaths[] = await attemptsOf(node, folder, job);
  for (const { sealed, attempt } of attempts) {
    const found = await node.stat(sealed);
    if (found !== null) await node.unpin(found.cid);
    await node.remove(attempt);
  }
  if (job.podAttempt === undefined) await node.remove(jobPath(folder, job.jobId));
};

const wantedCopies = ({ copies, nodes }: IpfsStoreOptions): number => copies ?? nodes.length;

const checkNodes = async ({ nodes, options }: IpfsDeps): Promise<void> => {
  const answers = await Promise.allSettled(nodes.map((node) => node.check()));
  const failed = answers.find(({ status }) => status === 'rejected');
  const up = answers.filter(({ status }) => status === 'fulfilled').length;
  if (up < wantedCopies(options) && failed?.status === 'rejected') throw failed.reason;
};
