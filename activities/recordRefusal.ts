/** Why a job was not accepted; `type` is a FailureType. */
export interface Refusal {
  readonly jobId: string;
  readonly type: string;
  readonly reason: string;
}

export interface RecordRefusalDeps {
  readonly refusals: { refuseJob(jobId: string, refusal: { readonly type: string; readonly reason: string }): Promise<void> };
}

/** Remembers a refusal beyond Temporal's retention, so that the same request gets the same answer. Safe to repeat. */
export const recordRefusal = ({ refusals }: RecordRefusalDeps) =>
  async function recordRefusal({ jobId, type, reason }: Refusal): Promise<void> {
    await refusals.refuseJob(jobId, { type, reason });
  };
