/** Asks Providers how many files the services of a job have, before its pod is made. Operator-Service API §8. */

import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { JobFailure } from '../../workflows/contract/failures.ts';
import type { Admission, AssetSnapshot, JobSpec, ProviderFiles, ProviderListing } from '../../workflows/contract/spec.ts';
import type { GuardedFetch, OutboundRequest } from '../outbound/guardedFetch.ts';
import { findService, parseDdo } from './ddo.ts';
import { translate } from './fileSource.ts';
import { settleInOrder } from './settleInOrder.ts';
import { readJsonAnswer } from './providerSource.ts';
import { SourceFailure } from './sourceFailure.ts';

export interface ProviderListingDeps {
  readonly guardedFetch: GuardedFetch;
  readonly listings: {
    readProviderListing(jobId: string): Promise<ProviderListing | null>;
    storeProviderListing(jobId: string, listing: ProviderListing): Promise<void>;
  };
}

const longestAnswer = 1024 ** 2;
const mostFiles = 10_000;
const firstPauseMs = 500;
const longestPauseMs = 5_000;
const askTimeoutMs = 30_000;

const endpoint = z.tuple([z.string(), z.string().startsWith('/')]).rest(z.unknown());
const root = z.object({ serviceEndpoints: z.object({ fileinfo: endpoint, download: endpoint }) });
const fileList = z.array(z.unknown()).min(1).max(mostFiles);

const parseAs = <Schema extends z.ZodType>(schema: Schema, value: unknown, problem: string): z.output<Schema> => {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new SourceFailure('permanent', problem);
  return parsed.data;
};

const longestBase = 2_000;

/** Each service has its Provider in its document. A base path is kept, and one Provider has one spelling. */
const baseOf = ({ did, ddo, serviceId }: AssetSnapshot): string => {
  const document = parseDdo(ddo);
  const service = document === null ? undefined : findService(document, serviceId);
  if (service === undefined)
    throw new SourceFailure('permanent', `the document of ${did ?? 'the asset'} has no service ${serviceId ?? ''}`);
  const url = URL.parse(service.serviceEndpoint);
  if (url === null || url.href.length > longestBase) throw new SourceFailure('permanent', 'the service names no Provider');
  [url.search, url.hash] = ['', ''];
  return url.href.replace(/\/+$/, '');
};

/** @throws SourceFailure */
const askProvider = async (guardedFetch: GuardedFetch, snapshot: AssetSnapshot, signal: AbortSignal): Promise<ProviderFiles> => {
  const provider = baseOf(snapshot);
  const ask = async (request: OutboundRequest): Promise<unknown> => {
    try {
      const end = AbortSignal.any([signal, AbortSignal.timeout(askTimeoutMs)]);
      return await readJsonAnswer(await guardedFetch(request, end), longestAnswer);
    } catch (err) {
      return translate(err);
    }
  };
  const answer = await ask({ url: `${provider}/`, method: 'GET', headers: { accept: 'application/json' } });
  const { fileinfo, download } = parseAs(root, answer, 'the Provider of the asset does not say where its files are').serviceEndpoints;
  const body = JSON.stringify({ did: snapshot.did, serviceId: snapshot.serviceId });
  const headers = { 'content-type': 'application/json', accept: 'application/json' };
  const list = await ask({ url: provider + fileinfo[1], method: 'POST', headers, body });
  const { length: files } = parseAs(fileList, list, 'the Provider of the asset tells of no files');
  return { provider, downloadUrl: provider + download[1], files };
};

/** How long what may pass is asked for again. */
interface Patience {
  readonly untilMs: number;
  readonly signal: AbortSignal;
}

interface Asking {
  readonly label: string;
  readonly role: 'dataset' | 'algorithm';
  readonly patience: Patience;
}

const failureOf = (message: string, { label, role }: Asking): JobFailure =>
  new JobFailure(role === 'algorithm' ? 'AlgorithmUnavailable' : 'InputUnavailable', `${label}: ${message}`);

/** Repeats what may pass until the time is up. @throws JobFailure, final; the signal's reason when it is aborted */
const askPatiently = async (guardedFetch: GuardedFetch, snapshot: AssetSnapshot, asking: Asking): Promise<ProviderFiles> => {
  const { untilMs, signal } = asking.patience;
  for (let waitMs = firstPauseMs; ; waitMs = Math.min(2 * waitMs, longestPauseMs)) {
    try {
      return await askProvider(guardedFetch, snapshot, signal);
    } catch (err) {
      signal.throwIfAborted();
      if (!(err instanceof SourceFailure)) throw err;
      if (err.kind === 'permanent' || Date.now() + waitMs > untilMs) throw failureOf(err.message, asking);
      await pause(waitMs, undefined, { signal });
    }
  }
};

const nothingToFetch = 'it names neither a url nor an ordered service, so there is nothing to fetch';

/** What was asked for and what was admitted. */
interface AdmittedJob {
  readonly spec: JobSpec;
  readonly admission: Admission;
}

const listDatasets = ({ guardedFetch }: ProviderListingDeps, { spec, admission }: AdmittedJob, patience: Patience) =>
  admission.datasets.map(async (snapshot, position) => {
    const request = spec.datasets[position];
    const asking: Asking = { label: `dataset ${position + 1} (${request?.documentId ?? snapshot.folder})`, role: 'dataset', patience };
    if (snapshot.did !== null) return askPatiently(guardedFetch, snapshot, asking);
    if (Array.isArray(request?.fileObject) && request.fileObject.length > 0) return null;
    throw failureOf(nothingToFetch, asking);
  });

const listAlgorithm = async ({ guardedFetch }: ProviderListingDeps, { spec, admission }: AdmittedJob, patience: Patience) => {
  const { raw, documentId } = spec.algorithm;
  const asking: Asking = { label: `algorithm (${documentId ?? 'raw'})`, role: 'algorithm', patience };
  if (admission.algorithm !== null) {
    const listed = await askPatiently(guardedFetch, admission.algorithm, asking);
    const pinned = admission.algorithmFileDigests?.length ?? listed.files;
    if (pinned === listed.files) return listed;
    const text = `${asking.label}: it has ${listed.files} files, and the datasets pin the checksums of ${pinned}`;
    throw new JobFailure('AlgorithmChecksumMismatch', text);
  }
  const hasUrls = Array.isArray(raw?.fileObject) && raw.fileObject.length > 0;
  if (hasUrls || (raw?.rawcode ?? '') !== '') return null;
  throw failureOf(nothingToFetch, asking);
};

/**
 * Makes the preparation of jobs: afterwards it is known for all pods of a job which files it has. Other surfaces need none.
 * @returns a function that throws JobFailure InputUnavailable or AlgorithmUnavailable, final, once the patience is over
 */
export const createProviderListings = (deps: ProviderListingDeps) =>
  async function prepareFiles(
    job: AdmittedJob,
    { patienceSeconds, signal }: { readonly patienceSeconds: number; readonly signal: AbortSignal },
  ): Promise<void> {
    const { jobId, surface } = job.spec;
    if (surface !== 'operator' || (await deps.listings.readProviderListing(jobId)) !== null) return;
    const patience = { untilMs: Date.now() + patienceSeconds * 1_000, signal };
    const [algorithm, ...datasets] = await settleInOrder([listAlgorithm(deps, job, patience), ...listDatasets(deps, job, patience)]);
    await deps.listings.storeProviderListing(jobId, { algorithm: algorithm ?? null, datasets });
  };
