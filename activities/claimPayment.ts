import type { PaymentTerms } from '../workflows/contract/spec.ts';
import { keepAlive } from './keepAlive.ts';
import type { ReleasePaymentDeps, Settled } from './releasePayment.ts';

export interface ClaimPaymentDeps extends ReleasePaymentDeps {
  readonly escrow: ReleasePaymentDeps['escrow'] & {
    /** Takes the price of a run; the rest goes back. */
    claim(jobId: string, terms: PaymentTerms, runSeconds: number): Promise<Settled>;
  };
  readonly runs: {
    /** Seconds that the job's algorithm ran, by the ledger; null when it never began. */
    readRunSeconds(jobId: string): Promise<number | null>;
  };
}

/**
 * Takes what the run has cost, as it was fixed when the job was accepted; an algorithm that never began costs nothing.
 * Safe to repeat: a job is paid once.
 */
export const claimPayment = ({ escrow, admissions, payments, runs }: ClaimPaymentDeps) =>
  async function claimPayment({ jobId }: { readonly jobId: string }): Promise<void> {
    const { payment: terms } = (await admissions.readAdmission(jobId)).admission;
    if (terms === null || terms === undefined) return;
    const runSeconds = await runs.readRunSeconds(jobId);
    const settled = await keepAlive(() => (runSeconds === null ? escrow.release(jobId, terms) : escrow.claim(jobId, terms, runSeconds)));
    await payments.recordSettlement(jobId, settled);
  };
