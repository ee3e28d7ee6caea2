/** `GET /getResult`: one published file, whole or in part, for the Provider that started the job. Operator-Service API §6. */

import { setTimeout as pause } from 'node:timers/promises';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import { readRequestData } from '../classic/requestData.ts';
import { deliverResult, findResult } from '../node/computeResult.ts';
import { isOwner, readJobId } from '../node/jobIds.ts';
import type { JobRow, Results } from '../ports.ts';
import { Refusal } from '../problems.ts';
import { exactText, readName, requireAttributes, requireData, withPrefix, type Data } from './callData.ts';
import { base, type OperatorDeps, type OperatorRoute } from './ports.ts';
import { formsAboutJobs, readNonce, spendProviderNonce, verifyProvider, type ProviderCaller } from './signature.ts';

const attributes = ['owner', 'providerSignature', 'nonce', 'index', 'jobId'];
const tries = 3;
const firstPauseMs = 200;

/** A storage that is away for a moment is asked again; one that stays away is a 502 that tells nothing of it. */
const insistOn = ({ results, logger }: Pick<OperatorDeps, 'results' | 'logger'>): Results => ({
  async read(file, range) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await results.read(file, range);
      } catch (err) {
        if (attempt < tries) await pause(firstPauseMs * attempt);
        else {
          logger.error({ err, jobId: file.jobId }, 'a result cannot be read');
          throw new Refusal(502, 'Error getResult');
        }
      }
    }
  },
});

/** The words that Python has for it: they were passed on to consumers. */
const readIndex = (value: unknown): number => {
  const text = exactText(value) ?? '';
  if (!/^\s*[+-]?\d{1,9}\s*$/.test(text)) {
    throw new Refusal(400, `Error getResult: invalid literal for int() with base 10: '${text.slice(0, 100)}'`);
  }
  return Number(text);
};

const requireOwnJob = async ({ ledger }: OperatorDeps, data: Data, { provider }: ProviderCaller): Promise<JobRow> => {
  const [owner, job] = [readName(data['owner']) ?? '', readName(data['jobId']) ?? ''];
  const jobId = readJobId(job);
  const row = jobId === null ? null : await ledger.readProviderJob(jobId);
  const isTheirs = row?.admission === 'accepted' && isOwner(row, owner) && row.providerAddress === provider.toLowerCase();
  if (row === null || !isTheirs) throw new Refusal(404, `Owner ${owner.slice(0, 100)} mismatch for job ${job.slice(0, 100)}`);
  return row;
};

/** The nonce is spent before the first byte. */
export const readOperatorResult = (deps: OperatorDeps): RequestHandler =>
  async function readOperatorResult(req, res) {
    const { exact } = requireData(res);
    requireAttributes(exact, attributes, 'GET:/getResult');
    const nonce = readNonce(exact);
    const forms = formsAboutJobs(exact, nonce, { withNonce: null });
    const caller = verifyProvider(deps, { signature: exact['providerSignature'], nonce, forms });
    await withPrefix('Error getResult: ', () => spendProviderNonce(deps, caller));
    const index = readIndex(exact['index']);
    const row = await requireOwnJob(deps, exact, caller);
    if (row.results.length > 0 && index < 0) throw new Refusal(404, `Negative index ${index}`);
    const entry = findResult(row, index);
    res.set('Access-Control-Expose-Headers', 'Content-Disposition');
    await deliverResult({ results: insistOn(deps) }, { row, entry }, req, res);
  };

const bytes = z.string().meta({ format: 'binary' });

export const operatorResultRoute: OperatorRoute = {
  method: 'get',
  path: `${base}/getResult`,
  id: 'getResult',
  summary: 'A result file, whole or (Range) in part',
  description: 'Signed by the Provider: `owner + jobId + nonce`. The nonce is spent by the first fetch.',
  query: z.object({ owner: z.string(), jobId: z.string(), index: z.string(), nonce: z.string(), providerSignature: z.string() }),
  answers: {
    200: { description: 'The file', contentType: '*/*', schema: bytes },
    206: { description: 'The range', contentType: '*/*', schema: bytes },
  },
  refusals: [400, 401, 404, 405, 413, 415, 416, 502, 503],
  refuseHead: true,
  handle: (deps) => [...readRequestData(deps.limits.jsonBytes), readOperatorResult(deps)],
};
