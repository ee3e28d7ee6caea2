/** Environments in the ledger: how busy they are. */

import { sql } from 'kysely';
import type { JobsDeps } from './jobs.ts';

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
