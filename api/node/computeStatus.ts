/** `GET /api/services/compute`: jobs by id, owner or agreement. Reads the ledger, nothing else. */

import type { RequestHandler } from 'express';
import { z } from 'zod';
import { badAddressText, isAbsent, isAddress, readHolder } from '../authentication.ts';
import type { JobFilter } from '../../infra/ledger/ledger.ts';
import type { ApiDeps } from '../ports.ts';
import { Refusal } from '../problems.ts';
import type { Route } from '../route.ts';
import { readJobId } from './jobIds.ts';
import { renderJob } from './jobView.ts';
import { computeJobs } from './schemas.ts';

/** Newest jobs of one answer. */
const pageSize = 500;

const query = z.object({
  consumerAddress: z.string().optional(),
  jobId: z.string().optional(),
  agreementId: z.string().optional(),
});

/** A transaction hash with its `0x`, or an id of another system as it is; null for what can match nothing. */
const readAgreementId = (text: string): string | null => {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return `0x${text.toLowerCase()}`;
  return /^[\x21-\x7e]{1,200}$/.test(text) ? text.toLowerCase() : null;
};

/**
 * The filter of a status request; null when it can match no job.
 * @throws Refusal 400 without any filter, or for an address that is none
 */
export const readJobFilter = (raw: z.output<typeof query>): JobFilter | null => {
  const { consumerAddress, jobId, agreementId } = raw;
  if ([consumerAddress, jobId, agreementId].every(isAbsent)) {
    throw new Refusal(400, 'Missing one of ["jobId","consumerAddress","agreementId"]');
  }
  if (!isAbsent(consumerAddress) && !isAddress(consumerAddress)) throw new Refusal(400, badAddressText);
  const wantedJob = isAbsent(jobId) ? undefined : readJobId(jobId);
  const wantedAgreement = agreementId === undefined || isAbsent(agreementId) ? undefined : readAgreementId(agreementId);
  if (wantedJob === null || wantedAgreement === null) return null;
  return {
    ...(isAddress(consumerAddress) && { owner: consumerAddress.toLowerCase() }),
    ...(wantedJob !== undefined && { jobId: wantedJob }),
    ...(wantedAgreement !== undefined && { agreementId: wantedAgreement }),
  };
};

/** The same jobs, but only those of `owner`; null when none can be left. */
const limitTo = (filter: JobFilter | null, owner: string): JobFilter | null =>
  filter === null || (filter.owner !== undefined && filter.owner !== owner) ? null : { ...filter, owner };

/** Accepted jobs that match every given filter, newest first; `[]` when there are none. A token limits them to its address. */
export const readStatus = (deps: Pick<ApiDeps, 'ledger' | 'tokens'>): RequestHandler =>
  async function readStatus(req, res) {
    const { ledger } = deps;
    const holder = (await readHolder(deps, req.get('authorization')))?.address.toLowerCase();
    const asked = query.parse(req.query);
    const isOpen = holder !== undefined && Object.values(asked).every(isAbsent);
    const wanted = isOpen ? {} : readJobFilter(asked);
    const filter = holder === undefined ? wanted : limitTo(wanted, holder);
    const rows = filter === null ? [] : await ledger.findJobs(filter, { limit: pageSize, offset: 0 });
    res.set('Cache-Control', 'no-store').json(rows.filter((row) => row.admission === 'accepted').map(renderJob));
  };

export const computeStatusRoute: Route = {
  method: 'get',
  path: '/api/services/compute',
  id: 'readStatus',
  summary: 'Status of jobs by id, owner or agreement',
  description: `Unsigned, or with a token, which limits the answer to its address; public fields only. At most the ${pageSize} newest jobs.`,
  query,
  answers: { 200: { description: 'Matching jobs', contentType: 'application/json', schema: computeJobs } },
  refusals: [400, 401],
  handle: (deps) => [readStatus(deps)],
};
