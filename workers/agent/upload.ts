/** Uploads files, small ones in one request and others in parts, each verified by its digest; memory does not depend on sizes. */

import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { OutputFile } from '../gateway/protocol.ts';
import type { Gateway } from './client.ts';
import { encryptedSource, encryptionOverhead, plainSource, type Encryption, type OutputSource } from './encryption.ts';
import { PhaseFailure } from './failures.ts';
import { insist } from './insist.ts';
import { createLimit } from './patience.ts';
import { Refused } from './http.ts';
import { openRegularFile } from './outputs.ts';

/** A file to publish. */
export interface Upload {
  readonly n: number;
  readonly place: Buffer;
  readonly name: string;
  readonly type: OutputFile['type'];
}

/** A file that the gateway has, whole and verified. */
export type PublishedFile = OutputFile & { readonly n: number };

/** What {@link uploadFiles} needs. */
export interface UploadDeps {
  readonly gateway: Pick<Gateway, 'putPart' | 'putOutput' | 'completeOutput'>;
  readonly partBytes: number;
  /** absent: files are uploaded as they are */
  readonly encryption?: Encryption | undefined;
  readonly patienceMs: number;
  /** completed by an earlier try: left alone; filled as files complete */
  readonly done: Map<number, PublishedFile>;
  readonly onPart: (bytes: number) => void;
  readonly onFile: () => void;
}

const concurrentFiles = 16;
const mostConcurrentParts = 4;
/** bytes of parts in memory at once; the agent's container is small */
const partMemoryBytes = 24 * 1024 * 1024;
/** below this size files travel beside each other, however large parts are: such a buffer for each of them is little */
const smallFileBytes = 256 * 1024;

/**
 * Uploads what is not yet `done`. After the call `done` has every file.
 * @throws PhaseFailure when the gateway or its storage refuses; JobOver
 */
export const uploadFiles = async (files: readonly Upload[], deps: UploadDeps): Promise<void> => {
  const parts = Math.max(1, Math.min(mostConcurrentParts, Math.floor(partMemoryBytes / deps.partBytes)));
  const sender: Sender = { ...deps, limitParts: createLimit(parts), buffers: [], smallBuffers: [], takesPartsOnly: false };
  const limitFiles = createLimit(concurrentFiles);
  let failure: Error | undefined;
  await Promise.all(
    files
      .filter(({ n }) => !deps.done.has(n))
      .map((file) =>
        limitFiles(async () => {
          if (failure !== undefined) return;
          try {
            deps.done.set(file.n, await uploadFile(file, sender));
            deps.onFile();
          } catch (err) {
            failure ??= err as Error;
          }
        }),
      ),
  );
  if (failure !== undefined) throw failure;
};

interface Sender extends UploadDeps {
  readonly limitParts: ReturnType<typeof createLimit>;
  /** used again by one part after another: garbage of this size is collected too late */
  readonly buffers: Buffer[];
  readonly smallBuffers: Buffer[];
  /** the gateway is of an earlier release */
  takesPartsOnly: boolean;
}

/** What has been sent of a file. */
interface Sent {
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly partDigests: readonly string[];
  /** the gateway has verified the file, not only its parts */
  readonly isComplete: boolean;
}

const uploadFile = async (file: Upload, sender: Sender): Promise<PublishedFile> => {
  const handle = await openRegularFile(file.place);
  if (handle === undefined) throw new PhaseFailure('OutputsUnreadable', 'a result can no longer be read', true);
  try {
    const small = await sendSmall(handle, file.n, sender);
    const source = small?.source ?? sourceOf(handle, sender);
    const { partDigests, isComplete, ...facts } = small?.sent ?? (await sendParts(source, file.n, sender));
    const plaintext = source.plaintext();
    const output: OutputFile = {
      ...{ name: file.name, type: file.type, ...facts, parts: partDigests.length },
      ...(plaintext && { plaintext }),
    };
    if (!isComplete) await insist(sender, () => sender.gateway.completeOutput(file.n, { ...output, partDigests: [...partDigests] }));
    return { ...output, n: file.n };
  } finally {
    await handle.close();
  }
};

const sourceOf = (handle: FileHandle, { encryption }: Pick<Sender, 'encryption'>): OutputSource =>
  encryption === undefined ? plainSource(handle) : encryptedSource(handle, encryption);

const digestOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** Sends a file that is small; undefined for one that is not, or has grown. */
const sendSmall = async (
  handle: FileHandle,
  n: number,
  sender: Sender,
): Promise<{ readonly sent: Sent; readonly source: OutputSource } | undefined> => {
  const { size } = await handle.stat();
  const capacity = Math.min(smallFileBytes, sender.partBytes);
  if (size + (sender.encryption === undefined ? 0 : encryptionOverhead(size)) >= capacity) return undefined;
  const buffer = sender.smallBuffers.pop() ?? Buffer.allocUnsafeSlow(capacity);
  try {
    const source = sourceOf(handle, sender);
    const bytes = await source.read(buffer);
    return bytes.length < capacity ? { sent: await sendOnlyPart(bytes, n, sender), source } : undefined;
  } finally {
    sender.smallBuffers.push(buffer);
  }
};

/** Sends all bytes of a file at once, where the gateway takes files and not only parts of them. */
const sendOnlyPart = async (bytes: Buffer, n: number, sender: Sender): Promise<Sent> => {
  const sha256 = digestOf(bytes);
  const facts = { n, sha256, isEncrypted: sender.encryption !== undefined };
  const isComplete = !sender.takesPartsOnly && (await offerWhole(bytes, facts, sender));
  if (!isComplete && bytes.length > 0) await insist(sender, () => sender.gateway.putPart({ ...facts, k: 0 }, bytes));
  sender.onPart(bytes.length);
  return { sizeBytes: bytes.length, sha256, partDigests: bytes.length === 0 ? [] : [sha256], isComplete };
};

/** @returns false when the gateway does not know such a request */
const offerWhole = async (bytes: Buffer, facts: Parameters<Gateway['putOutput']>[0], sender: Sender): Promise<boolean> => {
  let isTaken = true;
  await insist(sender, async () => {
    try {
      await sender.gateway.putOutput(facts, bytes);
    } catch (err) {
      if (!(err instanceof Refused && err.status === 404)) throw err;
      sender.takesPartsOnly = true;
      isTaken = false;
    }
  });
  return isTaken;
};

/** Reads each byte once, in order; parts travel side by side. */
const sendParts = async (source: OutputSource, n: number, sender: Sender): Promise<Sent> => {
  const partDigests: string[] = [];
  const whole = createHash('sha256');
  const travelling: Promise<unknown>[] = [];
  const isEncrypted = sender.encryption !== undefined;
  let sizeBytes = 0;
  let failed = false;
  let only: Sent | undefined;
  for (let k = 0, last = false; !last && !failed; k += 1) {
    await new Promise<void>((resolve, reject) => {
      const travel = sender.limitParts(async () => {
        const buffer = sender.buffers.pop() ?? Buffer.allocUnsafeSlow(sender.partBytes);
        try {
          const bytes = await source.read(buffer);
          last = bytes.length < sender.partBytes;
          if (last && k === 0) only = await sendOnlyPart(bytes, n, sender);
          if (bytes.length === 0 || only !== undefined) return resolve();
          whole.update(bytes);
          sizeBytes += bytes.length;
          resolve();
          const sha256 = digestOf(bytes);
          partDigests[k] = sha256;
          await insist(sender, () => sender.gateway.putPart({ n, k, sha256, isEncrypted }, bytes));
          sender.onPart(bytes.length);
        } finally {
          sender.buffers.push(buffer);
        }
      });
      travel.catch((err: unknown) => {
        failed = true;
        reject(err instanceof Error ? err : new Error(String(err)));
      });
      travelling.push(travel);
    });
  }
  await Promise.all(travelling);
  return only ?? { sizeBytes, sha256: whole.digest('hex'), partDigests, isComplete: false };
};
