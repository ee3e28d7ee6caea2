/** `POST reports`: the end of a phase, handed to the activity that waits for it. */

import { ApplicationFailure } from '@temporalio/common';
import { faultOf, isFailureType, type FailureType } from '../../workflows/contract/failures.ts';
import type { AgentPhase, PodRef, PublishedOutputs } from '../../workflows/contract/job.ts';
import { status } from '../../workflows/contract/status.ts';
import { withoutSecrets, type Logger } from '../../infra/process/logger.ts';
import { filteringReason } from './events.ts';
import { askForExit, completePhase, failPhase, type ReportDeps, type ReportOutcome } from './phaseReports.ts';
import type { ResolveJob } from './jobFiles.ts';
import type { PodHandler } from './podAuthentication.ts';
import type { GatewayLedger } from './ports.ts';
import { Refusal, jobOver, malformed } from './problems.ts';
import { phaseReport, type FilterEnd, type Order, type PhaseReport, type StagedInputs } from './protocol.ts';
import { resultEntriesOf } from './resultEntries.ts';
import type { SealResults } from './sealing.ts';

export interface ReportsDeps {
  readonly ledger: Pick<GatewayLedger, 'recordFilters' | 'recordProgress' | 'recordResults' | 'recordStagedFiles'>;
  readonly reports: ReportDeps;
  readonly resolveJob: ResolveJob;
  readonly seal: SealResults;
  readonly logger: Pick<Logger, 'info'>;
}

/** 200 once the report is taken, also when an earlier copy was; 503 while nothing waits for it yet; 410 when the job is over. */
export const takeReport = (deps: ReportsDeps): PodHandler =>
  async function takeReport(pod, req, res) {
    const outcome = await forward(deps, pod, phaseReport.parse(req.body));
    switch (outcome) {
      case 'taken':
        res.json({ order: 'continue' } satisfies Order);
        return;
      case 'notYet':
        throw new Refusal(503, 'PodChanged', 'nothing waits for this report yet: send it again', { retryAfterSeconds: 1 });
      case 'over':
        throw jobOver();
      default:
        outcome satisfies never;
    }
  };

const forward = async (deps: ReportsDeps, pod: PodRef, report: PhaseReport): Promise<ReportOutcome> => {
  const { ledger, reports } = deps;
  switch (report.outcome) {
    case 'exitUnknown':
      return askForExit(reports)(pod, lookAgain('the agent does not know how the algorithm ended: the runtime is asked'));
    case 'failed': {
      // no failure at all: the agent has the runtime asked what it cannot see itself
      if (report.type === 'PodChanged' && report.retryable)
        return failPhase(reports)(report.phase, pod, lookAgain(withoutSecrets(report.message)));
      const failure = failureOf(report);
      // the job waits in this state until the phase goes again: clients are told why
      if (report.retryable) await ledger.recordProgress({ ...pod, status: phaseStatus[report.phase], reason: failure.message });
      return failPhase(reports)(report.phase, pod, failure);
    }
    case 'done': {
      if (report.phase === 'publishOutputs' && report.result.withheld !== undefined) return withhold(deps, pod, report);
      // side by side: nothing waits for the digests before the job has ended, and a report that fails is repeated
      const noted = report.phase === 'stageInputs' ? noteStaged(deps, pod, report.result) : undefined;
      const [outcome] = await Promise.all([recordDone(deps, pod, report).then(completePhaseOf(reports, report.phase, pod)), noted]);
      return outcome;
    }
    default:
      return report satisfies never;
  }
};

const completePhaseOf =
  (reports: ReportDeps, phase: AgentPhase, pod: PodRef) =>
  (result: unknown): Promise<ReportOutcome> =>
    completePhase(reports)(phase, pod, result);

/** Keeps what was staged, for the manifest of the results. Agents of earlier releases do not tell. */
const noteStaged = async ({ ledger, resolveJob }: ReportsDeps, pod: PodRef, { digests }: StagedInputs): Promise<void> => {
  if (digests === undefined) return;
  const { spec, files } = await resolveJob(pod.jobId);
  if (spec.surface === 'selfTest') return;
  const staged = digests.map(({ n, sizeBytes, sha256 }) => {
    const planned = files[n]?.planned;
    if (planned === undefined) throw malformed('the plan has no such file');
    return { path: planned.path, role: planned.role, sizeBytes, sha256 };
  });
  await ledger.recordStagedFiles({ ...pod, files: staged });
};

/** Keeps who had the outputs, for the manifest. A filter may have seen what nobody else is to see: its words go to the log, and no further. */
const noteFilters = async (
  { ledger, logger }: Pick<ReportsDeps, 'ledger' | 'logger'>,
  pod: PodRef,
  ends: readonly FilterEnd[],
): Promise<void> => {
  for (const { by, exitCode, log } of ends) {
    const output = withoutSecrets(Buffer.from(log, 'base64').toString('utf8'));
    logger.info({ ...pod, filter: by, exitCode, output }, 'a filter of outputs has ended');
  }
  await ledger.recordFilters({ ...pod, filters: ends.map(({ by, image, exitCode }) => ({ by, image, exitCode })) });
  // a sign of life may not have told so yet
  await ledger.recordProgress({ ...pod, status: status.publishing, reason: 'the results are being published' });
};

/** The log, if it may be read, is listed as ever; the job ends with the rule as its reason. */
const withhold = async (
  deps: ReportsDeps,
  pod: PodRef,
  report: Extract<PhaseReport, { outcome: 'done'; phase: 'publishOutputs' }>,
): Promise<ReportOutcome> => {
  await recordDone(deps, pod, report);
  const { withheld: message = '', withheldAs: type = 'OutputsWithheld' } = report.result;
  const failure = failureOf({ outcome: 'failed', phase: 'publishOutputs', type, message, retryable: false });
  return failPhase(deps.reports)('publishOutputs', pod, failure);
};

/** Makes the next attempt start at once; that one asks the runtime. */
const lookAgain = (message: string): ApplicationFailure =>
  ApplicationFailure.create({ type: 'PodChanged' satisfies FailureType, message, nextRetryDelay: '1ms', category: 'BENIGN' });

/** What a phase's failure is called when an agent uses a word that this release does not know. */
const genericFailure: Readonly<Record<AgentPhase, FailureType>> = {
  stageInputs: 'InputUnavailable',
  runAlgorithm: 'ContainerFailed',
  publishOutputs: 'StorageUnavailable',
};

/** What a job shows while it is in a phase. */
const phaseStatus: Readonly<Record<AgentPhase, number>> = {
  stageInputs: status.provisioningData,
  runAlgorithm: status.running,
  publishOutputs: status.publishing,
};

const failureOf = (report: Extract<PhaseReport, { outcome: 'failed' }>): ApplicationFailure => {
  const type = isFailureType(report.type) ? report.type : genericFailure[report.phase];
  return ApplicationFailure.create({
    type,
    message: withoutSecrets(report.message),
    nonRetryable: !report.retryable,
    ...(faultOf(type) === 'consumer' ? { category: 'BENIGN' } : {}),
  });
};

/** Writes what clients read before the workflow goes on, and returns the small result that enters the history. */
const recordDone = async (
  { ledger, seal, logger }: ReportsDeps,
  pod: PodRef,
  report: Extract<PhaseReport, { outcome: 'done' }>,
): Promise<unknown> => {
  switch (report.phase) {
    case 'stageInputs': {
      const { files, bytes } = report.result;
      return { files, bytes };
    }
    case 'runAlgorithm':
      await ledger.recordProgress({
        ...pod,
        ...(report.filtering === true
          ? { status: status.filtering, reason: filteringReason }
          : { status: status.publishing, reason: 'the algorithm has ended, its results are being published' }),
      });
      return report.result;
    case 'publishOutputs': {
      const { files, exit, filters = [] } = report.result;
      if (filters.length > 0) await noteFilters({ ledger, logger }, pod, filters);
      if (new Set(files.map(({ n }) => n)).size !== files.length) throw malformed('two published files have one number');
      await ledger.recordResults({ ...pod, results: await seal(pod, resultEntriesOf(files)) });
      const bytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      return { files: files.length, bytes, ...(exit !== undefined && { exit }) } satisfies PublishedOutputs;
    }
    default:
      return report satisfies never;
  }
};
