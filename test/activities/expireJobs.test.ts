import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { MockActivityEnvironment } from '@temporalio/testing';
import { expireJobs, type ExpireJobsDeps, type ExpiredBatch } from '../../activities/expireJobs.ts';
import { localStore } from '../../infra/storage/local.ts';
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

/** A job whose result lies in the store, and whose time is over. */
const expiredJob = async (): Promise<string> => {
  const { ledger, connection } = opened;
  const spec = aSpec();
  const { jobId } = spec;
  await ledger.reserveKeyedJob({ spec, requestDigest: 'a' });
  await ledger.acceptJob(jobId, anAdmission(spec));
  const end = { status: 70, reason: '', exitCode: 0, oomKilled: false };
  await ledger.recordJob({ jobId, podAttempt: 1, status: 70, reason: '', end });
  const file = { jobId, podAttempt: 1, n: 0 };
  const store = localStore({ folder });
  await store.putPart(file, { k: 0, offset: 0, sha256 }, Readable.from([bytes]));
  await store.complete(file, { sizeBytes: bytes.length, sha256, parts: 1, partBytes: bytes.length });
  await connection.pool.query(`update jobs set expires_at = clock_timestamp() - interval '1 second' where job_id = $1`, [jobId]);
  return jobId;
};

const depsOf = (over: Partial<ExpireJobsDeps> = {}) => {
  const counted: string[] = [];
  const deps: ExpireJobsDeps = {
    retention: opened.ledger,
    storedFiles: localStore({ folder }),
    expiryCounts: { inc: ({ outcome }) => void counted.push(outcome) },
    ...over,
  };
  return { deps, counted };
};

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
    expect([existsSync(path.join(folder, gone)), existsSync(path.join(folder, kept))]).toEqual([false, true]);
    expect([await isSealed(gone), await isSealed(kept)]).toEqual([false, true]);
    expect(await runOnce(deps)).toEqual({ expired: 0, failed: 0, next: null });
    expect(counted).toEqual(['expired']);
  });

  test('goes on with the others when the files of one job cannot be removed, and finds it again', async () => {
    const stuck = await expiredJob();
    await expiredJob();
    const store = localStore({ folder });
    const { deps, counted } = depsOf({
      storedFiles: {
        remove: (job) => (job.jobId === stuck ? Promise.reject(new JobFailure('StorageRefused', 'no rights')) : store.remove(job)),
      },
    });
    expect(await runOnce(deps)).toEqual({ expired: 1, failed: 1, next: null });
    expect(counted.toSorted()).toEqual(['expired', 'failed']);
    expect(await runOnce(depsOf().deps)).toEqual({ expired: 1, failed: 0, next: null });
    expect(existsSync(path.join(folder, stuck))).toBe(false);
  });

  test('fails while the store is away, with the secrets gone all the same, and goes on when it is back', async () => {
    const ids = [await expiredJob(), await expiredJob(), await expiredJob(), await expiredJob()];
    const away = path.join(folder, 'file');
    await writeFile(away, '');
    await expect(runOnce(depsOf({ storedFiles: localStore({ folder: away }) }).deps)).rejects.toThrow('not a folder');
    const sealed = await Promise.all(ids.map(isSealed));
    expect(sealed.filter((is) => !is)).toHaveLength(3);
    expect(await runOnce(depsOf().deps)).toEqual({ expired: 4, failed: 0, next: null });
    expect(ids.filter((id) => existsSync(path.join(folder, id)))).toEqual([]);
  });
});
