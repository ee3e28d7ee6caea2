/** Results in IPFS: pinned on the operator's nodes, with a CID for each file and one for all of a job. */

import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { JobFailure } from '../../workflows/contract/failures.ts';
import type { IpfsStoreConfig } from './config.ts';
import { createIpfsNode, type Exclusively, type IpfsEntry, type IpfsNode } from './ipfsNode.ts';
import { createTurns } from './inTurn.ts';
import { attemptsOf, filePaths, jobPath, pathsOf, type AttemptPaths, type PartName } from './ipfsPaths.ts';
import { replicate, sealOn } from './ipfsSeal.ts';
import { storageUnavailable } from './localFailure.ts';
import type { ContentIds, ResultStore, StoredFile, StoredFileRef } from './resultStore.ts';

/** What an IPFS store is made of; `copies` absent: on all nodes. */
export type IpfsStoreOptions = Pick<IpfsStoreConfig, 'nodes' | 'copies' | 'folder' | 'collectGarbage'>;

interface Deps {
  readonly nodes: readonly IpfsNode[];
  readonly options: IpfsStoreOptions;
  readonly folders: Folders;
}

/** Makes the folders of an attempt, once as far as this process knows. */
interface Folders {
  make(node: IpfsNode, paths: AttemptPaths): Promise<void>;
  /** so that all are made again when they are needed next */
  forget(): void;
}

const rememberedFolders = 1_000;

const createFolders = (): Folders => {
  const made = new Map<IpfsNode, Set<string>>();
  return {
    async make(node, { attempt, parts, files }) {
      const known = made.get(node) ?? new Set();
      if (known.has(attempt)) return;
      await node.makeFolder(parts);
      await node.makeFolder(files);
      if (known.size >= rememberedFolders) known.clear();
      made.set(node, known.add(attempt));
    },
    forget: () => made.clear(),
  };
};

/**
 * A store on one or more nodes. Parts are gathered in the file system of the first node that answers; a complete file
 * is laid out as `ipfs add --cid-version=1` does it; `seal` makes the job's directory, pins it and copies it to the
 * other nodes. Whoever learns a CID can read the content wherever a node of the store is connected to.
 */
export const ipfsStore = (options: IpfsStoreOptions, exclusively: Exclusively): ResultStore & Required<Pick<ResultStore, 'seal'>> => {
  // first in turn here, so that this process asks for one lock at a time
  const turns = createTurns();
  const inTurn: Exclusively = (name, work) => turns(name, () => exclusively(name, work));
  const deps: Deps = { nodes: options.nodes.map((address) => createIpfsNode(address, inTurn)), options, folders: createFolders() };
  const completing = shareRunning<void>();
  const sealing = shareRunning<ContentIds>();
  return {
    putPart: (file, part, bytes) => writePart(deps, file, part, bytes),
    complete: (file, expected) =>
      completing(`${filePaths(options.folder, file).whole} ${expected.sha256}`, () => completeFile(deps, file, expected)),
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

/** Nodes that answered last time first. */
const inOrder = (nodes: readonly IpfsNode[]): readonly IpfsNode[] => [
  ...nodes.filter((node) => !node.isAway()),
  ...nodes.filter((node) => node.isAway()),
];

const preferred = (nodes: readonly IpfsNode[]): IpfsNode => {
  const [first] = inOrder(nodes);
  if (first === undefined) throw new JobFailure('StorageRefused', 'the result store has no node: name one in its configuration');
  return first;
};

const writePart = async (
  { nodes, options, folders }: Deps,
  file: StoredFileRef,
  part: Parameters<ResultStore['putPart']>[1],
  bytes: Readable,
): Promise<void> => {
  // the upload may be cut before anybody iterates over it
  bytes.once('error', () => undefined);
  const paths = filePaths(options.folder, file);
  const node = preferred(nodes);
  await folders.make(node, paths);
  await node.add(paths.part(part.k, part.sha256), verified(bytes, part.sha256));
};

/** Keeps the last chunk back until the digest is known: what does not have it never becomes a whole part. */
const verified = async function* (bytes: Readable, sha256: string): AsyncIterable<Uint8Array> {
  const hash = createHash('sha256');
  let last: Buffer | undefined;
  try {
    for await (const chunk of bytes as AsyncIterable<Buffer>) {
      hash.update(chunk);
      if (last !== undefined) yield last;
      last = chunk;
    }
  } catch {
    throw storageUnavailable('the upload of a part was cut', 1);
  }
  if (hash.digest('hex') !== sha256) throw storageUnavailable('a part did not arrive as it was sent', 1);
  if (last !== undefined) yield last;
};

/** A file of one part is that part. Any other is read back from the nodes on its way into its final shape, and verified as it passes. */
const completeFile = async (deps: Deps, file: StoredFileRef, expected: StoredFile): Promise<void> => {
  const paths = filePaths(deps.options.folder, file);
  const node = preferred(deps.nodes);
  await deps.folders.make(node, paths);
  if (expected.parts === 1 && (await nameOnlyPart(node, file, expected, deps.options.folder))) return;
  const parts = await findParts(deps, file, expected);
  if (parts.length < expected.parts) {
    // a lost answer: the file may be complete already, and a late repetition may have begun it anew
    if (await isStoredAs(deps, file, expected)) return removeParts(parts);
    // a folder that somebody removed is made again for the next try
    deps.folders.forget();
    throw storageUnavailable('a file was completed before its parts arrived', 1);
  }
  const unverified = `${paths.whole}.${randomBytes(8).toString('hex')}`;
  const seen = { sizeBytes: 0, hash: createHash('sha256') };
  await node.add(unverified, counting(bytesOf(parts), seen));
  if (seen.sizeBytes !== expected.sizeBytes || seen.hash.digest('hex') !== expected.sha256) {
    await Promise.all([node.remove(unverified), removeParts(parts)]);
    throw storageUnavailable('a file did not arrive as it was sent', 1);
  }
  await place(node, unverified, paths.whole);
  await removeParts(parts);
};

/** @returns false if the part is not there, or is not what the file is to be */
const nameOnlyPart = async (node: IpfsNode, file: StoredFileRef, { sha256, sizeBytes }: StoredFile, folder: string): Promise<boolean> => {
  const paths = filePaths(folder, file);
  const part = paths.part(0, sha256);
  if ((await node.stat(part))?.sizeBytes !== sizeBytes) return false;
  await place(node, part, paths.whole);
  return true;
};

const place = async (node: IpfsNode, from: string, to: string): Promise<void> => {
  await node.remove(to);
  await node.move(from, to);
};

interface FoundPart extends PartName {
  readonly node: IpfsNode;
}

/** In order, each once, on whatever node it is; of parts that were sent differently those that the file is to have, if that is known. */
const findParts = async ({ nodes, options }: Deps, file: StoredFileRef, { partDigests }: StoredFile): Promise<readonly FoundPart[]> => {
  const paths = filePaths(options.folder, file);
  const lists = await Promise.all(
    nodes.map(async (node) => {
      const entries = await node.list(paths.parts).catch((): readonly IpfsEntry[] => []);
      return paths.partsAmong(entries.map(({ name }) => name)).map((part) => ({ ...part, node }));
    }),
  );
  const parts = lists.flat().filter(({ k, name }) => partDigests === undefined || name === paths.part(k, partDigests[k] ?? ''));
  return [...new Map(parts.map((part) => [part.k, part])).values()].toSorted((one, other) => one.k - other.k);
};

const bytesOf = async function* (parts: readonly FoundPart[]): AsyncIterable<Uint8Array> {
  for (const { node, name } of parts) yield* (await node.read(name)) ?? [];
};

const removeParts = async (parts: readonly FoundPart[]): Promise<void> => {
  for (const { node, name } of parts) await node.remove(name);
};

const counting = async function* (
  bytes: AsyncIterable<Uint8Array>,
  seen: { sizeBytes: number; readonly hash: ReturnType<typeof createHash> },
): AsyncIterable<Uint8Array> {
  for await (const chunk of bytes) {
    seen.hash.update(chunk);
    seen.sizeBytes += chunk.length;
    yield chunk;
  }
};

const isStoredAs = async ({ nodes, options }: Deps, file: StoredFileRef, expected: StoredFile): Promise<boolean> => {
  // a node that does not answer keeps nobody from completing the file on another one
  const bytes = await readAnywhere(nodes, filePaths(options.folder, file).finished).catch(() => undefined);
  if (bytes === undefined) return false;
  const seen = { sizeBytes: 0, hash: createHash('sha256') };
  for await (const _ of counting(bytes, seen));
  return seen.sizeBytes === expected.sizeBytes && seen.hash.digest('hex') === expected.sha256;
};

/**
 * From the first node that has one of the paths.
 * @returns undefined if none has; throws if one of them cannot tell
 */
const readAnywhere = async (
  nodes: readonly IpfsNode[],
  paths: readonly string[],
  window?: { readonly offset: number; readonly length: number },
): Promise<AsyncIterable<Uint8Array> | undefined> => {
  let silence: Error | undefined;
  for (const node of inOrder(nodes)) {
    try {
      for (const path of paths) {
        const bytes = await node.read(path, window);
        if (bytes !== undefined) return bytes;
      }
    } catch (err) {
      silence ??= err as Error;
    }
  }
  if (silence !== undefined) throw silence;
  return undefined;
};

const readStored = async (
  { nodes, options }: Deps,
  file: StoredFileRef,
  range: { readonly start: number; readonly end: number } | undefined,
): Promise<AsyncIterable<Uint8Array>> => {
  const window = range === undefined ? undefined : { offset: range.start, length: range.end - range.start + 1 };
  const bytes = await readAnywhere(nodes, filePaths(options.folder, file).finished, window);
  if (bytes === undefined) throw new JobFailure('StorageRefused', 'the file is not in the result store');
  return bytes;
};

const sealAttempt = async (
  { nodes, options }: Deps,
  attempt: Parameters<ResultStore['remove']>[0] & { readonly podAttempt: number },
  files: readonly { readonly n: number; readonly filename: string }[],
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

const removeStored = async ({ nodes, options, folders }: Deps, job: Parameters<ResultStore['remove']>[0]): Promise<void> => {
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

const checkNodes = async ({ nodes, options }: Deps): Promise<void> => {
  const answers = await Promise.allSettled(nodes.map((node) => node.check()));
  const failed = answers.find(({ status }) => status === 'rejected');
  const up = answers.filter(({ status }) => status === 'fulfilled').length;
  if (up < wantedCopies(options) && failed?.status === 'rejected') throw failed.reason;
};
