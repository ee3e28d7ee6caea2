/** `PUT` and `DELETE /api/services/compute`. Classic Provider API §9. */

import type { RequestHandler } from 'express';
import { required, requireFields } from './fields.ts';
import { findOwnJob } from './jobs.ts';
import { renderClassicJob } from './jobView.ts';
import { readNonce } from './nonce.ts';
import type { ClassicDeps, ClassicRoute } from './ports.ts';
import { InvalidFields } from './problems.ts';
import { dataOf, readRequestData, signedPart, textOf } from './requestData.ts';
import { classicJobs, classicSigned } from './schemas.ts';
import { isSigned, spendCall, verifyCall, type SignedCall } from './signature.ts';
import { z } from 'zod';

type Data = Readonly<Record<string, unknown>>;

const messageOf = (data: Data): string => [data['consumerAddress'], data['jobId'], data['documentId']].map(signedPart).join('');

/**
 * ocean.js from 3.3.3 on sends a nonce and does not sign it. Nothing is stored then, or a replay could push the
 * nonce up: all that a replay can do is to stop the same job again.
 */
const isUnsignedStop = async ({ assets, settings }: ClassicDeps, data: Data): Promise<boolean> => {
  const [address, jobId] = [textOf(data['consumerAddress']), textOf(data['jobId'])];
  if (!settings.takesUnsignedNonces || address === null || jobId === null) return false;
  return isSigned({ assets }, address, `${address}${jobId}`, data['signature']);
};

const authenticateStop = async (deps: ClassicDeps, call: SignedCall): Promise<string> => {
  const rules = { jobId: [required] };
  try {
    const caller = await verifyCall(deps, call, rules);
    await spendCall(deps, caller);
    return caller.address;
  } catch (err) {
    const isSignatureOnly = err instanceof InvalidFields && Object.keys(err.errors).join() === 'signature';
    if (!isSignatureOnly || !(await isUnsignedStop(deps, call.data))) throw err;
    return textOf(call.data['consumerAddress']) ?? '';
  }
};

/** Works in every phase; a job that has ended stays as it is, and somebody else's does not exist. */
export const stopClassicCompute = (deps: ClassicDeps): RequestHandler =>
  async function stopClassicCompute(req, res) {
    const { exact, plain } = dataOf(res);
    const token = req.get('AuthToken');
    const owner = await authenticateStop(deps, { data: exact, addressField: 'consumerAddress', message: messageOf(plain), token });
    const row = await findOwnJob(deps.ledger, textOf(plain['jobId']), owner);
    if (row !== null && row.finishedAtMs === null) {
      await deps.ledger.requestStop(row.jobId);
      await deps.jobs.stop(row.jobId);
    }
    const after = row === null ? null : await findOwnJob(deps.ledger, row.jobId, owner);
    res.json(after === null ? [] : [renderClassicJob(after)]);
  };

/** What `GET nonce` answers, and 1 more: ocean.js signs that for a delete, and does not send it. */
const guessNonce = async (deps: ClassicDeps, address: string | null): Promise<string> =>
  String(BigInt(await readNonce(deps, address)) + 1n);

/** Answers an empty text: results expire by themselves, and nothing is deleted before. */
export const deleteClassicCompute = (deps: ClassicDeps): RequestHandler =>
  async function deleteClassicCompute(req, res) {
    const { exact, plain } = dataOf(res);
    requireFields({ consumerAddress: [required] }, plain);
    const isWithoutNonce = deps.settings.takesUnsignedNonces && textOf(plain['nonce']) === null;
    const nonce = isWithoutNonce ? { nonce: await guessNonce(deps, textOf(plain['consumerAddress'])) } : {};
    const call = { data: { ...exact, ...nonce }, addressField: 'consumerAddress', message: messageOf(plain), token: req.get('AuthToken') };
    await spendCall(deps, await verifyCall(deps, call));
    res.json('');
  };

export const stopClassicRoute: ClassicRoute = {
  method: 'put',
  path: '/api/services/compute',
  id: 'computeStop',
  summary: 'Stop a job; what it has written so far is published',
  description: 'Signed: `consumerAddress + jobId + documentId + nonce`.',
  body: { contentType: 'application/json', schema: classicSigned },
  answers: { 200: { description: 'The job', contentType: 'application/json', schema: classicJobs } },
  refusals: [400, 413, 503],
  handle: (deps) => [...readRequestData(deps.limits.jsonBytes), stopClassicCompute(deps)],
};

export const deleteClassicRoute: ClassicRoute = {
  method: 'delete',
  path: '/api/services/compute',
  id: 'computeDelete',
  summary: 'Accepted, without an effect: results expire by themselves',
  description: 'Signed: `consumerAddress + jobId + documentId + nonce`.',
  body: { contentType: 'application/json', schema: classicSigned },
  answers: { 200: { description: 'An empty text', contentType: 'application/json', schema: z.literal('') } },
  refusals: [400, 413],
  handle: (deps) => [...readRequestData(deps.limits.jsonBytes), deleteClassicCompute(deps)],
};
