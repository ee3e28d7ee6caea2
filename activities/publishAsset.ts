import type { AssetRequest, JobAsset } from '../workflows/contract/asset.ts';
import { JobFailure, isJobFailure } from '../workflows/contract/failures.ts';
import type { Admission, JobSpec } from '../workflows/contract/spec.ts';
import { keepAlive } from './keepAlive.ts';

interface JobFile {
  readonly filename: string;
  readonly filesize: number;
  readonly type: 'output' | 'algorithmLog';
  readonly sha256: string;
}

interface Publication {
  readonly spec: JobSpec;
  readonly admission: Admission;
  readonly results: readonly JobFile[];
  readonly startedAtMs: number | null;
  readonly finishedAtMs: number;
  readonly asset: JobAsset;
}

/** Terms of the environment in which the job ran. */
interface AssetTerms {
  readonly chainId: number;
  readonly serviceEndpoint: string;
  readonly orderSeconds: number;
  readonly nftTemplate: number;
  readonly datatokenTemplate: number;
}

interface Place {
  readonly jobId: string;
  readonly chainId: number;
}

interface Tokens {
  readonly nftAddress: string;
  readonly datatokenAddress: string;
}

export interface PublishAssetDeps {
  readonly publications: {
    readPublication(jobId: string): Promise<Publication>;
    recordAsset(jobId: string, asset: JobAsset): Promise<void>;
  };
  /** @throws JobFailure for an environment that makes no assets any more */
  readonly assetTermsOf: (environmentId: string) => AssetTerms;
  /** Each step is sent once for ever, however often it is asked for. */
  readonly assetMaker: {
    readonly sender: string;
    createTokens(
      place: Place,
      terms: Pick<AssetTerms, 'nftTemplate' | 'datatokenTemplate'> & { readonly name: string },
    ): Promise<Tokens & { readonly hash: string }>;
    writeDocument(
      asset: Tokens & {
        readonly chainId: number;
        readonly request: AssetRequest;
        readonly job: {
          readonly jobId: string;
          readonly environmentId: string;
          readonly providerAddress: string;
          readonly admission: Admission;
          readonly startedAtMs: number | null;
          readonly finishedAtMs: number;
        };
        readonly files: readonly JobFile[];
        readonly serviceEndpoint: string;
        readonly orderSeconds: number;
      },
    ): Promise<{ readonly did: string; readonly hash: string }>;
    handOver(place: Place, given: { readonly nftAddress: string; readonly owner: string }): Promise<string>;
  };
  readonly assetCounts: { inc(labels: { readonly outcome: 'published' | 'failed' }): void };
}

type Keep = (news: Partial<JobAsset>) => Promise<JobAsset>;

const filesOf = ({ results }: Publication, { withLog }: AssetRequest): readonly JobFile[] => {
  const outputs = results.filter(({ type }) => type === 'output');
  if (outputs.length === 0) throw new JobFailure('RequestInvalid', 'the job has no outputs that could become an asset');
  return withLog ? results : outputs;
};

const sameAddress = (left: string, right: string): boolean => left.toLowerCase() === right.toLowerCase();

/** Every step tells what it did before the next begins; the hashes are those of the first time. */
const makeAsset = async (deps: PublishAssetDeps, publication: Publication, keep: Keep): Promise<void> => {
  const { assetMaker, assetTermsOf } = deps;
  const { spec, admission, startedAtMs, finishedAtMs } = publication;
  const { asset: request, jobId, environmentId } = spec;
  if (request === undefined) throw new JobFailure('RequestInvalid', 'the job asked for no asset');
  const terms = assetTermsOf(environmentId);
  const files = filesOf(publication, request);
  // where it was begun it is ended, whatever has been configured since
  const place = { jobId, chainId: publication.asset.chainId ?? terms.chainId };
  const { transactions: before } = await keep({ chainId: place.chainId });
  const { hash: create, ...tokens } = await assetMaker.createTokens(place, { ...terms, name: request.metadata.name });
  // from here on the document may become public, and its files must be found
  const { transactions } = await keep({ ...tokens, transactions: { ...before, create } });
  const job = { jobId, environmentId, providerAddress: assetMaker.sender, admission, startedAtMs, finishedAtMs };
  const { serviceEndpoint, orderSeconds } = terms;
  const written = await assetMaker.writeDocument({ ...tokens, chainId: place.chainId, request, job, files, serviceEndpoint, orderSeconds });
  await keep({ did: written.did, transactions: { ...transactions, metadata: written.hash } });
  const isOurs = sameAddress(request.owner, assetMaker.sender);
  const transfer = isOurs ? null : await assetMaker.handOver(place, { nftAddress: tokens.nftAddress, owner: request.owner });
  await keep({ state: 'published', reason: null, transactions: { create, metadata: written.hash, transfer } });
};

/** What may be told: classified failures are written for people, anything else is not. */
const reasonOf = (err: unknown): string => (isJobFailure(err) ? err.message : 'an unexpected error of the platform; it is tried again');

/**
 * Makes the outputs of a finished job an asset: afterwards it is on chain, belongs to whom it was asked for, and the
 * ledger names it. Safe to repeat, at any step and from any process. What stands in the way is readable meanwhile.
 */
export const publishAsset = (deps: PublishAssetDeps) =>
  async function publishAsset({ jobId }: { readonly jobId: string }): Promise<void> {
    const { publications, assetCounts } = deps;
    const publication = await publications.readPublication(jobId);
    if (publication.asset.state === 'published') return;
    let asset: JobAsset = { ...publication.asset, state: 'publishing' };
    const keep: Keep = async (news) => {
      asset = { ...asset, ...news };
      await publications.recordAsset(jobId, asset);
      return asset;
    };
    try {
      await keepAlive(() => makeAsset(deps, publication, keep));
    } catch (err) {
      await keep({ reason: reasonOf(err) });
      throw err;
    }
    assetCounts.inc({ outcome: 'published' });
  };
