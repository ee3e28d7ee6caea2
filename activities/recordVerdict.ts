import { log } from '@temporalio/activity';
import type { SealVerdict } from '../workflows/contract/seal.ts';

/** A verdict with the job that led to it; null when there was not even a job. */
export type DecidedVerdict = SealVerdict & { readonly environmentId: string; readonly jobId: string | null };

export interface RecordVerdictDeps {
  readonly verdicts: { recordVerdict(verdict: SealVerdict & { readonly environmentId: string }): Promise<void> };
  readonly selfTestLogs: { readLog(jobId: string, offset: number, maxBytes: number): Promise<{ readonly bytes: Buffer }> };
  readonly verdictCounts: { inc(labels: { readonly environment: string; readonly verdict: string }): void };
}

const longestLog = 4_096;
const longestReason = 600;

/** What a self-test says that it reached, as one printable line. */
const findingsOf = (text: Buffer): string =>
  text
    .toString('latin1')
    .split('\n')
    .filter((line) => line.startsWith('reached '))
    .join('; ')
    .replaceAll(/[^\x20-\x7e]/g, '?')
    .slice(0, longestReason);

/**
 * Writes what a self-test found out. From then on the environment is offered, or no longer. Safe to repeat.
 * A breach found by the algorithm is told in the words of its log.
 */
export const recordVerdict = ({ verdicts, selfTestLogs, verdictCounts }: RecordVerdictDeps) =>
  async function recordVerdict({ environmentId, jobId, verdict, reason }: DecidedVerdict): Promise<void> {
    const findings = verdict === 'unsealed' && jobId !== null ? findingsOf((await selfTestLogs.readLog(jobId, 0, longestLog)).bytes) : '';
    const told = findings === '' ? reason : findings;
    await verdicts.recordVerdict({ environmentId, verdict, reason: told });
    verdictCounts.inc({ environment: environmentId, verdict });
    if (verdict === 'unsealed') log.warn('an environment is not sealed and is withdrawn', { environmentId, reason: told });
    if (verdict === 'unproved') log.warn('a self-test came to no decision', { environmentId, reason: told });
  };
