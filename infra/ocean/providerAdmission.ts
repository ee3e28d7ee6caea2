/** The verdict on a job that a legacy Provider asks for: assets and orders were checked there, and its signature says so. */

import { JobFailure } from '../../workflows/contract/failures.ts';
import type { Admission, AssetSnapshot, DatasetRequest, JobSpec, ProviderTerms } from '../../workflows/contract/spec.ts';
import type { ComputeEnvironment } from '../environments/environments.ts';
import { fetchCached, type AssetResolver } from './assetResolver.ts';
import { mayUseEnvironment, type AccessLists } from './credentials.ts';
import { findService, parseDdo, type Ddo, type DdoService } from './ddo.ts';
import { parseFileObject } from './fileObject.ts';
import { folderOfDid, isDid } from './ids.ts';
import { requireContainer } from './assetChecks.ts';
import { settleInOrder } from './settleInOrder.ts';

export interface ProviderAdmissionDeps {
  readonly resolver: AssetResolver;
  readonly accessLists: AccessLists;
  /** metadata caches of Providers that are asked for what neither cache nor chains of ours know */
  readonly metadataUrls: readonly string[];
}

interface FoundService {
  readonly ddo: Ddo;
  readonly service: DdoService;
}

const withoutSlash = (url: string): string => url.replace(/\/+$/, '');

/** Our own sources first: what a Provider names is asked only if the operator lists it. */
const resolveDdo = async ({ resolver, metadataUrls }: ProviderAdmissionDeps, did: string, terms: ProviderTerms): Promise<Ddo> => {
  try {
    return (await resolver.resolve(did)).ddo;
  } catch (err) {
    const named = metadataUrls.map(withoutSlash).find((url) => url === withoutSlash(terms.metadataUri ?? ''));
    if (named === undefined || !isDid(did) || !(err instanceof JobFailure) || err.type !== 'AssetNotFound') throw err;
    const ddo = parseDdo(await fetchCached(named, did));
    if (ddo?.did !== did) throw err;
    return ddo;
  }
};

const findOrdered = async (deps: ProviderAdmissionDeps, did: string, serviceId: string | null, terms: ProviderTerms) => {
  const ddo = await resolveDdo(deps, did, terms);
  const service = findService(ddo, serviceId);
  if (service !== undefined) return { ddo, service };
  throw new JobFailure('ServiceNotFound', `Cannot find service ${(serviceId ?? '').slice(0, 100)} in DDO ${did}`);
};

const takeSnapshot = ({ ddo, service }: FoundService, transferTxId: string | null): AssetSnapshot => ({
  ...{ did: ddo.did, folder: folderOfDid(ddo.did), chainId: ddo.chainId, serviceId: service.id, transferTxId, ddo: ddo.document },
});

/** Inputs by url keep the name of their asset, if they have one, and nothing else of it. */
const urlSnapshot = ({ documentId }: DatasetRequest, position: number): AssetSnapshot => ({
  ...{ did: null, chainId: null, serviceId: null, transferTxId: null, ddo: null },
  folder: documentId !== null && isDid(documentId) ? folderOfDid(documentId) : `raw-${position}`,
});

/** True for a dataset that must be fetched from its Provider: by order, and not by a url. */
const isOrdered = (request: DatasetRequest): request is DatasetRequest & { readonly documentId: string } =>
  request.documentId !== null && request.transferTxId !== null && request.fileObject === null;

const requireUrls = (list: unknown): void => {
  if (Array.isArray(list)) for (const file of list) parseFileObject(file);
};

const pinsOf = ({ service }: FoundService, algorithmDid: string, serviceId: string | null): readonly string[] | null => {
  const named = service.compute.trustedAlgorithms
    .filter((entry) => entry !== '*')
    .filter((entry) => entry.did.toLowerCase() === algorithmDid.toLowerCase())
    .filter((entry) => entry.serviceId === null || entry.serviceId === '*' || entry.serviceId === serviceId);
  const pins = named.flatMap(({ filesChecksum }) =>
    filesChecksum === null || filesChecksum === '' || filesChecksum === '*' ? [] : filesChecksum.toLowerCase(),
  );
  return named.length === 0 || pins.length < named.length ? null : pins;
};

/**
 * The checksums that every dataset that names the algorithm pins for its files; null where nothing is pinned.
 * @throws JobFailure AlgorithmChecksumMismatch when they cannot all be held to: no other checksum would be the trusted one
 */
const findPins = (datasets: readonly FoundService[], algorithmDid: string, serviceId: string | null): readonly string[] | null => {
  const pinned = datasets.map((dataset) => pinsOf(dataset, algorithmDid, serviceId)).filter((pins) => pins !== null);
  const [first, ...others] = pinned;
  if (first === undefined) return null;
  const common = [...new Set(first)].filter((pin) => others.every((pins) => pins.includes(pin)));
  const [pin] = common;
  const refuse = (what: string): JobFailure =>
    new JobFailure('AlgorithmChecksumMismatch', `The datasets pin ${what} for the files of algorithm ${algorithmDid}`);
  if (pin === undefined) throw refuse('checksums that contradict each other');
  if (common.length > 1) throw refuse('several checksums: its publisher must leave one');
  if (!/^([0-9a-f]{64})+$/.test(pin)) throw refuse('what is no SHA-256');
  // of each file, one after the other
  return pin.match(/.{64}/g);
};

const grantSeconds = ({ maxJobDuration }: JobSpec, environment: ComputeEnvironment): number =>
  Math.max(1, Math.min(maxJobDuration ?? environment.maxJobDuration, environment.maxJobDuration));

/**
 * Decides on a job of a legacy Provider. No Provider is asked anything here: one with a single worker could not answer
 * while it waits for this verdict.
 * @throws JobFailure AccessDenied, RequestInvalid, AssetNotFound, ServiceNotFound, AlgorithmChecksumMismatch, ChainUnavailable
 */
export const createProviderAdmission = (deps: ProviderAdmissionDeps) =>
  async function admitProvided(spec: JobSpec, environment: ComputeEnvironment): Promise<Admission> {
    const { provider: terms, algorithm, datasets } = spec;
    if (terms === undefined) throw new JobFailure('RequestInvalid', 'the job names no Provider');
    if (!(await mayUseEnvironment(environment.access, spec.consumerAddress, deps.accessLists))) {
      throw new JobFailure('AccessDenied', 'Access denied');
    }
    const container = requireContainer(null, { ...spec, isFree: false });
    for (const { fileObject } of datasets) requireUrls(fileObject);
    requireUrls(algorithm.raw?.fileObject);
    const hasCode = (algorithm.raw?.rawcode ?? '') !== '' || Array.isArray(algorithm.raw?.fileObject);
    const ordered = hasCode || algorithm.transferTxId === null ? null : algorithm.documentId;
    const [published, ...inputs] = await settleInOrder([
      ordered === null ? Promise.resolve(null) : findOrdered(deps, ordered, algorithm.serviceId, terms),
      ...datasets.map(async (one) => (isOrdered(one) ? findOrdered(deps, one.documentId, one.serviceId, terms) : null)),
    ]);
    const found = inputs.filter((input) => input !== null);
    return {
      agreementId: terms.agreementId,
      runSeconds: grantSeconds(spec, environment),
      datasets: datasets.map((one, position) => {
        const input = inputs[position] ?? null;
        return input === null ? urlSnapshot(one, position) : takeSnapshot(input, one.transferTxId);
      }),
      algorithm: published === null || published === undefined ? null : takeSnapshot(published, algorithm.transferTxId),
      container,
      algorithmFileDigests: published === null || published === undefined ? null : findPins(found, published.ddo.did, published.service.id),
    };
  };
