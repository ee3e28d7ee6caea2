/** Checks of a classic request's algorithm: Classic Provider API §7, rows 2 to 7 and 19 to 22. */

import { isJobFailure } from '../../../workflows/contract/failures.ts';
import { parseFileObject } from '../fileObject.ts';
import { findService } from '../ddo.ts';
import { sha256Hex } from '../ids.ts';
import type { InspectedService } from '../inspect.ts';
import { SourceFailure } from '../sourceFailure.ts';
import type { ClassicAlgorithm, ClassicCheckDeps, ClassicCheckRequest } from './checks.ts';
import { whyNotConsumable } from './consumable.ts';
import { findAsset, findFiles } from './lookup.ts';
import { refuse } from './refuse.ts';

/** A published algorithm that may be consumed. */
export interface OpenedAlgorithm {
  readonly inspected: InspectedService;
  /** false: its files were made for another provider */
  readonly isOurs: boolean;
  /** sha256 of each file, in order */
  readonly digests: readonly string[];
}

const readDigests = async (
  { checksums }: ClassicCheckDeps,
  { asset, service, files }: InspectedService,
  userdata: unknown,
): Promise<readonly string[]> => {
  const key = sha256Hex(JSON.stringify([asset.ddo.did, service.files, userdata ?? null]));
  try {
    return await checksums.digestsOf(key, files, userdata);
  } catch (err) {
    if (err instanceof SourceFailure) return refuse('algorithm', 'file_unavailable');
    throw err;
  }
};

/**
 * Rows 2 to 7.
 * @returns null for a raw algorithm
 */
export const openAlgorithm = async (
  deps: ClassicCheckDeps,
  { algorithm, consumerAddress }: ClassicCheckRequest,
): Promise<OpenedAlgorithm | null> => {
  const { documentId, serviceId, raw, userdata } = algorithm;
  if (documentId === null) return raw === null ? refuse('algorithm', 'missing_meta_documentId') : null;
  const found = await findAsset(deps.resolver, documentId);
  if (found.kind !== 'found') return refuse('algorithm', found.kind === 'unknown' ? 'did_not_found' : 'file_unavailable');
  const { asset } = found;
  if (asset.ddo.type !== 'algorithm') refuse('algorithm', 'not_algo');
  if (serviceId === null) refuse('algorithm.serviceId', 'missing');
  const service = findService(asset.ddo, serviceId);
  if (service === undefined) return refuse('algorithm', 'file_unavailable');
  const files = findFiles(asset.ddo, service, deps.decrypter);
  // files of a compute service that are not ours have a code of their own, further down
  if (files === null && service.type !== 'compute') refuse('algorithm', 'file_unavailable');
  const inspected = { asset, service, files: files ?? [] };
  const digests = await readDigests(deps, inspected, userdata);
  const problem = await whyNotConsumable(asset, service, { address: consumerAddress, accessLists: deps.accessLists });
  if (problem !== null) refuse('algorithm.credentials', problem);
  return { inspected, isOurs: files !== null, digests };
};

const requireReadableFile = (file: unknown): void => {
  try {
    parseFileObject(file);
  } catch (err) {
    if (isJobFailure(err)) refuse('algorithm', 'file_unavailable');
    throw err;
  }
};

const requireSomethingToRun = ({ raw }: ClassicAlgorithm, opened: OpenedAlgorithm | null): void => {
  if (opened !== null) {
    if (opened.inspected.files.length === 0) refuse('algorithm', 'did_not_found');
    return;
  }
  if (raw === null || (raw.rawcode === null && raw.url === null)) refuse('algorithm', 'meta_oneof_url_rawcode_remote');
  if (raw?.rawcode === null && raw.url !== null) requireReadableFile({ type: 'url', url: raw.url });
};

/** Rows 21 and 22: there is something to run, and an image pinned by its checksum to run it in. */
export const requireRunnable = (algorithm: ClassicAlgorithm, opened: OpenedAlgorithm | null): void => {
  requireSomethingToRun(algorithm, opened);
  const container = opened === null ? algorithm.raw?.container : opened.inspected.asset.ddo.container;
  const problem = whyNotContainer(container ?? {});
  if (problem !== null) refuse('algorithm.container', problem);
};

/** What is wrong with a container section; null when it names entrypoint, image and a sha256 checksum. */
const whyNotContainer = (container: {
  readonly entrypoint?: string;
  readonly image?: string;
  readonly checksum?: string;
}): string | null => {
  const { entrypoint = '', image = '', checksum = '' } = container;
  if ([entrypoint, image, checksum].includes('')) return 'missing_entrypoint_image_checksum';
  return checksum.startsWith('sha256:') ? null : 'checksum_prefix';
};
