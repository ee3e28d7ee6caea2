/** The gateway as an Express application: the only thing that an execution pod can reach. */

import express, { type Express } from 'express';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../infra/process/logger.ts';
import { takeEvents } from './events.ts';
import type { FailedTokenLimits } from './failedTokens.ts';
import { serveFile } from './files.ts';
import { createJobFiles } from './jobFiles.ts';
import type { GatewayMetrics } from './metrics.ts';
import { completeOutput, takeOutput, takePart } from './outputs.ts';
import { awaitAttempt } from './phases.ts';
import type { ActivityClient, ReportDeps } from './phaseReports.ts';
import { servePlan, type AgentSettings } from './plan.ts';
import { forPods } from './podAuthentication.ts';
import type { AssetFiles, EnvironmentOf, FileSource, GatewayLedger, OutputRules, TokenReader, UploadStore } from './ports.ts';
import { Refusal, renderProblems } from './problems.ts';
import { agentBasePath } from './protocol.ts';
import { createSignOfLifeGate } from './signOfLifeGate.ts';
import { takeReport } from './reports.ts';
import { sealResults } from './sealing.ts';
import type { WorkflowLook } from './workflowLook.ts';

/** Everything that the gateway needs; `main.ts` joins it. */
export interface GatewayDeps {
  readonly tokens: TokenReader;
  readonly ledger: GatewayLedger;
  readonly activity: ActivityClient;
  readonly workflows: WorkflowLook;
  readonly assets: AssetFiles;
  readonly source: FileSource;
  readonly store: UploadStore;
  readonly environmentOf: EnvironmentOf;
  readonly outputRules: OutputRules;
  readonly settings: AgentSettings;
  readonly metrics: GatewayMetrics;
  readonly logger: Logger;
  readonly failedTokens?: FailedTokenLimits;
  /** default: real time */
  readonly clock?: { readonly now: () => number; readonly pause: (milliseconds: number) => Promise<void> };
  readonly reportPatience?: readonly number[];
}

const realClock = { now: () => performance.now(), pause: (milliseconds: number) => delay(milliseconds) };

/** of the interval in which agents are expected to be heard */
const signOfLifeShare = 0.5;
const eventsBody = '2mb';
/** digests of ten thousand parts */
const completionBody = '1mb';
/** ten thousand published files with long names */
const reportsBody = '16mb';

/** Has no side effects: `main.ts` listens. */
export const createGateway = (deps: GatewayDeps): Express => {
  const { ledger, activity, workflows, metrics, settings, clock = realClock } = deps;
  const pod = forPods(deps);
  const resolveJob = createJobFiles(deps);
  const reports: ReportDeps = {
    activity,
    workflows,
    pause: clock.pause,
    onEarly: () => metrics.earlyReports.inc(),
    ...(deps.reportPatience === undefined ? {} : { patience: deps.reportPatience }),
  };
  const gate = createSignOfLifeGate(settings.heartbeatSeconds * signOfLifeShare * 1_000, clock.now);
  const outputs = { ...deps, resolveJob, partBytes: settings.partBytes };
  const agent = express.Router();
  agent.get('/plan', pod(servePlan({ ...deps, resolveJob })));
  agent.get('/files/:n', pod(serveFile({ ...deps, resolveJob })));
  agent.post('/events', pod(takeEvents({ ledger, reports, gate }), express.json({ limit: eventsBody })));
  agent.post(
    '/reports',
    pod(takeReport({ ledger, reports, resolveJob, seal: sealResults(outputs), logger: deps.logger }), express.json({ limit: reportsBody })),
  );
  agent.put('/outputs/:n', pod(takeOutput(outputs)));
  agent.put('/outputs/:n/parts/:k', pod(takePart(outputs)));
  agent.post('/outputs/:n/complete', pod(completeOutput(outputs), express.json({ limit: completionBody })));
  agent.get('/phases/:phase/attempt', pod(awaitAttempt({ workflows, ...clock })));

  const app = express();
  app.disable('x-powered-by').disable('etag');
  app.use(agentBasePath, agent);
  app.use((_req, _res) => {
    throw new Refusal(404, 'RequestInvalid', 'there is no such path');
  });
  app.use(renderProblems(deps.logger));
  return app;
};
