/** Makes one pinned directory of a job's files, and copies it to other nodes. */

import { createHash } from 'node:crypto';
import type { IpfsEntry, IpfsNode } from './ipfsNode.ts';
import type { AttemptPaths } from './ipfsPaths.ts';
import { storageUnavailable } from './localFailure.ts';
import type { ContentIds, SealedFile } from './resultStore.ts';

/** A name in the directory, and which file it is. */
type NamedFile = Pick<SealedFile, 'n' | 'filename'>;

/** Bytes that every file system takes for a name. */
const longestName = 255;

/** Unique names that can be entries of a directory: a second one, and one that is too long, begins with the file's number. */
export const entryNames = (files: readonly NamedFile[]): readonly NamedFile[] => {
  const taken = new Set<string>();
  return files.map(({ n, filename }) => {
    const isGood = Buffer.byteLength(filename) <= longestName && filename !== '.' && filename !== '..' && !taken.has(filename);
    const name = isGood ? filename : `${n}-${cutName(filename)}`;
    taken.add(name);
    return { n, filename: name };
  });
};

/** Its end, because that has the suffix. */
const cutName = (name: string): string => Buffer.from(name).subarray(-200).toString().replaceAll('\uFFFD', '');

/** The job's content on one node. */
export interface SealedContent extends ContentIds {
  /** of what is pinned */
  readonly root: string;
}

/**
 * After the call the directory is there and pinned on `node`. Files that only another node has are copied from it.
 * Safe to repeat: the same files make the same CIDs.
 */
export const sealOn = async (
  node: IpfsNode,
  nodes: readonly IpfsNode[],
  paths: AttemptPaths,
  files: readonly SealedFile[],
): Promise<SealedContent> => {
  const cids = await gather(node, nodes, paths, files);
  const sealed = (await readSealed(node, paths, cids)) ?? (await build(node, paths, { cids, files }));
  await node.pin(sealed.root, `durable-c2d ${paths.jobId}`);
  return sealed;
};

/** After the call another node has the directory too, pinned, under the same paths. */
export const replicate = async (from: IpfsNode, to: IpfsNode, paths: AttemptPaths, root: string): Promise<void> => {
  if ((await to.stat(paths.sealed))?.cid === root) return to.pin(root, `durable-c2d ${paths.jobId}`);
  await to.copyFrom(from, root, { pins: true });
  await to.makeFolder(paths.attempt);
  await dropSealed(to, paths);
  await to.link(root, paths.sealed);
};

/** What was sealed before, from other files or not to its end: no pin of it is left. */
const dropSealed = async (node: IpfsNode, paths: AttemptPaths): Promise<void> => {
  const found = await node.stat(paths.sealed);
  if (found === null) return;
  await node.unpin(found.cid);
  await node.remove(paths.sealed);
};

/** CID of each file, all of them on `node` afterwards. */
const gather = async (
  node: IpfsNode,
  nodes: readonly IpfsNode[],
  paths: AttemptPaths,
  files: readonly SealedFile[],
): Promise<ReadonlyMap<number, string>> => {
  const wanted = new Map(files.map(({ n, sha256 }) => [n, sha256]));
  const entries = await node.list(paths.files);
  // of an upload that was given up, or that nothing came of
  for (const { name } of entries) if (!isWanted(name, wanted)) await node.remove(`${paths.files}/${name}`);
  const own = cidsOf(entries.filter(({ name }) => isWanted(name, wanted)));
  for (const other of nodes) {
    // what a node that is away has is asked for again when the job is sealed again
    if (other !== node && (own.size < wanted.size || !other.isAway())) await compare({ node, other, paths, wanted, own });
  }
  if (own.size < wanted.size) throw storageUnavailable('a file that was published is on none of the IPFS nodes that answer');
  return own;
};

const isWanted = (name: string, wanted: ReadonlyMap<number, string>): boolean => /^\d{1,9}$/.test(name) && wanted.has(Number(name));

const cidsOf = (entries: readonly IpfsEntry[]): Map<number, string> => new Map(entries.map(({ name, cid }) => [Number(name), cid]));

interface Comparison {
  readonly node: IpfsNode;
  readonly other: IpfsNode;
  readonly paths: AttemptPaths;
  /** digests by number */
  readonly wanted: ReadonlyMap<number, string>;
  readonly own: Map<number, string>;
}

/** Takes over what only the other node has. Where both have a file and it is not the same, one is of a try that came to nothing: the digest tells. */
const compare = async (comparison: Comparison): Promise<void> => {
  const { node, other, paths, wanted, own } = comparison;
  const entries = await other.list(paths.files).catch((): readonly IpfsEntry[] => []);
  for (const [n, cid] of cidsOf(entries.filter(({ name }) => isWanted(name, wanted)))) {
    if (own.get(n) === cid) continue;
    const path = `${paths.files}/${n}`;
    const sha256 = wanted.get(n);
    if (own.has(n) && (await digestOf(node, path)) === sha256) continue;
    if (own.delete(n)) await node.remove(path);
    if ((await digestOf(other, path)) === sha256) await takeOver(comparison, n, cid);
  }
};

const digestOf = async (node: IpfsNode, path: string): Promise<string> => {
  const hash = createHash('sha256');
  for await (const chunk of (await node.read(path)) ?? []) hash.update(chunk);
  return hash.digest('hex');
};

const takeOver = async ({ node, other, paths, own }: Comparison, n: number, cid: string): Promise<void> => {
  const path = `${paths.files}/${n}`;
  await node.makeFolder(paths.files);
  await node.copyFrom(other, cid, { pins: false });
  await node.link(cid, path);
  // a transfer that breaks off is told by nobody
  if (await node.isWhole(path)) own.set(n, cid);
  else await node.remove(path);
};

/** What an earlier call has made. @returns undefined if it was not finished, or if the files have changed since */
const readSealed = async (node: IpfsNode, paths: AttemptPaths, cids: ReadonlyMap<number, string>): Promise<SealedContent | undefined> => {
  const numbered = cidsOf(await node.list(paths.numbers));
  if (numbered.size !== cids.size || [...cids].some(([n, cid]) => numbered.get(n) !== cid)) return undefined;
  const [root, results] = await Promise.all([node.stat(paths.sealed), node.stat(paths.results)]);
  return root === null || results === null ? undefined : { root: root.cid, directory: results.cid, files: cids };
};

/** The files by number come last: where they are, everything is. */
const build = async (
  node: IpfsNode,
  paths: AttemptPaths,
  { cids, files }: { readonly cids: ReadonlyMap<number, string>; readonly files: readonly NamedFile[] },
): Promise<SealedContent> => {
  await dropSealed(node, paths);
  await node.makeFolder(paths.results);
  await node.makeFolder(paths.files);
  // at once, because a node gives many names in one turn
  await Promise.all(
    entryNames(files).map(async ({ n, filename }) => {
      const cid = cids.get(n);
      if (cid !== undefined) await node.link(cid, `${paths.results}/${filename}`);
    }),
  );
  const numbers = await node.stat(paths.files);
  if (numbers !== null) await node.link(numbers.cid, paths.numbers);
  const sealed = await readSealed(node, paths, cids);
  if (sealed === undefined) throw storageUnavailable('the directory of the results could not be made', 1);
  return sealed;
};
