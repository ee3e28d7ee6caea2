/** One service of one asset, looked at for one consumer: everything that needs no order. */

import { JobFailure } from '../../workflows/contract/failures.ts';
import type { ComputeEnvironment } from '../environments/environments.ts';
import { requireRoomForFilters } from '../environments/outputFilter.ts';
import type { AccessLists } from './credentials.ts';
import { isAllowed } from './credentials.ts';
import { requireConsumable } from './consumable.ts';
import { findService, type DdoService } from './ddo.ts';
import type { Decrypter } from './ecies.ts';
import { readServiceFiles } from './assetFiles.ts';
import type { AssetResolver } from './assetResolver.ts';
import type { FileObject } from './fileObject.ts';
import type { Asset } from './onChainAssets.ts';

/** A published asset's service as a request names it. */
export interface ServiceReference {
  readonly documentId: string;
  readonly serviceId: string | null;
}

/** A service that passed. */
export interface InspectedService {
  readonly asset: Asset;
  readonly service: DdoService;
  readonly files: readonly FileObject[];
}

export interface InspectDeps {
  readonly resolver: AssetResolver;
  readonly accessLists: AccessLists;
  readonly decrypter: Decrypter;
}

export interface InspectRequest {
  readonly reference: ServiceReference;
  readonly consumerAddress: string;
  readonly role: 'dataset' | 'algorithm';
  /** chains of the environment; empty takes all */
  readonly chainIds: readonly number[];
}

/** @throws JobFailure ServiceNotFound `Cannot find service {id} in DDO {did}` */
export const requireService = (asset: Asset, serviceId: string | null): DdoService => {
  const service = findService(asset.ddo, serviceId);
  if (service === undefined) {
    throw new JobFailure('ServiceNotFound', `Cannot find service ${(serviceId ?? '').slice(0, 100)} in DDO ${asset.ddo.did}`);
  }
  return service;
};

export const requireFit = ({ ddo }: Asset, service: DdoService, { role, chainIds }: InspectRequest): void => {
  if (role === 'algorithm' && ddo.type !== 'algorithm') throw new JobFailure('RequestInvalid', `DDO ${ddo.did} is not a valid algorithm`);
  if (service.type !== 'compute' && service.type !== 'access') {
    throw new JobFailure('RequestInvalid', `Service ${service.id} of DDO ${ddo.did} is neither an access nor a compute service`);
  }
  if (role === 'dataset' && service.outputPolicy === 'unreadable') {
    throw new JobFailure('AssetNotConsumable', `Service ${service.id} of DDO ${ddo.did} has an output policy that cannot be read`);
  }
  if (chainIds.length > 0 && !chainIds.includes(ddo.chainId)) {
    throw new JobFailure('RequestInvalid', `The compute environment takes no assets of chain ${ddo.chainId} (DDO ${ddo.did})`);
  }
};

/** @throws JobFailure AssetNotConsumable when publishers want filters that the environment does not run */
export const requireFilters = (datasets: readonly Pick<InspectedService, 'asset' | 'service'>[], environment: ComputeEnvironment): void =>
  requireRoomForFilters(
    datasets.flatMap(({ asset, service: { outputPolicy } }) => {
      const filter = outputPolicy === null || outputPolicy === 'unreadable' ? undefined : outputPolicy.filter;
      return filter === undefined ? [] : [{ by: asset.ddo.did, filter }];
    }),
    environment,
  );

export const requireAllowed = async (asset: Asset, service: DdoService, address: string, accessLists: AccessLists): Promise<void> => {
  const request = { address, chainId: asset.ddo.chainId, accessLists };
  const [toAsset, toService] = await Promise.all([isAllowed(asset.ddo.credentials, request), isAllowed(service.credentials, request)]);
  if (!toAsset) throw new JobFailure('AccessDenied', `Error: Access to asset ${asset.ddo.did} was denied`);
  if (!toService) throw new JobFailure('AccessDenied', `Error: Access to service with id ${service.id} was denied`);
};

/**
 * Resolves and checks in this order: document, service, state, credentials, files.
 * @throws JobFailure AssetNotFound, ServiceNotFound, AssetNotConsumable, AccessDenied, FilesNotOurs, RequestInvalid, ChainUnavailable
 */
export const inspectService = async (deps: InspectDeps, request: InspectRequest): Promise<InspectedService> => {
  const asset = await deps.resolver.resolve(request.reference.documentId);
  const service = requireService(asset, request.reference.serviceId);
  requireFit(asset, service, request);
  requireConsumable(asset);
  await requireAllowed(asset, service, request.consumerAddress, deps.accessLists);
  return { asset, service, files: readServiceFiles(asset.ddo, service, deps.decrypter) };
};
