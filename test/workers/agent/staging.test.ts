import type { PhaseReport, PlannedFile } from '../../../workers/gateway/protocol.ts';
import { createProgress } from '../../../workers/agent/progress.ts';
import { openState } from '../../../workers/agent/state.ts';
import { untilStaged } from '../../../workers/agent/staging.ts';
import { answer, aPlan } from '../../infra/pods/testGateway.ts';
import { startAgentHarness, type AgentHarness } from './agentHarness.ts';

const file: PlannedFile = { n: 0, path: 'inputs/abc/0', mode: 0o644, role: 'input' };
const away = { type: 'InputUnavailable', message: 'the source is away', retryable: true };

let harness: AgentHarness;
afterEach(() => harness.close());

/** Stages with little time. @returns what the gateway is told, and the word that is the last */
const stageFor = async (stageSeconds: number, transferPatienceSeconds: number) => {
  const limits = { stageSeconds, transferPatienceSeconds };
  harness = await startAgentHarness({ files: [file], limits }, new Map([[0, Buffer.from('bytes')]]));
  const { folder, gateway } = harness;
  const reports: PhaseReport[] = [];
  const ended = Promise.withResolvers<PhaseReport>();
  const staged = untilStaged({
    gateway: {
      openFile: gateway.openFile,
      nextAttempt: async () => reports.length,
      async report(report) {
        reports.push(report);
        if ('retryable' in report && !report.retryable) ended.resolve(report);
        return { order: 'continue' };
      },
    },
    plan: aPlan({ files: [file], limits }),
    dataFolder: folder,
    progress: createProgress(),
    stateFile: openState(`${folder}/state.json`),
    cancelled: new AbortController().signal,
  });
  return { staged, reports, ended: ended.promise };
};

describe('staging', () => {
  test('goes on after a failure that passes', async () => {
    const { staged, reports } = await stageFor(60, 0.2);
    let requests = 0;
    harness.server.intercept = (req, res) => {
      if (!req.url?.includes('/files/') || (requests += 1) > 1) return false;
      answer(res, 502, away);
      return true;
    };
    expect(await staged).toMatchObject({ files: 1, bytes: 5 });
    expect(reports.every((report) => 'retryable' in report && report.retryable)).toBe(true);
  });

  test('that keeps failing ends with the failure that kept it, once its time is up', async () => {
    const { reports, ended } = await stageFor(0.5, 0.05);
    harness.server.intercept = (req, res) => {
      if (!req.url?.includes('/files/')) return false;
      answer(res, 502, away);
      return true;
    };
    expect(await ended).toMatchObject({ type: 'InputUnavailable', message: expect.stringMatching(/the source is away$/) as string });
    expect(reports.length).toBeGreaterThan(1);
  });

  test('of a transfer that never ends is ended, once its time is up (complaint: a sidecar hangs)', async () => {
    const { reports, ended } = await stageFor(0.3, 60);
    harness.server.intercept = (req) => req.url?.includes('/files/') === true;
    expect(await ended).toMatchObject({ type: 'PhaseTimedOut', message: expect.stringContaining('within the 0.3 s') as string });
    expect(reports).toHaveLength(1);
  });
});
