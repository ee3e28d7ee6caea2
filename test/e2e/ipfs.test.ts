import { createHash } from 'node:crypto';
import type { CheckAnswer } from '../../api/v1/schemas.ts';
import { encryptTo } from '../../infra/ocean/ecies.ts';
import { askAsOwner, readDetails, readManifest } from '../support/asOwner.ts';
import { eventually } from '../support/heldJobs.ts';
import { openIpfsNode, type IpfsTestNode } from '../support/ipfs.ts';
import { aContainer, awaitEnd, publishDataset, startRawJob } from '../support/jobs.ts';
import { asRemoteStorage } from '../support/outputs.ts';
import { useOwnStack } from '../support/ownStack.ts';
import { withTemporal } from '../support/traces.ts';

const jobPatienceMs = 90_000;
let node: IpfsTestNode;

const own = useOwnStack(async () => {
  node = await openIpfsNode();
  const stores = [{ name: 'ipfs', kind: 'ipfs', readableByCid: true, collectGarbage: true, nodes: [{ url: node.apiUrl }] }];
  return {
    environments: [{ id: 'ipfs', storage: 'ipfs', free: {}, limits: { transferPatienceSeconds: 1, graceSeconds: 2 } }],
    env: { C2D_STORES: JSON.stringify(stores), C2D_IPFS_GATEWAY: node.gatewayUrl, C2D_AGENT_HEARTBEAT_SECONDS: '1' },
  };
});

afterAll(() => node?.close());

const code = `
const fs = require('node:fs');
const input = fs.readFileSync('/data/inputs/' + JSON.parse(process.env.DIDS)[0] + '/0', 'utf8');
fs.mkdirSync('/data/outputs/sub', { recursive: true });
fs.writeFileSync('/data/outputs/sub/upper.txt', input.toUpperCase());
console.log(input.length + ' characters');`;

const pinsOf = async ({ client }: IpfsTestNode): Promise<readonly string[]> => {
  const pins: string[] = [];
  for await (const { cid } of client.pin.ls({ type: 'recursive' })) pins.push(cid.toString());
  return pins;
};

describe('IPFS', () => {
  test('takes no outputs for a bucket of the consumer unless they are encrypted to a key, and the dry run says so with the same words', async () => {
    const { scene, parts } = own();
    const access = {
      region: 'r',
      bucket: 'mine',
      objectKey: 'results/',
      accessKeyId: 'a',
      secretAccessKey: 'b',
      pathStyle: true,
      aesKey: null,
    };
    const output = asRemoteStorage({ endpoint: 'https://s3.example.org', ...access });
    const algorithm = { meta: { rawcode: '1', container: aContainer(scene.stack.nodeImage) } };
    const start = scene.consumer.freeComputeStart({ environment: 'ipfs', datasets: [], algorithm, output });
    const refusal = await start.then(
      () => 'none',
      (err: Error) => err.message,
    );
    expect(refusal).toMatch(/environment ipfs keeps outputs in IPFS until they are delivered/);

    const { nodePublicKey } = (await (await fetch(parts.apiUrl)).json()) as { nodePublicKey: string };
    const sealed = encryptTo(nodePublicKey, Buffer.from(JSON.stringify(output)));
    const body = JSON.stringify({ environment: 'ipfs', free: true, algorithm, output: sealed });
    const answer = (await (await askAsOwner(scene, 'checks', { method: 'POST', body })).json()) as CheckAnswer;
    expect(answer.reasons.map(({ code }) => code)).toEqual(['RequestInvalid']);
    expect(refusal).toContain(answer.reasons[0]?.cause);
  });

  test(
    'a dataset that lies in IPFS is computed on, the results are found there by their CIDs, and go when their owner says so',
    async () => {
      const { scene } = own();
      const { cid } = await node.client.add('a table that lies in IPFS', { cidVersion: 1, rawLeaves: true });
      const dataset = await publishDataset(scene, { files: [{ type: 'ipfs', hash: cid.toString() }] });
      const { jobId } = await startRawJob(scene, { code, datasets: [dataset] });
      const { job, results, log } = await awaitEnd(scene, jobId);
      expect(job.status).toBe(70);
      expect(results.get('sub%2Fupper.txt')!.toString()).toBe('A TABLE THAT LIES IN IPFS');
      expect(log).toBe('25 characters\n');

      const details = await readDetails(scene, jobId);
      expect(details.results.map(({ name }) => name)).toEqual(['sub%2Fupper.txt', 'algorithm.log']);
      for (const { name, cid: file, sha256 } of details.results) {
        const content = await node.fetchContent(file!);
        expect(createHash('sha256').update(content).digest('hex')).toBe(sha256);
        expect(await node.fetchContent(`${details.resultsCid}/${encodeURIComponent(name)}`)).toBe(content);
      }

      const { predicate } = await readManifest(scene, jobId);
      expect(predicate.outputsCid).toBe(details.resultsCid);
      expect(predicate.outputs.map(({ cid: file }) => file)).toEqual(details.results.map(({ cid: file }) => file));

      const root = await node.client.files.stat(`/durable-c2d/${jobId}/1/sealed`);
      expect(await pinsOf(node)).toContain(root.cid.toString());
      expect((await askAsOwner(scene, `jobs/${jobId}/retention`, { method: 'DELETE' })).status).toBe(200);
      await withTemporal(scene.stack.temporalAddress, (client) => client.schedule.getHandle('c2d-retention').trigger());
      await eventually('the node has dropped the results', async () =>
        node.fetchContent(details.results[0]!.cid!).then(
          () => undefined,
          () => true,
        ),
      );
      expect(await pinsOf(node)).not.toContain(root.cid.toString());
      expect(await node.fetchContent(cid.toString())).toBe('a table that lies in IPFS');
    },
    jobPatienceMs,
  );

  test(
    'while the node is away the results wait, the reason says so, and nothing is lost',
    async () => {
      const { scene } = own();
      const { jobId } = await startRawJob(scene, { code: `require('node:fs').writeFileSync('/data/outputs/kept', 'kept')` });
      node.kill('SIGKILL');
      await node.waitForEnd();
      await eventually('the reason names IPFS', async () => {
        const [job] = await scene.consumer.computeStatus({ jobId });
        return job?.statusReason?.includes('IPFS') === true || undefined;
      });
      await node.restart();
      const { job, results } = await awaitEnd(scene, jobId);
      expect(job.status).toBe(70);
      expect(results.get('kept')!.toString()).toBe('kept');
    },
    jobPatienceMs,
  );
});
