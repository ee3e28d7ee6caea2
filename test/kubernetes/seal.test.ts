import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { KubeConfig, NetworkingV1Api } from '@kubernetes/client-node';
import pg from 'pg';
import { findFreePorts } from '../../infra/toolchain/program.ts';
import { eventually } from '../support/heldJobs.ts';
import { runRawJob } from '../support/jobs.ts';
import { useOwnStack } from '../support/ownStack.ts';
import { clusterOfThisRun } from '../support/testCluster.ts';

const patienceMs = 240_000;
const resources = {
  cpu: { min: 0.05, max: 0.05, total: 4 },
  ram: { min: 0.0625, max: 0.125, total: 4 },
  disk: { min: 0.0625, max: 0.0625, total: 10 },
};
const environments = [{ id: 'small', resources, free: { maxJobs: 4, maxJobDuration: 60 } }];
const policyName = 'leak';

let leakPort: number;
let canaryPort: number;
let leak: Server;
let nodeAddress: string;
let networking: NetworkingV1Api;

/** Whoever connects has got out. */
const openLeak = async (): Promise<void> => {
  const cluster = await clusterOfThisRun();
  ({ nodeAddress } = cluster);
  const config = new KubeConfig();
  config.loadFromFile(cluster.kubeconfig);
  networking = config.makeApiClient(NetworkingV1Api);
  [leakPort = 0, canaryPort = 0] = await findFreePorts(2, nodeAddress);
  leak = createServer((socket) => socket.on('error', () => undefined).destroy()).listen(leakPort, nodeAddress);
  await once(leak, 'listening');
};

afterAll(() => void leak?.close());

describe('an environment of a cluster', () => {
  const own = useOwnStack(async () => {
    await openLeak();
    const env = {
      C2D_SEAL_TEST_SECONDS: '15',
      C2D_SEAL_TEST_TARGETS: `${nodeAddress}:${leakPort}`,
      C2D_GATEWAY_CANARY_PORT: String(canaryPort),
    };
    return { cluster: await clusterOfThisRun(), environments, env };
  });

  /** Lets pods out to one port of this machine, beside what the chart's policies allow: policies add up. */
  const allow = (port: number): Promise<unknown> =>
    networking.createNamespacedNetworkPolicy({
      namespace: own().parts.instance,
      body: {
        metadata: { name: policyName },
        spec: {
          podSelector: {},
          policyTypes: ['Egress'],
          egress: [{ to: [{ ipBlock: { cidr: `${nodeAddress}/32` } }], ports: [{ protocol: 'TCP', port }] }],
        },
      },
    });
  const forbid = (): Promise<unknown> => networking.deleteNamespacedNetworkPolicy({ namespace: own().parts.instance, name: policyName });

  const isOffered = async (): Promise<boolean> => (await own().scene.consumer.environments()).some(({ id }) => id === 'small');
  const becomes = (offered: boolean): Promise<true> =>
    eventually(
      `the environment is ${offered ? 'offered' : 'withdrawn'}`,
      async () => ((await isOffered()) === offered ? true : undefined),
      patienceMs,
    );
  const inLedger = async <Row extends pg.QueryResultRow>(query: string): Promise<readonly Row[]> => {
    const client = new pg.Client({ connectionString: own().parts.databaseUrl });
    await client.connect();
    try {
      return (await client.query<Row>(query)).rows;
    } finally {
      await client.end();
    }
  };
  const verdict = async () => (await inLedger<{ verdict: string; reason: string }>('select verdict, reason from environment_verdicts'))[0];

  afterEach(async () => {
    await forbid().catch(() => undefined);
  });

  test('is offered, because a job of its own has tried to get out and could not', async () => {
    expect(await isOffered()).toBe(true);
    expect(await verdict()).toEqual({ verdict: 'sealed', reason: 'a job reached nothing but the gateway' });
    const log = await inLedger<{ text: string }>(
      `select convert_from(string_agg(bytes, '' order by start_offset), 'utf8') as text
       from job_logs join jobs using (job_id) where surface = 'selfTest' group by job_id limit 1`,
    );
    expect(log[0]?.text).toMatch(
      /^reached nothing but the gateway; tried the gateway, the cluster's API, .*metadata, the node's kubelet\n$/,
    );
  });

  test(
    'is withdrawn when a job gets out, with what it reached, takes no job then, and comes back once it is sealed again',
    async () => {
      await allow(leakPort);
      await becomes(false);
      expect(await verdict()).toEqual({
        verdict: 'unsealed',
        reason: `reached ${nodeAddress}:${leakPort} at ${nodeAddress} port ${leakPort}: it takes connections`,
      });
      await forbid();
      await becomes(true);
      const ended = await runRawJob(own().scene, { environment: 'small', code: 'console.log(1)' });
      expect(ended.job.status).toBe(70);
    },
    2 * patienceMs,
  );

  test(
    'is withdrawn when agents reach the canary: no algorithm begins',
    async () => {
      await allow(canaryPort);
      await becomes(false);
      expect((await verdict())?.reason).toMatch(/can reach an address that its network policy must deny/);
    },
    patienceMs,
  );
});
