import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connectCluster } from '../../../infra/pods/clusterClient.ts';
import { kubernetesPods } from '../../../infra/pods/kubernetes.ts';
import type { PodRuntime, PodSpec } from '../../../workflows/contract/pod.ts';
import { anywhere } from '../../../workflows/contract/pod.ts';
import { podName } from '../../../workflows/contract/ids.ts';

const pod = { jobId: 'a'.repeat(32), podAttempt: 1 };
const name = podName(pod);
const spec: PodSpec = {
  ...{ pod, environmentId: 'small', image: 'r.example/a:1', command: ['sh'], env: {}, token: 'token', placement: anywhere },
  filters: [],
  ...{ deadlineSeconds: 60, createSeconds: 60, graceSeconds: 5, publishSeconds: 30 },
  resources: { cpu: 1, memoryBytes: 1, diskBytes: 1, devices: {} },
  registryCredentials: { username: 'reader', password: 'the-password' },
};

/** What the API server was asked, in order; and what it answers to calls about secrets, if that is not what it should be. */
let calls: string[];
let trouble: number | undefined;
let objects: Map<string, object>;
let server: Server;
let folder: string;
let runtimeOf: (registryCredentials: boolean) => PodRuntime;

/** As much of the cluster's API as pods and their secrets need, with its answers. */
const startApi = async (): Promise<Server> => {
  const api = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const [, kind = '', found = ''] = /^\/api\/v1\/namespaces\/jobs\/(pods|secrets)(?:\/([^?]+))?/.exec(req.url ?? '') ?? [];
      calls.push(`${req.method} ${kind} ${found}`.trim());
      const answer = (status: number, body: object): void => {
        res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      };
      const body = chunks.length > 0 ? (JSON.parse(Buffer.concat(chunks).toString()) as { metadata?: { name?: string } }) : {};
      const key = `${kind}/${found === '' ? body.metadata?.name : found}`;
      const told = objects.get(key);
      if (kind === 'secrets' && trouble !== undefined) answer(trouble, { kind: 'Status', message: `forbidden: ${JSON.stringify(body)}` });
      else if (req.method === 'POST' && told !== undefined) answer(409, { kind: 'Status', reason: 'AlreadyExists' });
      else if (req.method === 'POST') {
        const made = { ...body, metadata: { ...body.metadata, uid: 'u1' } };
        objects.set(key, made);
        answer(201, made);
      } else if (told === undefined) answer(404, { kind: 'Status', reason: 'NotFound' });
      else {
        if (req.method === 'DELETE') objects.delete(key);
        answer(200, told);
      }
    });
  });
  api.listen(0, '127.0.0.1');
  await once(api, 'listening');
  return api;
};

beforeAll(async () => {
  server = await startApi();
  folder = await mkdtemp(path.join(tmpdir(), 'c2d-kubeconfig-'));
  const kubeconfigPath = path.join(folder, 'config');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const config = {
    ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'c' },
    clusters: [{ name: 'c', cluster: { server: url, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'u', user: {} }],
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
  };
  await writeFile(kubeconfigPath, JSON.stringify(config));
  const cluster = connectCluster({ kubeconfigPath, namespace: 'jobs' });
  const settings = { instance: 'here', agentImage: 'agent:1', imagePullSecrets: [], hostUsers: true, tmpBytes: 1 };
  runtimeOf = (registryCredentials) =>
    kubernetesPods({
      cluster,
      settings: { ...settings, registryCredentials, agentMemoryBytes: 1, agentCpu: 1 },
      gatewayUrl: 'http://127.0.0.1:1',
    });
});

afterAll(async () => {
  server.close();
  server.closeAllConnections();
  await rm(folder, { recursive: true, force: true });
});

beforeEach(() => {
  calls = [];
  trouble = undefined;
  objects = new Map();
});

const create = (runtime: PodRuntime, over: Partial<PodSpec> = {}): Promise<void> => runtime.create({ ...spec, ...over }, () => undefined);

describe('the secret of a pod attempt', () => {
  test('is there before its pod, and goes with it', async () => {
    const runtime = runtimeOf(true);
    await create(runtime);
    expect(calls).toEqual(['POST secrets', 'POST pods']);
    expect([...objects.keys()]).toEqual([`secrets/${name}`, `pods/${name}`]);
    await runtime.remove(pod);
    expect([...objects.keys()]).toEqual([]);
  });

  test('is made once, and never read', async () => {
    const runtime = runtimeOf(true);
    await create(runtime);
    await create(runtime);
    await runtime.remove(pod);
    await runtime.remove(pod);
    expect(calls.filter((call) => call.includes('secrets') && !/^(POST|DELETE) /.test(call))).toEqual([]);
    expect([...objects.keys()]).toEqual([]);
  });

  test('goes although its pod never came to be', async () => {
    objects.set(`secrets/${name}`, {});
    await runtimeOf(true).remove(pod);
    expect([...objects.keys()]).toEqual([]);
  });

  test('is not made for a job that brings no credentials', async () => {
    const { registryCredentials: _none, ...plain } = spec;
    await runtimeOf(true).create(plain, () => undefined);
    expect(calls).toEqual(['POST pods']);
  });

  test('that the cluster refuses is told as missing rights, without what is in it, and no pod is made', async () => {
    trouble = 403;
    const err: unknown = await create(runtimeOf(true)).catch((thrown: unknown) => thrown);
    expect(err).toMatchObject({ type: 'ClusterMisconfigured', retryAfterSeconds: 5 });
    expect(String((err as Error).stack)).not.toMatch(/the-password|reader/);
    expect([...objects.keys()]).toEqual([]);
  });
});

describe('where jobs may bring no credentials', () => {
  test('nothing is asked of secrets, and a job that brought some is told who has to act', async () => {
    const runtime = runtimeOf(false);
    await expect(create(runtime)).rejects.toMatchObject({
      type: 'ClusterMisconfigured',
      message: expect.stringMatching(/C2D_REGISTRY_CREDENTIALS/),
    });
    await runtime.remove(pod);
    expect(calls.filter((call) => call.includes('secrets'))).toEqual([]);
  });
});
