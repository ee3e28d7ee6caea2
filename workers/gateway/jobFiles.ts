/** A job's files with everything needed to fetch them. Resolved per process, kept for a short time. */

import { defaultStore, type Admission, type JobSpec } from '../../workflows/contract/spec.ts';
import { planFiles, type FileOrigin, type FileWithOrigin } from './planFiles.ts';
import { providerFileLists } from './providerFiles.ts';
import type { AssetFiles, FileObject, GatewayLedger } from './ports.ts';

/** What the file source is asked for, and how the file is called towards people. */
export interface FetchedFile {
  readonly file: FileObject;
  readonly userdata: unknown;
  /** e.g. `dataset 1 file 0 (did:op:…)`; never a URL */
  readonly label: string;
}

/** A job, ready to be staged. */
export interface StagedJob {
  readonly spec: JobSpec;
  /** as they were accepted */
  readonly datasets: Admission['datasets'];
  /** name of the store that takes its results */
  readonly store: string;
  readonly files: readonly FileWithOrigin[];
  sourceOf(origin: FileOrigin): FetchedFile;
}

export interface JobFilesDeps {
  readonly ledger: Pick<GatewayLedger, 'readAdmission' | 'readProviderListing'>;
  readonly assets: AssetFiles;
}

/** How long decrypted file lists stay in memory: long enough for an agent to fetch them, in milliseconds. */
const keptMs = 60_000;
const keptJobs = 200;

const fileLists = (assets: AssetFiles, spec: JobSpec, admission: Admission) => ({
  datasets: admission.datasets.map((snapshot, position) =>
    snapshot.did === null ? [assets.parseFileObject(spec.datasets[position]?.fileObject)] : assets.filesOf(snapshot),
  ),
  algorithm: admission.algorithm === null ? rawAlgorithmFiles(assets, spec) : assets.filesOf(admission.algorithm),
});

const rawAlgorithmFiles = (assets: AssetFiles, { algorithm: { raw } }: JobSpec): readonly FileObject[] => {
  if (raw === null || (raw.rawcode !== null && raw.rawcode !== '')) return [];
  if (raw.fileObject !== null && raw.fileObject !== undefined) return [assets.parseFileObject(raw.fileObject)];
  return raw.url === null || raw.url === '' ? [] : [assets.parseFileObject({ type: 'url', url: raw.url, method: 'GET' })];
};

const resolveJob = async ({ ledger, assets }: JobFilesDeps, jobId: string): Promise<StagedJob> => {
  const { spec, admission } = await ledger.readAdmission(jobId);
  const isProvided = spec.surface === 'operator';
  const lists = isProvided ? await providerFileLists({ ledger, assets }, spec, admission) : fileLists(assets, spec, admission);
  const counts = { datasets: lists.datasets.map((list) => list.length), algorithm: lists.algorithm.length };
  const pick = (list: readonly FileObject[] | undefined, file: number): FileObject => {
    const found = list?.[file];
    if (found === undefined) throw new RangeError('a planned file has no file object');
    return found;
  };
  return {
    spec,
    datasets: admission.datasets,
    store: admission.store ?? defaultStore,
    files: planFiles({ admission, spec, counts }),
    sourceOf(origin) {
      if (origin.kind === 'algorithm') {
        const name = admission.algorithm?.did ?? 'raw';
        return {
          file: pick(lists.algorithm, origin.file),
          userdata: spec.algorithm.userdata,
          label: `algorithm file ${origin.file} (${name})`,
        };
      }
      const snapshot = admission.datasets[origin.dataset];
      return {
        file: pick(lists.datasets[origin.dataset], origin.file),
        userdata: spec.datasets[origin.dataset]?.userdata ?? null,
        label: `dataset ${origin.dataset + 1} file ${origin.file} (${snapshot?.did ?? snapshot?.folder ?? 'raw'})`,
      };
    },
  };
};

/**
 * Resolves jobs. What was admitted never changes, so an answer may be kept; a failure is not.
 * @returns a function that throws JobFailure when the job was not accepted or its files cannot be read
 */
export const createJobFiles = (deps: JobFilesDeps, now: () => number = Date.now) => {
  const kept = new Map<string, { readonly untilMs: number; readonly job: Promise<StagedJob> }>();
  const forgetOld = (): void => {
    for (const [jobId, { untilMs }] of kept) {
      if (untilMs > now() && kept.size < keptJobs) return;
      kept.delete(jobId);
    }
  };
  return function resolve(jobId: string): Promise<StagedJob> {
    forgetOld();
    const known = kept.get(jobId);
    if (known !== undefined && known.untilMs > now()) return known.job;
    const job = resolveJob(deps, jobId);
    kept.set(jobId, { untilMs: now() + keptMs, job });
    job.catch(() => kept.delete(jobId));
    return job;
  };
};

export type ResolveJob = ReturnType<typeof createJobFiles>;
