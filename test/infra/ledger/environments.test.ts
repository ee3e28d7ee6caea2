import { aJobId, aSpec, anAdmission } from '../../support/builders.ts';
import { openTestLedger, type TestLedger } from '../../support/databases.ts';

let ledger: TestLedger['ledger'];
let opened: TestLedger;
beforeAll(async () => {
  opened = await openTestLedger();
  ({ ledger } = opened);
});
afterAll(() => opened.close());

let lastNonce = 0;
const acceptedJob = async (over: Parameters<typeof aSpec>[0]) => {
  const spec = aSpec(over);
  await ledger.reserveJob({ spec, nonce: String((lastNonce += 1)) });
  await ledger.acceptJob(spec.jobId, anAdmission(spec));
  return spec;
};
const placed = async (over: Parameters<typeof aSpec>[0]) => {
  const spec = await acceptedJob(over);
  await ledger.beginPodAttempt({ jobId: spec.jobId, podAttempt: 1, hasPlace: true });
  return spec;
};
const end = (jobId: string) =>
  ledger.recordJob({
    ...{ jobId, podAttempt: 1, status: 70, reason: 'done' },
    end: { status: 70, reason: 'done', exitCode: 0, oomKilled: false },
  });
const anEnvironment = (): string => `env-${aJobId()}`;
const loadsOf = async (environmentId: string) => (await ledger.environmentLoads()).filter((load) => load.environmentId === environmentId);
const selfTest = async (environmentId: string) => {
  const spec = aSpec({ surface: 'selfTest', isFree: true, environmentId, datasets: [] });
  await ledger.insertSelfTest(spec, anAdmission(spec));
  return spec;
};

describe('the load of an environment', () => {
  test('counts who has a place and who waits, and sums up what the former were given', async () => {
    const environmentId = anEnvironment();
    await placed({ environmentId, resources: { cpu: 0.5, ram: 1, disk: 1, gpu: 1 } });
    await placed({ environmentId, resources: { cpu: 0.25, ram: 1, disk: 1, gpu: 2 } });
    await acceptedJob({ environmentId, resources: { cpu: 8, ram: 8, disk: 8, gpu: 8 } });
    await placed({ environmentId, isFree: true, resources: { cpu: 1, ram: 1, disk: 1 } });
    const loads = await loadsOf(environmentId);
    expect(loads).toHaveLength(2);
    expect(loads).toContainEqual({ environmentId, isFree: false, running: 2, queued: 1, inUse: { cpu: 0.75, ram: 2, disk: 2, gpu: 3 } });
    expect(loads).toContainEqual({ environmentId, isFree: true, running: 1, queued: 0, inUse: { cpu: 1, ram: 1, disk: 1 } });
  });

  test('uses nothing while everybody waits, and nothing more once jobs have ended', async () => {
    const environmentId = anEnvironment();
    const { jobId } = await placed({ environmentId });
    await acceptedJob({ environmentId });
    await end(jobId);
    expect(await loadsOf(environmentId)).toEqual([{ environmentId, isFree: false, running: 0, queued: 1, inUse: {} }]);
  });
});

describe('a self-test', () => {
  test('is shown to nobody and counts nowhere', async () => {
    const environmentId = anEnvironment();
    const { jobId, consumerAddress } = await selfTest(environmentId);
    await ledger.beginPodAttempt({ jobId, podAttempt: 1, hasPlace: false });
    expect(await ledger.readJob(jobId)).toBeNull();
    for (const filter of [{ jobId }, { owner: consumerAddress }])
      expect(await ledger.findJobs(filter, { limit: 10, offset: 0 })).toEqual([]);
    expect(await loadsOf(environmentId)).toEqual([]);
    expect((await ledger.countJobs()).filter((count) => count.environmentId === environmentId)).toEqual([]);
  });

  test('is accepted, has an agent that may report, and is repaired like any other job', async () => {
    const { jobId } = await selfTest(anEnvironment());
    await ledger.beginPodAttempt({ jobId, podAttempt: 1, hasPlace: false });
    expect((await ledger.readAdmission(jobId)).spec.surface).toBe('selfTest');
    expect(await ledger.currentPodAttempt(jobId)).toBe(1);
    expect((await ledger.openJobs(-1_000, 1_000)).map((job) => job.jobId)).toContain(jobId);
  });

  test('may be written twice, and is forgotten a day after its end, when the next one begins', async () => {
    const environmentId = anEnvironment();
    const old = await selfTest(environmentId);
    await ledger.insertSelfTest(old, anAdmission(old));
    await end(old.jobId);
    await opened.connection.pool.query(`update jobs set finished_at = finished_at - interval '25 hours' where job_id = $1`, [old.jobId]);
    const ofConsumer = await placed({ environmentId });
    const next = await selfTest(environmentId);
    const { rows } = await opened.connection.pool.query('select job_id from jobs where environment_id = $1', [environmentId]);
    expect(rows.map((row: { job_id: string }) => row.job_id).toSorted()).toEqual([next.jobId, ofConsumer.jobId].toSorted());
  });
});

describe('the verdicts of self-tests', () => {
  const sealOf = async (environmentId: string) => (await ledger.readSeals()).find((seal) => seal.environmentId === environmentId);

  test('are not there before the first', async () => {
    expect(await sealOf(anEnvironment())).toBeUndefined();
  });

  test('what was not decided adds its reason, and leaves the decision as it was', async () => {
    const environmentId = anEnvironment();
    await ledger.recordVerdict({ environmentId, verdict: 'unproved', reason: 'no node' });
    expect(await sealOf(environmentId)).toMatchObject({ verdict: null, ageSeconds: null, problem: 'no node' });
    await ledger.recordVerdict({ environmentId, verdict: 'sealed', reason: 'fine' });
    expect(await sealOf(environmentId)).toMatchObject({ verdict: 'sealed', reason: 'fine', problem: null, problemAgeSeconds: null });
    await ledger.recordVerdict({ environmentId, verdict: 'unproved', reason: 'no image' });
    expect(await sealOf(environmentId)).toMatchObject({ verdict: 'sealed', reason: 'fine', problem: 'no image' });
  });

  test('the last decision counts, and its age is told', async () => {
    const environmentId = anEnvironment();
    await ledger.recordVerdict({ environmentId, verdict: 'sealed', reason: 'fine' });
    await ledger.recordVerdict({ environmentId, verdict: 'unsealed', reason: 'reached the API' });
    await opened.connection.pool.query(
      `update environment_verdicts set decided_at = decided_at - interval '90 seconds' where environment_id = $1`,
      [environmentId],
    );
    const seal = await sealOf(environmentId);
    expect(seal).toMatchObject({ verdict: 'unsealed', reason: 'reached the API' });
    expect(seal?.ageSeconds).toBeGreaterThanOrEqual(90);
    expect(seal?.ageSeconds).toBeLessThan(150);
  });

  test.each([
    ['sealed', false],
    ['unproved', false],
    ['unsealed', true],
  ] as const)('%s: a job that waits is kept from its pod: %p', async (verdict, kept) => {
    const environmentId = anEnvironment();
    const { jobId } = await acceptedJob({ environmentId });
    const { jobId: testId } = await selfTest(environmentId);
    await ledger.recordVerdict({ environmentId, verdict, reason: 'x' });
    expect([await ledger.isUnsealed(jobId), await ledger.isUnsealed(testId)]).toEqual([kept, false]);
  });
});
