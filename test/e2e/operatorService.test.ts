import { setTimeout as delay } from 'node:timers/promises';
import { Wallet } from 'ethers';
import { publicKeyOf } from '../../infra/ocean/ecies.ts';
import { publishAsset, type AssetTemplate, type PublishedAsset } from '../../infra/toolchain/chain/publishAsset.ts';
import { findFreePorts } from '../../infra/toolchain/program.ts';
import { aNonce, aStage, orderedInput, signAsProvider } from '../api/operator/support/operatorWorld.ts';
import { aTransaction } from '../support/builders.ts';
import { aContainer } from '../support/jobs.ts';
import { startLegacyProvider, type LegacyProvider } from '../support/legacyProvider.ts';
import { awaitWaiting } from '../support/heldJobs.ts';
import { useOwnStack } from '../support/ownStack.ts';

interface Job {
  readonly jobId: string;
  readonly agreementId: string;
  readonly status: number;
  readonly statusText: string;
  readonly dateFinished: string | null;
  readonly results: '' | readonly { readonly filename: string; readonly type: string }[];
  readonly stopreq: number;
  readonly algoDID: string;
  readonly inputDID: readonly string[];
}

interface Ordered {
  readonly did: string;
  readonly serviceId: string;
  readonly txId: string;
}

const patienceMs = 90_000;
const environment = 'local';

describe('an existing Provider that hands its jobs over', () => {
  const provider = new Wallet(Wallet.createRandom().privateKey);
  const stranger = new Wallet(Wallet.createRandom().privateKey);
  const owner = Wallet.createRandom().address;
  let legacy: LegacyProvider;
  let operatorUrl: string;

  const own = useOwnStack(async () => {
    const [port] = await findFreePorts(1);
    operatorUrl = `http://127.0.0.1:${port}/api/v1/operator`;
    return {
      environments: [{ id: environment, free: {} }],
      env: { C2D_OPERATOR_PORT: String(port), C2D_OPERATOR_PROVIDERS: `${provider.address},${stranger.address}` },
    };
  });

  const send = async (method: string, path: string, query: Record<string, string> = {}, body?: string): Promise<Response> =>
    fetch(`${operatorUrl}/${path}?${new URLSearchParams(query).toString()}`, {
      method,
      ...(body !== undefined && { body, headers: { 'content-type': 'application/json' } }),
    });
  const signed = (jobId: string, signer = provider) => {
    const nonce = aNonce();
    return { owner, jobId, nonce, providerSignature: signAsProvider(signer, `${owner}${jobId}${nonce}`) };
  };

  beforeAll(async () => {
    legacy = await startLegacyProvider('/provider');
    const environments = (await (await send('GET', 'environments', { chain_id: '8996' })).json()) as {
      id: string;
      consumerAddress: string;
    }[];
    expect(environments.map(({ id }) => id)).toEqual([environment]);
    // orders of its consumers name this address, and files are handed out to nobody else
    legacy.consumerAddress = environments[0]!.consumerAddress;
  });
  afterAll(() => legacy.close());

  /** An asset whose document and files only that Provider can decrypt, and an order of it. */
  const publish = async (asset: AssetTemplate, files: readonly string[]): Promise<Ordered> => {
    const { parts } = own();
    const published: PublishedAsset = await publishAsset({
      chain: parts.chain,
      signer: parts.chain.accounts.publisher,
      providerPublicKey: publicKeyOf(provider.privateKey),
      providerUrl: legacy.url,
      asset,
      form: {},
    });
    const [serviceId] = published.serviceIds;
    const txId = aTransaction();
    legacy.hold({ documentId: published.did, serviceId: serviceId!, transferTxId: txId, files });
    return { did: published.did, serviceId: serviceId!, txId };
  };
  const hidden = [{ type: 'url', url: 'http://10.0.0.1/private', method: 'GET' }];
  const publishDataset = (...files: string[]) =>
    publish({ type: 'dataset', services: [{ type: 'compute', timeout: 0, compute: { allowRawAlgorithm: true }, files: hidden }] }, files);
  const input = ({ did, serviceId, txId }: Ordered) => orderedInput(did, serviceId, { remote: { txId, serviceId } });

  const start = async (stage: object): Promise<Job> => {
    const nonce = aNonce();
    const body = {
      ...{ workflow: { stages: [aStage(stage)] }, agreementId: aTransaction(), owner, providerAddress: provider.address, environment },
      ...{ providerSignature: signAsProvider(provider, owner + nonce), nonce, chainId: 8996 },
      validUntil: Math.floor(Date.now() / 1_000) + 3_600,
    };
    // a Provider's nonce is an integer of 19 digits
    const answer = await send('POST', 'compute', {}, JSON.stringify(body).replace(/"nonce":"(\d+)"/, '"nonce":$1'));
    const jobs = (await answer.json()) as Job[];
    expect([answer.status, jobs]).toEqual([200, [expect.objectContaining({ status: 1, statusText: 'Warming up' })]]);
    own().scene.jobs.add(jobs[0]!.jobId);
    return jobs[0]!;
  };
  const read = async (jobId: string, signer = provider): Promise<readonly Job[]> =>
    (await (await send('GET', 'compute', signed(jobId, signer))).json()) as Job[];
  const awaitJob = async (jobId: string, isWanted: (job: Job) => boolean): Promise<Job> => {
    for (const deadline = performance.now() + patienceMs; ; await delay(200)) {
      const [job] = await read(jobId);
      if (job !== undefined && isWanted(job)) return job;
      if (performance.now() > deadline) throw new Error(`job ${jobId} is still ${job?.statusText}`);
    }
  };
  const awaitEnd = (jobId: string): Promise<Job> => awaitJob(jobId, ({ dateFinished }) => dateFinished !== null);
  const readResults = async ({ jobId, results }: Job): Promise<Record<string, string>> => {
    const texts: Record<string, string> = {};
    for (const [index, { filename }] of (results === '' ? [] : results).entries()) {
      const answer = await send('GET', 'getResult', { ...signed(jobId), index: String(index) });
      expect(answer.status).toBe(200);
      texts[filename] = await answer.text();
    }
    return texts;
  };

  test(
    'gets results of a published algorithm on its datasets, whose files it alone can open',
    async () => {
      const code = `
        const fs = require('node:fs');
        const read = (did) => fs.readdirSync('/data/inputs/' + did).map((name) => fs.readFileSync('/data/inputs/' + did + '/' + name, 'utf8'));
        fs.writeFileSync('/data/outputs/joined.txt', JSON.parse(process.env.DIDS).flatMap(read).join('+'));
        console.log('done');`;
      const container = aContainer(own().scene.stack.nodeImage);
      const [first, second] = [await publishDataset('one', 'more of one'), await publishDataset('two')];
      const asset: AssetTemplate = {
        type: 'algorithm',
        algorithm: { language: 'js', version: '1', container },
        services: [{ type: 'access', timeout: 0, files: hidden }],
      };
      const algorithm = await publish(asset, [code]);
      const remote = { txId: algorithm.txId, serviceId: algorithm.serviceId };
      const job = await start({ input: [input(first), input(second)], algorithm: { id: algorithm.did, rawcode: '', container, remote } });
      const ended = await awaitEnd(job.jobId);
      expect(ended).toMatchObject({ status: 70, statusText: 'Job finished', agreementId: job.agreementId, algoDID: algorithm.did });
      expect(ended.inputDID).toEqual([first.did, second.did]);
      expect(await readResults(ended)).toEqual({ 'joined.txt': 'one+more of one+two', 'algorithm.log': 'done\n' });
    },
    2 * patienceMs,
  );

  test(
    'stops a job on files at addresses, and another Provider sees nothing of it',
    async () => {
      const { files, stack } = own().scene;
      const rawcode = `console.log('waiting'); require('node:fs').writeFileSync('/data/outputs/input', 'begun'); setInterval(() => {}, 1000);`;
      const algorithm = { id: '', url: null, rawcode, container: aContainer(stack.nodeImage) };
      const { jobId } = await start({ input: [{ index: 0, url: [files.serve('rows')] }], algorithm });
      await awaitJob(jobId, ({ status }) => status === 40);
      await awaitWaiting(own().scene, { jobId });
      expect(await read(jobId, stranger)).toEqual([]);
      expect((await send('GET', 'getResult', { ...signed(jobId, stranger), index: '0' })).status).toBe(404);
      expect((await send('PUT', 'compute', signed(jobId))).status).toBe(200);
      const ended = await awaitEnd(jobId);
      expect(ended).toMatchObject({ status: 80, statusText: 'Job stopped', stopreq: 1 });
      expect(await readResults(ended)).toMatchObject({ 'algorithm.log': 'waiting\n' });
    },
    2 * patienceMs,
  );

  test(
    'is told which dataset it refused to hand out',
    async () => {
      const dataset = await publishDataset('rows');
      const algorithm = { id: '', url: null, rawcode: `console.log(1)`, container: aContainer(own().scene.stack.nodeImage) };
      const { jobId } = await start({ input: [input({ ...dataset, txId: aTransaction() })], algorithm });
      const ended = await awaitEnd(jobId);
      expect(ended.status).toBe(31);
    },
    2 * patienceMs,
  );
});
