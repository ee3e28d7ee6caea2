/** The document of an asset that a job makes of its outputs. Pure. */

import { getAddress } from 'ethers';
import type { AssetComputeRules, AssetRequest, AssetServiceType } from '../../../workflows/contract/asset.ts';
import type { Admission, AssetSnapshot } from '../../../workflows/contract/spec.ts';
import { computeDid, sha256Hex } from '../ids.ts';

/** An output as its job's results list it. */
export interface AssetFile {
  readonly filename: string;
  readonly filesize: number;
  /** lower-case hex */
  readonly sha256: string;
}

/** The job that made the outputs. Times in milliseconds since the epoch. */
export interface AssetJob {
  readonly jobId: string;
  readonly environmentId: string;
  /** of this service */
  readonly providerAddress: string;
  readonly admission: Admission;
  readonly startedAtMs: number | null;
  readonly finishedAtMs: number;
}

/** Everything that a document is made of. */
export interface NewAsset {
  readonly chainId: number;
  readonly nftAddress: string;
  readonly datatokenAddress: string;
  readonly request: AssetRequest;
  readonly job: AssetJob;
  readonly files: readonly AssetFile[];
  /** the list of files, encrypted to this service */
  readonly sealedFiles: string;
  readonly serviceEndpoint: string;
  /** seconds an order is good for; 0: for ever */
  readonly orderSeconds: number;
}

/** The version that both the old Provider and all ocean-nodes read. */
const version = '4.1.0';

const toTime = (milliseconds: number): string => new Date(milliseconds).toISOString().replace(/\.\d+Z$/, 'Z');

const ddoRules = ({ allowRawAlgorithm, ...trusted }: AssetComputeRules) => ({ allowRawAlgorithm, allowNetworkAccess: false, ...trusted });

const buildService = (asset: NewAsset, type: AssetServiceType) => ({
  id: sha256Hex(`${asset.datatokenAddress.toLowerCase()}/${type}`),
  type,
  name: type === 'compute' ? 'compute on the results' : 'download the results',
  files: asset.sealedFiles,
  datatokenAddress: asset.datatokenAddress,
  serviceEndpoint: asset.serviceEndpoint,
  timeout: asset.orderSeconds,
  ...(type === 'compute' ? { compute: ddoRules(asset.request.compute) } : {}),
});

const sourceOf = ({ did, serviceId, transferTxId, chainId }: AssetSnapshot) => ({ did, serviceId, orderTx: transferTxId, chainId });

/** sha256 of a line `<sha256>  <name>` for each file in order: what `sha256sum` prints for them. */
const digestOf = (files: readonly AssetFile[]): string =>
  sha256Hex(files.map(({ sha256, filename }) => `${sha256}  ${filename}\n`).join(''));

/** Where the outputs come from: everything in it is public already, or says nothing that the order does not say. */
const buildProvenance = ({ job, files }: NewAsset) => {
  const { jobId, environmentId, providerAddress, admission, startedAtMs, finishedAtMs } = job;
  const { image, tag, checksum } = admission.container;
  return {
    kind: 'compute-to-data',
    ...{ jobId, environment: environmentId, provider: providerAddress },
    startedAt: startedAtMs === null ? null : toTime(startedAtMs),
    finishedAt: toTime(finishedAtMs),
    algorithm: { ...(admission.algorithm === null ? { did: null } : sourceOf(admission.algorithm)), container: { image, tag, checksum } },
    inputs: admission.datasets.map(sourceOf),
    outputs: { files: files.length, bytes: files.reduce((sum, { filesize }) => sum + filesize, 0), sha256: digestOf(files) },
  };
};

const buildCredentials = ({ allow }: AssetRequest) =>
  allow.length === 0 ? {} : { credentials: { allow: [{ type: 'address', values: allow.map((one) => one.toLowerCase()) }], deny: [] } };

/**
 * The DDO, version 4.1.0. The same asset gives the same document, whenever it is built, but for its encrypted files.
 * @see Ocean DDO specification; `metadata.additionalInformation.provenance` is this service's own
 */
export const buildAssetDocument = (asset: NewAsset): { readonly did: string; readonly document: string } => {
  const { chainId, request, job } = asset;
  const did = computeDid(asset.nftAddress, chainId);
  const created = toTime(job.finishedAtMs);
  const { tags, ...texts } = request.metadata;
  const document = {
    '@context': ['https://w3id.org/did/v1'],
    ...{ id: did, version, chainId, nftAddress: getAddress(asset.nftAddress) },
    metadata: {
      ...{ created, updated: created, type: 'dataset', ...texts },
      ...(tags.length === 0 ? {} : { tags }),
      additionalInformation: { provenance: buildProvenance(asset) },
    },
    services: request.services.map((type) => buildService(asset, type)),
    ...buildCredentials(request),
  };
  return { did, document: JSON.stringify(document) };
};
