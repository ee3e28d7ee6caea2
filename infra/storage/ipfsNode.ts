/** One IPFS node, through the RPC API of Kubo: its Mutable File System, its pins and its blocks. */

import { CID, create, type KuboRPCClient } from 'kubo-rpc-client';
import { ipfsFailure, isAbsence, isSilence } from './ipfsFailure.ts';
import { storageUnavailable } from './localFailure.ts';

/** Where the RPC API of a node is. */
export interface IpfsNodeAddress {
  readonly url: string;
  /** value of the header `Authorization` */
  readonly authorization?: string | undefined;
}

/** What has a name in a node's file system. */
export interface IpfsEntry {
  readonly name: string;
  readonly cid: string;
  readonly isFolder: boolean;
}

const shortMs = 30_000;
/** for what takes longer the more there is: pinning and copying whole directories */
const longMs = 600_000;
const awayMs = 10_000;

/** Every failure is a JobFailure StorageRefused or StorageUnavailable; paths are absolute. */
export interface IpfsNode {
  /**
   * Makes a file that is laid out as `ipfs add --cid-version=1` does it, in a folder that is there. None is made when `bytes`
   * fail; another one of that name goes.
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
  /** Gives content that this node has a name; no byte is copied. */
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

/** @param exclusively around each change of the node's file system, which loses some of several that happen at once */
export const createIpfsNode = ({ url, authorization }: IpfsNodeAddress, exclusively: Exclusively): IpfsNode => {
  const change = <T>(work: () => Promise<T>): Promise<T> => exclusively(`ipfs ${url}`, work);
  const now = Date.now;
  const client = create({ url, ...(authorization !== undefined && { headers: { authorization } }) });
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
        const cid = await addFile(client, bytes);
        await change(() => nameFile(client, cid, path));
        // a collection of garbage may have come between the two
        if (!(await isWhole(client, path))) throw storageUnavailable('an IPFS node has lost what it was given', 1);
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
    link: (cid, path) => ask(() => change(() => client.files.cp(`/ipfs/${cid}`, path, shortly()))),
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
    copyFrom: (other, cid, { pins }) => ask(() => importBlocks(client, other.blocks(cid), pins)),
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

const nameFile = async (client: KuboRPCClient, cid: string, path: string): Promise<void> => {
  try {
    await client.files.cp(`/ipfs/${cid}`, path, shortly());
  } catch (err) {
    if (!isTaken(err)) throw err;
    if ((await client.files.stat(path, shortly())).cid.toString() === cid) return;
    await client.files.rm(path, shortly());
    await client.files.cp(`/ipfs/${cid}`, path, shortly());
  }
};

const isTaken = (err: unknown): boolean => err instanceof Error && err.message.includes('already has entry');

const absent = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
  try {
    return await work();
  } catch (err) {
    if (isAbsence(err)) return undefined;
    throw err;
  }
};

/** What an upload failed of when its source did: the client only tells that the request was aborted. */
const upload = async <T>(bytes: AsyncIterable<Uint8Array>, send: (watched: AsyncIterable<Uint8Array>) => Promise<T>): Promise<T> => {
  const source: { err?: unknown } = {};
  const watch = async function* () {
    try {
      yield* bytes;
    } catch (err) {
      source.err = err;
      throw err;
    }
  };
  try {
    return await send(watch());
  } catch (err) {
    throw source.err ?? err;
  }
};

const addFile = (client: KuboRPCClient, bytes: AsyncIterable<Uint8Array>): Promise<string> =>
  upload(bytes, async (watched) => (await client.add(watched, { cidVersion: 1, rawLeaves: true, pin: false })).cid.toString());

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

const listFolder = async (client: KuboRPCClient, path: string): Promise<readonly IpfsEntry[]> => {
  const entries: IpfsEntry[] = [];
  for await (const { name, cid, type } of client.files.ls(path, { signal: AbortSignal.timeout(longMs) }))
    entries.push({ name, cid: cid.toString(), isFolder: type === 'directory' });
  return entries;
};

const importBlocks = async (client: KuboRPCClient, car: AsyncIterable<Uint8Array>, pinRoots: boolean): Promise<void> => {
  for await (const { root } of client.dag.import([car], { pinRoots, signal: AbortSignal.timeout(longMs) }))
    if (root.pinErrorMsg !== undefined && root.pinErrorMsg !== '') throw new Error('the copy could not be pinned');
};

/**
 * A removal moves the root of the file system, which the node notes some hundred milliseconds later: were the former root dropped
 * meanwhile, a node that crashed would not start again.
 */
const collectGarbage = async (client: KuboRPCClient): Promise<void> => {
  await client.files.flush('/', shortly());
  for await (const _ of client.repo.gc({ quiet: true, signal: AbortSignal.timeout(longMs) }));
};
