import { JobFailure } from '../workflows/contract/failures.ts';
import type { Acceptance } from '../workflows/contract/job.ts';
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
  };
}

/**
 * The verdict on a job: everything that must be true before anything is started. What was found good, the DDOs
 * included, is in the ledger afterwards and is what the job runs on. Safe to repeat: an accepted job stays accepted,
 * as it was.
 */
export const validateOrder = ({ orders, vacancies, admissions }: ValidateOrderDeps) =>
  async function validateOrder({ jobId }: { readonly jobId: string }): Promise<Acceptance> {
    const { spec, accepted } = await admissions.readOrder(jobId);
    if (accepted !== null) return { jobId, runSeconds: accepted.runSeconds };
    const [admission] = await keepAlive(() => Promise.all([orders.admit(spec), requireVacancy(vacancies, spec)]));
    await admissions.acceptJob(jobId, admission);
    return { jobId, runSeconds: admission.runSeconds };
  };

const requireVacancy = async (vacancies: ValidateOrderDeps['vacancies'], spec: JobSpec): Promise<void> => {
  if (spec.queueMaxWaitTime > 0) return;
  const { taken, maxJobs } = await vacancies.vacancy(spec);
  if (taken >= maxJobs)
    throw new JobFailure(
      'NoCapacity',
      `all ${maxJobs} places of environment ${spec.environmentId} are taken; try again later or send queueMaxWaitTime`,
    );
};
