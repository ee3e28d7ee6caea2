import type { SignedCommand } from '../../api/authentication.ts';
import { awaitEndOf, createCaller, jobIdOf, send, type Caller, type Credentials, type RawAnswer } from '../support/callers.ts';
import { aContainer, firstEnvironment } from '../support/jobs.ts';
import { useScene } from '../support/scene.ts';
import { expectNothingStarted, readActivities, readJobTraces } from '../support/traces.ts';

const scene = useScene();
const patienceMs = 120_000;
const path = '/api/services/freeCompute';
const command = 'freeStartCompute';

let environmentId: string;
beforeAll(async () => {
  environmentId = (await firstEnvironment(scene().consumer)).id;
});

/** A start that would be accepted from anybody who signs it. */
const aStart = (over: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> => ({
  environment: environmentId,
  datasets: [],
  algorithm: { meta: { rawcode: 'console.log(1)', container: aContainer(scene().stack.nodeImage) } },
  queueMaxWaitTime: 120,
  ...over,
});

const post = (credentials: Partial<Credentials>, over: Readonly<Record<string, unknown>> = {}): Promise<RawAnswer> =>
  send(scene().stack.apiUrl, 'POST', path, { body: { ...aStart(over), ...credentials } });

const startOne = async (credentials: Credentials): Promise<string> => {
  const answer = await post(credentials);
  expect(answer.status).toBe(200);
  const jobId = jobIdOf(answer);
  scene().jobs.add(jobId);
  return jobId;
};

const refuseMismatch = { status: 401, json: 'consumer address and nonce signature mismatch' };
const refuseNonce = (nonce: number | string) => ({ status: 401, json: `nonce: ${nonce} is not a valid nonce` });

describe('a start is refused, spends no nonce and starts nothing', () => {
  let caller: Caller;
  beforeEach(() => {
    caller = createCaller();
  });
  afterEach(async () => {
    await expectNothingStarted(scene(), caller.address);
    expect(await readJobTraces(scene(), caller.address)).toEqual([]);
    const { json } = await send(scene().stack.apiUrl, 'GET', '/api/services/nonce', { query: { userAddress: caller.address } });
    expect(json).toEqual({ nonce: '0' });
  });

  test('when somebody else signed it', async () => {
    const thief = createCaller().credentials(command);
    expect(await post({ ...thief, consumerAddress: caller.address })).toMatchObject(refuseMismatch);
  });

  test('when the signature is one bit off', async () => {
    const { signature, ...rest } = caller.credentials(command);
    const changed = signature.replace(/.(?=.{20}$)/, (digit) => (Number.parseInt(digit, 16) ^ 1).toString(16));
    expect(changed).not.toBe(signature);
    expect(await post({ ...rest, signature: changed })).toMatchObject(refuseMismatch);
  });

  test('when the signature is for another nonce', async () => {
    const credentials = caller.credentials(command);
    expect(await post({ ...credentials, nonce: String(Number(credentials.nonce) + 1) })).toMatchObject(refuseMismatch);
  });

  test.each<SignedCommand>(['startCompute', 'stopCompute', 'getComputeResult', 'getComputeStreamableLogs', 'encrypt'])(
    'when the signature is for the command %s',
    async (other) => {
      expect(await post(caller.credentials(other))).toMatchObject(refuseMismatch);
    },
  );

  test.each(['signature', 'nonce', 'consumerAddress'] as const)('without %s', async (missing) => {
    const { [missing]: _left, ...rest } = caller.credentials(command);
    expect(await post(rest)).toMatchObject({ status: 401, json: expect.stringContaining('Invalid authentication') as unknown });
  });

  test.each(['0x', '0x1234', 'signed', `0x${'00'.repeat(65)}`, `0x${'ff'.repeat(65)}`])('with the signature %.20s', async (signature) => {
    expect(await post({ ...caller.credentials(command), signature })).toMatchObject(refuseMismatch);
  });
});

describe('a nonce', () => {
  test(
    'is good once: used ones and lower ones are refused on every kind of call',
    async () => {
      const caller = createCaller();
      const nonce = caller.nextNonce();
      const jobId = await startOne(caller.credentials(command, nonce));
      for (const old of [nonce, nonce - 1, 1, 0]) {
        expect(await post(caller.credentials(command, old), { metadata: { another: 'request' } })).toMatchObject(refuseNonce(old));
        const query = { ...caller.credentials('stopCompute', old), jobId };
        expect(await send(scene().stack.apiUrl, 'PUT', '/api/services/compute', { query })).toMatchObject({ status: 401 });
      }
      await expectNothingStarted(scene(), caller.address, [jobId]);
      const job = await awaitEndOf(scene().stack.apiUrl, jobId);
      expect(job).toMatchObject({ status: 70 });
    },
    patienceMs,
  );

  test(
    'lets one of twenty different requests through that come at once',
    async () => {
      const caller = createCaller();
      const nonce = caller.nextNonce();
      const credentials = caller.credentials(command, nonce);
      const answers = await Promise.all(Array.from({ length: 20 }, (_, number) => post(credentials, { metadata: { number } })));
      const winners = answers.filter(({ status }) => status === 200);
      expect(winners).toHaveLength(1);
      const jobId = jobIdOf(winners[0]!);
      scene().jobs.add(jobId);
      for (const answer of answers) if (answer !== winners[0]) expect(answer).toMatchObject(refuseNonce(nonce));
      expect(await readJobTraces(scene(), caller.address)).toEqual([{ jobId, admission: 'accepted' }]);
      expect(await awaitEndOf(scene().stack.apiUrl, jobId)).toMatchObject({ status: 70 });
    },
    patienceMs,
  );

  test(
    'makes one job of twenty identical requests that come at once, and every one is told of it',
    async () => {
      const caller = createCaller();
      const credentials = caller.credentials(command);
      const answers = await Promise.all(Array.from({ length: 20 }, () => post(credentials)));
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
      const [jobId, ...others] = new Set(answers.map(jobIdOf));
      scene().jobs.add(jobId!);
      expect(others).toEqual([]);
      expect(await awaitEndOf(scene().stack.apiUrl, jobId!)).toMatchObject({ status: 70 });
      expect(await readJobTraces(scene(), caller.address)).toEqual([{ jobId, admission: 'accepted' }]);
      const activities = await readActivities(scene(), jobId!);
      expect(activities.filter((name) => name === 'stageInputs' || name === 'runAlgorithm')).toEqual(['stageInputs', 'runAlgorithm']);
    },
    patienceMs,
  );
});
