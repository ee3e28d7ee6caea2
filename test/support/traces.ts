/** Looks behind the API: what a request left in the ledger, in Temporal and where pods run. */

import { Client, Connection, WorkflowNotFoundError } from '@temporalio/client';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { jobWorkflowId } from '../../workflows/contract/ids.ts';
import { faultAttribute } from '../../workflows/contract/searchAttributes.ts';
import { send } from './callers.ts';
import type { Scene } from './scene.ts';

type Place = Pick<Scene, 'pods'> & { readonly stack: Pick<Scene['stack'], 'apiUrl' | 'databaseUrl' | 'temporalAddress'> };

/** Works with a connection to the database and ends it. */
const withDatabase = async <Result>(url: string, work: (client: pg.Client) => Promise<Result>): Promise<Result> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
};

/** A job's row, whatever became of the request. */
export interface JobTrace {
  readonly jobId: string;
  readonly admission: 'pending' | 'accepted' | 'refused';
}

/** Every row that an owner's requests have left. */
export const readJobTraces = ({ stack }: Pick<Place, 'stack'>, owner: string): Promise<JobTrace[]> =>
  withDatabase(stack.databaseUrl, async (client) => {
    const statement = 'select job_id as "jobId", admission_state as admission from jobs where owner = $1 order by created_at';
    return (await client.query<JobTrace>(statement, [owner.toLowerCase()])).rows;
  });

/** How many pods each job has used, the smallest number first. */
export const readPodAttempts = ({ stack }: Pick<Place, 'stack'>, jobs: readonly string[]): Promise<readonly number[]> =>
  withDatabase(stack.databaseUrl, async (client) => {
    const statement = 'select pod_attempt as attempt from jobs where job_id = any($1) order by pod_attempt';
    return (await client.query<{ attempt: number }>(statement, [jobs])).rows.map(({ attempt }) => attempt);
  });

/** Works with a client that has no key: it sees what Temporal sees. */
export const withTemporal = async <Result>(address: string, work: (client: Client) => Promise<Result>): Promise<Result> => {
  const connection = await Connection.connect({ address });
  try {
    return await work(new Client({ connection }));
  } finally {
    await connection.close();
  }
};

/** Whose fault a job's end was, as operators find it; undefined while it has not ended. */
export const readFault = ({ stack }: Pick<Place, 'stack'>, jobId: string): Promise<string | undefined> =>
  withTemporal(stack.temporalAddress, async (client) =>
    (await client.workflow.getHandle(jobWorkflowId(jobId)).describe()).typedSearchAttributes.get(faultAttribute),
  );

/** Names of the activities that a job's workflow has scheduled, in order; empty if there is no workflow. */
export const readActivities = ({ stack }: Pick<Place, 'stack'>, jobId: string): Promise<readonly string[]> =>
  withTemporal(stack.temporalAddress, async (client) => {
    try {
      const { events } = await client.workflow.getHandle(jobWorkflowId(jobId)).fetchHistory();
      return (events ?? []).flatMap((event) => event.activityTaskScheduledEventAttributes?.activityType?.name ?? []);
    } catch (err) {
      if (err instanceof WorkflowNotFoundError) return [];
      throw err;
    }
  });

/** Jobs of an owner that the API lists. */
export const listJobs = async (apiUrl: string, owner: string): Promise<readonly string[]> => {
  const answer = await send(apiUrl, 'GET', '/api/services/compute', { query: { consumerAddress: owner } });
  expect(answer.status).toBe(200);
  return (answer.json as { jobId: string }[]).map(({ jobId }) => jobId);
};

const verdictPatienceMs = 20_000;

/** A refusal is answered as soon as it is known, and recorded meanwhile. */
const readVerdicts = async (place: Place, owner: string): Promise<JobTrace[]> => {
  const deadline = performance.now() + verdictPatienceMs;
  for (;;) {
    const traces = await readJobTraces(place, owner);
    if (!traces.some(({ admission }) => admission === 'pending') || performance.now() > deadline) return traces;
    await delay(50);
  }
};

const verdictOnly = ['validateOrder', 'recordRefusal'];

/**
 * Fails if a request of `owner` has led to more than a refusal: a job that is listed, a pod that was asked for, a
 * container or a volume.
 * @param accepted jobs that were rightly started
 */
export const expectNothingStarted = async (place: Place, owner: string, accepted: readonly string[] = []): Promise<void> => {
  expect([...(await listJobs(place.stack.apiUrl, owner))].toSorted()).toEqual([...accepted].toSorted());
  for (const { jobId, admission } of await readVerdicts(place, owner)) {
    if (accepted.includes(jobId)) continue;
    expect(admission).toBe('refused');
    const activities = await readActivities(place, jobId);
    expect(activities.filter((name) => !verdictOnly.includes(name))).toEqual([]);
    expect(await place.pods.findObjects(jobId)).toEqual([]);
  }
};

/** Every value of every table of the ledger, one string per row; bytes are shown as text too, so that plain text in them is found. */
export const dumpLedger = (url: string): Promise<readonly string[]> =>
  withDatabase(url, async (client) => {
    const { rows: tables } = await client.query<{ name: string }>(
      "select quote_ident(schemaname) || '.' || quote_ident(tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')",
    );
    const dump: string[] = [];
    for (const { name } of tables) {
      const { rows } = await client.query<Record<string, unknown>>(`select * from ${name}`);
      for (const row of rows) {
        const values = Object.values(row).map((value) => (Buffer.isBuffer(value) ? value.toString('latin1') : JSON.stringify(value)));
        dump.push(`${name}: ${values.join('\n')}`);
      }
    }
    return dump;
  });
