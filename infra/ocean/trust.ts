/** Which algorithms a dataset's compute service lets in. Pure rules. */

import type { ComputeRules, TrustedAlgorithm } from './ddo.ts';
import { isSameId } from './ids.ts';

/** A published algorithm, as far as trust rules look at it. */
export interface AlgorithmFacts {
  readonly did: string;
  readonly serviceId: string;
  readonly nftAddress: string;
  readonly nftOwner: string;
  readonly containerSectionChecksum: string;
}

/**
 * What the rules say. `filesChecksums`: allowed if the algorithm's files have one of these checksums; `null` in the
 * list stands for "whatever the files are".
 */
export type TrustVerdict =
  | { readonly allowed: false; readonly reason: 'notTrusted' | 'publisherNotTrusted' | 'containerChecksum' }
  | { readonly allowed: true; readonly filesChecksums: readonly (string | null)[] };

export interface TrustOptions {
  /** legacy: two empty lists allow every published algorithm, and an entry without a checksum does not check it */
  readonly legacy: boolean;
}

const any = '*';

const isTrustedPublisher = (publishers: readonly string[], { nftAddress, nftOwner }: AlgorithmFacts): boolean =>
  publishers.some((publisher) => publisher === any || isSameId(publisher, nftOwner) || isSameId(publisher, nftAddress));

/** An absent checksum matches nothing, except under the legacy rule. */
const pinOf = (checksum: string | null, legacy: boolean): string | null | undefined => {
  if (checksum === any) return null;
  if (checksum === null || checksum === '') return legacy ? null : undefined;
  return checksum.toLowerCase();
};

const namesAlgorithm = (entry: TrustedAlgorithm, { did, serviceId }: AlgorithmFacts): boolean =>
  (entry.did === any || isSameId(entry.did, did)) && (entry.serviceId === null || entry.serviceId === any || entry.serviceId === serviceId);

const judgeAlgorithmList = (list: ComputeRules['trustedAlgorithms'], algorithm: AlgorithmFacts, { legacy }: TrustOptions): TrustVerdict => {
  if (list.includes(any)) return { allowed: true, filesChecksums: [null] };
  const named = list.filter((entry) => entry !== any).filter((entry) => namesAlgorithm(entry, algorithm));
  if (named.length === 0) return { allowed: false, reason: 'notTrusted' };
  const pins: (string | null)[] = [];
  let differs = false;
  for (const entry of named) {
    const container = pinOf(entry.containerSectionChecksum, legacy);
    const files = pinOf(entry.filesChecksum, legacy);
    if (container === undefined || files === undefined) continue;
    if (container !== null && container !== algorithm.containerSectionChecksum.toLowerCase()) differs = true;
    else pins.push(files);
  }
  if (pins.length > 0) return { allowed: true, filesChecksums: pins };
  return { allowed: false, reason: differs ? 'containerChecksum' : 'notTrusted' };
};

/**
 * Judges a published algorithm for one compute service. Both lists empty: nothing is allowed. One list filled: it
 * must match. Both filled: both must match.
 * @see Ocean DDO: publisherTrustedAlgorithms, publisherTrustedAlgorithmPublishers
 */
export const judgeAlgorithm = (rules: ComputeRules, algorithm: AlgorithmFacts, options: TrustOptions): TrustVerdict => {
  const { trustedAlgorithms, trustedPublishers } = rules;
  if (trustedAlgorithms.length === 0 && trustedPublishers.length === 0) {
    return options.legacy ? { allowed: true, filesChecksums: [null] } : { allowed: false, reason: 'notTrusted' };
  }
  if (trustedPublishers.length > 0 && !isTrustedPublisher(trustedPublishers, algorithm)) {
    return { allowed: false, reason: 'publisherNotTrusted' };
  }
  return trustedAlgorithms.length === 0
    ? { allowed: true, filesChecksums: [null] }
    : judgeAlgorithmList(trustedAlgorithms, algorithm, options);
};
