/** Files of assets that this service has made of jobs' outputs: they lie in its own result store, at no address. */

import { Readable } from 'node:stream';
import { isJobFailure } from '../../../workflows/contract/failures.ts';
import type { AssetResult } from '../../ledger/jobAssets.ts';
import type { ResultStores } from '../../storage/stores.ts';
import type { ResultFile } from '../fileObject.ts';
import type { OpenedFile } from '../fileSource.ts';
import { isSameId } from '../ids.ts';
import { SourceFailure } from '../sourceFailure.ts';

export interface ResultFilesDeps {
  readonly ledger: { readAssetResults(jobId: string): Promise<AssetResult | null> };
  readonly store: Pick<ResultStores, 'read'>;
}

/** Opens results. */
export interface ResultFiles {
  /**
   * @param file as `readServiceFiles` has it, which names the asset that the file was found in
   * @throws SourceFailure permanent unless that asset is the job's own: what is encrypted to this service proves
   *   nothing, because anybody may have it encrypt anything
   */
  open(file: ResultFile, start: number): Promise<OpenedFile>;
}

const refused = (): SourceFailure =>
  new SourceFailure('permanent', 'the results of the job are not files of this asset, or no longer kept');

const readFrom = async (
  { store }: ResultFilesDeps,
  file: Parameters<ResultStores['read']>[0],
  start: number,
  end: number,
): Promise<Readable> => {
  if (start > end) return Readable.from([]);
  try {
    return await store.read(file, { start, end });
  } catch (err) {
    const isGone = isJobFailure(err) && err.retryAfterSeconds === undefined;
    throw new SourceFailure(isGone ? 'permanent' : 'transient', 'the results of the job cannot be read at the moment', err);
  }
};

/** Results by way of ledger and store. */
export const createResultFiles = (deps: ResultFilesDeps): ResultFiles => ({
  async open({ jobId, index, nftAddress }, start) {
    const known = await deps.ledger.readAssetResults(jobId);
    const entry = known?.results[index];
    const isOurs = typeof known?.nftAddress === 'string' && isSameId(known.nftAddress, nftAddress);
    if (known === null || entry === undefined || !isOurs) throw refused();
    const from = Math.min(start, entry.filesize);
    const stream = await readFrom(deps, { jobId, store: known.store, podAttempt: known.podAttempt, n: entry.n }, from, entry.filesize - 1);
    return { stream, sizeBytes: entry.filesize, start: from, contentType: 'application/octet-stream' };
  },
});
