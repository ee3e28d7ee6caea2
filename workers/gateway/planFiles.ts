/** What is staged where (contract for algorithm authors §2, §4, §6, §7). Pure. */

import type { Admission, AssetSnapshot, JobSpec } from '../../workflows/contract/spec.ts';
import { JobFailure } from '../../workflows/contract/failures.ts';
import type { PlannedFile } from './protocol.ts';

/** Where the bytes of a planned file come from when they are not in the plan itself. */
export type FileOrigin =
  { readonly kind: 'dataset'; readonly dataset: number; readonly file: number } | { readonly kind: 'algorithm'; readonly file: number };

/** One file of the plan with its origin; null for a file whose content is in the plan. */
export interface FileWithOrigin {
  readonly planned: PlannedFile;
  readonly origin: FileOrigin | null;
}

/** How many files each service has, after its list was decrypted. */
export interface FileCounts {
  readonly datasets: readonly number[];
  readonly algorithm: number;
}

export interface PlanSource {
  readonly admission: Admission;
  readonly spec: JobSpec;
  readonly counts: FileCounts;
}

const readable = 0o644;
const executable = 0o755;

type Draft = Omit<PlannedFile, 'n'> & { readonly origin: FileOrigin | null };

/**
 * All files of a job, numbered in a fixed order, so that every replica means the same file by the same number.
 * @throws JobFailure `AlgorithmChecksumMismatch` when a pinned digest cannot be one
 */
export const planFiles = (source: PlanSource): readonly FileWithOrigin[] =>
  [...inlineFiles(source), ...algorithmFiles(source), ...inputFiles(source)].map(({ origin, ...file }, n) => ({
    planned: { n, ...file },
    origin,
  }));

/** Text of `/data/inputs/algoCustomData.json`: without custom data, `{}` for node jobs and `null` for the others. */
const customDataText = ({ surface, algorithm: { algocustomdata } }: JobSpec): string => {
  if (algocustomdata !== undefined && algocustomdata !== null) return JSON.stringify(algocustomdata);
  return surface === 'node' ? '{}' : 'null';
};

const inline = (path: string, text: string): Draft => ({
  path,
  mode: readable,
  content: Buffer.from(text, 'utf8').toString('base64'),
  role: 'platform',
  origin: null,
});

const inlineFiles = ({ admission, spec }: PlanSource): readonly Draft[] => {
  const ddos = new Map<string, unknown>();
  for (const snapshot of [...admission.datasets, admission.algorithm]) {
    if (snapshot === null || snapshot.did === null || ddos.has(snapshot.folder)) continue;
    ddos.set(folderOf(snapshot), snapshot.ddo);
  }
  return [
    inline('inputs/algoCustomData.json', customDataText(spec)),
    ...[...ddos].map(([folder, ddo]) => inline(`ddos/${folder}`, JSON.stringify(ddo ?? null))),
  ];
};

const algorithmFiles = ({ admission, spec, counts }: PlanSource): readonly Draft[] => {
  const rawcode = admission.algorithm === null ? spec.algorithm.raw?.rawcode : null;
  if (typeof rawcode === 'string' && rawcode !== '') {
    return [{ ...inline('transformations/algorithm', rawcode), mode: executable, role: 'algorithm' }];
  }
  return Array.from({ length: counts.algorithm }, (_, file) => ({
    path: `transformations/${file === 0 ? 'algorithm' : file}`,
    mode: file === 0 ? executable : readable,
    role: 'algorithm' as const,
    ...pinnedDigest(admission, file),
    origin: { kind: 'algorithm' as const, file },
  }));
};

const pinnedDigest = ({ algorithmFileDigests }: Admission, file: number): { sha256?: string } => {
  const digest = algorithmFileDigests?.[file];
  if (digest === undefined) return {};
  const sha256 = digest.toLowerCase().replace(/^0x/, '');
  // what was pinned and cannot be compared must not pass as if nothing had been pinned
  if (!/^[0-9a-f]{64}$/.test(sha256)) {
    throw new JobFailure('AlgorithmChecksumMismatch', `the checksum that the dataset pins for algorithm file ${file} is no SHA-256`);
  }
  return { sha256 };
};

/** Numbering goes on where several services of one asset are used: none overwrites another. */
const inputFiles = ({ admission, counts }: PlanSource): readonly Draft[] => {
  const next = new Map<string, number>();
  return admission.datasets.flatMap((snapshot, dataset) => {
    const folder = folderOf(snapshot);
    return Array.from({ length: counts.datasets[dataset] ?? 0 }, (_, file): Draft => {
      const number = next.get(folder) ?? 0;
      next.set(folder, number + 1);
      return { path: `inputs/${folder}/${number}`, mode: readable, role: 'input', origin: { kind: 'dataset', dataset, file } };
    });
  });
};

/** A folder name comes from a DID: it must not lead anywhere else. */
const folderOf = ({ folder }: AssetSnapshot): string => {
  if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(folder))
    throw new JobFailure('RequestInvalid', 'an asset has a DID that cannot name a folder');
  return folder;
};
