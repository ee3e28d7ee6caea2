/** Checksums with which a data owner says exactly which algorithm may run on the data. */

import { createHash } from 'node:crypto';
import type { ContainerSection, PublishedAsset, TrustedAlgorithm } from './clientTypes.ts';

const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

/**
 * The entry of a dataset's trusted list that allows one algorithm, with these files and this container, and no other.
 * @param files content of each algorithm file, in order
 * Source: Ocean's DDO documentation, `publisherTrustedAlgorithms`.
 */
export const trustAlgorithm = (
  algorithm: Pick<PublishedAsset, 'did' | 'serviceId'>,
  files: readonly Uint8Array[],
  container: ContainerSection,
): TrustedAlgorithm => ({
  did: algorithm.did,
  serviceId: algorithm.serviceId,
  filesChecksum: files.map(sha256).join(''),
  containerSectionChecksum: sha256(container.entrypoint + container.checksum),
});
