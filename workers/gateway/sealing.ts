/** Makes one published whole of a job's files, where its store does that, before anybody is told of them. */

import { isJobFailure } from '../../workflows/contract/failures.ts';
import type { PodRef } from '../../workflows/contract/job.ts';
import { status } from '../../workflows/contract/status.ts';
import type { ResultEntry } from '../../infra/ledger/ledger.ts';
import type { ResolveJob } from './jobFiles.ts';
import type { GatewayLedger, UploadStore } from './ports.ts';
import { Refusal } from './problems.ts';

export interface SealingDeps {
  readonly store: Pick<UploadStore, 'seal'>;
  readonly resolveJob: ResolveJob;
  readonly ledger: Pick<GatewayLedger, 'recordProgress'>;
}

/** @returns the results with their content identifiers, if their store has any */
export type SealResults = (pod: PodRef, results: readonly ResultEntry[]) => Promise<readonly ResultEntry[]>;

const retryAfterSeconds = 10;

/**
 * Safe to repeat. @throws Refusal 503 in any case of failure, also for what only an operator can mend: the agent keeps the
 * outputs and reports again, and the job's reason tells why it waits.
 */
export const sealResults = ({ store: stores, resolveJob, ledger }: SealingDeps): SealResults =>
  async function sealResults(pod, results) {
    const { spec, store } = await resolveJob(pod.jobId);
    if (spec.surface === 'selfTest' || stores.seal === undefined) return results;
    try {
      const found = await stores.seal({ store, ...pod }, results);
      if (found === null) return results;
      return results.map((entry) => ({ ...entry, cid: found.files.get(entry.n), directoryCid: found.directory }));
    } catch (err) {
      if (!isJobFailure(err)) throw err;
      await ledger.recordProgress({ ...pod, status: status.publishing, reason: err.message });
      throw new Refusal(503, err.type, err.message, { retryAfterSeconds: err.retryAfterSeconds ?? retryAfterSeconds });
    }
  };
