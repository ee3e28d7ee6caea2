/** Publishes outputs and log, as often as the phase has to go again; nothing is given up while the pod lives. */

import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { Plan, PublishedOutputs } from '../gateway/protocol.ts';
import type { Gateway } from './client.ts';
import type { EventSender } from './events.ts';
import { failForGood, failForNow, PhaseFailure } from './failures.ts';
import type { AlgorithmLog } from './log.ts';
import { scanOutputs, type OutputScan } from './outputs.ts';
import { findBreach, type JudgedOutput } from './outputRules.ts';
import { createLimit } from './patience.ts';
import { enterPhase, type Progress } from './progress.ts';
import type { StateFile } from './state.ts';
import { uploadFiles, type PublishedFile, type Upload } from './upload.ts';

/** What {@link publish} needs. */
export interface PublishDeps {
  readonly gateway: Gateway;
  readonly plan: Pick<Plan, 'limits' | 'outputRules' | 'encryption'>;
  readonly dataFolder: string;
  readonly stateFile: StateFile;
  readonly progress: Progress;
  readonly events: EventSender;
  readonly log: AlgorithmLog;
  /** resolves when the gateway has taken the algorithm's exit */
  readonly exitReported: Promise<void>;
  /** told with the outputs when the exit itself counts for nothing, because the pod was being ended */
  readonly stoppedExit?: { readonly exitCode: number | null; readonly finishedAtMs: number | null };
}

const lastFlushMs = 2_000;

/** After the call the gateway has every output that may leave and the log, verified, and knows that these are all. */
export const publish = async (deps: PublishDeps): Promise<void> => {
  const { uploads, ...told } = await listUploads(deps);
  const done = new Map<number, PublishedFile>();
  for (;;) {
    try {
      await uploadAll(uploads, done, deps);
      break;
    } catch (err) {
      if (!(err instanceof PhaseFailure)) throw err;
      // a store that refuses can be repaired while the outputs wait here; everything else final would stay as it is
      if (!err.retryable && err.type !== 'StorageRefused') await failForGood(deps.gateway, 'publishOutputs', err);
      await failForNow(deps.gateway, 'publishOutputs', err);
    }
  }
  const files = [...done.values()].sort((one, other) => one.n - other.n);
  await deps.exitReported;
  await deps.gateway.report({
    outcome: 'done',
    phase: 'publishOutputs',
    result: { files, ...(deps.stoppedExit !== undefined && { exit: deps.stoppedExit }), ...told },
  });
};

const uploadAll = async (uploads: readonly Upload[], done: Map<number, PublishedFile>, deps: PublishDeps): Promise<void> => {
  const { plan, gateway, progress, events } = deps;
  const { partBytes, transferPatienceSeconds } = plan.limits;
  progress.filesDone = done.size;
  const flushed = Promise.race([events.flush(), pause(lastFlushMs, undefined, { ref: false })]);
  await uploadFiles(uploads, {
    gateway,
    partBytes,
    encryption: plan.encryption,
    patienceMs: transferPatienceSeconds * 1_000,
    done,
    onPart: (bytes) => (progress.bytesDone += bytes),
    onFile: () => (progress.filesDone += 1),
  });
  await flushed;
};

/** What is published, and why it is less than what was written. */
interface Listed extends Pick<PublishedOutputs, 'withheld' | 'withheldAs' | 'filters'> {
  readonly uploads: readonly Upload[];
}

/** The numbering that everybody sees: outputs in byte order of their paths, then the log. */
const listUploads = async (deps: PublishDeps): Promise<Listed> => {
  const { dataFolder, plan, log, progress, stateFile } = deps;
  const folder = `${dataFolder}/outputs`;
  const scan = await scanOutputs(folder, { maxBytes: plan.limits.outputBytes, maxFiles: plan.limits.outputFiles });
  const readable = await readableUploads(folder, scan);
  const { withheld, ...told } = await judge(readable, scan, deps);
  const outputs = withheld === undefined ? readable : [];
  const skipped = scan.skipped + (scan.exceeded === undefined ? scan.files.length - readable.length : 0);
  if (!stateFile.state.skippedNoted) {
    stateFile.state.skippedNoted = true;
    stateFile.save();
    if (withheld !== undefined) await log.note(withheld);
    else if (scan.exceeded !== undefined) await log.note('the outputs exceed their limits and are not published');
    else if (skipped > 0) await log.note(`left out of the outputs: ${skipped} that are no regular, readable files`);
  }
  const bytes = scan.exceeded === undefined && withheld === undefined ? scan.bytes : 0;
  enterPhase(progress, 'publishOutputs', outputs.length + 1, bytes + log.size());
  const logUpload: Upload = { n: outputs.length, place: Buffer.from(log.path), name: 'algorithm.log', type: 'algorithmLog' };
  return { uploads: [...outputs, logUpload], ...(withheld !== undefined && { withheld }), ...told };
};

/** The filters have the first word, the rules hold for what those leave. */
const judge = async (
  readable: readonly JudgedOutput[],
  { exceeded }: OutputScan,
  { plan, stateFile }: PublishDeps,
): Promise<Omit<Listed, 'uploads'>> => {
  const { filtered } = stateFile.state;
  const filters = filtered === null ? {} : { filters: [...filtered.ends] };
  if (filtered?.withheld !== undefined) return { ...filters, withheld: filtered.withheld.reason, withheldAs: filtered.withheld.as };
  if (filtered !== null && exceeded !== undefined) {
    const by = filtered.ends.map((end) => end.by).join(' and of ');
    return { ...filters, withheldAs: 'FilterFailed', withheld: `the outputs are withheld: the filter of ${by} left more than may leave` };
  }
  const withheld = await findBreach(readable, plan.outputRules);
  return { ...filters, ...(withheld !== undefined && { withheld }) };
};

const concurrentLooks = 16;

const readableUploads = async (folder: string, { files, exceeded }: OutputScan): Promise<readonly (Upload & JudgedOutput)[]> => {
  if (exceeded !== undefined) return [];
  const limit = createLimit(concurrentLooks);
  const places = await Promise.all(
    files.map(({ path, name, sizeBytes }) =>
      limit(async () => {
        const place = Buffer.concat([Buffer.from(`${folder}/`), path]);
        const readable = await access(place, constants.R_OK).then(
          () => true,
          () => false,
        );
        return readable ? [{ place, name, sizeBytes }] : [];
      }),
    ),
  );
  return places.flat().map((file, n) => ({ ...file, n, type: 'output' }));
};
