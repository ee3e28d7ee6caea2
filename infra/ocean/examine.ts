/** Every reason against a start request at once: a dry run of the admission. */

import { faultOf, isJobFailure, type JobFailure } from '../../workflows/contract/failures.ts';
import type { JobSpec } from '../../workflows/contract/spec.ts';
import type { ComputeEnvironment } from '../environments/environments.ts';
import { requireOrder, requirePayment, type AdmissionDeps } from './admission.ts';
import { requireTrusted } from './algorithmTrust.ts';
import { requireBareFile, requireContainer, requireEnvironment, requireRawFiles } from './assetChecks.ts';
import { readServiceFiles } from './assetFiles.ts';
import { requireConsumable } from './consumable.ts';
import { requireAllowed, requireFilters, requireFit, requireService, type InspectedService, type InspectRequest } from './inspect.ts';

/** A service as far as it could be looked at, and what speaks against it. */
interface Examined {
  /** null when there is no such document or service, and for a bare file object */
  readonly inspected: InspectedService | null;
  readonly areFilesReadable: boolean;
  readonly failures: readonly JobFailure[];
}

/** An outage says nothing about the request; an order that is too young does: it says when to come back. */
const isVerdict = (err: unknown): err is JobFailure =>
  isJobFailure(err) && (faultOf(err.type) !== 'platform' || err.type === 'OrderPending');

const failuresOf = async (check: () => unknown): Promise<readonly JobFailure[]> => {
  try {
    await check();
    return [];
  } catch (err) {
    if (isVerdict(err)) return [err];
    throw err;
  }
};

const findService = async ({ resolver }: AdmissionDeps, { reference }: InspectRequest) => {
  const asset = await resolver.resolve(reference.documentId);
  return { asset, service: requireService(asset, reference.serviceId) };
};

const examineService = async (deps: AdmissionDeps, request: InspectRequest): Promise<Examined> => {
  let found: Awaited<ReturnType<typeof findService>> | undefined;
  const missing = await failuresOf(async () => (found = await findService(deps, request)));
  if (found === undefined) return { inspected: null, areFilesReadable: false, failures: missing };
  const { asset, service } = found;
  let files: InspectedService['files'] | undefined;
  const failures = await Promise.all([
    failuresOf(() => requireFit(asset, service, request)),
    failuresOf(() => requireConsumable(asset)),
    failuresOf(() => requireAllowed(asset, service, request.consumerAddress, deps.accessLists)),
    failuresOf(() => (files = readServiceFiles(asset.ddo, service, deps.decrypter))),
  ]);
  return { inspected: { asset, service, files: files ?? [] }, areFilesReadable: files !== undefined, failures: failures.flat() };
};

interface ExaminedAssets {
  /** null for a raw algorithm */
  readonly algorithm: Examined | null;
  readonly datasets: readonly Examined[];
}

const examineTrust = async (
  deps: AdmissionDeps,
  spec: JobSpec,
  { algorithm, datasets }: ExaminedAssets,
  legacy: boolean,
): Promise<readonly JobFailure[]> => {
  // whether an algorithm is trusted cannot be told while nobody knows what it is
  if (algorithm !== null && (algorithm.inspected === null || !algorithm.areFilesReadable)) return [];
  const asked = algorithm?.inspected ? { inspected: algorithm.inspected, userdata: spec.algorithm.userdata } : null;
  const found = datasets.flatMap(({ inspected }) => inspected ?? []);
  const failures = await Promise.all(
    found.map((dataset) => failuresOf(() => requireTrusted({ datasets: [dataset], algorithm: asked, legacy, checksums: deps.checksums }))),
  );
  return failures.flat();
};

const examineOrders = async (
  deps: AdmissionDeps,
  spec: JobSpec,
  { algorithm, datasets }: ExaminedAssets,
  environmentId: string,
): Promise<readonly JobFailure[]> => {
  if (spec.isFree) return [];
  const ordered = [
    { inspected: algorithm?.inspected ?? null, transferTxId: spec.algorithm.transferTxId, role: 'algorithm' as const },
    ...datasets.map((dataset, position) => ({
      inspected: dataset.inspected,
      transferTxId: spec.datasets[position]?.transferTxId ?? null,
      role: 'dataset' as const,
    })),
  ];
  const failures = await Promise.all(
    ordered.map(({ inspected, ...order }) =>
      inspected === null ? Promise.resolve([]) : failuresOf(() => requireOrder(deps, spec, { inspected, ...order }, environmentId)),
    ),
  );
  return failures.flat();
};

/**
 * Looks at everything that `admit` looks at and goes on after a refusal. Nothing is reserved, written or spent.
 * @returns reasons in the order of `admit`: environment, algorithm, datasets, trust, orders, payment; none: it would be admitted
 * @throws JobFailure ChainUnavailable, InputUnavailable: what cannot be judged now
 */
export const createExamination = (deps: AdmissionDeps) =>
  async function examine(spec: JobSpec, environment: ComputeEnvironment): Promise<readonly JobFailure[]> {
    const { consumerAddress } = spec;
    const look = (documentId: string, serviceId: string | null, role: 'dataset' | 'algorithm') =>
      examineService(deps, { reference: { documentId, serviceId }, consumerAddress, role, chainIds: environment.chainIds });
    const [forEnvironment, algorithm, ...datasets] = await Promise.all([
      failuresOf(() => requireEnvironment(spec, environment, deps)),
      spec.algorithm.documentId === null ? null : look(spec.algorithm.documentId, spec.algorithm.serviceId, 'algorithm'),
      ...spec.datasets.map(async ({ documentId, serviceId, fileObject }) => {
        if (documentId !== null) return look(documentId, serviceId, 'dataset');
        const failures = await failuresOf(() => requireBareFile(fileObject, environment));
        return { inspected: null, areFilesReadable: true, failures };
      }),
    ]);
    const assets = { algorithm, datasets };
    const isUnknown = algorithm !== null && algorithm.inspected === null;
    const [raw, image, trust, orders, payment] = await Promise.all([
      algorithm === null ? failuresOf(() => requireRawFiles(spec.algorithm)) : [],
      isUnknown ? [] : failuresOf(() => requireContainer(algorithm?.inspected ?? null, spec)),
      examineTrust(deps, spec, assets, environment.emptyTrustedListsAllowAll),
      examineOrders(deps, spec, assets, environment.id),
      failuresOf(() => requirePayment(deps, spec, environment)),
    ]);
    const filters = await failuresOf(() =>
      requireFilters(
        datasets.flatMap(({ inspected }) => inspected ?? []),
        environment,
      ),
    );
    const found = [algorithm?.failures ?? [], raw, image, ...datasets.map(({ failures }) => failures), filters, trust, orders, payment];
    return [...forEnvironment, ...found.flat()];
  };
