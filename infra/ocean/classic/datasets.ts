/** Checks of one dataset of a classic request: Classic Provider API §7, rows 8 to 17. */

import type { ComputeEnvironment } from '../../environments/environments.ts';
import type { ComputeRules, DdoService } from '../ddo.ts';
import { findService } from '../ddo.ts';
import { containerSectionChecksum } from '../ids.ts';
import type { InspectedService } from '../inspect.ts';
import type { Asset } from '../onChainAssets.ts';
import { judgeAlgorithm, type AlgorithmFacts } from '../trust.ts';
import type { OpenedAlgorithm } from './algorithm.ts';
import type { ClassicCheckDeps, ClassicCheckRequest, ClassicDataset } from './checks.ts';
import { whyNotConsumable } from './consumable.ts';
import { findAsset, findFiles } from './lookup.ts';
import { refuse } from './refuse.ts';

/** A dataset's place in the request: its name in refusals. */
export const nameDataset = (position: number): string => (position === 0 ? 'dataset' : `datasets[${position}]`);

/** Row 8. */
const requireNames = (resource: string, dataset: ClassicDataset, isOrderNeeded: boolean): { documentId: string; serviceId: string } => {
  const { documentId, transferTxId, serviceId } = dataset;
  if (documentId === null) return refuse(`${resource}.documentId`, 'missing');
  if (isOrderNeeded && transferTxId === null) refuse(`${resource}.transferTxId`, 'missing');
  if (serviceId === null) return refuse(`${resource}.serviceId`, 'missing');
  return { documentId, serviceId };
};

const factsOf = ({ inspected: { asset, service } }: OpenedAlgorithm): AlgorithmFacts => ({
  did: asset.ddo.did,
  serviceId: service.id,
  nftAddress: asset.ddo.nftAddress,
  nftOwner: asset.owner,
  containerSectionChecksum: containerSectionChecksum(asset.ddo.container ?? { entrypoint: '', checksum: '' }),
});

/** The document's reader leaves a trusted algorithm that nobody can read without a DID. */
const hasMalformedEntry = ({ trustedAlgorithms }: ComputeRules): boolean =>
  trustedAlgorithms.some((entry) => entry !== '*' && entry.did === '');

const trustCodes = {
  notTrusted: 'not_trusted_algo',
  publisherNotTrusted: 'not_trusted_algo_publisher',
  containerChecksum: 'algorithm_container_checksum_mismatch',
} as const;

/** Rows 15 to 17; an access service takes any algorithm. */
const requireTrust = (
  resource: string,
  { compute, type }: DdoService,
  opened: OpenedAlgorithm | null,
  { emptyTrustedListsAllowAll }: ComputeEnvironment,
): void => {
  if (type !== 'compute') return;
  if (opened === null) {
    if (!compute.allowRawAlgorithm) refuse(resource, 'no_raw_algo_allowed');
    return;
  }
  const verdict = judgeAlgorithm(compute, factsOf(opened), { legacy: emptyTrustedListsAllowAll });
  if (!verdict.allowed) {
    const isMalformed = verdict.reason === 'notTrusted' && hasMalformedEntry(compute);
    return refuse(resource, isMalformed ? 'no_publisherTrustedAlgorithms' : trustCodes[verdict.reason]);
  }
  const digests = opened.digests.join('');
  const isPinned = verdict.filesChecksums.some((pin) => pin === null || pin === digests);
  if (!isPinned) refuse(resource, 'algorithm_file_checksum_mismatch');
};

const requireKind = (resource: string, service: DdoService, position: number): void => {
  if (service.type !== 'compute' && service.type !== 'access') refuse(`${resource}.serviceId`, 'service_not_access_compute');
  if (position === 0 && service.type !== 'compute') refuse(`${resource}.serviceId`, 'main_service_compute');
};

const requireAsset = async ({ resolver }: ClassicCheckDeps, resource: string, documentId: string): Promise<Asset> => {
  const found = await findAsset(resolver, documentId);
  if (found.kind === 'unknown') return refuse(`${resource}.documentId`, 'did_not_found');
  return found.kind === 'found' ? found.asset : refuse(resource, 'Asset malformed or disabled.');
};

/** Rows 8 to 17 for the dataset at `position`. */
export const openDataset = async (
  deps: ClassicCheckDeps,
  request: ClassicCheckRequest,
  { dataset, position, opened }: { dataset: ClassicDataset; position: number; opened: OpenedAlgorithm | null },
): Promise<InspectedService> => {
  const resource = nameDataset(position);
  const { documentId, serviceId } = requireNames(resource, dataset, request.isOrderNeeded);
  const asset = await requireAsset(deps, resource, documentId);
  const service = findService(asset.ddo, serviceId);
  if (service === undefined) return refuse(`${resource}.serviceId`, 'not_found');
  const problem = await whyNotConsumable(asset, service, { address: request.consumerAddress, accessLists: deps.accessLists });
  if (problem !== null) refuse(resource, problem);
  requireKind(resource, service, position);
  // files of an access service at another provider cannot be had here either: the code says the same
  const files = findFiles(asset.ddo, service, deps.decrypter);
  if (files === null) return refuse(`${resource}.serviceId`, 'compute_services_not_in_same_provider');
  requireTrust(resource, service, opened, request.environment);
  return { asset, service, files };
};
