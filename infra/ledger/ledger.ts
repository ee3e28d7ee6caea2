/** The ledger: all operations on one connection. Processes take the few that they need. */

import { sql } from 'kysely';
import type { Keyring } from '../crypto/keyring.ts';
import { usualStorageSeconds } from '../environments/environments.ts';
import type { LedgerConnection } from './connect.ts';
import { readDeliveryOrder, readOutputTarget, recordDelivery } from './deliveries.ts';
import { environmentLoads, insertSelfTest, isUnsealed, readSeals, recordVerdict } from './environments.ts';
import { readAssetResults, readPublication, recordAsset } from './jobAssets.ts';
import * as jobs from './jobs.ts';
import { listJobs, readRequestDigest, reserveKeyedJob } from './keyedJobs.ts';
import { translateLedgerErrors } from './ledgerFailure.ts';
import { exclusively } from './locks.ts';
import { appendLog, dropEndedLogs, readLog } from './logs.ts';
import { readManifest, readManifestFacts, recordFilters, recordImage, recordStagedFiles, storeManifest } from './manifests.ts';
import { nonceOf, reserveJob, spendNonce } from './nonces.ts';
import { beginPodAttempt, knownClaims, recordPositions } from './places.ts';
import { readRunSeconds, recordPayment, recordSettlement } from './payments.ts';
import { findProviderJobs, openJobOn, readProviderJob, reserveProviderJob, runningJobs } from './providerJobs.ts';
import { readProviderListing, releaseProviderNonce, storeProviderListing, takeProviderNonce } from './providerFiles.ts';
import { expiredJobs, recordFilesRemoved, reduceJob, setExpiry } from './retention.ts';
import { invalidateToken, isTokenInvalidated } from './tokens.ts';
import * as transactions from './transactions.ts';
import { findUpload, forgetUpload, listUploads, rememberUpload } from './uploads.ts';

export type { EnvironmentLoad } from './environments.ts';
export type { JobFilter, JobRow, ProgressRecord } from './jobs.ts';
export type { ResultEntry } from './schema.ts';

/**
 * Every operation of the ledger, each safe to repeat.
 * @param storageSecondsOf how long results of an environment's jobs are kept; asked when a job is written
 * @throws JobFailure ServiceUnavailable while the database is away
 */
export const createLedger = (
  { db }: Pick<LedgerConnection, 'db'>,
  keyring: Keyring,
  storageSecondsOf: jobs.JobsDeps['storageSecondsOf'] = () => usualStorageSeconds,
) => {
  const deps: jobs.JobsDeps = { db, keyring, storageSecondsOf };
  const operations = translateLedgerErrors({
    nonceOf: nonceOf(deps),
    spendNonce: spendNonce(deps),
    reserveJob: reserveJob(deps),
    reserveKeyedJob: reserveKeyedJob(deps),
    readRequestDigest: readRequestDigest(deps),
    listJobs: listJobs(deps),
    invalidateToken: invalidateToken(deps),
    isTokenInvalidated: isTokenInvalidated(deps),
    readJob: jobs.readJob(deps),
    findJobs: jobs.findJobs(deps),
    readSpec: jobs.readSpec(deps),
    readRegistryCredentials: jobs.readRegistryCredentials(deps),
    readOrder: jobs.readOrder(deps),
    readAdmission: jobs.readAdmission(deps),
    prepareJob: jobs.prepareJob(deps),
    acceptJob: jobs.acceptJob(deps),
    recordPayment: recordPayment(deps),
    recordSettlement: recordSettlement(deps),
    readRunSeconds: readRunSeconds(deps),
    refuseJob: jobs.refuseJob(deps),
    beginPodAttempt: beginPodAttempt(deps),
    recordPositions: recordPositions(deps),
    knownClaims: knownClaims(deps),
    recordProgress: jobs.recordProgress(deps),
    recordLoss: jobs.recordLoss(deps),
    recordResults: jobs.recordResults(deps),
    recordJob: jobs.recordJob(deps),
    readPublication: readPublication(deps),
    recordAsset: recordAsset(deps),
    readAssetResults: readAssetResults(deps),
    readOutputTarget: readOutputTarget(deps),
    readDeliveryOrder: readDeliveryOrder(deps),
    recordDelivery: recordDelivery(deps),
    currentPodAttempt: jobs.currentPodAttempt(deps),
    requestStop: jobs.requestStop(deps),
    countJobs: jobs.countJobs(deps),
    environmentLoads: environmentLoads(deps),
    insertSelfTest: insertSelfTest(deps),
    recordVerdict: recordVerdict(deps),
    readSeals: readSeals(deps),
    isUnsealed: isUnsealed(deps),
    openJobs: jobs.openJobs(deps),
    recordStagedFiles: recordStagedFiles(deps),
    recordFilters: recordFilters(deps),
    recordImage: recordImage(deps),
    readManifestFacts: readManifestFacts(deps),
    readManifest: readManifest(deps),
    storeManifest: storeManifest(deps),
    expiredJobs: expiredJobs(deps),
    reduceJob: reduceJob(deps),
    recordFilesRemoved: recordFilesRemoved(deps),
    setExpiry: setExpiry(deps),
    appendLog: appendLog(deps),
    readLog: readLog(deps),
    dropEndedLogs: dropEndedLogs(deps),
    reserveProviderJob: reserveProviderJob(deps),
    readProviderJob: readProviderJob(deps),
    findProviderJobs: findProviderJobs(deps),
    openJobOn: openJobOn(deps),
    runningJobs: runningJobs(deps),
    readProviderListing: readProviderListing(deps),
    storeProviderListing: storeProviderListing(deps),
    takeProviderNonce: takeProviderNonce(deps),
    releaseProviderNonce: releaseProviderNonce(deps),
    findTransaction: transactions.findTransaction(deps),
    reserveTransaction: transactions.reserveTransaction(deps),
    giveUpTransaction: transactions.giveUpTransaction(deps),
    addTransactionAttempt: transactions.addTransactionAttempt(deps),
    settleTransaction: transactions.settleTransaction(deps),
    earlierTransactions: transactions.earlierTransactions(deps),
    findUpload: findUpload(deps),
    rememberUpload: rememberUpload(deps),
    forgetUpload: forgetUpload(deps),
    listUploads: listUploads(deps),
    /** Resolves when the database answers. For health checks. */
    check: async (): Promise<void> => {
      await sql`select 1`.execute(db);
    },
  });
  // what other people's work throws is none of the ledger's failures
  return { ...operations, exclusively: exclusively(deps) };
};

export type Ledger = ReturnType<typeof createLedger>;
