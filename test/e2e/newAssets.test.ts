/** Outputs that become an asset: from one consumer's job to the input of another's, with the unmodified client library. */

import { setTimeout as delay } from 'node:timers/promises';
import type { JobDetails } from '../../api/v1/schemas.ts';
import { callRpc } from '../../infra/toolchain/chain/anvil.ts';
import { loadArtifact } from '../../infra/toolchain/chain/artifacts.ts';
import { trustAlgorithm } from '../../infra/toolchain/demo/checksums.ts';
import type { PublishedAsset } from '../../infra/toolchain/demo/clientTypes.ts';
import { aContainer, awaitEnd, firstEnvironment, publishAlgorithm, startOrderedJob } from '../support/jobs.ts';
import { useOwnStack } from '../support/ownStack.ts';
import { fundWallet } from '../support/people.ts';

const own = useOwnStack({
  environments: [
    {
      id: 'making',
      free: { maxJobs: 8 },
      // the address in the documents; the client is told where the service is
      assets: { chainId: 8996, serviceEndpoint: 'http://127.0.0.1:8000', freeJobs: true },
    },
  ],
});

const patienceMs = 240_000;
const code = `require('node:fs').writeFileSync('/data/outputs/answer.txt', 'forty-two');`;
const digest = `
const fs = require('node:fs');
const [did] = JSON.parse(process.env.DIDS);
fs.writeFileSync('/data/outputs/copy.txt', fs.readFileSync('/data/inputs/' + did + '/0', 'utf8') + ' again');`;

const call = async (path: string, init: { token: string; body?: unknown }): Promise<{ status: number; json: Record<string, unknown> }> => {
  const response = await fetch(`${own().scene.stack.apiUrl}${path}`, {
    method: init.body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${init.token}`, 'content-type': 'application/json' },
    ...(init.body === undefined ? {} : { body: JSON.stringify(init.body) }),
  });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
};

const jobOf = (publishOutput: unknown) => ({
  ...{ environment: 'making', free: true, queueMaxWaitTime: 60, publishOutput },
  algorithm: { meta: { rawcode: code, container: aContainer(own().scene.stack.nodeImage) } },
});

const awaitDetails = async (id: string, token: string, isWanted: (job: JobDetails) => boolean): Promise<JobDetails> => {
  const deadline = performance.now() + 90_000;
  for (;;) {
    const job = (await call(`/api/v1/jobs/${id}`, { token })).json as unknown as JobDetails;
    if (isWanted(job)) return job;
    if (performance.now() > deadline) throw new Error(`the job is ${job.status}, its asset ${JSON.stringify(job.asset)}`);
    await delay(100);
  }
};

const rpc = (method: string, ...params: unknown[]): Promise<unknown> => callRpc(own().parts.chain.rpcUrl, [{ method, params }]);

const nftsOf = async (creator: string): Promise<number> => {
  const { provider, contracts } = own().parts.chain;
  const { abi } = loadArtifact('ERC721Factory');
  const logs = await provider.getLogs({ address: contracts.erc721Factory, fromBlock: 0, topics: abi.encodeFilterTopics('NFTCreated', []) });
  return logs.filter((log) => String(abi.parseLog(log)?.args['creator']) === creator).length;
};

describe('outputs as an asset', () => {
  test(
    'are refused before the job while the key of the service has no funds',
    async () => {
      const { consumer } = own().scene;
      const { consumerAddress } = await firstEnvironment(consumer);
      await rpc('anvil_setBalance', consumerAddress, '0x0');
      const token = await consumer.generateAuthToken();
      const { status, json } = await call('/api/v1/jobs', { token, body: jobOf({}) });
      expect({ status, code: json['code'] }).toEqual({ status: 503, code: 'KeyNeedsFunds' });
    },
    patienceMs,
  );

  test(
    "are made one, also when the orchestrator is killed meanwhile, and are the input of another consumer's job",
    async () => {
      const { scene, parts } = own();
      const { consumer, publisher } = scene;
      const { consumerAddress } = await firstEnvironment(consumer);
      await fundWallet(scene.stack.rpcUrl, consumerAddress);
      const container = aContainer(scene.stack.nodeImage);
      // whoever orders the new asset brings this algorithm, and no other may compute on it
      const algorithm = await publishAlgorithm(scene, { contents: [digest], container });
      const trusted = trustAlgorithm(algorithm, [Buffer.from(digest)], container);
      const token = await consumer.generateAuthToken();
      const compute = { publisherTrustedAlgorithms: [trusted] };
      const asked = { services: ['compute'], compute, metadata: { name: 'an answer' } };

      await rpc('evm_setAutomine', false);
      const { json } = await call('/api/v1/jobs', { token, body: jobOf(asked) });
      const id = String(json['id']);
      scene.jobs.add(id);
      // the terminal status does not wait for the chain
      expect(await awaitDetails(id, token, ({ ended, asset }) => ended && asset?.state === 'publishing')).toMatchObject({ status: 70 });
      parts.processes.orchestrator.kill('SIGKILL');
      await parts.processes.orchestrator.waitForEnd();
      await rpc('evm_setAutomine', true);
      await rpc('evm_mine');
      await parts.processes.orchestrator.restart();
      const { asset } = await awaitDetails(id, token, (job) => job.asset?.state === 'published');
      expect(asset).toMatchObject({ chainId: 8996, reason: null, did: expect.stringMatching(/^did:op:/) as unknown });
      expect(await nftsOf(consumerAddress)).toBe(1);

      const { did, nftAddress, datatokenAddress } = asset as { did: string; nftAddress: string; datatokenAddress: string };
      const ddo = (await publisher.resolveDdo(did)) as { services: { id: string }[] };
      const bought: PublishedAsset = { did, nftAddress, datatokenAddress, serviceId: ddo.services[0]!.id, ddo: { ...ddo } };
      await consumer.offerForFree({ datatokenAddress });
      const second = { ...scene, consumer: publisher };
      const { jobId } = await startOrderedJob(second, { algorithm, datasets: [bought] });
      const { job, results } = await awaitEnd(second, jobId);
      expect(job).toMatchObject({ status: 70, inputDID: [did] });
      expect(results.get('copy.txt')!.toString()).toBe('forty-two again');
    },
    patienceMs,
  );
});
