/** The files of a job that a legacy Provider asked for: with other Providers, at plain addresses, or in the request. */

import { JobFailure } from '../../workflows/contract/failures.ts';
import type { Admission, AssetSnapshot, JobSpec, ProviderFiles } from '../../workflows/contract/spec.ts';
import type { AssetFiles, FileObject, GatewayLedger } from './ports.ts';

export interface ProviderFilesDeps {
  readonly ledger: Pick<GatewayLedger, 'readProviderListing'>;
  readonly assets: Pick<AssetFiles, 'parseFileObject'>;
}

/** A file object that only the file source for Providers opens. */
interface ProviderFile extends FileObject {
  readonly type: 'provider';
  readonly provider: string;
  readonly downloadUrl: string;
  readonly documentId: string;
  readonly serviceId: string;
  readonly transferTxId: string;
  readonly fileIndex: number;
}

const orderedFiles = ({ did, serviceId, transferTxId }: AssetSnapshot, { files, ...where }: ProviderFiles): readonly ProviderFile[] =>
  Array.from({ length: files }, (_, fileIndex) => ({
    ...{ type: 'provider' as const, ...where, fileIndex },
    ...{ documentId: did ?? '', serviceId: serviceId ?? '', transferTxId: transferTxId ?? '' },
  }));

const plainFiles = ({ parseFileObject }: ProviderFilesDeps['assets'], list: unknown): readonly FileObject[] =>
  Array.isArray(list) ? list.map((file) => parseFileObject(file)) : [];

/**
 * In the order of the request. What Providers said before the pod was made holds for all its pods.
 * @throws JobFailure while that is not known
 */
export const providerFileLists = async ({ ledger, assets }: ProviderFilesDeps, spec: JobSpec, admission: Admission) => {
  const listing = await ledger.readProviderListing(spec.jobId);
  if (listing === null) {
    throw new JobFailure('InputUnavailable', 'the files of the job are not listed yet', { retryAfterSeconds: 2 });
  }
  const { raw } = spec.algorithm;
  const hasCode = (raw?.rawcode ?? '') !== '';
  return {
    datasets: admission.datasets.map((snapshot, position) => {
      const ordered = listing.datasets[position] ?? null;
      return ordered === null ? plainFiles(assets, spec.datasets[position]?.fileObject) : orderedFiles(snapshot, ordered);
    }),
    algorithm:
      admission.algorithm === null || listing.algorithm === null
        ? plainFiles(assets, hasCode ? null : raw?.fileObject)
        : orderedFiles(admission.algorithm, listing.algorithm),
  };
};
