import type { Admission, PaymentState, PaymentTerms } from '../workflows/contract/spec.ts';
import { keepAlive } from './keepAlive.ts';

export interface LockPaymentDeps {
  readonly escrow: {
    /** Locks what the job may cost; resolves when the contract's event is confirmed. */
    lock(jobId: string, terms: PaymentTerms): Promise<{ readonly lockTx: string }>;
  };
  readonly admissions: {
    /** What was found good of a job, accepted or not. */
    readAdmission(jobId: string): Promise<{ readonly admission: Admission }>;
    acceptJob(jobId: string, admission: Admission): Promise<void>;
  };
  readonly payments: { recordPayment(jobId: string, payment: PaymentState): Promise<void> };
}

/**
 * Locks the price of the longest run in the escrow contract, then accepts the job. Safe to repeat: one lock is made for a
 * job. After a failure, or a stop, `releasePayment` gives back what may be locked.
 */
export const lockPayment = ({ escrow, admissions, payments }: LockPaymentDeps) =>
  async function lockPayment({ jobId }: { readonly jobId: string }): Promise<void> {
    const { admission } = await admissions.readAdmission(jobId);
    const { payment: terms } = admission;
    if (terms === null || terms === undefined) return;
    const { lockTx } = await keepAlive(() => escrow.lock(jobId, terms));
    const { chainId, token, decimals, amount } = terms;
    await payments.recordPayment(jobId, { chainId, token, decimals, amount, cost: '0', lockTx, claimTx: null, cancelTx: null });
    await admissions.acceptJob(jobId, admission);
  };
