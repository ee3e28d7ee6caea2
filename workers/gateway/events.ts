/** `POST events`: a sign of life with progress and pieces of the log. */

import type { PodRef } from '../../workflows/contract/job.ts';
import { status } from '../../workflows/contract/status.ts';
import type { ProgressRecord } from '../../infra/ledger/ledger.ts';
import { heartbeatPhase, type ReportDeps } from './phaseReports.ts';
import type { PodHandler } from './podAuthentication.ts';
import type { GatewayLedger } from './ports.ts';
import type { SignOfLifeGate } from './signOfLifeGate.ts';
import { events, type AgentProgress, type Events, type Order } from './protocol.ts';

export interface EventsDeps {
  readonly ledger: Pick<GatewayLedger, 'recordProgress' | 'appendLog'>;
  readonly reports: Pick<ReportDeps, 'activity'>;
  readonly gate: SignOfLifeGate;
}

const mebibytes = (bytes: number): string => (bytes / 1024 ** 2).toFixed(1);

const describeProgress = (verb: string, { filesDone, filesTotal, bytesDone, bytesTotal }: AgentProgress): string => {
  const amount = bytesTotal === null ? `${mebibytes(bytesDone)} MiB` : `${mebibytes(bytesDone)} of ${mebibytes(bytesTotal)} MiB`;
  return `${verb}: ${filesDone} of ${filesTotal} files, ${amount}`;
};

/** What clients read while filters look at the outputs. */
export const filteringReason = 'the algorithm has ended, its outputs are being filtered';

/** What clients read about a phase's progress; the ledger keeps the furthest state. */
export const progressRecordOf = (pod: PodRef, progress: AgentProgress): ProgressRecord => {
  switch (progress.phase) {
    case 'stageInputs':
      return { ...pod, status: status.provisioningData, reason: describeProgress('staging inputs', progress), progress };
    case 'runAlgorithm':
      return { ...pod, status: status.running, reason: 'the algorithm is running', progress };
    case 'publishOutputs':
      if (progress.filtering === true) return { ...pod, status: status.filtering, reason: filteringReason, progress };
      return { ...pod, status: status.publishing, reason: describeProgress('publishing results', progress), progress };
    default:
      return progress.phase satisfies never;
  }
};

interface Recorded extends Pick<Events, 'algorithmStartedAtMs' | 'logs'> {
  readonly progress: AgentProgress | undefined;
}

const record = async (ledger: EventsDeps['ledger'], pod: PodRef, { progress, algorithmStartedAtMs, logs }: Recorded): Promise<void> => {
  for (const { offset, bytes } of logs) await ledger.appendLog({ ...pod, offset, bytes: Buffer.from(bytes, 'base64') });
  if (algorithmStartedAtMs !== undefined) {
    await ledger.recordProgress({ ...pod, status: status.running, reason: 'the algorithm is running', algorithmStartedAtMs });
  }
  if (progress !== undefined) await ledger.recordProgress(progressRecordOf(pod, progress));
};

/**
 * Every part may be repeated: log pieces carry their offset, progress only moves forward. Pieces of the log are stored
 * as they come, signs of life go on at a bounded rate. The heartbeat goes out even when the ledger is away, so that a
 * database's restart does not look like a silent pod.
 */
export const takeEvents = ({ ledger, reports, gate }: EventsDeps): PodHandler => {
  const heartbeat = heartbeatPhase(reports);
  return async function takeEvents(pod, req, res) {
    const message = events.parse(req.body);
    const progress = message.progress !== undefined && gate.open(pod, message.progress.phase) ? message.progress : undefined;
    const [order, recorded] = await Promise.allSettled([
      progress === undefined ? ('continue' as const) : heartbeat(pod, progress),
      record(ledger, pod, { ...message, progress }),
    ]);
    // what did not arrive, and a stop whose answer may get lost, are not to wait for the gate
    const arrived = order.status === 'fulfilled' && order.value === 'continue' && recorded.status === 'fulfilled';
    if (progress !== undefined && !arrived) gate.reopen(pod, progress.phase);
    if (recorded.status === 'rejected') throw recorded.reason;
    if (order.status === 'rejected') throw order.reason;
    res.json({ order: order.value } satisfies Order);
  };
};
