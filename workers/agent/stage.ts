/** Stages the plan's files below the data folder: concurrent, resumable, verified, within the job's limit. */

import { createHash } from 'node:crypto';
import { chmod, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, normalize } from 'node:path/posix';
import type { Plan, PlannedFile, StagedInputs } from '../gateway/protocol.ts';
import type { Gateway } from './client.ts';
import { digestOf } from './digest.ts';
import { downloadFile, type DownloadRequest, type HashedBytes } from './download.ts';
import { PhaseFailure } from './failures.ts';
import { createLimit } from './patience.ts';
import { enterPhase, type Progress } from './progress.ts';

/** What {@link stageFiles} needs. */
export interface StageDeps {
  readonly gateway: Pick<Gateway, 'openFile'>;
  readonly plan: Pick<Plan, 'files' | 'limits'>;
  readonly dataFolder: string;
  readonly progress: Progress;
  /** ends staging; what is on disk stays for another try */
  readonly signal: AbortSignal;
}

const concurrentFiles = 4;

/**
 * After the call every file of the plan lies at its place with its mode, and its digest, where one is given, is right.
 * Files that an earlier try completed are kept; half a file is gone on with.
 * @returns how many files and bytes there are, and what each of them is
 * @throws PhaseFailure with the phase's verdict; the first failure ends the other transfers
 */
export const stageFiles = async (deps: StageDeps): Promise<StagedInputs> => {
  const { plan, dataFolder, progress } = deps;
  const announced = plan.files.reduce((sum, file) => sum + (file.sizeBytes ?? 0), 0);
  if (announced > plan.limits.inputBytes) throw tooLarge(plan.limits.inputBytes);
  const sizesKnown = plan.files.every(({ sizeBytes, content }) => sizeBytes !== undefined || content !== undefined);
  enterPhase(progress, 'stageInputs', plan.files.length, sizesKnown ? announced : null);
  const halves = `${dataFolder}/.staging`;
  await mkdir(halves, { recursive: true, mode: 0o700 });
  const failed = new AbortController();
  const signal = AbortSignal.any([deps.signal, failed.signal]);
  const limit = createLimit(concurrentFiles);
  const digests: NonNullable<StagedInputs['digests']> = [];
  const results = await Promise.allSettled(
    plan.files.map((file) =>
      limit(async () => {
        signal.throwIfAborted();
        try {
          digests.push({ n: file.n, ...(await stageFile({ ...deps, signal }, file, `${halves}/${file.n}`)) });
        } catch (err) {
          failed.abort(err);
          throw err;
        }
        progress.filesDone += 1;
      }),
    ),
  );
  if (results.some(({ status }) => status === 'rejected')) throw signal.reason;
  await rm(halves, { recursive: true, force: true });
  digests.sort((one, other) => one.n - other.n);
  return { files: plan.files.length, bytes: progress.bytesDone, digests };
};

const tooLarge = (limitBytes: number): PhaseFailure =>
  new PhaseFailure('InputTooLarge', `the inputs are larger than the ${limitBytes} bytes that this environment takes`, false);

const stageFile = async (deps: StageDeps, file: PlannedFile, half: string): Promise<HashedBytes> => {
  const target = targetOf(deps.dataFolder, file);
  const present = await stat(target).catch(() => undefined);
  const count = (bytes: number): void => {
    deps.progress.bytesDone += bytes;
    if (deps.progress.bytesDone > deps.plan.limits.inputBytes) throw tooLarge(deps.plan.limits.inputBytes);
  };
  if (present !== undefined) {
    count(present.size);
    return { sizeBytes: present.size, sha256: await digestOf(target) };
  }
  await mkdir(dirname(target), { recursive: true, mode: 0o755 });
  const staged =
    file.content === undefined ? await download(deps, { file, half, count }) : await writeInline(file.content, { half, count });
  await chmod(half, file.mode & 0o777);
  // a name appears with all its bytes or not at all
  await rename(half, target);
  return staged;
};

const download = (deps: StageDeps, place: Pick<DownloadRequest, 'file' | 'half' | 'count'>): Promise<HashedBytes> => {
  const { gateway, signal, plan } = deps;
  return downloadFile({ ...place, gateway, signal, patienceMs: plan.limits.transferPatienceSeconds * 1_000 });
};

const writeInline = async (content: string, { half, count }: Pick<DownloadRequest, 'half' | 'count'>): Promise<HashedBytes> => {
  const bytes = Buffer.from(content, 'base64');
  count(bytes.length);
  await writeFile(half, bytes);
  return { sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
};

const targetOf = (dataFolder: string, { path, role }: PlannedFile): string => {
  const clean = normalize(path);
  if (clean.startsWith('/') || clean === '.' || clean.split('/').includes('..') || clean.includes('\0') || clean.startsWith('.staging')) {
    throw new PhaseFailure(
      role === 'algorithm' ? 'AlgorithmUnavailable' : 'InputUnavailable',
      'the plan names a place outside the data folder',
      false,
    );
  }
  return `${dataFolder}/${clean}`;
};
