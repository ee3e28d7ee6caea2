/** One IPFS node, through the RPC API of Kubo: its Mutable File System, its pins and its blocks. */

import { CID, create, type KuboRPCClient } from 'kubo-rpc-client';
import { ipfsFailure, isAbsence, isSilence } from './ipfsFailure.ts';
import { digestOfLeaves, watchLeaves } from './ipfsLeaves.ts';
import { createNaming } from './ipfsNames.ts';
import { createPostStream, type IpfsNodeAddress, type PostStream, type PostedStream } from './ipfsPost.ts';
import { storageUnavailable } from './localFailure.ts';

/** What has a name in a node's file system. */
export interface IpfsEntry {
  readonly name: string;
  readonly cid: string;
}

const shortMs = 30_000;
/** for what takes longer the more there is: pinning and copying whole directories */
const longMs = 600_000;
const awayMs = 10_000;
/** in the CID of a file that has one block and nothing else */
const rawBlock = 0x55;

/** Every failure is a JobFailure StorageRefused or StorageUnavailable; paths are absolute. */
export interface IpfsNode {
  /**
   * Makes a file that is laid out as `ipfs add --cid-version=1` does it, in a folder that is there. None is made when `bytes`
   * fail, or when the node has other bytes than were sent; another one of that name goes.
   */
  add(path: string, bytes: AsyncIterable<Uint8Array>): Promise<void>;
  /** Bytes from `offset` on, `length` of them. @returns undefined for a file that is not there */
  read(path: string, window?: { readonly offset: number; readonly length: number }): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** @returns null for what is not there */
  stat(path: string): Promise<{ readonly cid: string; readonly sizeBytes: number } | null>;
  /** Empty for a folder that is not there. */
  list(path: string): Promise<readonly IpfsEntry[]>;
  makeFolder(path: string): Promise<void>;
  move(from: string, to: string): Promise<void>;
  /** False if the node lacks a part of what lies there. */
  isWhole(path: string): Promise<boolean>;
  /** Gives content that this node has a name in a folder that is there; no byte is copied. Another one of that name goes. */
  link(cid: string, path: string): Promise<void>;
  /** Tolerates absence. */
  remove(path: string): Promise<void>;
  pin(cid: string, name: string): Promise<void>;
  /** Tolerates absence. */
  unpin(cid: string): Promise<void>;
  /** Copies everything below `cid` from another node; what is not pinned needs a name at once. */
  copyFrom(other: Pick<IpfsNode, 'blocks'>, cid: string, options: { readonly pins: boolean }): Promise<void>;
  /** Everything below `cid`, as a CAR. */
  blocks(cid: string): AsyncIterable<Uint8Array>;
  /** Drops what nothing holds. Returns at once when another call has not begun yet: that one will do. */
  collectGarbage(): Promise<void>;
  check(): Promise<void>;
  /** true for some seconds after the node did not answer */
  isAway(): boolean;
}

/**
 * Runs work while nobody else, in no process of the installation, runs any of the same name.
 */
export type Exclusively = <T>(name: string, work: () => Promise<T>) => Promise<T>;

/** What a node needs. */
interface IpfsNodeDeps {
  /** around each change of the node's file system, which loses some of several that happen at once */
  readonly exclusively: Exclusively;
  /** milliseconds without a byte after which what is sent to the node has failed */
  readonly idleMs: number;
}

/** A node that is asked for nothing before the first call. */
export const createIpfsNode = ({ url, authorization }: IpfsNodeAddress, { exclusively, idleMs }: IpfsNodeDeps): IpfsNode => {
  const change = <T>(work: () => Promise<T>): Promise<T> => exclusively(`ipfs ${url}`, work);
  const now = Date.now;
  const post = createPostStream({ url, authorization });
  const client = create({ url, ...(authorization !== undefined && { headers: { authorization } }) });
  const nameContent = createNaming(client, change);
  let awayUntil = 0;
  let isToCollect = false;
  const ask = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (err) {
      if (isSilence(err)) awayUntil = now() + awayMs;
      throw ipfsFailure(err);
    }
  };
  return {
    add: (path, bytes) =>
      ask(async () => {
        const sent = watchLeaves(bytes);
        const cid = await addFile(post, { bytes: sent.bytes, idleMs });
        if ((await digestOfLeaves(cid, () => listBelow(client, cid))) !== sent.digest())
          throw storageUnavailable('a file did not reach an IPFS node as it was sent', 1);
        await nameContent(cid, path);
        // a collection of garbage may have come between the two; the name of a single block is only given while it is there
        if (CID.parse(cid).code !== rawBlock && !(await isWhole(client, `/ipfs/${cid}`)))
          throw storageUnavailable('an IPFS node has lost what it was given', 1);
      }),
    read: (path, window) => ask(() => absent(() => openFile(client, path, window))),
    stat: (path) =>
      ask(async () => {
        const found = await absent(() => client.files.stat(path, shortly()));
        return found === undefined ? null : { cid: found.cid.toString(), sizeBytes: found.size };
      }),
    isWhole: (path) => ask(() => isWhole(client, path)),
    list: (path) => ask(async () => (await absent(() => listFolder(client, path))) ?? []),
    makeFolder: (path) => ask(() => change(() => client.files.mkdir(path, { parents: true, cidVersion: 1, ...shortly() }))),
    move: (from, to) => ask(() => change(() => client.files.mv(from, to, shortly()))),
    link: (cid, path) => ask(() => nameContent(cid, path)),
    remove: (path) =>
      ask(async () => {
        await change(() => absent(() => client.files.rm(path, { recursive: true, signal: AbortSignal.timeout(longMs) })));
      }),
    pin: (cid, name) =>
      ask(async () => {
        await client.pin.add(cid, { name, signal: AbortSignal.timeout(longMs) });
      }),
    unpin: (cid) =>
      ask(async () => {
        await absent(() => client.pin.rm(cid, shortly()));
      }),
    copyFrom: (other, cid, { pins }) => ask(() => importBlocks(post, other.blocks(cid), pins)),
    blocks: (cid) => client.dag.export(CID.parse(cid)),
    collectGarbage: async () => {
      if (isToCollect) return;
      isToCollect = true;
      // it takes its turn among the changes: of what they make while it is under way it would drop blocks
      await ask(() =>
        change(async () => {
          isToCollect = false;
          await collectGarbage(client);
        }),
      ).finally(() => {
        isToCollect = false;
      });
    },
    check: () =>
      ask(async () => {
        await client.files.stat('/', shortly());
      }),
    isAway: () => now() < awayUntil,
  };
};

const shortly = () => ({ signal: AbortSignal.timeout(shortMs) });

const isWhole = async (client: KuboRPCClient, path: string): Promise<boolean> => {
  const { cumulativeSize, sizeLocal } = await client.files.stat(path, { withLocal: true, signal: AbortSignal.timeout(longMs) });
  // of an empty file nothing is told
  return (sizeLocal ?? 0) === cumulativeSize;
};

const absent = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
  try {
    return await work();
  } catch (err) {
    if (isAbsence(err)) return undefined;
    throw err;
  }
};

const addFile = async (post: PostStream, stream: PostedStream): Promise<string> => {
  const query = { 'cid-version': '1', 'raw-leaves': 'true', pin: 'false', progress: 'false' };
  const added = (await post('add', query, stream)).at(-1) as { readonly Hash?: unknown } | undefined;
  if (typeof added?.Hash !== 'string') throw storageUnavailable('an IPFS node told no CID of what it was given', 1);
  return added.Hash;
};

const listBelow = async function* (client: KuboRPCClient, cid: string): AsyncIterable<string> {
  for await (const { ref, err } of client.refs(cid, { recursive: true, signal: AbortSignal.timeout(longMs) })) {
    if (err) throw storageUnavailable('an IPFS node cannot list what it was given', 1);
    yield ref;
  }
};

/** The first bytes are awaited, because only they tell whether the file is there. */
const openFile = async (
  client: KuboRPCClient,
  path: string,
  window?: { readonly offset: number; readonly length: number },
): Promise<AsyncIterable<Uint8Array>> => {
  const rest = client.files.read(path, { ...window })[Symbol.asyncIterator]();
  const first = await rest.next();
  return (async function* () {
    if (first.done === true) return;
    yield first.value;
    yield* { [Symbol.asyncIterator]: () => rest };
  })();
};

/**
 * By its CID: a folder that was listed by its path is kept open by the node with all that is in it, and its next change or look
 * writes each entry again, for a minute where there are ten thousand.
 */
const listFolder = async (client: KuboRPCClient, path: string): Promise<readonly IpfsEntry[]> => {
  const { cid: folder } = await client.files.stat(path, shortly());
  const options: object = { 'resolve-type': false, size: false, stream: true, signal: AbortSignal.timeout(longMs) };
  const entries: IpfsEntry[] = [];
  // of an empty one the client tells itself, without a name
  for await (const { name, cid } of client.ls(folder, options)) if (name) entries.push({ name, cid: cid.toString() });
  return entries;
};

const importBlocks = async (post: PostStream, car: AsyncIterable<Uint8Array>, pinRoots: boolean): Promise<void> => {
  for (const answer of await post('dag/import', { 'pin-roots': String(pinRoots) }, { bytes: car, idleMs: longMs })) {
    const { Root: root } = answer as { readonly Root?: { readonly PinErrorMsg?: string } };
    if (root?.PinErrorMsg !== undefined && root.PinErrorMsg !== '') throw new Error('the copy could not be pinned');
  }
};

/**
 * A removal moves the root of the file system, which the node notes some hundred milliseconds later: were the former root dropped
 * meanwhile, a node that crashed would not start again.
 */
const collectGarbage = async (client: KuboRPCClient): Promise<void> => {
  await client.files.flush('/', shortly());
  for await (const _ of client.repo.gc({ quiet: true, signal: AbortSignal.timeout(longMs) }));
};
