/** Jobs in the ledger: what was asked, what clients read. One function per operation. */

import { sql, type Kysely, type Selectable } from 'kysely';
import { askedAsset, type JobAsset } from '../../workflows/contract/asset.ts';
import { JobFailure } from '../../workflows/contract/failures.ts';
import { isJobId } from '../../workflows/contract/ids.ts';
import type { JobRecord, PodRef } from '../../workflows/contract/job.ts';
import { askedDelivery, type Delivery, type OutputTarget } from '../../workflows/contract/output.ts';
import type { Admission, JobSpec, PaymentState, RegistryCredentials } from '../../workflows/contract/spec.ts';
import { isTerminal, status } from '../../workflows/contract/status.ts';
import type { Keyring } from '../crypto/keyring.ts';
import { gather } from './gather.ts';
import type { AdmissionState, LedgerDatabase, ResultEntry, Termination } from './schema.ts';

/** A job as clients may read it; times in milliseconds since the epoch. */
export interface JobRow {
  readonly jobId: string;
  /** as the consumer wrote it */
  readonly owner: string;
  readonly environmentId: string;
  readonly isFree: boolean;
  readonly chainId: number | null;
  readonly surface: string;
  readonly admission: AdmissionState;
  readonly refusalType: string | null;
  readonly agreementId: string;
  readonly algorithmDid: string;
  readonly inputDids: readonly string[];
  readonly status: number;
  readonly reason: string;
  readonly stopRequested: boolean;
  readonly progress: unknown;
  /** status number → when it was first reached */
  readonly phases: Readonly<Record<string, number>>;
  readonly results: readonly ResultEntry[];
  /** the pod attempt whose files `results` lists */
  readonly podAttempt: number;
  /** name of the store that has them */
  readonly store: string;
  readonly termination: Termination | null;
  readonly maxJobDuration: number | null;
  /** seconds that the job may wait for a place, as it was asked */
  readonly queueMaxWaitTime: number;
  readonly resources: Readonly<Record<string, number>>;
  readonly metadata: unknown;
  readonly additionalViewers: readonly string[];
  /** null: the outputs stay results */
  readonly asset: JobAsset | null;
  /** null: the outputs stay in the environment's store */
  readonly delivery: Delivery | null;
  readonly algorithmStartedAtMs: number | null;
  readonly algorithmFinishedAtMs: number | null;
  readonly createdAtMs: number;
  readonly finishedAtMs: number | null;
  /** until when results and log are there; null until the job has ended */
  readonly expiresAtMs: number | null;
  /** null: nothing was locked for this job */
  readonly payment: PaymentState | null;
}

/** Which jobs to find; at least one of the three. Addresses and agreement ids compare lower-case. */
export interface JobFilter {
  readonly jobId?: string;
  readonly owner?: string;
  readonly agreementId?: string;
}

/** How many accepted, unfinished jobs an environment has. */
export interface JobCount {
  readonly environmentId: string;
  readonly isFree: boolean;
  readonly running: number;
  readonly queued: number;
}

/** Channel on which a job's id is announced whenever its row or log changed. */
export const jobChannel = 'c2d_job';

const endSequence = 1_000_000;
const sequenceOf = (podAttempt: number, number: number): number => (isTerminal(number) ? endSequence : podAttempt * 100 + number);

/** Selected from a list of changed jobs, tells who waits for each: one statement, one round trip. */
export const announced = sql`pg_notify(${jobChannel}, job_id)`.as('announced');

const specContext = (jobId: string): string => `job-spec/${jobId}`;
const credentialsContext = (jobId: string): string => `registry-credentials/${jobId}`;
const targetContext = (jobId: string): string => `output-target/${jobId}`;

/** The storage that a job names, as it was sealed. */
export const openTarget = (keyring: Keyring, jobId: string, sealed: Buffer): OutputTarget =>
  JSON.parse(keyring.open(sealed, targetContext(jobId)).toString()) as OutputTarget;

/** Everything of a row but its secrets. */
export const listedColumns = [
  'job_id', 'owner_text', 'environment_id', 'is_free', 'chain_id', 'surface', 'admission_state', 'refusal_type', 'agreement_id',
  'algorithm_did', 'input_dids', 'status', 'reason', 'stop_requested', 'progress', 'phases', 'results', 'results_pod_attempt', 'store',
  'termination', 'run_seconds', 'queue_seconds', 'resources', 'metadata', 'additional_viewers', 'asset', 'delivery', 'algorithm_started_at', 'algorithm_finished_at',
  'created_at', 'finished_at', 'expires_at', 'payment',
] as const; // prettier-ignore

/** Whether the time of results is over, so that nobody is shown them any more. */
export const isOver = (expiresAt: Date | null): boolean => expiresAt !== null && expiresAt.getTime() <= Date.now();

/**
 * What is listed of a job's results: nothing once their time is over. Outputs that were delivered are elsewhere; until it
 * is known whether they are, nothing is listed, because a list never changes.
 */
const listed = ({
  results,
  delivery,
  expires_at: expiresAt,
}: Pick<Selectable<LedgerDatabase['jobs']>, 'results' | 'delivery' | 'expires_at'>) => {
  if (isOver(expiresAt) || results === null || delivery?.state === 'asked') return [];
  if (delivery?.state !== 'delivered') return results;
  return results.filter(({ type }) => type !== 'output').map((entry, index) => ({ ...entry, index }));
};

/** A row as it is read. */
export const toJobRow = (row: Pick<Selectable<LedgerDatabase['jobs']>, (typeof listedColumns)[number]>): JobRow => ({
  jobId: row.job_id,
  owner: row.owner_text,
  environmentId: row.environment_id,
  isFree: row.is_free,
  chainId: row.chain_id === null ? null : Number(row.chain_id),
  surface: row.surface,
  admission: row.admission_state,
  refusalType: row.refusal_type,
  agreementId: row.agreement_id ?? '',
  algorithmDid: row.algorithm_did,
  inputDids: row.input_dids,
  status: row.status,
  reason: row.reason,
  stopRequested: row.stop_requested,
  progress: row.progress,
  phases: row.phases,
  results: listed(row),
  podAttempt: row.results_pod_attempt ?? 0,
  store: row.store,
  termination: row.termination,
  maxJobDuration: row.run_seconds,
  queueMaxWaitTime: row.queue_seconds,
  resources: row.resources,
  metadata: row.metadata,
  additionalViewers: row.additional_viewers,
  asset: row.asset,
  delivery: row.delivery,
  algorithmStartedAtMs: row.algorithm_started_at?.getTime() ?? null,
  algorithmFinishedAtMs: row.algorithm_finished_at?.getTime() ?? null,
  createdAtMs: row.created_at.getTime(),
  finishedAtMs: row.finished_at?.getTime() ?? null,
  expiresAtMs: row.expires_at?.getTime() ?? null,
  payment: row.payment,
});

/** What the operations on jobs need. */
export interface JobsDeps {
  readonly db: Kysely<LedgerDatabase>;
  readonly keyring: Keyring;
  /** how long results of an environment's jobs are kept, in seconds */
  readonly storageSecondsOf: (environmentId: string) => number;
}

/** The row of a new job; it is shown to nobody before it is accepted. */
export const newJobValues = (
  { keyring, storageSecondsOf }: Pick<JobsDeps, 'keyring' | 'storageSecondsOf'>,
  { registryCredentials, output, ...spec }: JobSpec,
) => ({
  job_id: spec.jobId,
  owner: spec.consumerAddress.toLowerCase(),
  owner_text: spec.consumerAddress,
  environment_id: spec.environmentId,
  is_free: spec.isFree,
  chain_id: spec.chainId,
  surface: spec.surface,
  spec: keyring.seal(Buffer.from(JSON.stringify(spec)), specContext(spec.jobId)),
  registry_credentials:
    registryCredentials === undefined
      ? null
      : keyring.seal(Buffer.from(JSON.stringify(registryCredentials)), credentialsContext(spec.jobId)),
  output_target: output === undefined ? null : keyring.seal(Buffer.from(JSON.stringify(output)), targetContext(spec.jobId)),
  delivery: output === undefined ? null : JSON.stringify(askedDelivery(output, spec.jobId)),
  algorithm_did: spec.algorithm.documentId ?? '',
  input_dids: JSON.stringify(spec.datasets.flatMap((dataset) => dataset.documentId ?? [])),
  status: status.queued,
  reason: 'waiting for the verdict on the order',
  phases: JSON.stringify({ [status.queued]: Date.now() }),
  queue_seconds: spec.queueMaxWaitTime,
  resources: JSON.stringify(spec.resources),
  storage_seconds: storageSecondsOf(spec.environmentId),
  metadata: spec.metadata === undefined || spec.metadata === null ? null : JSON.stringify(spec.metadata),
  additional_viewers: JSON.stringify(spec.additionalViewers.map((viewer) => viewer.toLowerCase())),
  asset: spec.asset === undefined ? null : JSON.stringify(askedAsset),
});

/** What consumers caused; the platform's own self-tests are shown to nobody. */
export const selfTest = 'selfTest';

/** @returns the consumer's job, whatever its admission, or null */
export const readJob = ({ db }: JobsDeps) => {
  const find = gather(async (jobIds) => {
    const rows = await db
      .selectFrom('jobs')
      .select(listedColumns)
      .where(sql<boolean>`job_id = any(${jobIds}::text[])`)
      .where('surface', '<>', selfTest)
      .execute();
    return new Map(rows.map((row) => [row.job_id, toJobRow(row)]));
  });
  return async function readJob(jobId: string): Promise<JobRow | null> {
    return isJobId(jobId) ? find(jobId) : null;
  };
};

/** What {@link findJobs} asks the database, asked of one row. */
const matches = (row: JobRow, { owner, agreementId }: JobFilter): boolean =>
  row.admission === 'accepted' &&
  (owner === undefined || row.owner.toLowerCase() === owner.toLowerCase()) &&
  (agreementId === undefined || row.agreementId === agreementId.toLowerCase());

/** Accepted jobs that match every given key, newest first. */
export const findJobs = (deps: JobsDeps) => {
  const { db } = deps;
  const readOne = readJob(deps);
  return async function findJobs(filter: JobFilter, page: { readonly limit: number; readonly offset: number }): Promise<readonly JobRow[]> {
    if (filter.jobId !== undefined) {
      const row = await readOne(filter.jobId);
      return row !== null && matches(row, filter) ? [row].slice(page.offset, page.offset + page.limit) : [];
    }
    let query = db.selectFrom('jobs').select(listedColumns).where('admission_state', '=', 'accepted').where('surface', '<>', selfTest);
    if (filter.owner !== undefined) query = query.where('owner', '=', filter.owner.toLowerCase());
    if (filter.agreementId !== undefined) query = query.where('agreement_id', '=', filter.agreementId.toLowerCase());
    const rows = await query.orderBy('created_at', 'desc').orderBy('job_id').limit(page.limit).offset(page.offset).execute();
    return rows.map(toJobRow);
  };
};

/** The request as it was sealed. @throws JobFailure `RequestInvalid` for one that is no longer kept */
export const openSpec = (keyring: Keyring, jobId: string, sealed: Buffer): JobSpec => {
  if (sealed.length === 0) throw new JobFailure('RequestInvalid', `the request of job ${jobId} is no longer kept`);
  return JSON.parse(keyring.open(sealed, specContext(jobId)).toString()) as JobSpec;
};

/** @throws JobFailure `RequestInvalid` for an unknown job, and one whose request is no longer kept */
export const readSpec = ({ db, keyring }: JobsDeps) =>
  async function readSpec(jobId: string): Promise<JobSpec> {
    const row = await db.selectFrom('jobs').select('spec').where('job_id', '=', jobId).executeTakeFirst();
    if (row === undefined) throw new JobFailure('RequestInvalid', `job ${jobId} is not in the ledger`);
    return openSpec(keyring, jobId, row.spec);
  };

/** @returns with what the algorithm's image is pulled; null: without anything, or the job has ended */
export const readRegistryCredentials = ({ db, keyring }: JobsDeps) =>
  async function readRegistryCredentials(jobId: string): Promise<RegistryCredentials | null> {
    const row = await db.selectFrom('jobs').select('registry_credentials').where('job_id', '=', jobId).executeTakeFirst();
    const sealed = row?.registry_credentials ?? null;
    return sealed === null ? null : (JSON.parse(keyring.open(sealed, credentialsContext(jobId)).toString()) as RegistryCredentials);
  };

/** A request, and what was found good of it; null before it is accepted. @throws JobFailure `RequestInvalid` for an unknown job */
export const readOrder = ({ db, keyring }: JobsDeps) =>
  async function readOrder(jobId: string): Promise<{ readonly spec: JobSpec; readonly accepted: Admission | null }> {
    const row = await db.selectFrom('jobs').select(['spec', 'admission']).where('job_id', '=', jobId).executeTakeFirst();
    if (row === undefined) throw new JobFailure('RequestInvalid', `job ${jobId} is not in the ledger`);
    return { spec: openSpec(keyring, jobId, row.spec), accepted: row.admission };
  };

/** @throws JobFailure `RequestInvalid` for a job that is unknown or was not found good */
export const readAdmission = ({ db, keyring }: JobsDeps) =>
  async function readAdmission(jobId: string): Promise<{ readonly spec: JobSpec; readonly admission: Admission }> {
    const row = await db.selectFrom('jobs').select(['spec', 'admission']).where('job_id', '=', jobId).executeTakeFirst();
    if (row?.admission === null || row?.admission === undefined) throw new JobFailure('RequestInvalid', `job ${jobId} was not accepted`);
    return { spec: openSpec(keyring, jobId, row.spec), admission: row.admission };
  };

/** Remembers what was found good of a job that is not accepted yet. Safe to repeat: the first verdict stays. */
export const prepareJob = ({ db }: JobsDeps) =>
  async function prepareJob(jobId: string, admission: Admission): Promise<void> {
    await db
      .updateTable('jobs')
      .set({ admission: JSON.stringify(admission), reason: 'waiting until the payment is locked' })
      .where('job_id', '=', jobId)
      .where('admission_state', '=', 'pending')
      .where('admission', 'is', null)
      .execute();
  };

/**
 * Accepts a job: from now on it is shown, and its agreement carries no other until it ends. Safe to repeat.
 * @throws JobFailure `AgreementInUse` when an unfinished job runs on the same agreement
 */
export const acceptJob = ({ db }: JobsDeps) =>
  async function acceptJob(jobId: string, admission: Admission): Promise<void> {
    try {
      await db
        .updateTable('jobs')
        .set({
          admission_state: 'accepted',
          admission: JSON.stringify(admission),
          agreement_id: admission.agreementId.toLowerCase(),
          run_seconds: admission.runSeconds,
          ...(admission.store !== undefined && { store: admission.store }),
          reason: 'waiting for a place in the environment',
        })
        .where('job_id', '=', jobId)
        .where('admission_state', '=', 'pending')
        .execute();
    } catch (err) {
      if (isUniqueViolation(err)) throw new JobFailure('AgreementInUse', '`agreementId` already in use for other job.');
      throw err;
    }
  };

const isUniqueViolation = (err: unknown): boolean => err instanceof Error && (err as { code?: unknown }).code === '23505';

const expiryFromNow = sql<Date>`clock_timestamp() + make_interval(secs => storage_seconds)`;

/** Remembers a refusal, so that the same request gets the same answer for ever. Safe to repeat. */
export const refuseJob = ({ db }: JobsDeps) =>
  async function refuseJob(jobId: string, refusal: { readonly type: string; readonly reason: string }): Promise<void> {
    await db
      .updateTable('jobs')
      .set({
        ...{ admission_state: 'refused', refusal_type: refusal.type, reason: refusal.reason, finished_at: new Date() },
        ...{ registry_credentials: null, output_target: null, expires_at: expiryFromNow },
      })
      .where('job_id', '=', jobId)
      .where('admission_state', '=', 'pending')
      .execute();
  };

/** Columns of a job that moves forward. @param isNews whether the reason replaces another one of the same state */
export const advance = (number: number, reason: string, podAttempt: number, isNews = sql<boolean>`false`) => {
  const sequence = sequenceOf(podAttempt, number);
  // written so that an older state changes nothing, in one statement, whatever else happens at the same time
  return {
    status: sql<number>`case when sequence < ${sequence} then ${number} else status end`,
    reason: sql<string>`case when sequence < ${sequence} or (sequence = ${sequence} and ${isNews}) then ${reason} else reason end`,
    phases: sql<string>`case when sequence < ${sequence} then phases || ${JSON.stringify({ [number]: Date.now() })}::jsonb else phases end`,
    sequence: sql<number>`greatest(sequence, ${sequence})`,
  };
};

/** Progress of one pod attempt, as the gateway and the orchestrator see it. */
export interface ProgressRecord {
  readonly jobId: string;
  readonly podAttempt: number;
  readonly status: number;
  readonly reason: string;
  readonly progress?: unknown;
  readonly algorithmStartedAtMs?: number;
}

/**
 * Moves a job forward, or says more about the state it is in: the reason stays when the progress is what it was.
 * Changes nothing when the attempt is not the current one or the job has ended.
 */
export const recordProgress = ({ db }: JobsDeps) =>
  async function recordProgress(record: ProgressRecord): Promise<void> {
    const isNews =
      record.progress === undefined
        ? sql<boolean>`true`
        : sql<boolean>`progress is distinct from ${JSON.stringify(record.progress)}::jsonb`;
    await db
      .with('moved', (writer) =>
        writer
          .updateTable('jobs')
          .set({
            ...advance(record.status, record.reason, record.podAttempt, isNews),
            ...(record.progress === undefined ? {} : { progress: JSON.stringify(record.progress) }),
            ...(record.algorithmStartedAtMs === undefined ? {} : { algorithm_started_at: new Date(record.algorithmStartedAtMs) }),
          })
          .where('job_id', '=', record.jobId)
          .where('pod_attempt', '=', record.podAttempt)
          .where('finished_at', 'is', null)
          .returning('job_id'),
      )
      .selectFrom('moved')
      .select(announced)
      .execute();
  };

/** Says why the current pod attempt came to nothing; another one follows. Changes nothing once that is there, or the job has ended. */
export const recordLoss = ({ db }: JobsDeps) =>
  async function recordLoss({ jobId, podAttempt, reason }: PodRef & { readonly reason: string }): Promise<void> {
    await db
      .with('told', (writer) =>
        writer
          .updateTable('jobs')
          .set({ reason })
          .where('job_id', '=', jobId)
          .where('pod_attempt', '=', podAttempt)
          .where('finished_at', 'is', null)
          .returning('job_id'),
      )
      .selectFrom('told')
      .select(announced)
      .execute();
  };

/** Writes the complete list of a pod attempt's results, once; the list never changes afterwards. */
export const recordResults = ({ db }: JobsDeps) =>
  async function recordResults(record: {
    readonly jobId: string;
    readonly podAttempt: number;
    readonly results: readonly ResultEntry[];
  }): Promise<void> {
    await db
      .with('moved', (writer) =>
        writer
          .updateTable('jobs')
          .set({
            results: JSON.stringify(record.results),
            results_pod_attempt: record.podAttempt,
            published_at: sql<Date>`clock_timestamp()`,
          })
          .where('job_id', '=', record.jobId)
          .where('pod_attempt', '=', record.podAttempt)
          .where('finished_at', 'is', null)
          .where('results', 'is', null)
          .returning('job_id'),
      )
      .selectFrom('moved')
      .select(announced)
      .execute();
  };

/** Writes what the workflow decided. The first end stays. */
export const recordJob = ({ db }: JobsDeps) =>
  async function recordJob(record: JobRecord): Promise<void> {
    const { end, algorithm } = record;
    const ending = end !== undefined && {
      finished_at: sql<Date>`coalesce(finished_at, clock_timestamp())`,
      expires_at: expiryFromNow,
      termination: JSON.stringify({ exitCode: end.exitCode, OOMKilled: end.oomKilled, reason: end.reason }),
      progress: null,
      registry_credentials: null,
      output_target: null,
      // whoever ends a job whose outputs have not arrived: they are still where they were published
      delivery: sql<string>`case when delivery ->> 'state' = 'asked' then delivery || '{"state": "failed"}' else delivery end`,
    };
    await db
      .with('moved', (writer) =>
        writer
          .updateTable('jobs')
          .set({
            ...advance(record.status, record.reason, record.podAttempt),
            ...ending,
            ...(typeof algorithm?.startedAtMs === 'number' ? { algorithm_started_at: new Date(algorithm.startedAtMs) } : {}),
            ...(typeof algorithm?.finishedAtMs === 'number' ? { algorithm_finished_at: new Date(algorithm.finishedAtMs) } : {}),
          })
          .where('job_id', '=', record.jobId)
          .where('finished_at', 'is', null)
          .returning('job_id'),
      )
      .selectFrom('moved')
      .select(announced)
      .execute();
  };

/** @returns the pod attempt whose agent may report, or null when the job is unknown, unplaced or over */
export const currentPodAttempt = ({ db }: JobsDeps) => {
  // the gateway asks for every request of every pod, thousands of small outputs among them
  const find = gather(async (jobIds) => {
    const rows = await db
      .selectFrom('jobs')
      .select(['job_id', 'pod_attempt'])
      .where(sql<boolean>`job_id = any(${jobIds}::text[])`)
      .where('finished_at', 'is', null)
      .where('pod_attempt', '>', 0)
      .execute();
    return new Map(rows.map(({ job_id: jobId, pod_attempt: attempt }) => [jobId, attempt]));
  });
  return async function currentPodAttempt(jobId: string): Promise<number | null> {
    return find(jobId);
  };
};

/** Remembers that the consumer asked for a stop. */
export const requestStop = ({ db }: JobsDeps) =>
  async function requestStop(jobId: string): Promise<void> {
    await db.updateTable('jobs').set({ stop_requested: true }).where('job_id', '=', jobId).where('finished_at', 'is', null).execute();
  };

/** Accepted, unfinished jobs per environment, with and without a place. */
export const countJobs = ({ db }: JobsDeps) =>
  async function countJobs(): Promise<readonly JobCount[]> {
    const rows = await db
      .selectFrom('jobs')
      .select((eb) => [
        'environment_id',
        'is_free',
        eb.fn.countAll<string>().filterWhere('has_place', '=', true).as('running'),
        eb.fn.countAll<string>().filterWhere('has_place', '=', false).as('queued'),
      ])
      .where('finished_at', 'is', null)
      .where('admission_state', '=', 'accepted')
      .where('surface', '<>', selfTest)
      .groupBy(['environment_id', 'is_free'])
      .execute();
    return rows.map((row) => ({
      environmentId: row.environment_id,
      isFree: row.is_free,
      running: Number(row.running),
      queued: Number(row.queued),
    }));
  };

/** An unfinished job, as the reaper looks at it. */
export interface OpenJob {
  readonly jobId: string;
  readonly environmentId: string;
  readonly isFree: boolean;
  readonly admission: AdmissionState;
  readonly podAttempt: number;
}

/** Unfinished jobs older than `olderThanMs`, oldest first: the reaper asks Temporal about each. */
export const openJobs = ({ db }: JobsDeps) =>
  async function openJobs(olderThanMs: number, limit: number): Promise<readonly OpenJob[]> {
    const rows = await db
      .selectFrom('jobs')
      .select(['job_id', 'environment_id', 'is_free', 'admission_state', 'pod_attempt'])
      .where('finished_at', 'is', null)
      .where('created_at', '<', new Date(Date.now() - olderThanMs))
      .orderBy('created_at')
      .limit(limit)
      .execute();
    return rows.map((row) => ({
      jobId: row.job_id,
      environmentId: row.environment_id,
      isFree: row.is_free,
      admission: row.admission_state,
      podAttempt: row.pod_attempt,
    }));
  };
