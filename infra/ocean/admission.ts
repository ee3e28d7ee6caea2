/** The verdict on a start request: may this job run, on what, and for how long. */

import { JobFailure } from '../../workflows/contract/failures.ts';
import type { Admission, AssetSnapshot, JobSpec, PaymentTerms } from '../../workflows/contract/spec.ts';
import type { ComputeEnvironment } from '../environments/environments.ts';
import { checkAssets, type AssetCheckDeps, type CheckedAssets } from './assetChecks.ts';
import type { ChainReader } from './chains.ts';
import { findPayment, type FeeOrder } from './classic/fees.ts';
import { readRate } from './classic/rates.ts';
import { requireFunds } from './escrow/funds.ts';
import { termsOf } from './escrow/terms.ts';
import { folderOfDid } from './ids.ts';
import type { InspectedService } from './inspect.ts';
import type { PaidFee } from './orderRules.ts';
import { examineOrder, type OrderVerdict } from './orders.ts';
import { settleInOrder } from './settleInOrder.ts';

export interface AdmissionDeps extends AssetCheckDeps {
  readonly chains: ReadonlyMap<number, ChainReader>;
  /** of the current and former keys */
  readonly providerAddresses: readonly string[];
  /** `consumerAddress` of the environments: consumer in the orders that clients make */
  readonly environmentAddress: string;
}

export interface OrderReference {
  readonly inspected: InspectedService;
  readonly transferTxId: string;
  readonly role: 'dataset' | 'algorithm';
  readonly requester: string;
  /** null: a fee for any environment, or for none, will do */
  readonly environmentId: string | null;
}

/** Looks at the order of one inspected service. */
export const examineServiceOrder = async (
  { chains, providerAddresses, environmentAddress }: Pick<AdmissionDeps, 'chains' | 'providerAddresses' | 'environmentAddress'>,
  { inspected: { asset, service }, transferTxId, role, requester, environmentId }: OrderReference,
): Promise<OrderVerdict> => {
  const chain = chains.get(asset.ddo.chainId);
  if (chain === undefined) return { kind: 'invalid', reason: `chain ${asset.ddo.chainId} is not served` };
  return examineOrder({
    ...{ chain, requester, environmentId, environmentAddress, providerAddresses, nftAddress: asset.ddo.nftAddress },
    txId: transferTxId,
    datatokenAddress: service.datatokenAddress,
    serviceIndex: service.index,
    serviceId: service.id,
    timeoutSeconds: service.timeoutSeconds,
    environmentOptional: role === 'algorithm',
  });
};

interface Ordered {
  readonly inspected: InspectedService;
  readonly transferTxId: string | null;
  readonly role: 'dataset' | 'algorithm';
}

export const requireOrder = async (deps: AdmissionDeps, spec: JobSpec, ordered: Ordered, environmentId: string): Promise<PaidFee> => {
  const { inspected, transferTxId, role } = ordered;
  const { did } = inspected.asset.ddo;
  if (transferTxId === null || transferTxId === '') throw new JobFailure('OrderMissing', `Missing transferTxId for DDO ${did}`);
  const verdict = await examineServiceOrder(deps, { inspected, transferTxId, role, requester: spec.consumerAddress, environmentId });
  if (verdict.kind === 'valid') return verdict.fee;
  const tx = transferTxId.slice(0, 80);
  throw new JobFailure(
    'OrderInvalid',
    `TxId Service ${tx} is not valid for DDO ${did} and service ${inspected.service.id}: ${verdict.reason}`,
  );
};

/** Algorithm first, as Ocean Node checks. */
const listOrdered = (spec: JobSpec, checked: CheckedAssets): readonly Ordered[] => [
  ...(checked.algorithm === null
    ? []
    : [{ inspected: checked.algorithm, transferTxId: spec.algorithm.transferTxId, role: 'algorithm' as const }]),
  ...checked.datasets.flatMap((inspected, position) =>
    inspected === null ? [] : [{ inspected, transferTxId: spec.datasets[position]?.transferTxId ?? null, role: 'dataset' as const }],
  ),
];

/** The order that names a job without a compute fee. Node style: the first dataset's, or the algorithm's. */
const chooseAgreement = ({ surface }: JobSpec, ordered: readonly Ordered[]): string => {
  const datasets = ordered.filter(({ role }) => role === 'dataset');
  const algorithm = ordered.find(({ role }) => role === 'algorithm');
  const chosen = surface === 'node' ? (datasets[0] ?? algorithm) : (algorithm ?? datasets.at(-1));
  return (chosen?.transferTxId ?? '').toLowerCase();
};

/** Paid time holds only where something was paid: from the fee's quote to its end. */
const paidSeconds = (fees: readonly PaidFee[]): number =>
  Math.min(
    ...fees.filter((fee) => fee.amount > 0n && fee.validUntil > 0).map((fee) => Math.floor(fee.validUntil - fee.quotedAt)),
    Number.POSITIVE_INFINITY,
  );

const grantSeconds = (spec: JobSpec, environment: ComputeEnvironment, paid: number): number => {
  const longest = spec.isFree ? (environment.free?.maxJobDuration ?? 0) : environment.maxJobDuration;
  return Math.max(1, Math.min(spec.maxJobDuration ?? longest, longest, paid));
};

/** Which order carries the job, and the seconds that were paid for; infinite where time costs nothing. */
const judgePayment = async (
  deps: AdmissionDeps,
  environment: ComputeEnvironment,
  { spec, ordered, fees }: { spec: JobSpec; ordered: readonly Ordered[]; fees: readonly PaidFee[] },
): Promise<{ readonly agreementId: string; readonly seconds: number }> => {
  if (spec.isFree) return { agreementId: '', seconds: Number.POSITIVE_INFINITY };
  if (spec.surface !== 'classic') return { agreementId: chooseAgreement(spec, ordered), seconds: paidSeconds(fees) };
  const main = ordered.find(({ role }) => role === 'dataset');
  const rate = await readRate(deps.chains, environment, main?.inspected.asset.ddo.chainId ?? 0);
  const orders = ordered.map(({ role, transferTxId }, index) => ({ role, transferTxId: transferTxId ?? '', fee: fees[index] }));
  const payment = findPayment(orders.filter(isPaid), rate, Date.now() / 1_000);
  if (payment === null) throw new JobFailure('OrderInvalid', 'No order carries a provider fee that pays for the time until its validUntil');
  return { agreementId: payment.agreementId, seconds: payment.paidSeconds ?? Number.POSITIVE_INFINITY };
};

/**
 * What the job costs; null where nothing is to be locked.
 * @throws JobFailure RequestInvalid for a chain or token that is not taken, PaymentInvalid without the funds; ChainUnavailable
 */
export const requirePayment = async (
  deps: AdmissionDeps,
  spec: JobSpec,
  environment: ComputeEnvironment,
  runSeconds = grantSeconds(spec, environment, Number.POSITIVE_INFINITY),
): Promise<PaymentTerms | null> => {
  const { payment: means, resources, consumerAddress: payer, queueMaxWaitTime: queueSeconds } = spec;
  if (means === null || means === undefined) return null;
  const terms = await termsOf(deps, environment, { means, payer, resources, queueSeconds, runSeconds });
  if (terms.amount === '0') return null;
  await requireFunds(deps.chains, terms);
  return terms;
};

const isPaid = (order: Omit<FeeOrder, 'fee'> & { readonly fee: PaidFee | undefined }): order is FeeOrder => order.fee !== undefined;

const takeSnapshot = (inspected: InspectedService, transferTxId: string | null): AssetSnapshot => {
  const { ddo } = inspected.asset;
  const { did, chainId, document } = ddo;
  return { did, folder: folderOfDid(did), chainId, serviceId: inspected.service.id, transferTxId, ddo: document };
};

const rawSnapshot = (position: number): AssetSnapshot => ({
  ...{ did: null, folder: `raw-${position}`, chainId: null, serviceId: null, transferTxId: null, ddo: null },
});

/**
 * Decides on a start request. Free jobs need no order; everything else holds for them too.
 * @throws JobFailure of the first refusal: environment, algorithm, datasets, trust, orders, algorithm first, then payment;
 *   OrderPending and ChainUnavailable say when to ask again
 */
export const createAdmission = (deps: AdmissionDeps) =>
  async function admit(spec: JobSpec, environment: ComputeEnvironment): Promise<Admission> {
    const checked = await checkAssets(deps, spec, environment);
    const ordered = listOrdered(spec, checked);
    const fees = spec.isFree ? [] : await settleInOrder(ordered.map((one) => requireOrder(deps, spec, one, environment.id)));
    const { agreementId, seconds } = await judgePayment(deps, environment, { spec, ordered, fees });
    const runSeconds = grantSeconds(spec, environment, seconds);
    return {
      ...{ agreementId, runSeconds, payment: await requirePayment(deps, spec, environment, runSeconds) },
      datasets: checked.datasets.map((inspected, position) =>
        inspected === null ? rawSnapshot(position) : takeSnapshot(inspected, spec.datasets[position]?.transferTxId ?? null),
      ),
      algorithm: checked.algorithm === null ? null : takeSnapshot(checked.algorithm, spec.algorithm.transferTxId),
      container: checked.container,
      algorithmFileDigests: checked.algorithmFileDigests,
    };
  };
