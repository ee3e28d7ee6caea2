import type { Admission, PaymentState, PaymentTerms } from '../workflows/contract/spec.ts';
import { keepAlive } from './keepAlive.ts';

/** What became of a lock. */
export type Settled = Pick<PaymentState, 'claimTx' | 'cancelTx' | 'cost'>;

export interface ReleasePaymentDeps {
  readonly escrow: {
    /** Gives the whole lock back, if there is one; afterwards there never will be. */
    release(jobId: string, terms: PaymentTerms): Promise<Settled>;
  };
  readonly admissions: { readAdmission(jobId: string): Promise<{ readonly admission: Admission }> };
  readonly payments: { recordSettlement(jobId: string, settled: Settled): Promise<void> };
}

/** Makes sure that nothing of the consumer's stays locked for a job that costs nothing in the end. Safe to repeat. */
export const releasePayment = ({ escrow, admissions, payments }: ReleasePaymentDeps) =>
  async function releasePayment({ jobId }: { readonly jobId: string }): Promise<void> {
    const { payment: terms } = (await admissions.readAdmission(jobId)).admission;
    if (terms === null || terms === undefined) return;
    await payments.recordSettlement(jobId, await keepAlive(() => escrow.release(jobId, terms)));
  };
