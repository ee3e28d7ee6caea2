import { listenForChanges } from '../../../infra/ledger/changes.ts';
import type { ResultEntry } from '../../../infra/ledger/ledger.ts';
import { status } from '../../../workflows/contract/status.ts';
import { aJobId, aSpec, anAddress, anAdmission } from '../../support/builders.ts';
import { openTestLedger, type TestLedger } from '../../support/databases.ts';

let test_: TestLedger;
beforeAll(async () => {
  test_ = await openTestLedger();
});
afterAll(() => test_.close());

let lastNonce = 0;
const acceptedJob = async (over: Parameters<typeof aSpec>[0] = {}) => {
  const spec = aSpec(over);
  await test_.ledger.reserveJob({ spec, nonce: String((lastNonce += 1)) });
  await test_.ledger.acceptJob(spec.jobId, anAdmission(spec));
  return spec;
};

describe('nonces', () => {
  test('an address that never signed has none', async () => {
    expect(await test_.ledger.nonceOf(anAddress())).toBeNull();
  });

  test('a nonce is spent once, however many ask at the same time (complaint: nonces checked in two steps)', async () => {
    const address = anAddress();
    const answers = await Promise.all(Array.from({ length: 20 }, () => test_.ledger.spendNonce(address, '7')));
    expect(answers.filter(({ spent }) => spent)).toHaveLength(1);
    expect(await test_.ledger.nonceOf(address)).toBe('7');
  });

  test.each([
    ['lower', '41', false],
    ['equal', '42', false],
    ['higher', '43', true],
    ['longer than a double can hold', '1795337211363943707', true],
  ])('after 42 a %s nonce is judged by its exact value', async (_name, nonce, spent) => {
    const address = anAddress();
    await test_.ledger.spendNonce(address, '42');
    expect((await test_.ledger.spendNonce(address, nonce)).spent).toBe(spent);
  });

  test('a nonce that was spent on a job is good for that job again, and for no other', async () => {
    const spec = aSpec();
    const spend = (jobId: string | null) => test_.ledger.spendNonce(spec.consumerAddress, '9', jobId);
    const answers = [await spend(spec.jobId), await spend(spec.jobId), await spend(aJobId()), await spend(null)];
    expect(answers.map(({ spent }) => spent)).toEqual([true, true, false, false]);
    expect(await test_.ledger.reserveJob({ spec, nonce: '9' })).toEqual({ kind: 'new' });
    expect(await test_.ledger.reserveJob({ spec, nonce: '9' })).toEqual({ kind: 'same' });
  });

  test('the spelling of an address makes no second nonce', async () => {
    const address = `0x${'aB'.repeat(20)}`;
    await test_.ledger.spendNonce(address, '5');
    expect(await test_.ledger.spendNonce(address.toLowerCase(), '5')).toEqual({ spent: false, stored: '5' });
  });
});

describe('reserving a job', () => {
  test('the same request twenty times at once is one job', async () => {
    const spec = aSpec();
    const answers = await Promise.all(Array.from({ length: 20 }, () => test_.ledger.reserveJob({ spec, nonce: '9' })));
    expect(answers.filter(({ kind }) => kind === 'new')).toHaveLength(1);
    expect(answers.filter(({ kind }) => kind === 'same')).toHaveLength(19);
  });

  test('of twenty different requests with one nonce exactly one wins', async () => {
    const consumerAddress = anAddress();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => test_.ledger.reserveJob({ spec: aSpec({ consumerAddress }), nonce: '3' })),
    );
    expect(answers.filter(({ kind }) => kind === 'new')).toHaveLength(1);
    expect(answers.filter(({ kind }) => kind === 'stale')).toHaveLength(19);
  });

  test('a refused nonce leaves no job behind', async () => {
    const consumerAddress = anAddress();
    await test_.ledger.spendNonce(consumerAddress, '10');
    const spec = aSpec({ consumerAddress });
    expect(await test_.ledger.reserveJob({ spec, nonce: '10' })).toEqual({ kind: 'stale', stored: '10' });
    expect(await test_.ledger.readJob(spec.jobId)).toBeNull();
  });

  test('the request can be read again, and is not stored in clear', async () => {
    const spec = aSpec({ algorithm: { ...aSpec().algorithm, envs: { PASSWORD: 'canary-in-spec' } } });
    await test_.ledger.reserveJob({ spec, nonce: '1' });
    expect(await test_.ledger.readSpec(spec.jobId)).toEqual(spec);
    const { rows } = await test_.connection.pool.query<{ all: string }>("select jobs::text || encode(spec, 'escape') as all from jobs");
    expect(rows.map((row) => row.all).join()).not.toContain('canary-in-spec');
  });
});

describe('admission', () => {
  test('what was found good can be read again with the request', async () => {
    const spec = aSpec();
    await test_.ledger.reserveJob({ spec, nonce: '1' });
    expect(await test_.ledger.readOrder(spec.jobId)).toEqual({ spec, accepted: null });
    await test_.ledger.acceptJob(spec.jobId, anAdmission(spec));
    expect(await test_.ledger.readOrder(spec.jobId)).toEqual({ spec, accepted: anAdmission(spec) });
  });

  test('a job is shown to nobody before it is accepted', async () => {
    const spec = aSpec();
    await test_.ledger.reserveJob({ spec, nonce: '1' });
    expect(await test_.ledger.findJobs({ owner: spec.consumerAddress }, { limit: 10, offset: 0 })).toEqual([]);
    await test_.ledger.acceptJob(spec.jobId, anAdmission(spec));
    expect(
      await test_.ledger.findJobs({ owner: spec.consumerAddress.toUpperCase().replace('0X', '0x') }, { limit: 10, offset: 0 }),
    ).toMatchObject([{ jobId: spec.jobId, status: 1, admission: 'accepted' }]);
  });

  test('one agreement carries one unfinished job, whatever races', async () => {
    const datasets = aSpec().datasets;
    const specs = Array.from({ length: 10 }, () => aSpec({ datasets }));
    for (const spec of specs) await test_.ledger.reserveJob({ spec, nonce: '1' });
    const answers = await Promise.allSettled(specs.map((spec) => test_.ledger.acceptJob(spec.jobId, anAdmission(spec))));
    expect(answers.filter((answer) => answer.status === 'fulfilled')).toHaveLength(1);
    expect(answers.find((answer) => answer.status === 'rejected')).toMatchObject({ reason: { type: 'AgreementInUse' } });
    const accepted = specs[answers.findIndex((answer) => answer.status === 'fulfilled')]!;
    const end = { status: 70, reason: '', exitCode: 0, oomKilled: false };
    await test_.ledger.recordJob({ jobId: accepted.jobId, podAttempt: 1, status: 70, reason: '', end });
    const next = specs.find((spec) => spec !== accepted)!;
    await expect(test_.ledger.acceptJob(next.jobId, anAdmission(next))).resolves.toBeUndefined();
  });

  test('free jobs have no agreement and do not exclude each other', async () => {
    for (const spec of [aSpec({ isFree: true }), aSpec({ isFree: true })]) {
      await test_.ledger.reserveJob({ spec, nonce: '1' });
      await test_.ledger.acceptJob(spec.jobId, anAdmission(spec, { agreementId: '' }));
    }
  });
});

describe('places', () => {
  const aQueue = () => ({ environmentId: `env-${aJobId()}`, kind: 'paid' as const });
  const begin = (jobId: string, podAttempt = 1) => test_.ledger.beginPodAttempt({ jobId, podAttempt, hasPlace: true });
  const end = (jobId: string) =>
    test_.ledger.recordJob({
      ...{ jobId, podAttempt: 1, status: 80, reason: 'stopped' },
      end: { status: 80, reason: 'stopped', exitCode: null, oomKilled: false },
    });

  test('are counted from the first pod of a job to its end', async () => {
    const { environmentId } = aQueue();
    const [first] = [await acceptedJob({ environmentId }), await acceptedJob({ environmentId })];
    await begin(first.jobId);
    await begin(first.jobId, 2);
    expect(await test_.ledger.countJobs()).toContainEqual({ environmentId, isFree: false, running: 1, queued: 1 });
    await end(first.jobId);
    expect(await test_.ledger.countJobs()).toContainEqual({ environmentId, isFree: false, running: 0, queued: 1 });
  });

  test('positions are told to those who wait, and to nobody else', async () => {
    const [next, later, running, over] = await Promise.all(Array.from({ length: 4 }, () => acceptedJob()));
    await begin(running!.jobId);
    await end(over!.jobId);
    const jobs = [next!, later!, running!, over!];
    await test_.ledger.recordPositions(jobs.map(({ jobId }, ahead) => ({ jobId, ahead })));
    const reasons = await Promise.all(jobs.map(async ({ jobId }) => (await test_.ledger.readJob(jobId))?.reason));
    expect(reasons).toEqual(['queued: next', 'queued: 1 job ahead', 'creating the execution pod', 'stopped']);
  });

  test('a queue without memory learns who has a place and who waits, in order of arrival and without addresses', async () => {
    const queue = aQueue();
    const consumerAddress = anAddress();
    const jobs = [];
    for (const over of [{ consumerAddress }, { consumerAddress: consumerAddress.toUpperCase().replace('0X', '0x') }, {}, {}])
      jobs.push(await acceptedJob({ environmentId: queue.environmentId, ...over }));
    await acceptedJob({ environmentId: queue.environmentId, isFree: true });
    await acceptedJob({ environmentId: queue.environmentId, surface: 'selfTest' });
    const [first, second, third, fourth] = jobs.map(({ jobId }) => jobId);
    await begin(second!);
    await end(fourth!);
    const { holding, waiting } = await test_.ledger.knownClaims(queue);
    expect([holding, waiting].map((claims) => claims.map(({ jobId }) => jobId))).toEqual([[second], [first, third]]);
    expect(holding[0]!.consumerKey).toBe(waiting[0]!.consumerKey);
    expect(waiting[0]!.consumerKey).not.toBe(waiting[1]!.consumerKey);
    expect(JSON.stringify({ holding, waiting }).toLowerCase()).not.toContain(consumerAddress.slice(2));
  });

  test('an older pod attempt never takes the place of a newer one', async () => {
    const { jobId } = await acceptedJob();
    await begin(jobId, 2);
    await begin(jobId, 1);
    expect(await test_.ledger.currentPodAttempt(jobId)).toBe(2);
  });

  test('the current pod attempts of several jobs, asked for at once, are each their own', async () => {
    const [one, other] = [await acceptedJob(), await acceptedJob()];
    await begin(one.jobId, 1);
    await begin(other.jobId, 2);
    const asked = [other.jobId, one.jobId, 'unknown', other.jobId].map((jobId) => test_.ledger.currentPodAttempt(jobId));
    expect(await Promise.all(asked)).toEqual([2, 1, null, 2]);
  });
});

describe('progress', () => {
  const jobWithPod = async () => {
    const spec = await acceptedJob({ environmentId: `env-${aJobId()}` });
    await test_.ledger.beginPodAttempt({ jobId: spec.jobId, podAttempt: 1, hasPlace: true });
    return spec.jobId;
  };
  const statusOf = async (jobId: string) => (await test_.ledger.readJob(jobId))?.status;

  test('a late report never moves a job backward', async () => {
    const jobId = await jobWithPod();
    await test_.ledger.recordProgress({ jobId, podAttempt: 1, status: status.running, reason: 'running' });
    await test_.ledger.recordProgress({ jobId, podAttempt: 1, status: status.provisioningData, reason: 'late' });
    expect(await test_.ledger.readJob(jobId)).toMatchObject({ status: 40, reason: 'running' });
  });

  test('what is in the way is told until there is progress again', async () => {
    const jobId = await jobWithPod();
    const at = { jobId, podAttempt: 1, status: status.publishing };
    const reason = async () => (await test_.ledger.readJob(jobId))?.reason;
    await test_.ledger.recordProgress({ ...at, reason: '0 of 2 files', progress: { filesDone: 0 } });
    await test_.ledger.recordProgress({ ...at, reason: 'the store is full' });
    await test_.ledger.recordProgress({ ...at, reason: '0 of 2 files', progress: { filesDone: 0 } });
    expect(await reason()).toBe('the store is full');
    await test_.ledger.recordProgress({ ...at, reason: '1 of 2 files', progress: { filesDone: 1 } });
    expect(await reason()).toBe('1 of 2 files');
  });

  test('a lost pod is told about, until there is another one or the job has ended', async () => {
    const jobId = await jobWithPod();
    const told = async () => (await test_.ledger.readJob(jobId))?.reason;
    await test_.ledger.recordProgress({ jobId, podAttempt: 1, status: status.running, reason: 'running' });
    await test_.ledger.recordLoss({ jobId, podAttempt: 1, reason: 'its node is gone' });
    expect(await told()).toBe('its node is gone');
    expect(await statusOf(jobId)).toBe(status.running);
    await test_.ledger.beginPodAttempt({ jobId, podAttempt: 2, hasPlace: true });
    const next = await told();
    await test_.ledger.recordLoss({ jobId, podAttempt: 1, reason: 'ghost' });
    expect(await told()).toBe(next);
    const end = { status: 70, reason: 'well', exitCode: 0, oomKilled: false };
    await test_.ledger.recordJob({ jobId, podAttempt: 2, status: 70, reason: end.reason, end });
    await test_.ledger.recordLoss({ jobId, podAttempt: 2, reason: 'ghost' });
    expect(await told()).toBe('well');
  });

  test('a second pod starts over, and the first one is heard no more', async () => {
    const jobId = await jobWithPod();
    await test_.ledger.recordProgress({ jobId, podAttempt: 1, status: status.running, reason: 'running' });
    await test_.ledger.beginPodAttempt({ jobId, podAttempt: 2, hasPlace: true });
    expect(await test_.ledger.currentPodAttempt(jobId)).toBe(2);
    await test_.ledger.recordProgress({ jobId, podAttempt: 1, status: status.publishing, reason: 'ghost' });
    expect(await statusOf(jobId)).toBe(status.pullingImage);
  });

  test('the first end stays, and ends everything', async () => {
    const jobId = await jobWithPod();
    const end = { status: 82, reason: 'exit code 3', exitCode: 3, oomKilled: false };
    await test_.ledger.recordJob({ jobId, podAttempt: 1, status: 82, reason: end.reason, end });
    await test_.ledger.recordJob({ jobId, podAttempt: 1, status: 70, reason: 'no', end: { ...end, status: 70 } });
    await test_.ledger.recordProgress({ jobId, podAttempt: 1, status: status.running, reason: 'late' });
    expect(await test_.ledger.readJob(jobId)).toMatchObject({
      status: 82,
      termination: { exitCode: 3, OOMKilled: false, reason: 'exit code 3' },
      finishedAtMs: expect.any(Number),
    });
    expect(await test_.ledger.currentPodAttempt(jobId)).toBeNull();
  });

  test('the list of results appears once, complete, and does not change (complaint: the index of a result shifts)', async () => {
    const jobId = await jobWithPod();
    const entry: ResultEntry = { index: 0, filename: 'a.txt', filesize: 1, type: 'output', n: 0, sha256: '00' };
    await test_.ledger.recordResults({ jobId, podAttempt: 1, results: [entry] });
    await test_.ledger.recordResults({ jobId, podAttempt: 1, results: [] });
    expect((await test_.ledger.readJob(jobId))?.results).toEqual([entry]);
    await test_.ledger.beginPodAttempt({ jobId, podAttempt: 1, hasPlace: true });
    expect((await test_.ledger.readJob(jobId))?.results).toEqual([entry]);
  });

  test('what a lost pod listed is no result of its successor', async () => {
    const jobId = await jobWithPod();
    const entry: ResultEntry = { index: 0, filename: 'a.txt', filesize: 1, type: 'output', n: 0, sha256: '00' };
    await test_.ledger.recordResults({ jobId, podAttempt: 1, results: [entry] });
    await test_.ledger.beginPodAttempt({ jobId, podAttempt: 2, hasPlace: true });
    expect((await test_.ledger.readJob(jobId))?.results).toEqual([]);
  });
});

describe('live logs', () => {
  test('pieces in any order and twice over make one log (complaint: races of streamed logs)', async () => {
    const { jobId } = await acceptedJob({ environmentId: `env-${aJobId()}` });
    await test_.ledger.beginPodAttempt({ jobId, podAttempt: 1, hasPlace: true });
    const put = (offset: number, text: string) => test_.ledger.appendLog({ jobId, podAttempt: 1, offset, bytes: Buffer.from(text) });
    await put(6, 'world\n');
    expect((await test_.ledger.readLog(jobId, 0, 1_000)).bytes.toString()).toBe('');
    await put(0, 'hello ');
    await put(0, 'hello ');
    expect((await test_.ledger.readLog(jobId, 0, 1_000)).bytes.toString()).toBe('hello world\n');
    expect((await test_.ledger.readLog(jobId, 8, 1_000)).bytes.toString()).toBe('rld\n');
  });
});

describe('changes', () => {
  test('who watches a job is told, and only of that job', async () => {
    const [one, other] = [await acceptedJob(), await acceptedJob()];
    const changes = listenForChanges(test_.url, () => undefined);
    const told: string[] = [];
    const nextOf = (jobId: string, name: string) =>
      new Promise<void>((resolve) => {
        changes.watch(jobId, () => (told.push(name), resolve()));
      });
    await Promise.all([nextOf(one.jobId, 'one'), nextOf(other.jobId, 'other')]); // everybody is poked once LISTEN took effect
    told.length = 0;
    const heard = nextOf(one.jobId, 'one again');
    await test_.ledger.appendLog({ jobId: one.jobId, podAttempt: 1, offset: 0, bytes: Buffer.from('x') });
    await heard;
    expect(told).toEqual(['one', 'one again']);
    await changes.close();
  });
});

describe('credentials for a registry', () => {
  const registryCredentials = { username: 'reader', password: 'open sesame' };
  const rowOf = async (jobId: string) =>
    JSON.stringify(
      await test_.connection.db.selectFrom('jobs').selectAll().where('job_id', '=', jobId).executeTakeFirstOrThrow(),
      (_key, value) => (value?.type === 'Buffer' ? Buffer.from(value.data).toString('latin1') : value),
    );

  test('are kept sealed, apart from the request, until the job ends', async () => {
    const { jobId } = await acceptedJob({ registryCredentials });
    expect(await test_.ledger.readRegistryCredentials(jobId)).toEqual(registryCredentials);
    expect((await test_.ledger.readSpec(jobId)).registryCredentials).toBeUndefined();
    expect(await rowOf(jobId)).not.toContain('sesame');
    await test_.ledger.recordJob({ jobId, podAttempt: 1, status: status.pullingImage, reason: 'x' });
    expect(await test_.ledger.readRegistryCredentials(jobId)).toEqual(registryCredentials);
    const end = { status: status.finished, exitCode: 0, oomKilled: false, reason: 'done' };
    await test_.ledger.recordJob({ jobId, podAttempt: 1, status: status.finished, reason: 'done', end });
    expect(await test_.ledger.readRegistryCredentials(jobId)).toBeNull();
  });

  test('are gone with a refusal', async () => {
    const spec = aSpec({ registryCredentials });
    await test_.ledger.reserveJob({ spec, nonce: '1' });
    await test_.ledger.refuseJob(spec.jobId, { type: 'OrderInvalid', reason: 'x' });
    expect(await test_.ledger.readRegistryCredentials(spec.jobId)).toBeNull();
  });
});
