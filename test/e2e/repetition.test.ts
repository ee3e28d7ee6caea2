import { Wallet } from 'ethers';
import type { ClientJob } from '../../infra/toolchain/demo/clientTypes.ts';
import type { Consumer } from '../../infra/toolchain/demo/consumer.ts';
import { orderAssets, type OrderedAssets } from '../../infra/toolchain/demo/ordering.ts';
import { awaitEndOf, createCaller, jobIdOf, send, type Caller, type RawAnswer } from '../support/callers.ts';
import { awaitWaiting, eventually, letRun } from '../support/heldJobs.ts';
import { firstEnvironment, publishTrustingPair } from '../support/jobs.ts';
import { useOwnStack } from '../support/ownStack.ts';
import { startPerson } from '../support/people.ts';
import { listJobs, readActivities, readJobTraces } from '../support/traces.ts';

const own = useOwnStack({});
const patienceMs = 240_000;
const maxJobDuration = 120;

/** Tells that it runs, and under which name; ends when it is let go. */
const code = `
const fs = require('node:fs');
fs.writeFileSync('/data/outputs/input', require('node:crypto').randomUUID());
console.log('waiting');
const wait = () => (fs.existsSync('/tmp/go') ? console.log('let go') : setTimeout(wait, 20));
wait();`;

/** An order of a trusted algorithm and its dataset, and who made it. */
interface Customer {
  readonly caller: Caller;
  readonly client: Consumer;
  readonly assets: Awaited<ReturnType<typeof publishTrustingPair>>;
  readonly ordered: OrderedAssets;
}

const customers: Consumer[] = [];
let environmentId: string;

const orderAll = async (client: Consumer, assets: Customer['assets']): Promise<OrderedAssets> =>
  orderAssets(client, { ...assets, environment: await firstEnvironment(client), maxJobDuration, token: own().scene.stack.token });

const startCustomer = async (): Promise<Customer> => {
  const wallet = new Wallet(Wallet.createRandom().privateKey);
  const client = await startPerson(own().scene.stack, wallet);
  customers.push(client);
  const assets = await publishTrustingPair(own().scene, { contents: [code], datasets: [['the data']] });
  return { caller: createCaller(wallet), client, assets, ordered: await orderAll(client, assets) };
};

/** A start as text: sent again it is the same request, byte for byte. */
const signStart = ({ caller, ordered }: Pick<Customer, 'caller' | 'ordered'>): string =>
  JSON.stringify({
    ...caller.credentials('startCompute'),
    ...{ ...ordered, environment: environmentId, maxJobDuration, queueMaxWaitTime: 60 },
    payment: { chainId: 8996, token: own().scene.stack.token },
  });

const post = (body: string): Promise<RawAnswer> => send(own().scene.stack.apiUrl, 'POST', '/api/services/compute', { body });

const nonceIn = (body: string): bigint => BigInt((JSON.parse(body) as { nonce: string }).nonce);

/** Sends different requests of one consumer so that they are judged at once: each as soon as the one before has spent its nonce. */
const postAtOnce = async ({ caller }: Customer, bodies: readonly string[]): Promise<readonly RawAnswer[]> => {
  const answers: Promise<RawAnswer>[] = [];
  for (const body of bodies) {
    answers.push(post(body));
    await eventually('the nonce is spent', async () => {
      const { json } = await send(own().scene.stack.apiUrl, 'GET', '/api/services/nonce', { query: { userAddress: caller.address } });
      return BigInt((json as { nonce: string }).nonce) >= nonceIn(body) || undefined;
    });
  }
  return Promise.all(answers);
};

const start = async (body: string): Promise<string> => {
  const answer = await post(body);
  expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
  const jobId = jobIdOf(answer);
  own().scene.jobs.add(jobId);
  return jobId;
};

const expectSameJob = async (body: string, jobId: string, state: Partial<ClientJob>): Promise<void> => {
  const answer = await post(body);
  expect(answer).toMatchObject({ status: 200, json: [{ jobId, ...state }] });
};

const readResults = async ({ caller }: Customer, { jobId, results }: ClientJob): Promise<readonly (readonly [string, string])[]> => {
  const contents: (readonly [string, string])[] = [];
  for (const { index, filename } of results) {
    const query = { jobId, index: String(index), ...caller.credentials('getComputeResult') };
    const { status, text } = await send(own().scene.stack.apiUrl, 'GET', '/api/services/computeResult', { query });
    expect([filename, status]).toEqual([filename, 200]);
    contents.push([filename, text]);
  }
  return contents;
};

/** As an upgrade does it, or a power cut followed by a repair. */
const restart = async (...names: readonly ('api' | 'orchestrator' | 'gateway' | 'postgres' | 'temporal')[]): Promise<void> => {
  const { processes, postgres, temporal } = own().parts;
  const all = { ...processes, postgres, temporal };
  await Promise.all(names.map(async (name) => all[name]?.restart()));
};

beforeAll(async () => {
  environmentId = (await firstEnvironment(own().scene.consumer)).id;
});
afterAll(async () => {
  for (const client of customers) await client.close();
});

describe('the same request, sent again', () => {
  test(
    'gets the same job: while it runs, after restarts, after its end; the job runs once and its results stay (complaint: one job runs twice)',
    async () => {
      const { scene } = own();
      const customer = await startCustomer();
      const { address } = customer.caller;
      const body = signStart(customer);
      const jobId = await start(body);
      await expectSameJob(body, jobId, { dateFinished: null });
      await awaitWaiting(scene, { jobId });
      await expectSameJob(body, jobId, { status: 40, dateFinished: null });

      await restart('api', 'orchestrator');
      await expectSameJob(body, jobId, { status: 40, dateFinished: null });
      // spaces and the order of names are not the request
      const rewritten = JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(body) as object).toReversed()), null, 2);
      await expectSameJob(rewritten, jobId, { status: 40 });

      await letRun(scene, { jobId });
      const job = await awaitEndOf(scene.stack.apiUrl, jobId);
      expect(job).toMatchObject({ status: 70, jobId });
      const results = await readResults(customer, job);
      expect(results.map(([filename]) => filename)).toEqual(['input', 'algorithm.log']);
      expect(results.at(-1)).toEqual(['algorithm.log', 'waiting\nlet go\n']);
      await expectSameJob(body, jobId, { status: 70, results: job.results });

      await restart('temporal', 'postgres');
      await restart('api', 'orchestrator', 'gateway');
      await expectSameJob(body, jobId, { status: 70, results: job.results });
      expect(await readResults(customer, job)).toEqual(results);
      expect(await listJobs(scene.stack.apiUrl, address)).toEqual([jobId]);
      expect(await readJobTraces(scene, address)).toEqual([{ jobId, admission: 'accepted' }]);
      const activities = await readActivities(scene, jobId);
      // one for each pod; `createPod` runs twice for a job that waited for its place
      expect(activities.filter((name) => name === 'stageInputs')).toHaveLength(1);
    },
    patienceMs,
  );

  test(
    'gets the same refusal, also after restarts and after its reason has gone',
    async () => {
      const { scene } = own();
      const customer = await startCustomer();
      const [dataset] = customer.assets.datasets;
      const body = signStart(customer);
      await scene.publisher.setState({ nftAddress: dataset!.nftAddress, state: 4 });
      const refusal = { status: 400, json: `Asset ${dataset!.did} is not consumable: ordering is temporarily disabled` };
      expect(await post(body)).toMatchObject(refusal);
      await scene.publisher.setState({ nftAddress: dataset!.nftAddress, state: 0 });
      expect(await post(body)).toMatchObject(refusal);
      await restart('api');
      expect(await post(body)).toMatchObject(refusal);
      expect(await listJobs(scene.stack.apiUrl, customer.caller.address)).toEqual([]);

      // a new request is judged anew, and the order of the refused one is still good
      const jobId = await start(signStart(customer));
      await awaitWaiting(scene, { jobId });
      await letRun(scene, { jobId });
      expect(await awaitEndOf(scene.stack.apiUrl, jobId)).toMatchObject({ status: 70 });
    },
    patienceMs,
  );
});

describe('an order', () => {
  test(
    'serves one unfinished job at a time, and another one afterwards without a new payment',
    async () => {
      const { scene } = own();
      const customer = await startCustomer();
      const { caller, client, ordered } = customer;
      const first = await start(signStart(customer));
      const inUse = await post(signStart(customer));
      expect(inUse).toMatchObject({ status: 400, json: expect.stringMatching(/order|agreement/i) as unknown });
      const atOnce = await postAtOnce(customer, [signStart(customer), signStart(customer), signStart(customer)]);
      expect(atOnce.map(({ status, json }) => [status, json])).toEqual(atOnce.map(() => [400, inUse.json]));
      expect(await listJobs(scene.stack.apiUrl, caller.address)).toEqual([first]);

      await awaitWaiting(scene, { jobId: first });
      await letRun(scene, { jobId: first });
      expect(await awaitEndOf(scene.stack.apiUrl, first)).toMatchObject({ status: 70 });

      // asked for terms again the service says that the orders are still good: nothing is paid twice
      const terms = { environment: environmentId, maxJobDuration, token: scene.stack.token };
      const quote = await client.initializeCompute({ ...ordered, ...terms });
      const items = [...quote.datasets, quote.algorithm];
      expect(items.map(({ validOrder, providerFee }) => [validOrder, providerFee])).toEqual(
        [...ordered.datasets, ordered.algorithm].map(({ transferTxId }) => [transferTxId, undefined]),
      );
      const starts = await postAtOnce(customer, [signStart(customer), signStart(customer), signStart(customer)]);
      expect(starts.map(({ status }) => status).toSorted()).toEqual([200, 400, 400]);
      const second = jobIdOf(starts.find(({ status }) => status === 200)!);
      scene.jobs.add(second);
      expect(second).not.toBe(first);
      await awaitWaiting(scene, { jobId: second });
      await letRun(scene, { jobId: second });
      const job = await awaitEndOf(scene.stack.apiUrl, second);
      expect(job).toMatchObject({ status: 70, agreementId: ordered.datasets[0]!.transferTxId!.toLowerCase() });
      expect([...(await listJobs(scene.stack.apiUrl, caller.address))].toSorted()).toEqual([first, second].toSorted());
    },
    patienceMs,
  );
});
