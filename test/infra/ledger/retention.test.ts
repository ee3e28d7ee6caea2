import type { JobSpec } from '../../../workflows/contract/spec.ts';
import { createLedger } from '../../../infra/ledger/ledger.ts';
import { askedAsset } from '../../../workflows/contract/asset.ts';
import { aSpec, anAdmission, anAssetRequest } from '../../support/builders.ts';
import { openTestLedger, type TestLedger } from '../../support/databases.ts';

let test_: TestLedger;
beforeEach(async () => {
  test_ = await openTestLedger();
});
afterEach(() => test_.close());

const secret = 'a secret of the consumer';
const result = { index: 0, filename: 'diagnosis.csv', filesize: 4, type: 'output' as const, n: 0, sha256: 'a'.repeat(64) };
const end = { status: 70, reason: 'done', exitCode: 0, oomKilled: false };

const endedJob = async (over: Partial<JobSpec> = {}): Promise<JobSpec> => {
  const { ledger } = test_;
  const spec = aSpec({ metadata: { secret }, additionalViewers: [`0x${'1'.repeat(40)}`], ...over });
  const { jobId } = spec;
  await ledger.reserveKeyedJob({ spec, requestDigest: 'a' });
  await ledger.acceptJob(jobId, anAdmission(spec));
  await ledger.beginPodAttempt({ jobId, podAttempt: 1, hasPlace: true });
  await ledger.appendLog({ jobId, podAttempt: 1, offset: 0, bytes: Buffer.from(secret) });
  await ledger.recordResults({ jobId, podAttempt: 1, results: [result] });
  await ledger.recordJob({ jobId, podAttempt: 1, status: 70, reason: 'done', end });
  return spec;
};

const rowOf = async (jobId: string) =>
  (await test_.connection.pool.query<Record<string, unknown>>('select * from jobs where job_id = $1', [jobId])).rows[0]!;
const hasExpired = (jobId: string, secondsAgo = 1) =>
  test_.connection.pool.query(`update jobs set expires_at = clock_timestamp() - make_interval(secs => $2) where job_id = $1`, [
    jobId,
    secondsAgo,
  ]);

describe('the end of results', () => {
  test('comes as long after the end of the job as was announced when it was asked for', async () => {
    const { connection, keyring } = test_;
    const announcing = createLedger(connection, keyring, (id) => (id === 'small' ? 100 : 200));
    const spec = aSpec();
    await announcing.reserveKeyedJob({ spec, requestDigest: 'a' });
    await test_.ledger.acceptJob(spec.jobId, anAdmission(spec));
    expect((await test_.ledger.readJob(spec.jobId))?.expiresAtMs).toBeNull();
    await test_.ledger.recordJob({ jobId: spec.jobId, podAttempt: 0, status: 80, reason: 'stopped', end: { ...end, status: 80 } });
    const row = (await test_.ledger.readJob(spec.jobId))!;
    expect(row.expiresAtMs! - row.finishedAtMs!).toBeGreaterThanOrEqual(99_999);
    expect(row.expiresAtMs! - row.finishedAtMs!).toBeLessThan(101_000);
  });

  test('comes for refused requests too: they are sealed and kept like others', async () => {
    const spec = aSpec();
    await test_.ledger.reserveKeyedJob({ spec, requestDigest: 'a' });
    await test_.ledger.refuseJob(spec.jobId, { type: 'AccessDenied', reason: 'no' });
    await hasExpired(spec.jobId);
    await test_.ledger.reduceJob(spec.jobId);
    expect((await rowOf(spec.jobId))['spec']).toEqual(Buffer.alloc(0));
    expect(await test_.ledger.readJob(spec.jobId)).toMatchObject({ admission: 'refused', refusalType: 'AccessDenied', reason: 'no' });
  });

  test('is moved by its owner only while it has not come', async () => {
    const { ledger } = test_;
    const { jobId } = await endedJob();
    const until = new Date(Date.now() + 3_600_000);
    expect(await ledger.setExpiry(jobId, until)).toBe(true);
    expect((await ledger.readJob(jobId))?.expiresAtMs).toBe(until.getTime());
    expect(await ledger.setExpiry(jobId, null)).toBe(true);
    expect(await ledger.setExpiry(jobId, until)).toBe(false);
    const running = aSpec();
    await ledger.reserveKeyedJob({ spec: running, requestDigest: 'a' });
    expect(await ledger.setExpiry(running.jobId, until)).toBe(false);
  });
});

describe('results that are the files of an asset', () => {
  const nftAddress = `0x${'2'.repeat(40)}`;
  const published = { ...askedAsset, state: 'published' as const, chainId: 8996, did: 'did:op:new', nftAddress };

  test.each<[string, Partial<typeof published>]>([
    ['published', {}],
    ['on their way, with an NFT already', { state: 'publishing' as never, did: null as never }],
  ])('%s neither expire nor are moved or removed', async (_name, over) => {
    const { ledger } = test_;
    const { jobId } = await endedJob({ asset: anAssetRequest() });
    await ledger.recordAsset(jobId, { ...published, ...over });
    const until = new Date(Date.now() + 3_600_000);
    expect([await ledger.setExpiry(jobId, until), await ledger.setExpiry(jobId, null)]).toEqual([false, false]);
    expect(await ledger.expiredJobs(10, null)).toEqual([]);
    await ledger.reduceJob(jobId);
    await ledger.recordFilesRemoved(jobId);
    expect(await rowOf(jobId)).toMatchObject({ expires_at: null, reduced_at: null, files_removed_at: null });
    expect(await ledger.readJob(jobId)).toMatchObject({ expiresAtMs: null, results: [result], asset: { nftAddress } });
    expect(await ledger.readAssetResults(jobId)).toEqual({ nftAddress, podAttempt: 1, store: 'default', results: [result] });
  });

  test('expire like others while there is no NFT', async () => {
    const { ledger } = test_;
    const { jobId } = await endedJob({ asset: anAssetRequest() });
    await ledger.recordAsset(jobId, { ...askedAsset, state: 'publishing', chainId: 8996 });
    expect((await ledger.readJob(jobId))?.expiresAtMs).toBeGreaterThan(Date.now());
    expect(await ledger.readPublication(jobId)).toMatchObject({ results: [result] });
    expect(await ledger.setExpiry(jobId, null)).toBe(true);
    expect(await ledger.readPublication(jobId)).toMatchObject({ results: [] });
  });
});

describe('an expired job', () => {
  test('lists no results from that instant on, before anything was removed', async () => {
    const { jobId } = await endedJob();
    expect((await test_.ledger.readJob(jobId))?.results).toHaveLength(1);
    await hasExpired(jobId);
    expect((await test_.ledger.readJob(jobId))?.results).toEqual([]);
  });

  test('is reduced to what is accounted for', async () => {
    const { ledger, connection } = test_;
    const spec = await endedJob();
    const { jobId } = spec;
    const listing = { datasets: [{ provider: 'https://p', downloadUrl: secret, files: 1 }], algorithm: null };
    await ledger.storeProviderListing(jobId, listing);
    const before = (await ledger.readJob(jobId))!;
    await hasExpired(jobId);
    await ledger.reduceJob(jobId);
    await ledger.reduceJob(jobId);

    const row = await rowOf(jobId);
    expect(JSON.stringify(row)).not.toMatch(/secret|diagnosis|0x1111/);
    expect(row).toMatchObject({ spec: Buffer.alloc(0), admission: null, metadata: null, additional_viewers: [] });
    expect(row['results']).toEqual([{ index: 0, filesize: 4, type: 'output', n: 0, sha256: 'a'.repeat(64) }]);
    const after = (await ledger.readJob(jobId))!;
    const { metadata: _m, additionalViewers: _v, results: _r, expiresAtMs: _e, ...accounted } = before;
    expect(after).toMatchObject(accounted);
    expect((await connection.pool.query('select 1 from job_logs where job_id = $1', [jobId])).rowCount).toBe(0);
    expect(await ledger.readProviderListing(jobId)).toBeNull();
    await expect(ledger.readSpec(jobId)).rejects.toThrow(`the request of job ${jobId} is no longer kept`);
    // the same request is still the same job
    expect(await ledger.reserveKeyedJob({ spec, requestDigest: 'a' })).toEqual({ kind: 'same' });
  });

  test('is the only kind that is reduced', async () => {
    const { jobId } = await endedJob();
    await test_.ledger.reduceJob(jobId);
    await test_.ledger.recordFilesRemoved(jobId);
    expect((await rowOf(jobId))['reduced_at']).toBeNull();
    expect((await test_.ledger.readSpec(jobId)).metadata).toEqual({ secret });
    expect((await test_.ledger.readJob(jobId))?.results).toHaveLength(1);
  });

  test('is found until its files are removed, page by page, the longest overdue first', async () => {
    const { ledger } = test_;
    const ids: string[] = [];
    for (let n = 0; n < 5; n += 1) {
      const { jobId } = await endedJob();
      // two of one instant, so that the order must not rest on time alone
      await hasExpired(jobId, 100 - 10 * Math.floor(n / 2));
      ids.push(jobId);
    }
    const found: string[] = [];
    for (let page = await ledger.expiredJobs(2, null); page.length > 0; page = await ledger.expiredJobs(2, page.at(-1)!)) {
      found.push(...page.map(({ jobId }) => jobId));
    }
    expect(found.toSorted()).toEqual(ids.toSorted());
    expect(found.slice(0, 2).toSorted()).toEqual(ids.slice(0, 2).toSorted());
    await ledger.recordFilesRemoved(ids[0]!);
    expect((await ledger.expiredJobs(10, null)).map(({ jobId }) => jobId)).not.toContain(ids[0]);
  });

  test('is found by an index', async () => {
    const { rows } = await test_.connection.pool
      .query<{ 'QUERY PLAN': string }>(
        `set enable_seqscan = off;
       explain select job_id from jobs where expires_at <= clock_timestamp() and files_removed_at is null order by expires_at, job_id limit 100`,
      )
      .then((results) => (Array.isArray(results) ? results[1] : results) as { rows: { 'QUERY PLAN': string }[] });
    expect(rows.map((row) => row['QUERY PLAN']).join('\n')).toContain('jobs_expiry');
  });
});
