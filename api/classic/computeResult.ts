/** `GET /api/services/computeResult`: one published file, whole or in part, to the job's owner. */

import type { RequestHandler } from 'express';
import { z } from 'zod';
import { deliverResult, findResult } from '../node/computeResult.ts';
import { Refusal } from '../problems.ts';
import { integer, required } from './fields.ts';
import { findOwnJob } from './jobs.ts';
import type { ClassicDeps, ClassicRoute } from './ports.ts';
import { dataOf, readRequestData, signedPart, textOf } from './requestData.ts';
import { spendCall, verifyCall } from './signature.ts';

const rules = { jobId: [required], index: [required, integer] };

/** The nonce is spent before the first byte: a result's address is good for one fetch. */
export const readClassicResult = (deps: ClassicDeps): RequestHandler =>
  async function readClassicResult(req, res) {
    const { exact, plain } = dataOf(res);
    const message = [plain['consumerAddress'], plain['jobId'], plain['index']].map(signedPart).join('');
    const caller = await verifyCall(deps, { data: exact, addressField: 'consumerAddress', message, token: req.get('AuthToken') }, rules);
    await spendCall(deps, caller);
    const jobId = textOf(plain['jobId']) ?? '';
    const row = await findOwnJob(deps.ledger, jobId, caller.address);
    if (row === null) throw new Refusal(404, `Owner ${caller.address.slice(0, 100)} mismatch for job ${jobId.slice(0, 100)}`);
    const index = Number(plain['index']);
    if (row.results.length > 0 && index < 0) throw new Refusal(404, `Negative index ${index}`);
    await deliverResult(deps, { row, entry: findResult(row, index) }, req, res);
  };

const bytes = z.string().meta({ format: 'binary' });

export const classicResultRoute: ClassicRoute = {
  method: 'get',
  path: '/api/services/computeResult',
  id: 'computeResult',
  summary: 'A result file, whole or (Range) in part',
  description: 'Signed: `consumerAddress + jobId + index + nonce`. The nonce is spent by the first fetch.',
  query: z.object({
    consumerAddress: z.string(),
    jobId: z.string(),
    index: z.string(),
    nonce: z.string(),
    signature: z.string().optional(),
  }),
  answers: {
    200: { description: 'The file', contentType: '*/*', schema: bytes },
    206: { description: 'The range', contentType: '*/*', schema: bytes },
  },
  refusals: [400, 404, 405, 416, 503],
  refuseHead: true,
  handle: (deps) => [...readRequestData(deps.limits.jsonBytes), readClassicResult(deps)],
};
