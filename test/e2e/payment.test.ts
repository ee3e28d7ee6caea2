/** Compute time paid through the real escrow contract, with the unmodified client library. */

import { HDNodeWallet, JsonRpcProvider } from 'ethers';
import type { ClientEnvironment, ClientJob, Quote } from '../../infra/toolchain/demo/clientTypes.ts';
import { loadArtifact } from '../../infra/toolchain/chain/artifacts.ts';
import { send } from '../../infra/toolchain/chain/send.ts';
import { awaitEnd, awaitJob, aContainer, findEnvironment } from '../support/jobs.ts';
import { useScene } from '../support/scene.ts';

const scene = useScene();
const patienceMs = 180_000;
const phrase = 'test test test test test test test test test test test junk';
const oneToken = 10n ** 18n;
const maxJobDuration = 120;
const resources = [{ id: 'ram', amount: 0.25 }];
/** a started minute with these resources */
const aMinute = 4n * oneToken;
/** the longest run */
const locked = 2n * aMinute;

let provider: JsonRpcProvider;
let environment: ClientEnvironment;
let payment: NonNullable<Quote['payment']>;

const algorithmOf = (rawcode: string, entrypoint = 'node $ALGO') => ({
  meta: { rawcode, container: aContainer(scene().stack.nodeImage, { entrypoint }) },
});

const termsOf = (rawcode: string, entrypoint?: string) => ({
  ...{ environment: environment.id, datasets: [], algorithm: algorithmOf(rawcode, entrypoint), resources, maxJobDuration },
  token: scene().stack.token,
});

const start = async (rawcode: string, entrypoint?: string): Promise<ClientJob> => {
  const [job] = await scene().consumer.computeStart(termsOf(rawcode, entrypoint));
  scene().jobs.add(job!.jobId);
  return job!;
};

const fundsOf = async (): Promise<{ available: bigint; locked: bigint }> => {
  const { abi } = loadArtifact('Escrow');
  const data = abi.encodeFunctionData('getUserFunds', [scene().consumer.address, payment.token]);
  const [{ available, locked }] = abi.decodeFunctionResult(
    'getUserFunds',
    await provider.call({ to: payment.escrowAddress, data }),
  ) as unknown as [{ available: bigint; locked: bigint }];
  return { available, locked };
};

/** What the contract says that a transaction claimed. */
const claimedIn = async (hash: string): Promise<readonly { payer: string; payee: string; amount: bigint }[]> => {
  const { abi } = loadArtifact('Escrow');
  const { logs } = (await provider.getTransactionReceipt(hash))!;
  const events = logs.filter(({ address }) => address === payment.escrowAddress).map((event) => abi.parseLog(event)!);
  return events.filter(({ name }) => name === 'Claimed').map(({ args: { payer, payee, amount } }) => ({ payer, payee, amount }));
};

const untilUnlocked = async (): Promise<bigint> => {
  for (;;) {
    const { available, locked } = await fundsOf();
    if (locked === 0n) return available;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

beforeAll(async () => {
  const { stack, consumer } = scene();
  provider = new JsonRpcProvider(stack.rpcUrl, 8996, { staticNetwork: true, cacheTimeout: -1 });
  environment = await findEnvironment(consumer, 'paid');
  payment = (await consumer.initializeCompute(termsOf('1'))).payment!;
});

afterAll(() => provider?.destroy());

describe('an environment with prices', () => {
  test('tells what a job costs, and refuses it while nothing is deposited', async () => {
    expect(payment).toMatchObject({ payee: environment.consumerAddress, amount: locked.toString(), token: scene().stack.token });
    await expect(scene().publisher.computeStart(termsOf('1'))).rejects.toThrow(/does not have enough funds/);
  });

  test(
    'runs a job once its payment is locked, claims what it ran and gives the rest back (complaint: billed for more than it ran)',
    async () => {
      const { consumer, stack } = scene();
      const deployer = HDNodeWallet.fromPhrase(phrase).connect(provider);
      const erc20 = { to: payment.token, abi: loadArtifact('MockERC20Decimals').abi, method: 'transfer' };
      await send(deployer, erc20, consumer.address, 20n * oneToken);
      const { escrowAddress, token, payee, amount: allowance, minLockSeconds: lockSeconds } = payment;
      const deposit = { escrowAddress, token, payee, allowance, lockSeconds, deposit: '20' };
      expect(await consumer.fundEscrow(deposit)).toMatchObject({ isValid: true });

      const started = await start(`console.log('paid for')`);
      expect(started.payment).toMatchObject({ lockTx: expect.stringMatching(/^0x/), claimTx: null, cost: 0 });
      expect((await awaitEnd(scene(), started.jobId)).log).toBe('paid for\n');
      expect(await untilUnlocked()).toBe(16n * oneToken);
      await expect(awaitSettled(started.jobId)).resolves.toMatchObject({
        status: 70,
        payment: { claimTx: expect.stringMatching(/^0x/), cost: 4 },
      });
      expect(stack.token).toBe(token);
    },
    patienceMs,
  );

  test.each([
    ['a job that its consumer stops', 80, 'setInterval(() => undefined, 1e3)'],
    ['a job whose algorithm ends with an exit code', 82, 'process.exit(3)'],
  ])(
    '%s costs the minute that it ran, and the rest of its lock is given back',
    async (_name, status, code) => {
      const { consumer } = scene();
      const before = (await fundsOf()).available;
      const { jobId } = await start(code);
      expect((await fundsOf()).locked).toBe(locked);
      if (status === 80) {
        await awaitJob(scene(), jobId, (job) => job.status === 40);
        await consumer.computeStop({ jobId });
      }
      await awaitEnd(scene(), jobId);
      expect(await untilUnlocked()).toBe(before - aMinute);
      const job = await awaitSettled(jobId);
      expect(job).toMatchObject({ status, payment: { claimTx: expect.stringMatching(/^0x/), cancelTx: null, cost: 4 } });
      expect(await claimedIn(job.payment!.claimTx!)).toEqual([{ payer: consumer.address, payee: payment.payee, amount: aMinute }]);
    },
    patienceMs,
  );

  test(
    'a job whose algorithm never ran costs nothing',
    async () => {
      const before = (await fundsOf()).available;
      const started = await start('1', 'python3.99 $ALGO');
      const { job } = await awaitEnd(scene(), started.jobId);
      expect(job).toMatchObject({ status: 41, payment: { claimTx: null, cost: 0 } });
      expect(await untilUnlocked()).toBe(before);
    },
    patienceMs,
  );
});

const awaitSettled = async (jobId: string): Promise<ClientJob> => {
  for (;;) {
    const [job] = await scene().consumer.computeStatus({ jobId });
    if (job !== undefined && job.status !== 71) return job;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};
