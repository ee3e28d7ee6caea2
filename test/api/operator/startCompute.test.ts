import { Wallet, getBytes, id } from 'ethers';
import { createOperatorApp } from '../../../api/operator/app.ts';
import { classicResources } from '../../../infra/environments/classicOffer.ts';
import { JobFailure } from '../../../workflows/contract/failures.ts';
import { aDid, aTransaction } from '../../support/builders.ts';
import {
  aNonce,
  aStage,
  container,
  orderedInput,
  queryOperator,
  rawAlgorithm,
  refusal,
  sendOperator,
  signAsProvider,
  signedQuery,
  signedStart,
  startOperatorWorld,
  type OperatorWorld,
} from './support/operatorWorld.ts';

let operator: OperatorWorld;
beforeAll(async () => {
  operator = await startOperatorWorld();
}, 60_000);
afterAll(() => operator.close());

const start = (body: unknown, app = operator.app) => sendOperator(app, 'post', 'compute', body);
const startWith = (over: object) => start(signedStart(operator, over));
const error = (status: number, text: string): [number, unknown] => [status, { error: text }];

const endJob = async (jobId: string): Promise<void> => {
  const end = { status: 70, reason: 'ended by the test', exitCode: 0, oomKilled: false };
  await operator.opened.ledger.recordJob({ jobId, podAttempt: 1, status: 70, reason: end.reason, end });
};

describe('POST /compute: the checks in their order', () => {
  test.each<[string, string]>([
    ['nothing', ''],
    ['an empty object', '{}'],
    ['a list', '[1]'],
    ['a text', '"workflow"'],
    ['what is no JSON', 'workflow=1'],
  ])('1: %s is an empty payload', async (_name, body) => {
    expect(refusal(await start(body))).toEqual(error(400, 'payload seems empty.'));
  });

  test.each(['workflow', 'agreementId', 'owner', 'providerSignature', 'environment', 'nonce'])('2: %s is required', async (attribute) => {
    const body: Record<string, unknown> = signedStart(operator, { workflow: null });
    delete body[attribute];
    expect(refusal(await start(body))).toEqual(error(400, `"${attribute}" is required in the call to POST:/compute`));
  });

  test('2: the first that is missing is told', async () => {
    expect(refusal(await start({ nonce: 1 }))).toEqual(error(400, '"workflow" is required in the call to POST:/compute'));
  });

  test.each([[null], [''], [{}], [[]], [0], [false]])('3: a workflow %j has no stages', async (workflow) => {
    const text = '`workflow` is required in the payload and must include workflow stages';
    // before the environment and the signature
    expect(refusal(await startWith({ workflow, environment: 'none', providerSignature: 'none' }))).toEqual(error(400, text));
  });

  test('4: an agreement carries one unfinished job, also for somebody who does not sign', async () => {
    const agreementId = `0x${'Ab'.repeat(32)}`;
    const first = await startWith({ agreementId });
    expect(first.status).toBe(200);
    const text = '`agreementId` already in use for other job.';
    const again = { agreementId: agreementId.toLowerCase(), environment: 'none', providerSignature: 'none' };
    expect(refusal(await startWith(again))).toEqual(error(400, text));
    await endJob(first.body[0].jobId);
    expect((await startWith({ agreementId })).status).toBe(200);
  });

  test('4b: a database that is away is a 503 (complaint: an outage is an empty list)', async () => {
    const away = async (): Promise<never> => Promise.reject(new JobFailure('ServiceUnavailable', 'the ledger is away'));
    const app = createOperatorApp({ ...operator.deps, ledger: { ...operator.deps.ledger, openJobOn: away } });
    expect(refusal(await start(signedStart(operator), app))).toEqual(error(503, 'the ledger is away'));
  });

  test.each<[string, object]>([
    ['that nobody knows', { environment: 'none' }],
    ['of another chain', { environment: 'elsewhere' }],
    ['of another chain, as text', { environment: 'elsewhere', chainId: '8996' }],
    ['of a chain, without naming one', { environment: 'elsewhere', chainId: undefined }],
    ['without a price on that chain', { environment: 'paid', chainId: 137 }],
    ['that is no text', { environment: { id: 'small' } }],
  ])('5: an environment %s does not exist', async (_name, over) => {
    expect(refusal(await startWith({ ...over, providerSignature: 'none' }))).toEqual(error(400, 'Environment invalid or does not exist'));
  });

  test.each([[8996], ['8996'], [undefined]])('5: an environment without a list takes chain %j', async (chainId) => {
    expect((await startWith({ chainId })).status).toBe(200);
  });

  test.each([
    ['1', { chainId: 1 }],
    ['1 as text', { chainId: '1' }],
    ['1 by its other name', { chainId: undefined, chain_id: 1 }],
  ])('5: a list holds chain %s', async (_name, chain) => {
    expect((await startWith({ environment: 'elsewhere', ...chain })).status).toBe(200);
  });

  test.each([['0x12'], [`0x${'0'.repeat(130)}`], [''], [12], [null], [{}]])('6: %j is no signature', async (providerSignature) => {
    expect(refusal(await startWith({ providerSignature }))).toEqual(error(400, 'Failed to recover address'));
  });

  test('6b: a nonce is good once, whatever digits a double would drop', async () => {
    const first = aNonce();
    const second = String(BigInt(first) + 1n);
    expect(Number(first)).toBe(Number(second));
    aNonce();
    const sign = (nonce: string) => ({ nonce, providerSignature: signAsProvider(operator.provider, operator.owner + nonce) });
    expect((await startWith(sign(first))).status).toBe(200);
    expect((await startWith(sign(second))).status).toBe(200);
    const text = (given: string) => `Invalid signature expected nonce (${second}) > current nonce (${given}).`;
    expect(refusal(await startWith(sign(second)))).toEqual(error(400, text(second)));
    expect(refusal(await startWith(sign(first)))).toEqual(error(400, text(first)));
  });

  test('6c: somebody who is not on the list is told what was looked at, and spends nothing', async () => {
    const stranger = new Wallet(Wallet.createRandom().privateKey);
    const body = signedStart(operator, {}, stranger);
    const { providerSignature, nonce, owner } = body;
    const text = `Invalid signature ${providerSignature} of documentId ${owner}${nonce},the signing ethereum account ${stranger.address} is not authorized to use this service.`;
    expect(refusal(await start(body))).toEqual(error(401, text));
    expect(await operator.opened.ledger.nonceOf(stranger.address)).toBeNull();
  });

  test('6c: an empty list lets nobody in', async () => {
    const app = createOperatorApp({ ...operator.deps, settings: { ...operator.deps.settings, providers: [] } });
    expect((await start(signedStart(operator), app)).status).toBe(401);
  });

  test.each<[string, unknown, string]>([
    ['7: no stages', { stages: [] }, 'Missing stages'],
    ['7: another key', { steps: [1] }, 'Missing stages'],
    ['7: a text', 'stages', 'Missing stages'],
    ['8: two stages', { stages: [aStage(), aStage()] }, 'Multiple stages are not supported yet'],
    ...['algorithm', 'compute', 'input', 'output'].map((part): [string, unknown, string] => {
      const { [part]: _left, ...stage } = aStage() as Record<string, unknown>;
      return [`9: no ${part}`, { stages: [stage] }, `Missing ${part} in stage 0`];
    }),
    ['9: nothing at all', { stages: [{}] }, 'Missing algorithm in stage 0'],
    ['9: a stage that is none', { stages: ['x'] }, 'Missing algorithm in stage 0'],
  ])('%s is refused after the nonce was spent', async (_name, workflow, text) => {
    const body = signedStart(operator, { workflow });
    expect(refusal(await start(body))).toEqual(error(400, text));
    expect(await operator.opened.ledger.nonceOf(operator.provider.address)).toBe(body.nonce);
  });

  test.each<[string, object]>([
    ['an input that is none', { stages: [aStage({ input: ['x'] })] }],
    ['inputs that are none', { stages: [aStage({ input: {} })] }],
    ['an order without a transaction', { stages: [aStage({ input: [{ id: aDid(), remote: { serviceId: 's' } }] })] }],
    ['urls that are none', { stages: [aStage({ input: [{ url: [1] }] })] }],
    ['a url of another kind', { stages: [aStage({ input: [{ url: 'file:///etc/passwd' }] })] }],
    ['an algorithm that is none', { stages: [aStage({ algorithm: [] })] }],
    ['an algorithm without an image', { stages: [aStage({ algorithm: { ...rawAlgorithm, container: {} } })] }],
    ['a published dataset that nobody knows', { stages: [aStage({ input: [orderedInput(aDid(), 's')] })] }],
  ])('%s is a 400', async (_name, workflow) => {
    expect((await startWith({ workflow })).status).toBe(400);
  });

  test.each<[string, object]>([
    ['an owner that is no address', { owner: 'somebody' }],
    ['an agreement that is no text', { agreementId: { a: 1 } }],
    ['a nonce that is no number', { nonce: 'soon' }],
    ['a nonce with a sign', { nonce: -1 }],
  ])('%s is a 400', async (_name, over) => {
    const { owner, nonce } = { owner: operator.owner, nonce: aNonce(), ...over };
    const providerSignature = signAsProvider(operator.provider, `${owner}${nonce}`);
    expect((await startWith({ owner, nonce, providerSignature, ...over })).status).toBe(400);
  });

  test('a NUL character is a 400', async () => {
    expect((await start(`{"workflow": "\\u0000"}`)).status).toBe(400);
  });

  test('an environment that is withdrawn is a 503', async () => {
    expect((await startWith({ environment: 'withdrawn' })).status).toBe(503);
  });

  test('an environment is closed to owners who are not on its list', async () => {
    expect(refusal(await startWith({ environment: 'private' }))).toEqual(error(400, 'Access denied'));
  });
});

describe('POST /compute: the job', () => {
  test('is answered as a list with one status object', async () => {
    const agreementId = aTransaction();
    const { status, body } = await startWith({ agreementId });
    expect([status, body]).toEqual([
      200,
      [
        {
          ...{ agreementId, jobId: expect.stringMatching(/^[0-9a-f]{32}$/), owner: operator.owner },
          ...{ status: 1, statusText: 'Warming up', dateCreated: expect.stringMatching(/^\d{10}(\.\d{1,3})?$/), dateFinished: null },
          ...{ results: '', stopreq: 0, removed: 0, algoDID: '', inputDID: [], terminationDetails: null },
        },
      ],
    ]);
  });

  test('is the same for a repeated request, also when it has run out of its agreement and of its nonce', async () => {
    const body = signedStart(operator);
    const first = await start(body);
    await startWith({});
    const again = await start({ ...body, providerSignature: operator.provider.signMessageSync(getBytes(id(operator.owner + body.nonce))) });
    expect(again.body).toEqual(first.body);
    await endJob(first.body[0].jobId);
    expect((await start(body)).body[0].jobId).toBe(first.body[0].jobId);
  });

  test('of one Provider is not given to another that sends the same', async () => {
    const body = signedStart(operator);
    const other = { ...body, providerSignature: signAsProvider(operator.otherProvider, body.owner + body.nonce) };
    expect((await start(body)).status).toBe(200);
    expect(refusal(await start(other))).toEqual(error(400, '`agreementId` already in use for other job.'));
  });

  test('thirty at once with one nonce are one', async () => {
    const nonce = aNonce();
    const providerSignature = signAsProvider(operator.provider, operator.owner + nonce);
    const answers = await Promise.all(Array.from({ length: 30 }, () => startWith({ nonce, providerSignature })));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 400)).toHaveLength(29);
  });

  test('keeps what a published algorithm and its datasets are fetched with, and stages their documents', async () => {
    const dataset = await operator.world.publishDataset();
    const algorithm = await operator.world.publishAlgorithm();
    const input = orderedInput(dataset.did, dataset.serviceIds[0]!, {
      remote: { txId: '0xaa', serviceId: dataset.serviceIds[0]!, userdata: { a: 1 } },
    });
    const published = {
      ...{ id: algorithm.did, rawcode: '', container, algouserdata: null, algocustomdata: { x: 1 } },
      remote: { serviceEndpoint: 'http://elsewhere', txId: '0xbb', serviceId: algorithm.serviceIds[0]!, userData: { b: 2 } },
    };
    const { status, body } = await startWith({ workflow: { stages: [aStage({ input: [input], algorithm: published })] } });
    expect([status, body[0]?.algoDID, body[0]?.inputDID]).toEqual([200, algorithm.did, [dataset.did]]);
    const { spec, admission } = await operator.opened.ledger.readAdmission(body[0].jobId);
    expect(spec).toMatchObject({
      surface: 'operator',
      consumerAddress: operator.owner,
      datasets: [{ documentId: dataset.did, transferTxId: '0xaa', userdata: { a: 1 }, fileObject: null }],
      algorithm: { documentId: algorithm.did, transferTxId: '0xbb', userdata: { b: 2 }, algocustomdata: { x: 1 } },
      resources: classicResources(operator.deps.environments[0]!),
    });
    expect(admission).toMatchObject({
      agreementId: body[0].agreementId,
      runSeconds: 1_200,
      container,
      datasets: [{ did: dataset.did, transferTxId: '0xaa', ddo: { id: dataset.did } }],
      algorithm: { did: algorithm.did, transferTxId: '0xbb', ddo: { id: algorithm.did } },
    });
  });

  test.each<[string, unknown, string]>([
    ['a list of urls', ['https://a.example/1', 'https://a.example/2'], 'https://a.example/2'],
    ['one url', 'https://a.example/1', 'https://a.example/1'],
  ])('takes %s as input and as algorithm', async (_name, url, last) => {
    const algorithm = { url, rawcode: null, container };
    const { status, body } = await startWith({ workflow: { stages: [aStage({ input: [{ index: 0, url }], algorithm })] } });
    // without an id
    expect([status, body[0]?.algoDID]).toEqual([200, 'raw']);
    const { spec, admission } = await operator.opened.ledger.readAdmission(body[0].jobId);
    for (const list of [spec.datasets[0]!.fileObject, spec.algorithm.raw!.fileObject]) {
      expect((list as { url: string }[]).at(-1)?.url).toBe(last);
    }
    expect([admission.datasets[0]?.folder, admission.algorithm]).toEqual(['raw-0', null]);
  });

  test('with neither url nor order is taken: it fails where it fetches', async () => {
    const { status, body } = await startWith({ workflow: { stages: [aStage({ input: [{ index: 0, id: aDid() }] })] } });
    expect([status, body[0]?.status]).toEqual([200, 1]);
  });

  test('holds the algorithm to what its datasets pin', async () => {
    const algorithm = await operator.world.publishAlgorithm();
    const pin = (filesChecksum: string) => ({
      compute: { publisherTrustedAlgorithms: [{ did: algorithm.did, filesChecksum, containerSectionChecksum: 'c', serviceId: '*' }] },
    });
    const [first, second] = ['a'.repeat(64), 'b'.repeat(64)].map(pin);
    const one = await operator.world.publishDataset(first);
    const same = await operator.world.publishDataset(first);
    const other = await operator.world.publishDataset(second);
    const startOn = (...datasets: { did: string; serviceIds: readonly string[] }[]) => {
      const remote = { txId: '0xbb', serviceId: algorithm.serviceIds[0]! };
      const input = datasets.map(({ did, serviceIds }) => orderedInput(did, serviceIds[0]!));
      return startWith({ workflow: { stages: [aStage({ input, algorithm: { id: algorithm.did, rawcode: '', container, remote } })] } });
    };
    const { body } = await startOn(one, same);
    const { admission } = await operator.opened.ledger.readAdmission(body[0].jobId);
    expect(admission.algorithmFileDigests).toEqual(['a'.repeat(64)]);
    expect((await startOn(one, other)).body.error).toMatch(/contradict/);
  });

  test('in a paid environment ends when its order does', async () => {
    const validUntil = Math.floor(Date.now() / 1_000) + 600;
    const { body } = await startWith({ environment: 'paid', validUntil });
    const { admission } = await operator.opened.ledger.readAdmission(body[0].jobId);
    expect(admission.runSeconds).toBeGreaterThan(590);
    expect(admission.runSeconds).toBeLessThanOrEqual(600);
    const long = await startWith({ environment: 'paid', validUntil: validUntil + 1_000_000 });
    expect((await operator.opened.ledger.readAdmission(long.body[0].jobId)).admission.runSeconds).toBe(7_200);
    expect((await startWith({ environment: 'paid', validUntil: 1 })).status).toBe(400);
  });

  test('that the old service would have lost is not answered for', async () => {
    const jobs = { ...operator.deps.jobs, start: async () => Promise.reject(new JobFailure('ServiceUnavailable', 'Temporal is away')) };
    const app = createOperatorApp({ ...operator.deps, jobs });
    expect(refusal(await start(signedStart(operator), app))).toEqual(error(503, 'Temporal is away'));
  });
});

describe('signatures of older callers', () => {
  const withOlder = () => createOperatorApp({ ...operator.deps, settings: { ...operator.deps.settings, takesOlderSignatures: true } });
  const forms = ({ owner, nonce }: { owner: string; nonce: string }): [string, string][] => [
    ['an ocean-node', nonce],
    ['the old service', owner],
  ];

  test.each([0, 1])('start nothing, unless the installation takes them (%i)', async (which) => {
    const body = signedStart(operator);
    const [, text] = forms(body)[which]!;
    const signed = { ...body, providerSignature: signAsProvider(operator.provider, text) };
    expect((await start(signed)).status).toBe(401);
    expect((await start(signed, withOlder())).status).toBe(200);
  });

  test.each<[string, (owner: string, jobId: string, nonce: string) => string]>([
    ['an ocean-node', (owner, jobId, nonce) => nonce + owner + jobId],
    ['the old service', (owner, jobId) => owner + jobId],
  ])('of %s read a status from a JSON body, unless they are not taken', async (_name, textOf) => {
    const { body } = await startWith({});
    const { jobId, owner } = body[0] as { jobId: string; owner: string };
    const nonce = aNonce();
    const asked = { jobId, owner, nonce, providerSignature: signAsProvider(operator.provider, textOf(owner, jobId, nonce)) };
    expect((await sendOperator(operator.app, 'get', 'compute', asked)).status).toBe(401);
    const answer = await sendOperator(withOlder(), 'get', 'compute', asked);
    expect([answer.status, answer.body[0]?.jobId]).toEqual([200, jobId]);
  });

  test('stop a job, unless they are not taken', async () => {
    const { body } = await startWith({});
    const { jobId, owner } = body[0] as { jobId: string; owner: string };
    const nonce = aNonce();
    const asked = { jobId, owner, nonce, providerSignature: signAsProvider(operator.provider, nonce) };
    expect((await sendOperator(operator.app, 'put', 'compute', asked)).status).toBe(401);
    expect((await sendOperator(withOlder(), 'put', 'compute', asked)).body[0]).toMatchObject({ jobId, stopreq: 1 });
  });

  test('of a Provider are good in all forms of its libraries', async () => {
    const nonce = aNonce();
    const plain = operator.provider.signMessageSync(getBytes(id(operator.owner + nonce)));
    expect((await startWith({ nonce, providerSignature: plain })).status).toBe(200);
    expect((await queryOperator(operator.app, 'get', 'compute', signedQuery(operator, { owner: operator.owner }))).status).toBe(200);
  });
});
