import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { HDNodeWallet, Wallet, getCreateAddress } from 'ethers';
import { loadArtifact } from '../../infra/toolchain/chain/artifacts.ts';
import { send } from '../../infra/toolchain/chain/send.ts';
import { ensureClients } from '../../infra/toolchain/clients.ts';
import { findFreePorts } from '../../infra/toolchain/program.ts';
import { startCli, type RunningCli } from '../api/cli/support/runCli.ts';
import { startClassicConsumer, type ClassicConsumer } from '../support/classicConsumer.ts';
import { useOwnStack } from '../support/ownStack.ts';
import { fundWallet } from '../support/people.ts';
import { podsOfThisRun } from '../support/testCluster.ts';

interface Published {
  readonly did: string;
  readonly serviceId: string;
  readonly datatokenAddress: string;
}

interface Item {
  readonly datatoken?: string;
  readonly providerFee?: { readonly providerFeeAmount: string };
  readonly validOrder?: string;
}

interface Quote {
  readonly datasets: readonly Item[];
  readonly algorithm?: Item;
}

interface Job {
  readonly jobId: string;
  readonly agreementId: string;
  readonly status: number;
  readonly statusText: string;
  readonly stopreq: number;
  readonly dateFinished: string | null;
  readonly results: '' | readonly { readonly filename: string; readonly type: string }[];
  readonly terminationDetails: { readonly exitCode: number | null } | null;
}

interface Downloaded {
  readonly status: number;
  readonly name: string;
  readonly text: string;
}

const patienceMs = 90_000;
const phrase = 'test test test test test test test test test test test junk';
// contracts of a local chain are where their deployer's first transactions put them
const feeToken = getCreateAddress({ from: HDNodeWallet.fromPhrase(phrase).address, nonce: 1 });
const resources = {
  cpu: { min: 0.1, max: 1, total: 64 },
  ram: { min: 0.0625, max: 0.25, total: 16 },
  disk: { min: 0.0625, max: 0.0625, total: 10 },
};

// a local image has its digest on a container engine only: nodes of a cluster know it by another one
const describeOnEngine = podsOfThisRun === 'docker' ? describe : describe.skip;

describeOnEngine('the classic API, with the unmodified client library of its generation', () => {
  const wallet = new Wallet(Wallet.createRandom().privateKey);
  let classicUrl: string;
  let person: ClassicConsumer;
  let consumer: string;
  let container: object;

  const own = useOwnStack(async () => {
    const [port] = await findFreePorts(1);
    classicUrl = `http://127.0.0.1:${port}`;
    const fees = [{ chainId: 8996, feeToken, prices: [{ id: 'cpu', price: 0.5 }] }];
    return {
      environments: [
        { id: 'local', resources },
        { id: 'paid', resources, fees },
      ],
      env: { C2D_CLASSIC_PORT: String(port), C2D_CLASSIC_BASE_PATH: '/provider' },
    };
  });

  beforeAll(async () => {
    const { parts, scene } = own();
    const clients = await ensureClients(undefined, 'classic');
    await fundWallet(scene.stack.rpcUrl, wallet.address);
    person = startClassicConsumer({
      // the library keeps a base path
      ...{ CONSUMER_CLIENTS: clients.path, CONSUMER_RPC: scene.stack.rpcUrl, CONSUMER_API: `${classicUrl}/provider` },
      ...{ CONSUMER_KEY: wallet.privateKey, ADDRESS_FILE: scene.stack.addressFile },
    });
    const { RepoDigests } = await parts.docker.getImage(scene.stack.nodeImage).inspect();
    const [image, checksum] = RepoDigests[0]!.split('@');
    container = { entrypoint: 'node $ALGO', image, tag: scene.stack.nodeImage.split(':').at(-1), checksum };
    const environments = await person.call<Record<string, { id: string; consumerAddress: string; priceMin: number }[]>>('environments');
    expect(environments['8996']!.map(({ id, priceMin }) => [id, priceMin])).toEqual([
      ['local', 0],
      ['paid', 0.5],
    ]);
    consumer = environments['8996']![0]!.consumerAddress;
  }, 120_000);
  afterAll(() => person.close());

  const urlFile = (content: string) => ({ type: 'url', url: own().scene.files.serve(content), method: 'GET' });
  const publishDataset = (content: string, rules: object = { allowRawAlgorithm: true, publisherTrustedAlgorithms: ['*'] }) =>
    person.call<Published>('publishAsset', { kind: 'dataset', serviceType: 'compute', compute: rules, files: [urlFile(content)] });
  const publishAlgorithm = (code: string) =>
    person.call<Published>('publishAsset', {
      ...{ kind: 'algorithm', serviceType: 'access', files: [urlFile(code)] },
      algorithm: { language: 'js', version: '1', container },
    });
  const nameAsset = ({ did, serviceId }: Published, transferTxId?: string) => ({
    documentId: did,
    serviceId,
    ...(transferTxId !== undefined && { transferTxId }),
  });
  const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1_000) + seconds;
  const quote = (datasets: object[], algorithm: object, environment = 'local', validUntil = inSeconds(600)) =>
    person.call<Quote>('initializeCompute', { datasets, algorithm, environment, validUntil });
  const order = (item: Item, { datatokenAddress }: Published, to = consumer) =>
    person.call<string>('order', { item, datatokenAddress, consumer: to });

  /** This generation's clients see a log at the end only; the command line sees the same job's as it grows. */
  const followLog = async (jobId: string): Promise<RunningCli> => {
    const { scene } = own();
    const keyFile = path.join(scene.folder, 'key');
    await writeFile(keyFile, wallet.privateKey, { mode: 0o600 });
    return startCli(['logs', '-f', jobId], { env: { C2D_URL: scene.stack.apiUrl, C2D_KEY_FILE: keyFile } });
  };
  const start = async (request: object): Promise<Job> => {
    const [job] = (await person.call<Job[] | null>('computeStart', { environment: 'local', ...request })) ?? [];
    if (job === undefined) throw new Error('the job was refused');
    own().scene.jobs.add(job.jobId);
    return job;
  };
  const awaitJob = async (jobId: string, isWanted: (job: Job) => boolean): Promise<Job> => {
    for (const deadline = performance.now() + patienceMs; ; await delay(100)) {
      const [job] = await person.call<[Job]>('computeStatus', { jobId });
      if (isWanted(job)) return job;
      if (performance.now() > deadline) throw new Error(`job ${jobId} is still ${job.statusText}`);
    }
  };
  const awaitEnd = (jobId: string): Promise<Job> => awaitJob(jobId, ({ dateFinished }) => Number(dateFinished) > 0);
  const readResults = async ({ jobId, results }: Job): Promise<Record<string, string>> => {
    const read: Record<string, string> = {};
    for (let index = 0; index < results.length; index += 1) {
      const { status, name, text } = await person.call<Downloaded>('computeResult', { jobId, index });
      expect(status).toBe(200);
      read[name] = text;
    }
    return read;
  };

  test('is a valid provider below a base path', async () => {
    await expect(person.call('isValidProvider')).resolves.toBe(true);
  });

  test(
    'publishes, orders and runs a published algorithm on two datasets, and uses the orders again',
    async () => {
      const code = `
        const fs = require('node:fs');
        const read = (did) => fs.readFileSync('/data/inputs/' + did + '/0', 'utf8');
        const custom = JSON.parse(fs.readFileSync('/data/inputs/algoCustomData.json', 'utf8'));
        fs.writeFileSync('/data/outputs/joined.txt', JSON.parse(process.env.DIDS).map(read).join(custom === null ? '+' : custom.separator));
        console.log('done');`;
      const [first, second, algorithm] = [await publishDataset('one'), await publishDataset('two'), await publishAlgorithm(code)];
      const named = [nameAsset(first), nameAsset(second)];
      const { datasets, algorithm: quoted } = await quote(named, nameAsset(algorithm));
      const [firstTx, secondTx] = [await order(datasets[0]!, first), await order(datasets[1]!, second)];
      const algorithmTx = await order(quoted!, algorithm);
      const request = {
        dataset: nameAsset(first, firstTx),
        additional: [nameAsset(second, secondTx)],
        algorithm: nameAsset(algorithm, algorithmTx),
      };
      const { jobId, agreementId, statusText } = await start(request);
      expect([agreementId, statusText]).toEqual([algorithmTx, 'Warming up']);
      const ended = await awaitEnd(jobId);
      expect(ended).toMatchObject({ status: 70, statusText: 'Job finished', terminationDetails: { exitCode: 0 } });
      expect(await readResults(ended)).toEqual({ 'joined.txt': 'one+two', 'algorithm.log': 'done\n' });
      await expect(person.call('computeStatus', { agreementId })).resolves.toMatchObject([{ jobId }]);
      await expect(person.call('computeDelete', { did: first.did, jobId })).resolves.toBe('');

      const again = await quote([request.dataset, ...request.additional], request.algorithm, 'local', inSeconds(300));
      expect(again).toEqual({ datasets: [{ validOrder: firstTx }, { validOrder: secondTx }], algorithm: { validOrder: algorithmTx } });
      const renewed = await quote([request.dataset], request.algorithm, 'local', inSeconds(3_000));
      expect(renewed.datasets[0]).toMatchObject({ validOrder: firstTx, providerFee: { providerFeeAmount: '0' } });
      const reusedTx = await order(renewed.datasets[0]!, first);
      expect(reusedTx).not.toBe(firstTx);
      const customized = { ...request.algorithm, algocustomdata: { separator: ' and ' } };
      const repeated = await start({ ...request, dataset: nameAsset(first, reusedTx), algorithm: customized });
      expect(repeated.jobId).not.toBe(jobId);
      const endedAgain = await awaitEnd(repeated.jobId);
      expect(endedAgain).toMatchObject({ status: 70 });
      expect(await readResults(endedAgain)).toMatchObject({ 'joined.txt': 'one and two' });
    },
    3 * patienceMs,
  );

  test(
    'runs code that the consumer brings along, and stops it when told',
    async () => {
      const dataset = await publishDataset('a dataset');
      const algorithm = { meta: { rawcode: `console.log('waiting'); setInterval(() => {}, 1000);`, language: 'js', version: '1', container } };
      const { datasets } = await quote([nameAsset(dataset)], algorithm);
      const { jobId } = await start({ dataset: nameAsset(dataset, await order(datasets[0]!, dataset)), algorithm });
      await awaitJob(jobId, ({ status }) => status === 40);
      const following = await followLog(jobId);
      await following.saw('waiting');
      await expect(person.call('computeStop', { did: dataset.did, jobId })).resolves.toMatchObject([{ jobId, stopreq: 1 }]);
      const ended = await awaitEnd(jobId);
      expect(ended).toMatchObject({ status: 80, statusText: 'Job stopped' });
      expect(await readResults(ended)).toMatchObject({ 'algorithm.log': 'waiting\n' });
      expect(await following.end).toMatchObject({ code: 0, stdout: 'waiting\n' });
    },
    2 * patienceMs,
  ); // prettier-ignore

  test(
    'is paid with a provider fee where time costs something, and grants the time that was paid',
    async () => {
      const { parts } = own();
      expect(parts.chain.contracts.ocean).toBe(feeToken);
      const dataset = await publishDataset('a dataset');
      const algorithm = { meta: { rawcode: 'setInterval(() => {}, 1000)', language: 'js', version: '1', container } };
      const { datasets } = await quote([nameAsset(dataset)], algorithm, 'paid', inSeconds(12));
      const amount = BigInt(datasets[0]!.providerFee!.providerFeeAmount);
      expect(amount).toBeGreaterThan(0n);
      expect(amount).toBeLessThanOrEqual(10n ** 17n);
      const token = { to: feeToken, abi: loadArtifact('MockERC20Decimals').abi, method: 'transfer' };
      await send(parts.chain.accounts.deployer, token, wallet.address, amount);
      const transferTxId = await order(datasets[0]!, dataset);
      const { jobId, agreementId } = await start({ environment: 'paid', dataset: nameAsset(dataset, transferTxId), algorithm });
      expect(agreementId).toBe(transferTxId);
      expect(await awaitEnd(jobId)).toMatchObject({ status: 81, stopreq: 2 });
    },
    2 * patienceMs,
  );

  test(
    'tells files of an access service and hands them to whoever ordered them',
    async () => {
      const asset = await person.call<Published>('publishAsset', { kind: 'dataset', serviceType: 'access', files: [urlFile('a file')] });
      await expect(person.call('fileInfo', asset)).resolves.toMatchObject([{ valid: true, contentLength: '6', checksumType: 'sha256' }]);
      const item = await person.call<Item>('initialize', asset);
      const transferTxId = await order(item, asset, wallet.address);
      await expect(person.call('download', { ...asset, transferTxId })).resolves.toMatchObject({ status: 200, text: 'a file' });
    },
    patienceMs,
  );
});
