/** Whether the datasets of a request let its algorithm in. */

import { JobFailure } from '../../workflows/contract/failures.ts';
import type { FileChecksums } from './fileChecksums.ts';
import { containerSectionChecksum, sha256Hex } from './ids.ts';
import type { InspectedService } from './inspect.ts';
import { SourceFailure } from './sourceFailure.ts';
import { judgeAlgorithm, type AlgorithmFacts, type TrustVerdict } from './trust.ts';

export interface TrustRequest {
  readonly datasets: readonly InspectedService[];
  /** null for a raw algorithm */
  readonly algorithm: { readonly inspected: InspectedService; readonly userdata: unknown } | null;
  readonly legacy: boolean;
  readonly checksums: FileChecksums;
}

type PublishedAlgorithm = NonNullable<TrustRequest['algorithm']>;

const refuse = (algorithmDid: string, datasetDid: string, reason?: string): JobFailure =>
  new JobFailure(
    'AlgorithmNotTrusted',
    `Algorithm ${algorithmDid} not allowed to run on the dataset: ${datasetDid}${reason === undefined ? '' : `: ${reason}`}`,
  );

const reasons: Readonly<Record<Extract<TrustVerdict, { allowed: false }>['reason'], string | undefined>> = {
  notTrusted: undefined,
  publisherNotTrusted: 'its publisher is not trusted',
  containerChecksum: 'the checksum of its container section is not the trusted one',
};

const factsOf = ({ inspected: { asset, service } }: PublishedAlgorithm): AlgorithmFacts => ({
  did: asset.ddo.did,
  serviceId: service.id,
  nftAddress: asset.ddo.nftAddress,
  nftOwner: asset.owner,
  containerSectionChecksum: containerSectionChecksum(asset.ddo.container ?? { entrypoint: '', checksum: '' }),
});

const readDigests = async ({ inspected, userdata }: PublishedAlgorithm, checksums: FileChecksums): Promise<readonly string[]> => {
  const key = sha256Hex(JSON.stringify([inspected.asset.ddo.did, inspected.service.files, userdata ?? null]));
  try {
    return await checksums.digestsOf(key, inspected.files, userdata);
  } catch (err) {
    if (!(err instanceof SourceFailure)) throw err;
    const message = `the files of algorithm ${inspected.asset.ddo.did} cannot be checked: ${err.message}`;
    if (err.kind === 'permanent') throw new JobFailure('AlgorithmUnavailable', `${missingChecksums} (${message})`, { cause: err });
    throw new JobFailure('InputUnavailable', message, { cause: err, retryAfterSeconds: 2 });
  }
};

/** The text that clients know from Ocean Node. */
const missingChecksums = 'Failed to retrieve algorithm checksums. Both container and files checksums are required.';

const requireRawAllowed = (datasets: readonly InspectedService[]): void => {
  for (const { asset, service } of datasets) {
    if (service.type !== 'compute' || service.compute.allowRawAlgorithm) continue;
    throw new JobFailure('RawAlgorithmNotAllowed', `Raw algorithms are not allowed to run on the dataset: ${asset.ddo.did}`);
  }
};

/**
 * After the call every compute service of the datasets lets the algorithm in; access services take any. The files of
 * an algorithm are read only where a dataset pins their checksum.
 * @returns sha256 of each algorithm file where they were pinned, else null
 * @throws JobFailure AlgorithmNotTrusted, RawAlgorithmNotAllowed, AlgorithmUnavailable, InputUnavailable
 */
export const requireTrusted = async ({ datasets, algorithm, legacy, checksums }: TrustRequest): Promise<readonly string[] | null> => {
  if (algorithm === null) {
    requireRawAllowed(datasets);
    return null;
  }
  const facts = factsOf(algorithm);
  const pinned: { readonly datasetDid: string; readonly pins: readonly string[] }[] = [];
  for (const { asset, service } of datasets) {
    if (service.type !== 'compute') continue;
    const verdict = judgeAlgorithm(service.compute, facts, { legacy });
    if (!verdict.allowed) throw refuse(facts.did, asset.ddo.did, reasons[verdict.reason]);
    const pins = verdict.filesChecksums.filter((pin) => pin !== null);
    if (pins.length === verdict.filesChecksums.length) pinned.push({ datasetDid: asset.ddo.did, pins });
  }
  if (pinned.length === 0) return null;
  const digests = await readDigests(algorithm, checksums);
  for (const { datasetDid, pins } of pinned) {
    if (!pins.includes(digests.join(''))) throw refuse(facts.did, datasetDid, 'the checksum of its files is not the trusted one');
  }
  return digests;
};
