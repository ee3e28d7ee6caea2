/** From what the ledger knows of an ended job to the statement about it. Pure: the same facts are the same bytes. */

import { createHash } from 'node:crypto';
import {
  manifestPredicateType,
  statementType,
  type ManifestArchive,
  type ManifestAsset,
  type ManifestImage,
  type ManifestPredicate,
  type ManifestStatement,
} from '../../workflows/contract/manifest.ts';
import type { Delivery } from '../../workflows/contract/output.ts';
import type { AlgorithmContainer, AssetSnapshot } from '../../workflows/contract/spec.ts';
import type { ManifestFacts } from '../ledger/manifests.ts';
import { imageReference } from '../pods/algorithmCommand.ts';
import { canonicalJson } from './canonicalJson.ts';

/** Who makes the statement. */
export interface Maker {
  /** checksummed address of the key that signs */
  readonly address: string;
  /** release of this software */
  readonly version: string;
}

const softwareName = 'durable-c2d';

const time = (milliseconds: number): string => new Date(milliseconds).toISOString();
const timeOrNull = (milliseconds: number | null): string | null => (milliseconds === null ? null : time(milliseconds));

const digestOfDdo = (ddo: unknown): string | null =>
  ddo === null || ddo === undefined ? null : createHash('sha256').update(canonicalJson(ddo)).digest('hex');

const assetOf = (snapshot: AssetSnapshot | null): ManifestAsset => ({
  did: snapshot?.did ?? null,
  chainId: snapshot?.chainId ?? null,
  serviceId: snapshot?.serviceId ?? null,
  orderTx: snapshot?.transferTxId ?? null,
  ddoSha256: digestOfDdo(snapshot?.ddo),
});

const imageOf = (container: AlgorithmContainer, ran: string | null): ManifestImage => {
  const reference = imageReference(container);
  return { reference, promised: /@(sha256:[0-9a-f]{64})$/.exec(reference)?.[1] ?? null, ran };
};

/** @returns undefined unless the outputs have arrived elsewhere */
const archiveOf = (delivery: Delivery | null): ManifestArchive | undefined => {
  if (delivery?.state !== 'delivered' || delivery.sizeBytes === null || delivery.sha256 === null) return undefined;
  const { key, isEncrypted, sizeBytes, sha256 } = delivery;
  return { name: key.slice(key.lastIndexOf('/') + 1), encrypted: isEncrypted, sizeBytes, sha256 };
};

const predicateOf = (facts: ManifestFacts, { address, version }: Maker): ManifestPredicate => {
  const { row, admission, staged, image, filters, publishedAtMs, endedAtMs } = facts;
  const directoryCid = row.results[0]?.directoryCid;
  const archive = archiveOf(row.delivery);
  return {
    job: {
      id: row.jobId,
      environment: row.environmentId,
      free: row.isFree,
      status: row.status,
      reason: row.reason,
      exitCode: row.termination?.exitCode ?? null,
      outOfMemory: row.termination?.OOMKilled ?? false,
      resources: row.resources,
      maxRunSeconds: row.maxJobDuration,
    },
    consumer: row.owner,
    provider: { address, software: softwareName, version },
    chainId: row.chainId,
    times: {
      created: time(row.createdAtMs),
      algorithmStarted: timeOrNull(row.algorithmStartedAtMs),
      algorithmFinished: timeOrNull(row.algorithmFinishedAtMs),
      published: timeOrNull(publishedAtMs),
      ended: time(endedAtMs),
    },
    datasets: admission.datasets.map(assetOf),
    algorithm: { ...assetOf(admission.algorithm), image: imageOf(admission.container, image) },
    staged,
    ...(filters !== null && { filters }),
    outputs: row.results.map(({ index, filename, type, filesize, sha256, plaintext, cid }) => ({
      ...{ index, name: filename, type, sizeBytes: filesize, sha256 },
      ...(plaintext && { plaintext }),
      ...(cid !== undefined && { cid }),
    })),
    ...(directoryCid !== undefined && { outputsCid: directoryCid }),
    ...(archive !== undefined && { archive }),
  };
};

/** The statement: its subjects are the published files, as they are fetched. */
export const statementOf = (facts: ManifestFacts, maker: Maker): ManifestStatement => ({
  _type: statementType,
  subject: facts.row.results.map(({ filename, sha256 }) => ({ name: filename, digest: { sha256 } })),
  predicateType: manifestPredicateType,
  predicate: predicateOf(facts, maker),
});
