/** What a start and a quote check alike: environment, assets, files, trust. */

import { JobFailure } from '../../workflows/contract/failures.ts';
import type { AlgorithmContainer, AlgorithmRequest, DatasetRequest, JobSpec } from '../../workflows/contract/spec.ts';
import type { ComputeEnvironment } from '../environments/environments.ts';
import { requireTrusted } from './algorithmTrust.ts';
import { mayUseEnvironment } from './credentials.ts';
import type { FileChecksums } from './fileChecksums.ts';
import { parseFileObject } from './fileObject.ts';
import { inspectService, requireFilters, type InspectDeps, type InspectedService } from './inspect.ts';
import { settleInOrder } from './settleInOrder.ts';

export interface AssetCheckDeps extends InspectDeps {
  readonly checksums: FileChecksums;
}

export interface AssetCheckRequest {
  readonly consumerAddress: string;
  readonly surface: JobSpec['surface'];
  readonly isFree: boolean;
  readonly datasets: readonly Pick<DatasetRequest, 'documentId' | 'serviceId' | 'fileObject'>[];
  readonly algorithm: Pick<AlgorithmRequest, 'documentId' | 'serviceId' | 'raw' | 'userdata'>;
}

/** What passed. */
export interface CheckedAssets {
  /** null for a bare file object */
  readonly datasets: readonly (InspectedService | null)[];
  /** null for a raw algorithm */
  readonly algorithm: InspectedService | null;
  readonly container: AlgorithmContainer;
  readonly algorithmFileDigests: readonly string[] | null;
}

export const requireEnvironment = async (
  { consumerAddress, isFree }: AssetCheckRequest,
  environment: ComputeEnvironment,
  { accessLists }: AssetCheckDeps,
): Promise<void> => {
  if (isFree && environment.free === undefined) throw new JobFailure('RequestInvalid', 'This env does not support free jobs');
  const access = isFree ? environment.free?.access : environment.access;
  const isOpen = access === undefined || (await mayUseEnvironment(access, consumerAddress, accessLists));
  if (!isOpen) throw new JobFailure('AccessDenied', 'Access denied');
};

export const requireBareFile = (fileObject: unknown, environment: ComputeEnvironment): null => {
  if (fileObject === null || fileObject === undefined) throw new JobFailure('RequestInvalid', 'Missing dataset did');
  if (!environment.allowFileObjects) {
    throw new JobFailure('RequestInvalid', 'The compute environment takes published datasets only, no bare file objects');
  }
  parseFileObject(fileObject);
  return null;
};

export const requireRawFiles = ({ raw }: AssetCheckRequest['algorithm']): void => {
  if (raw === null) throw new JobFailure('RequestInvalid', 'Missing algorithm');
  if (raw.rawcode !== null && raw.rawcode !== '') return;
  if (raw.url !== null) parseFileObject({ type: 'url', url: raw.url });
  else if (raw.fileObject !== null && raw.fileObject !== undefined) parseFileObject(raw.fileObject);
};

export const requireContainer = (algorithm: InspectedService | null, request: AssetCheckRequest): AlgorithmContainer => {
  const container = algorithm === null ? request.algorithm.raw?.container : algorithm.asset.ddo.container;
  if (container === null || container === undefined || container.image === '') {
    throw new JobFailure('RequestInvalid', 'The algorithm names no container image');
  }
  return container;
};

/** Classic jobs are ordered through their first dataset, which must be made for compute. */
const requireMainCompute = ({ surface }: AssetCheckRequest, first: InspectedService | null | undefined): void => {
  if (surface !== 'classic' || first === null || first === undefined || first.service.type === 'compute') return;
  throw new JobFailure('RequestInvalid', `Service ${first.service.id} of the first dataset is not a compute service`);
};

/**
 * Checks everything of a request but its orders; independent parts at once, refusals in the order of the request:
 * environment, algorithm, datasets, trust.
 * @throws JobFailure of the first check that fails
 */
export const checkAssets = async (
  deps: AssetCheckDeps,
  request: AssetCheckRequest,
  environment: ComputeEnvironment,
): Promise<CheckedAssets> => {
  const { consumerAddress, datasets, algorithm } = request;
  const { chainIds } = environment;
  const inspect = (documentId: string, serviceId: string | null, role: 'dataset' | 'algorithm') =>
    inspectService(deps, { reference: { documentId, serviceId }, consumerAddress, role, chainIds });
  const [, found, ...inputs] = await settleInOrder([
    requireEnvironment(request, environment, deps).then(() => null),
    algorithm.documentId === null ? Promise.resolve(null) : inspect(algorithm.documentId, algorithm.serviceId, 'algorithm'),
    ...datasets.map(async ({ documentId, serviceId, fileObject }) =>
      documentId === null ? requireBareFile(fileObject, environment) : inspect(documentId, serviceId, 'dataset'),
    ),
  ]);
  const inspected = found ?? null;
  if (inspected === null) requireRawFiles(algorithm);
  const container = requireContainer(inspected, request);
  requireMainCompute(request, inputs[0]);
  const published = inputs.filter((input) => input !== null);
  requireFilters(published, environment);
  const algorithmFileDigests = await requireTrusted({
    datasets: published,
    algorithm: inspected === null ? null : { inspected, userdata: algorithm.userdata },
    legacy: environment.emptyTrustedListsAllowAll,
    checksums: deps.checksums,
  });
  return { datasets: inputs, algorithm: inspected, container, algorithmFileDigests };
};
