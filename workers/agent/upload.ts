/** Uploads files in parts, each verified by its digest; memory does not depend on sizes. */

import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { OutputFile } from '../gateway/protocol.ts';
import type { Gateway } from './client.ts';
import { encryptedSource, plainSource, type Encryption, type OutputSource } from './encryption.ts';
import { PhaseFailure } from './failures.ts';
import { isFinal, createLimit, backoffMs } from './patience.ts';
import { isGatewayAway, JobOver, Refused } from './http.ts';
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
  readonly gateway: Pick<Gateway, 'putPart' | 'completeOutput'>;
  readonly partBytes: number;
  /** absent: files are uploaded as they are */
  readonly encryption?: Encryption | undefined;
  readonly patienceMs: number;
  /** completed by an earlier try: left alone; filled as files complete */
  readonly done: Map<number, PublishedFile>;
  readonly onPart: (bytes: number) => void;
  readonly onFile: () => void;
}

const concurrentFiles = 8;
const mostConcurrentParts = 4;
/** bytes of parts in memory at once; the agent's container is small */
const partMemoryBytes = 16 * 1024 * 1024;

/**
 * Uploads what is not yet `done`. After the call `done` has every file.
 * @throws PhaseFailure when the gateway or its storage refuses; JobOver
 */
export const uploadFiles = async (files: readonly Upload[], deps: UploadDeps): Promise<void> => {
  const parts = Math.max(1, Math.min(mostConcurrentParts, Math.floor(partMemoryBytes / deps.partBytes)));
  const sender: PartSender = { ...deps, limitParts: createLimit(parts), buffers: [] };
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

interface PartSender extends UploadDeps {
  readonly limitParts: ReturnType<typeof createLimit>;
  /** used again by one part after another: garbage of this size is collected too late */
  readonly buffers: Buffer[];
}

const uploadFile = async (file: Upload, sender: PartSender): Promise<PublishedFile> => {
  const handle = await openRegularFile(file.place);
  if (handle === undefined) throw new PhaseFailure('OutputsUnreadable', 'a result can no longer be read', true);
  try {
    const source = sender.encryption === undefined ? plainSource(handle) : encryptedSource(handle, sender.encryption);
    const { sizeBytes, sha256, partDigests } = await sendParts(source, file.n, sender);
    const plaintext = source.plaintext();
    const parts = partDigests.length;
    const output: OutputFile = { name: file.name, type: file.type, sizeBytes, sha256, parts, ...(plaintext && { plaintext }) };
    await insist(sender, () => sender.gateway.completeOutput(file.n, { ...output, partDigests }));
    return { ...output, n: file.n };
  } finally {
    await handle.close();
  }
};

/** Reads each byte once, in order; parts travel side by side. */
const sendParts = async (
  source: OutputSource,
  n: number,
  sender: PartSender,
): Promise<Pick<OutputFile, 'sizeBytes' | 'sha256'> & { readonly partDigests: string[] }> => {
  const partDigests: string[] = [];
  const whole = createHash('sha256');
  const travelling: Promise<unknown>[] = [];
  let sizeBytes = 0;
  let failed = false;
  for (let k = 0, last = false; !last && !failed; k += 1) {
    await new Promise<void>((resolve, reject) => {
      const travel = sender.limitParts(async () => {
        const buffer = sender.buffers.pop() ?? Buffer.allocUnsafeSlow(sender.partBytes);
        try {
          const bytes = await source.read(buffer);
          last = bytes.length < sender.partBytes;
          if (bytes.length === 0) return resolve();
          whole.update(bytes);
          sizeBytes += bytes.length;
          resolve();
          const sha256 = createHash('sha256').update(bytes).digest('hex');
          partDigests[k] = sha256;
          await insist(sender, () => sender.gateway.putPart({ n, k, sha256, isEncrypted: sender.encryption !== undefined }, bytes));
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
  return { sizeBytes, sha256: whole.digest('hex'), partDigests };
};

/** Repeats a request within the plan's patience; a gateway that is away is waited for without end. */
const insist = async ({ patienceMs }: UploadDeps, work: () => Promise<void>): Promise<void> => {
  let giveUpAt = Date.now() + patienceMs;
  for (let failures = 0; ; failures += 1) {
    try {
      return await work();
    } catch (err) {
      if (err instanceof JobOver) throw err;
      if (isFinal(err) && err instanceof Refused)
        throw new PhaseFailure(err.problem.type || 'StorageRefused', err.problem.message.slice(0, 500), false);
      if (isGatewayAway(err)) giveUpAt = Date.now() + patienceMs;
      if (Date.now() > giveUpAt) throw givenUp(err);
      await pause((err instanceof Refused ? err.retryAfterMs : undefined) ?? backoffMs(failures));
    }
  }
};

const givenUp = (err: unknown): PhaseFailure =>
  err instanceof Refused && err.problem.type !== ''
    ? new PhaseFailure(err.problem.type, err.problem.message.slice(0, 500), true)
    : new PhaseFailure('StorageUnavailable', 'the results could not be uploaded; they are kept and it is tried again', true);
