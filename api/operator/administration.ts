/** Calls of operators, behind the `Admin` header. Operator-Service API §2. */

import { createHash, timingSafeEqual } from 'node:crypto';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import { classicStatusText, renderClassicJob } from '../classic/jobView.ts';
import { dataOf, readRequestData } from '../classic/requestData.ts';
import { readJobId } from '../node/jobIds.ts';
import type { JobRow } from '../ports.ts';
import { Refusal } from '../problems.ts';
import { readName, type Data } from './callData.ts';
import { readComponentLog } from './componentLog.ts';
import { base, type OperatorDeps, type OperatorRoute } from './ports.ts';
import { operatorJob, operatorRunningJobs, type OperatorRunningJob } from './schemas.ts';

/** Longest list of one answer. */
const mostJobs = 1_000;

const digest = (text: string): Buffer => createHash('sha256').update(text.toLowerCase()).digest();

/** Takes as long for a value that is nearly right as for any other. */
const requireAdmin = ({ settings }: Pick<OperatorDeps, 'settings'>): RequestHandler =>
  function requireAdmin(req, _res, next) {
    const value = req.get('Admin')?.trim() ?? '';
    if (value === '') throw new Refusal(400, 'Admin header is empty.\nstatus code: 400');
    const given = digest(value);
    if (!settings.admins.some((admin) => timingSafeEqual(digest(admin), given))) {
      throw new Refusal(401, 'Access admin route failed due to invalid admin address.\nstatus code: 401');
    }
    next();
  };

const renderRunningJob = (row: JobRow): OperatorRunningJob => ({
  ...{ agreementId: row.agreementId, jobId: row.jobId, owner: row.owner },
  ...{ status: row.status, statusText: classicStatusText(row.status), dateCreated: String(row.createdAtMs / 1_000) },
  ...{ namespace: row.environmentId, algoDID: row.algorithmDid, inputDID: [...row.inputDids] },
});

const findJob = async ({ ledger }: OperatorDeps, data: Data): Promise<JobRow | null> => {
  const jobId = readJobId(readName(data['jobId']));
  const row = jobId === null ? null : await ledger.readProviderJob(jobId);
  return row?.admission === 'accepted' ? row : null;
};

const listRunningJobs = (deps: OperatorDeps): RequestHandler =>
  async function listRunningJobs(_req, res) {
    res.json((await deps.ledger.runningJobs(mostJobs)).map(renderRunningJob));
  };

const listJobIds = (deps: OperatorDeps): RequestHandler =>
  async function listJobIds(_req, res) {
    res.json((await deps.ledger.runningJobs(mostJobs)).map(({ jobId }) => jobId));
  };

const describeJob = (deps: OperatorDeps): RequestHandler =>
  async function describeJob(_req, res) {
    const { exact } = dataOf(res);
    const row = await findJob(deps, exact);
    if (row === null) throw new Refusal(404, `Workflow ${(readName(exact['jobId']) ?? '').slice(0, 100)} not found`);
    res.json(renderClassicJob(row));
  };

const readLogs = (deps: OperatorDeps): RequestHandler =>
  async function readLogs(_req, res) {
    const { exact } = dataOf(res);
    const component = readName(exact['component']) ?? '';
    const row = await findJob(deps, exact);
    const log = row === null ? null : await readComponentLog(deps, row, component);
    if (log === null) {
      const workflow = (readName(exact['jobId']) ?? '').slice(0, 100);
      throw new Refusal(404, `Pod with workflow=${workflow} and component=${component.slice(0, 100)} not found`);
    }
    res.set({ 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' }).send(log);
  };

const acceptNothing: RequestHandler = function acceptNothing(_req, res) {
  res.set('Content-Type', 'text/plain; charset=utf-8').send(Buffer.alloc(0));
};

const headers = z.object({ Admin: z.string() });
const jobQuery = { jobId: z.string() };

export const runningJobsRoute: OperatorRoute = {
  method: 'get',
  path: `${base}/runningjobs`,
  id: 'getRunningJobs',
  summary: 'All jobs that have not ended, of all surfaces',
  description: `Oldest first, at most ${mostJobs}.`,
  headers,
  answers: { 200: { description: 'The jobs', contentType: 'application/json', schema: operatorRunningJobs } },
  refusals: [400, 401, 503],
  handle: (deps) => [requireAdmin(deps), listRunningJobs(deps)],
};

export const listRoute: OperatorRoute = {
  method: 'get',
  path: `${base}/list`,
  id: 'listJobs',
  summary: 'Ids of all jobs that have not ended',
  headers,
  answers: { 200: { description: 'Job ids', contentType: 'application/json', schema: z.array(z.string()) } },
  refusals: [400, 401, 503],
  handle: (deps) => [requireAdmin(deps), listJobIds(deps)],
};

export const infoRoute: OperatorRoute = {
  method: 'get',
  path: `${base}/info`,
  id: 'getJob',
  summary: 'One job, whosever it is',
  headers,
  query: z.object(jobQuery),
  answers: { 200: { description: 'The job', contentType: 'application/json', schema: operatorJob } },
  refusals: [400, 401, 404, 413, 415, 503],
  handle: (deps) => [requireAdmin(deps), ...readRequestData(deps.limits.jsonBytes), describeJob(deps)],
};

export const logsRoute: OperatorRoute = {
  method: 'get',
  path: `${base}/logs`,
  id: 'getLogs',
  summary: 'Log of one part of a job',
  description: '`algorithm` is what the algorithm wrote; `configure` and `publish` tell what the service did before and after.',
  headers,
  query: z.object({ ...jobQuery, component: z.enum(['configure', 'algorithm', 'publish']) }),
  answers: { 200: { description: 'The log', contentType: 'text/plain', schema: z.string() } },
  refusals: [400, 401, 404, 413, 415, 503],
  handle: (deps) => [requireAdmin(deps), ...readRequestData(deps.limits.jsonBytes), readLogs(deps)],
};

export const initializeRoute: OperatorRoute = {
  method: 'post',
  path: `${base}/pgsqlinit`,
  id: 'initDatabase',
  summary: 'Accepted, without an effect: the service keeps its database in shape itself',
  headers,
  answers: { 200: { description: 'Nothing', contentType: 'text/plain', schema: z.literal('') } },
  refusals: [400, 401],
  handle: (deps) => [requireAdmin(deps), acceptNothing],
};
