import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { MockActivityEnvironment } from '@temporalio/testing';
import { expireJobs, type ExpireJobsDeps, type ExpiredBatch } from '../../activities/expireJobs.ts';
import { localStore } from '../../infra/storage/local.ts';
import { openStores, uploadsIn } from '../../infra/storage/stores.ts';
import { JobFailure } from '../../workflows/contract/failures.ts';
import { aSpec, anAdmission } from '../support/builders.ts';
import { openTestLedger, type TestLedger } from '../support/databases.ts';

let opened: TestLedger;
let folder: string;
beforeEach(async () => {
  opened = await openTestLedger();
  folder = await mkdtemp(path.join(tmpdir(), 'c2d-retention-'));
});
afterEach(async () => {
  await opened.close();
  await rm(folder, { recursive: true, force: true });
});

const bytes = Buffer.from('kept');
const sha256 = createHash('sha256').update(bytes).digest('hex');

const folderOf = (store: string): string => path.join(folder, store);

/** A job whose result lies in the store, and whose time is over. */
const expiredJob = async (storeName = 'default'): Promise<string> => {
  const { ledger, connection } = opened;
  const spec = aSpec();
  const { jobId } = spec;
  await ledger.reserveKeyedJob({ spec, requestDigest: 'a' });
  await ledger.acceptJob(jobId, anAdmission(spec, { store: storeName }));
  const end = { status: 70, reason: '', exitCode: 0, oomKilled: false };
  await ledger.recordJob({ jobId, podAttempt: 1, status: 70, reason: '', end });
  const file = { jobId, podAttempt: 1, n: 0 };
  const store = localStore({ folder: folderOf(storeName) });
  await store.putPart(file, { k: 0, offset: 0, sizeBytes: bytes.length, sha256 }, Readable.from([bytes]));
  await store.complete(file, { sizeBytes: bytes.length, sha256, parts: 1, partBytes: bytes.length });
  await connection.pool.query(`update jobs set expires_at = clock_timestamp() - interval '1 second' where job_id = $1`, [jobId]);
  return jobId;
};

const depsOf = (over: Partial<ExpireJobsDeps> = {}) => {
  const counted: string[] = [];
  const deps: ExpireJobsDeps = {
    retention: opened.ledger,
    storedFiles: localStore({ folder: folderOf('default') }),
    expiryCounts: { inc: ({ outcome }) => void counted.push(outcome) },
    ...over,
  };
  return { deps, counted };
};

const storesOf = (...names: readonly string[]) =>
  openStores(
    { C2D_STORES: names.map((name) => ({ name, kind: 'local', folder: folderOf(name) })) },
    { uploads: uploadsIn(opened.ledger), exclusively: opened.ledger.exclusively },
  );

const runOnce = (deps: ExpireJobsDeps): Promise<ExpiredBatch> => new MockActivityEnvironment().run(expireJobs(deps), { after: null });
const isSealed = async (jobId: string) => {
  const { rows } = await opened.connection.pool.query<{ spec: Buffer }>('select spec from jobs where job_id = $1', [jobId]);
  return rows[0]!.spec.length > 0;
};

describe('expireJobs', () => {
  test('removes files and secrets of expired jobs, of no other, and finds nothing when it runs again', async () => {
    const [gone, kept] = [await expiredJob(), await expiredJob()];
    await opened.connection.pool.query(`update jobs set expires_at = clock_timestamp() + interval '1 hour' where job_id = $1`, [kept]);
    const { deps, counted } = depsOf();
    expect(await runOnce(deps)).toEqual({ expired: 1, failed: 0, next: null });
    expect([gone, kept].map((id) => existsSync(path.join(folderOf('default'), id)))).toEqual([false, true]);
    expect([await isSealed(gone), await isSealed(kept)]).toEqual([false, true]);
    expect(await runOnce(deps)).toEqual({ expired: 0, failed: 0, next: null });
    expect(counted).toEqual(['expired']);
  });

  test('goes on with the others when the files of one job cannot be removed, and finds it again', async () => {
    const stuck = await expiredJob();
    await expiredJob();
    const store = localStore({ folder: folderOf('default') });
    const { deps, counted } = depsOf({
      storedFiles: {
        remove: (job) => (job.jobId === stuck ? Promise.reject(new JobFailure('StorageRefused', 'no rights')) : store.remove(job)),
      },
    });
    expect(await runOnce(deps)).toEqual({ expired: 1, failed: 1, next: null });
    expect(counted.toSorted()).toEqual(['expired', 'failed']);
    expect(await runOnce(depsOf().deps)).toEqual({ expired: 1, failed: 0, next: null });
    expect(existsSync(path.join(folderOf('default'), stuck))).toBe(false);
  });

  test('fails while the store is away, with the secrets gone all the same, and goes on when it is back', async () => {
    const ids = [await expiredJob(), await expiredJob(), await expiredJob(), await expiredJob()];
    const away = path.join(folder, 'file');
    await writeFile(away, '');
    await expect(runOnce(depsOf({ storedFiles: localStore({ folder: away }) }).deps)).rejects.toThrow('not a folder');
    const sealed = await Promise.all(ids.map(isSealed));
    expect(sealed).toEqual([false, false, false, false]);
    expect(await runOnce(depsOf().deps)).toEqual({ expired: 4, failed: 0, next: null });
    expect(ids.filter((id) => existsSync(path.join(folderOf('default'), id)))).toEqual([]);
  });

  test('removes files from the store that the job was accepted with', async () => {
    const ids = { default: await expiredJob(), archive: await expiredJob('archive') };
    const { deps } = depsOf({ storedFiles: await storesOf('default', 'archive') });
    expect(await runOnce(deps)).toEqual({ expired: 2, failed: 0, next: null });
    expect(Object.entries(ids).filter(([store, id]) => existsSync(path.join(folderOf(store), id)))).toEqual([]);
  });

  test('asks no store for refused jobs and self-tests, which have no files: the store `default` may not be there', async () => {
    const { ledger, connection } = opened;
    const spec = aSpec();
    await ledger.reserveKeyedJob({ spec, requestDigest: 'a' });
    await ledger.refuseJob(spec.jobId, { type: 'OrderInvalid', reason: 'no order' });
    const tested = await expiredJob();
    await connection.pool.query(`update jobs set surface = 'selfTest' where job_id = $1`, [tested]);
    await connection.pool.query(`update jobs set expires_at = clock_timestamp() - interval '1 second'`);
    expect(await runOnce(depsOf({ storedFiles: await storesOf('archive') }).deps)).toEqual({ expired: 2, failed: 0, next: null });
  });

  test('keeps nobody waiting for a store that is no longer configured, and says which one it is', async () => {
    for (let n = 0; n < 4; n += 1) await expiredJob('archive');
    const other = await expiredJob();
    const { deps, counted } = depsOf({ storedFiles: await storesOf('default') });
    await expect(runOnce(deps)).rejects.toThrow('the result store archive of this job is no longer configured');
    expect(existsSync(path.join(folderOf('default'), other))).toBe(false);
    expect(counted).toEqual(['failed', 'failed', 'failed', 'failed', 'expired']);
    expect(await runOnce(depsOf({ storedFiles: await storesOf('default', 'archive') }).deps)).toEqual({
      expired: 4,
      failed: 0,
      next: null,
    });
  });
});
