import { log } from '@temporalio/activity';
import type { JobAsset } from '../workflows/contract/asset.ts';

export interface RecordAssetFailureDeps {
  readonly publications: {
    readPublication(jobId: string): Promise<{ readonly asset: JobAsset }>;
    recordAsset(jobId: string, asset: JobAsset): Promise<void>;
  };
  readonly assetCounts: { inc(labels: { readonly outcome: 'published' | 'failed' }): void };
}

/** Writes that a job's asset was not made, and why; the results are what they were. Safe to repeat. */
export const recordAssetFailure = ({ publications, assetCounts }: RecordAssetFailureDeps) =>
  async function recordAssetFailure({ jobId, reason }: { readonly jobId: string; readonly reason: string }): Promise<void> {
    const { asset } = await publications.readPublication(jobId);
    if (asset.state === 'published') return;
    await publications.recordAsset(jobId, { ...asset, state: 'failed', reason });
    assetCounts.inc({ outcome: 'failed' });
    log.warn('the outputs of a job did not become an asset', { jobId, reason });
  };
