import { JobFailure } from '../workflows/contract/failures.ts';
import type { Acceptance, JobEvent } from '../workflows/contract/job.ts';
import type { Admission, JobSpec } from '../workflows/contract/spec.ts';
import { keepAlive } from './keepAlive.ts';

export interface ValidateOrderDeps {
  readonly orders: {
    /** Checks assets, trust, credentials and orders; throws a JobFailure that names what is wrong. */
    admit(spec: JobSpec): Promise<Admission>;
  };
  readonly vacancies: {
    /** Places taken and offered in the environment of this job, for its kind (free or paid). */
    vacancy(spec: JobSpec): Promise<{ readonly taken: number; readonly maxJobs: number }>;
  };
  readonly admissions: {
    /** What was asked, and what was found good if the job has been accepted before. */
    readOrder(jobId: string): Promise<{ readonly spec: JobSpec; readonly accepted: Admission | null }>;
    acceptJob(jobId: string, admission: Admission): Promise<void>;
    /** Remembers what was found good of a job that is accepted once its payment is locked. */
    prepareJob(jobId: string, admission: Admission): Promise<void>;
  };
  readonly webhooks: {
    /** of which the operator wants to be told */
    readonly events: readonly JobEvent[];
  };
}

/**
 * The verdict on a job: everything that must be true before anything is started. What was found good, the DDOs
 * included, is in the ledger afterwards and is what the job runs on. A job that costs something is not accepted yet:
 * `lockPayment` does that. Safe to repeat: the verdict stays as it was.
 */
export const validateOrder = ({ orders, vacancies, admissions, webhooks }: ValidateOrderDeps) =>
  async function validateOrder({ jobId }: { readonly jobId: string }): Promise<Acceptance> {
    const { spec, accepted } = await admissions.readOrder(jobId);
    const events = spec.surface === 'selfTest' ? [] : webhooks.events;
    if (accepted !== null) return acceptanceOf(jobId, accepted, events);
    const [admission] = await keepAlive(() => Promise.all([orders.admit(spec), requireVacancy(vacancies, spec)]));
    if (needsLock(admission)) await admissions.prepareJob(jobId, admission);
    else await admissions.acceptJob(jobId, admission);
    return acceptanceOf(jobId, admission, events);
  };

const needsLock = ({ payment }: Admission): boolean => payment !== null && payment !== undefined && payment.amount !== '0';

const acceptanceOf = (jobId: string, admission: Admission, webhooks: readonly JobEvent[]): Acceptance => ({
  ...{ jobId, runSeconds: admission.runSeconds },
  ...(needsLock(admission) && { needsLock: true as const }),
  ...(webhooks.length > 0 && { webhooks }),
});

const requireVacancy = async (vacancies: ValidateOrderDeps['vacancies'], spec: JobSpec): Promise<void> => {
  if (spec.queueMaxWaitTime > 0) return;
  const { taken, maxJobs } = await vacancies.vacancy(spec);
  if (taken >= maxJobs)
    throw new JobFailure(
      'NoCapacity',
      `all ${maxJobs} places of environment ${spec.environmentId} are taken; try again later or send queueMaxWaitTime`,
    );
};
