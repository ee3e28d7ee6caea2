/** Environments in the ledger: how busy they are, and what self-tests found out about them. */

import { sql } from 'kysely';
import type { SealVerdict } from '../../workflows/contract/seal.ts';
import type { Admission, JobSpec } from '../../workflows/contract/spec.ts';
import type { SealRecord } from '../environments/standing.ts';
import { newJobValues, type JobsDeps } from './jobs.ts';

/** Accepted, unfinished jobs of an environment, and what those with a place were given. */
export interface EnvironmentLoad {
  readonly environmentId: string;
  readonly isFree: boolean;
  /** have a place */
  readonly running: number;
  /** wait for one */
  readonly queued: number;
  /** sum by resource id; a resource that nobody has is left out */
  readonly inUse: Readonly<Record<string, number>>;
}

interface LoadRow {
  readonly environment_id: string;
  readonly is_free: boolean;
  readonly running: number;
  readonly queued: number;
  readonly in_use: Readonly<Record<string, number>>;
}

/** Environments and kinds without an unfinished job are left out. */
export const environmentLoads = ({ db }: JobsDeps) =>
  async function environmentLoads(): Promise<readonly EnvironmentLoad[]> {
    const { rows } = await sql<LoadRow>`
      with open_jobs as (
        select environment_id, is_free, has_place, resources from jobs
        where finished_at is null and admission_state = 'accepted' and surface <> 'selfTest'
      ), used as (
        select environment_id, is_free, id, sum(amount::numeric)::float8 as amount
        from open_jobs, jsonb_each_text(resources) as given (id, amount)
        where has_place group by environment_id, is_free, id
      )
      select environment_id, is_free,
        (count(*) filter (where has_place))::int as running,
        (count(*) filter (where not has_place))::int as queued,
        coalesce((
          select jsonb_object_agg(used.id, used.amount) from used
          where used.environment_id = open_jobs.environment_id and used.is_free = open_jobs.is_free
        ), '{}') as in_use
      from open_jobs group by environment_id, is_free`.execute(db);
    return rows.map((row) => ({
      environmentId: row.environment_id,
      isFree: row.is_free,
      running: row.running,
      queued: row.queued,
      inUse: row.in_use,
    }));
  };

/** Their files go before their rows do. */
const selfTestStorageSeconds = 3_600;
const selfTestsKept = sql<Date>`clock_timestamp() - interval '1 day'`;

/** Writes the job of a self-test, accepted from the beginning, and forgets the environment's old ones. Safe to repeat. */
export const insertSelfTest = (deps: JobsDeps) =>
  async function insertSelfTest(spec: JobSpec, admission: Admission): Promise<void> {
    await deps.db
      .insertInto('jobs')
      .values({
        ...newJobValues(deps, spec),
        admission_state: 'accepted',
        admission: JSON.stringify(admission),
        agreement_id: '',
        run_seconds: admission.runSeconds,
        reason: 'a self-test',
        storage_seconds: selfTestStorageSeconds,
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    await deps.db
      .deleteFrom('jobs')
      .where('surface', '=', 'selfTest')
      .where('environment_id', '=', spec.environmentId)
      .where('finished_at', '<', selfTestsKept)
      .execute();
  };

/** A decision replaces the one before; what is `unproved` only adds why. */
export const recordVerdict = ({ db }: JobsDeps) =>
  async function recordVerdict({ environmentId, verdict, reason }: SealVerdict & { readonly environmentId: string }): Promise<void> {
    const now = sql<Date>`clock_timestamp()`;
    const found =
      verdict === 'unproved' ? { problem: reason, problem_at: now } : { verdict, reason, decided_at: now, problem: null, problem_at: null };
    await db
      .insertInto('environment_verdicts')
      .values({ environment_id: environmentId, ...found })
      .onConflict((conflict) => conflict.column('environment_id').doUpdateSet(found))
      .execute();
  };

const ageOf = (column: 'decided_at' | 'problem_at') =>
  sql<number | null>`extract(epoch from clock_timestamp() - ${sql.ref(column)})::float8`;

/** Environments without any self-test are left out. */
export const readSeals = ({ db }: JobsDeps) =>
  async function readSeals(): Promise<readonly SealRecord[]> {
    const rows = await db
      .selectFrom('environment_verdicts')
      .select(['environment_id', 'verdict', 'reason', 'problem', ageOf('decided_at').as('age'), ageOf('problem_at').as('problem_age')])
      .execute();
    return rows.map((row) => ({
      environmentId: row.environment_id,
      verdict: row.verdict,
      reason: row.reason,
      ageSeconds: row.age,
      problem: row.problem,
      problemAgeSeconds: row.problem_age,
    }));
  };

/** True when the consumer's job belongs to an environment that was found not to be sealed. */
export const isUnsealed = ({ db }: JobsDeps) =>
  async function isUnsealed(jobId: string): Promise<boolean> {
    const row = await db
      .selectFrom('environment_verdicts')
      .innerJoin('jobs', 'jobs.environment_id', 'environment_verdicts.environment_id')
      .select('verdict')
      .where('job_id', '=', jobId)
      .where('surface', '<>', 'selfTest')
      .executeTakeFirst();
    return row?.verdict === 'unsealed';
  };
