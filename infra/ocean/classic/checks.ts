/** What a classic start and initializeCompute check, in the order and with the codes that clients know. */

import { setTimeout as sleep } from 'node:timers/promises';
import { isJobFailure, JobFailure } from '../../../workflows/contract/failures.ts';
import { unknownEnvironment } from '../../environments/classicOffer.ts';
import type { ComputeEnvironment } from '../../environments/environments.ts';
import { examineServiceOrder, type AdmissionDeps } from '../admission.ts';
import { mayUseEnvironment } from '../credentials.ts';
import type { InspectedService } from '../inspect.ts';
import type { OrderVerdict } from '../orders.ts';
import { openAlgorithm, requireRunnable, type OpenedAlgorithm } from './algorithm.ts';
import { nameDataset, openDataset } from './datasets.ts';
import { findPayment, type FeeOrder } from './fees.ts';
import { readRate } from './rates.ts';
import { refuse, settleCoded, type Coded } from './refuse.ts';

export type ClassicCheckDeps = AdmissionDeps;

/** A dataset of a request; null for what was not sent. */
export interface ClassicDataset {
  readonly documentId: string | null;
  readonly serviceId: string | null;
  readonly transferTxId: string | null;
}

/** The algorithm of a request: published when `documentId` is given. */
export interface ClassicAlgorithm extends ClassicDataset {
  readonly userdata: unknown;
  readonly raw: {
    readonly rawcode: string | null;
    readonly url: string | null;
    readonly container: { readonly entrypoint: string; readonly image: string; readonly checksum: string } | null;
  } | null;
}

export interface ClassicCheckRequest {
  readonly consumerAddress: string;
  readonly environment: ComputeEnvironment;
  /** the main dataset first */
  readonly datasets: readonly ClassicDataset[];
  readonly algorithm: ClassicAlgorithm;
  /** false: rows about orders, what is to be run and fees are left out */
  readonly isOrderNeeded: boolean;
}

/** What passed. */
export interface ClassicAssets {
  readonly datasets: readonly InspectedService[];
  /** null for a raw algorithm */
  readonly algorithm: InspectedService | null;
}

const orderPatienceMs = 30_000;
const lookAgainMs = 1_000;

/** A young order is waited for, because clients of this API do not ask twice. */
const examinePatiently = async (examine: () => Promise<OrderVerdict>): Promise<OrderVerdict> => {
  const deadline = performance.now() + orderPatienceMs;
  for (;;) {
    try {
      return await examine();
    } catch (err) {
      if (!isJobFailure(err) || err.type !== 'OrderPending' || performance.now() > deadline) throw err;
    }
    await sleep(lookAgainMs);
  }
};

interface Ordered extends Pick<FeeOrder, 'role'> {
  readonly inspected: InspectedService;
  readonly transferTxId: string | null;
}

/** @returns null for any failure of an order's rules (Classic Provider API §8) */
const findOrder = async (
  deps: ClassicCheckDeps,
  { consumerAddress, environment }: ClassicCheckRequest,
  { inspected, transferTxId, role }: Ordered,
): Promise<FeeOrder | null> => {
  if (transferTxId === null) return null;
  const reference = { inspected, transferTxId, role, requester: consumerAddress, environmentId: environment.id };
  const verdict = await examinePatiently(() => examineServiceOrder(deps, reference));
  return verdict.kind === 'valid' ? { role, transferTxId, fee: verdict.fee } : null;
};

const requireEnvironment = async (
  { accessLists, chains }: ClassicCheckDeps,
  { environment, consumerAddress }: ClassicCheckRequest,
): Promise<void> => {
  if (!(await mayUseEnvironment(environment.access, consumerAddress, accessLists))) throw new JobFailure('AccessDenied', 'Access denied');
  const isServed = environment.chainIds.length === 0 || environment.chainIds.some((chainId) => chains.has(chainId));
  if (!isServed) throw new JobFailure('RequestInvalid', unknownEnvironment);
};

const requireChain = ({ environment: { chainIds } }: ClassicCheckRequest, { asset }: InspectedService): void => {
  if (chainIds.length > 0 && !chainIds.includes(asset.ddo.chainId)) throw new JobFailure('RequestInvalid', unknownEnvironment);
};

/** Rows 19 and 20. */
const requireAlgorithmOrder = async (
  deps: ClassicCheckDeps,
  request: ClassicCheckRequest,
  { inspected, isOurs }: OpenedAlgorithm,
): Promise<FeeOrder | null> => {
  if (!isOurs) refuse('algorithm', 'compute_services_not_in_same_provider');
  requireChain(request, inspected);
  if (!request.isOrderNeeded) return null;
  const order = await findOrder(deps, request, { inspected, transferTxId: request.algorithm.transferTxId, role: 'algorithm' });
  return order ?? refuse('algorithm', 'in_use_or_not_on_chain');
};

/** Row 23. */
const requireFees = async (deps: ClassicCheckDeps, request: ClassicCheckRequest, main: InspectedService, orders: FeeOrder[]) => {
  const rate = await readRate(deps.chains, request.environment, main.asset.ddo.chainId);
  if (findPayment(orders, rate, Date.now() / 1_000) === null) refuse('order', 'fees_not_paid');
};

const checkDatasets = async (deps: ClassicCheckDeps, request: ClassicCheckRequest, opened: OpenedAlgorithm | null) => {
  const inspected: InspectedService[] = [];
  const orders: FeeOrder[] = [];
  for (const [position, dataset] of request.datasets.entries()) {
    const one = await openDataset(deps, request, { dataset, position, opened });
    requireChain(request, one);
    if (request.isOrderNeeded) {
      const order = await findOrder(deps, request, { inspected: one, transferTxId: dataset.transferTxId, role: 'dataset' });
      orders.push(order ?? refuse(`${nameDataset(position)}.serviceId`, 'order_invalid'));
    }
    inspected.push(one);
  }
  return { inspected, orders };
};

/** Documents are asked for at once; each check then finds its own on the way. */
const lookAhead = (deps: ClassicCheckDeps, { datasets, algorithm }: ClassicCheckRequest): ClassicCheckDeps => {
  const asked = new Map<string, ReturnType<ClassicCheckDeps['resolver']['resolve']>>();
  for (const { documentId } of [algorithm, ...datasets]) {
    if (documentId === null || asked.has(documentId)) continue;
    const answer = deps.resolver.resolve(documentId);
    answer.catch(() => undefined);
    asked.set(documentId, answer);
  }
  return { ...deps, resolver: { resolve: (did) => asked.get(did) ?? deps.resolver.resolve(did) } };
};

/**
 * Checks a request by Classic Provider API §7, rows 2 to 23, one after the other: the first refusal is the answer.
 * The job's own admission repeats everything; this tells consumers what is wrong in the words they know.
 * @throws JobFailure AccessDenied, RequestInvalid for an environment that takes no such orders, ChainUnavailable, OrderPending
 */
export const createClassicChecks = (deps: ClassicCheckDeps) =>
  async function checkClassic(request: ClassicCheckRequest): Promise<Coded<ClassicAssets>> {
    const ready = lookAhead(deps, request);
    return settleCoded(async () => {
      await requireEnvironment(ready, request);
      const opened = await openAlgorithm(ready, request);
      const { inspected, orders } = await checkDatasets(ready, request, opened);
      const [main] = inspected;
      if (main === undefined) return refuse('dataset.documentId', 'missing');
      const algorithmOrder = opened === null ? null : await requireAlgorithmOrder(ready, request, opened);
      if (request.isOrderNeeded) {
        requireRunnable(request.algorithm, opened);
        await requireFees(ready, request, main, algorithmOrder === null ? orders : [...orders, algorithmOrder]);
      }
      return { datasets: inspected, algorithm: opened?.inspected ?? null };
    });
  };
