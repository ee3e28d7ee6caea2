/** Takes parts and whole files into a node, and makes verified files of parts. */

import { createHash, randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { IpfsEntry, IpfsNode } from './ipfsNode.ts';
import { preferred, type IpfsDeps } from './ipfsNodes.ts';
import { filePaths, type AttemptPaths, type PartName } from './ipfsPaths.ts';
import { readAnywhere } from './ipfsRead.ts';
import { storageUnavailable } from './localFailure.ts';
import type { StoredFile, StoredFileRef, StoredPart, WholeFile } from './resultStore.ts';

/** Only verified bytes become a part. */
export const writePart = async (deps: IpfsDeps, file: StoredFileRef, { k, sha256 }: StoredPart, bytes: Readable): Promise<void> => {
  const paths = filePaths(deps.options.folder, file);
  await write(deps, { paths, path: paths.part(k, sha256), sha256 }, bytes);
};

/** Under its final name at once: only verified bytes become a file. */
export const writeWhole = async (deps: IpfsDeps, file: StoredFileRef, { sha256 }: WholeFile, bytes: Readable): Promise<void> => {
  const paths = filePaths(deps.options.folder, file);
  await write(deps, { paths, path: paths.whole, sha256 }, bytes);
};

interface Writing {
  readonly paths: AttemptPaths;
  readonly path: string;
  readonly sha256: string;
}

const write = async ({ nodes, folders }: IpfsDeps, { paths, path, sha256 }: Writing, bytes: Readable): Promise<void> => {
  // the upload may be cut before anybody iterates over it
  bytes.once('error', () => undefined);
  const node = preferred(nodes);
  await folders.make(node, paths);
  await node.add(path, verified(bytes, sha256));
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
export const completeFile = async (deps: IpfsDeps, file: StoredFileRef, expected: StoredFile): Promise<void> => {
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
const findParts = async ({ nodes, options }: IpfsDeps, file: StoredFileRef, { partDigests }: StoredFile): Promise<readonly FoundPart[]> => {
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

const isStoredAs = async ({ nodes, options }: IpfsDeps, file: StoredFileRef, expected: StoredFile): Promise<boolean> => {
  // a node that does not answer keeps nobody from completing the file on another one
  const bytes = await readAnywhere(nodes, filePaths(options.folder, file).finished).catch(() => undefined);
  if (bytes === undefined) return false;
  const seen = { sizeBytes: 0, hash: createHash('sha256') };
  for await (const _ of counting(bytes, seen));
  return seen.sizeBytes === expected.sizeBytes && seen.hash.digest('hex') === expected.sha256;
};
