/** Connection to PostgreSQL and the ledger's migrations. */

import pg from 'pg';
import { Kysely, PostgresDialect } from 'kysely';
import { Migrator, type Migration } from 'kysely/migration';
import type { LedgerDatabase } from './schema.ts';
import * as jobs from './migrations/0001_jobs.ts';
import * as environmentVerdicts from './migrations/0002_environment_verdicts.ts';
import * as queueWait from './migrations/0003_queue_wait.ts';
import * as invalidatedTokens from './migrations/0004_invalidated_tokens.ts';
import * as requestDigests from './migrations/0005_request_digests.ts';
import * as providerJobs from './migrations/0006_provider_jobs.ts';
import * as transactions from './migrations/0007_transactions.ts';
import * as resultManifests from './migrations/0009_result_manifests.ts';
import * as retention from './migrations/0010_retention.ts';
import * as registryCredentials from './migrations/0012_registry_credentials.ts';
import * as stores from './migrations/0013_stores.ts';
import * as jobAssets from './migrations/0014_job_assets.ts';
import * as outputTargets from './migrations/0016_output_targets.ts';
import * as filters from './migrations/0017_filters.ts';

const migrations: Readonly<Record<string, Migration>> = {
  '0001_jobs': jobs,
  '0002_environment_verdicts': environmentVerdicts,
  '0003_queue_wait': queueWait,
  '0004_invalidated_tokens': invalidatedTokens,
  '0005_request_digests': requestDigests,
  '0006_provider_jobs': providerJobs,
  '0007_transactions': transactions,
  '0009_result_manifests': resultManifests,
  '0010_retention': retention,
  '0012_registry_credentials': registryCredentials,
  '0013_stores': stores,
  '0014_job_assets': jobAssets,
  '0016_output_targets': outputTargets,
  '0017_filters': filters,
};

/** An open ledger database. */
export interface LedgerConnection {
  readonly db: Kysely<LedgerDatabase>;
  readonly pool: pg.Pool;
  close: () => Promise<void>;
}

/**
 * A pool of connections; nothing is sent before the first query, so it also succeeds while the server is down.
 * @param databaseUrl `postgres://…`
 * @param onIdleError told about connections that broke while idle; they are replaced by themselves
 */
export const connectLedger = (databaseUrl: string, onIdleError: (err: Error) => void, { maxConnections = 10 } = {}): LedgerConnection => {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: maxConnections,
    connectionTimeoutMillis: 5_000,
    // a query that hangs on a dead connection must not hold an activity until its own timeout
    query_timeout: 15_000,
    keepAlive: true,
    application_name: 'durable-c2d',
  });
  pool.on('error', onIdleError);
  // the pool listens to idle connections only: one that breaks between two statements of a transaction would end the process
  pool.on('connect', (client) => client.on('error', () => undefined));
  const db = new Kysely<LedgerDatabase>({ dialect: new PostgresDialect({ pool }) });
  return { db, pool, close: () => db.destroy() };
};

/**
 * Brings the schema to this release. Processes that start together wait for each other.
 * @throws the first migration error; nothing of that migration remains
 */
export const migrateLedger = async ({ db }: LedgerConnection): Promise<void> => {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error instanceof Error ? error : new Error('the ledger could not be migrated', { cause: error });
};
