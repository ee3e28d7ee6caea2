import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { createKeyring, keyringText } from '../../infra/crypto/keyring.ts';
import { createPodTokens } from '../../infra/crypto/podToken.ts';
import { encryptTo } from '../../infra/ocean/ecies.ts';
import { nameAsset } from '../../infra/toolchain/demo/ordering.ts';
import type { PublishedAsset } from '../../infra/toolchain/demo/clientTypes.ts';
import type { ServiceKeys } from '../../infra/toolchain/serviceEnvironment.ts';
import { jobWorkflowId } from '../../workflows/contract/ids.ts';
import { aCanary, findCanaries, flatten } from '../support/canaries.ts';
import { awaitJob, createCaller, send, type RawAnswer } from '../support/callers.ts';
import { aContainer } from '../support/jobs.ts';
import { useScene } from '../support/scene.ts';
import { podsOfThisRun } from '../support/testCluster.ts';
import { dumpLedger, withTemporal } from '../support/traces.ts';

const scene = useScene();
const patienceMs = 180_000;

const names = [
  ...['urlPath', 'urlQuery', 'urlHeader', 'urlPassword', 'hostname', 'redirect', 'sourceBody', 'datasetContent', 'algorithmContent'],
  ...['algorithmQuery', 'rawCode', 'rawUrl', 'env', 'customData', 'datasetUserdata', 'algorithmUserdata', 'fileObject', 'malformed'],
  ...['registryPassword'],
] as const;
const canary = Object.fromEntries(names.map((name) => [name, aCanary(name)])) as Record<(typeof names)[number], string>;

const caller = createCaller();
const answers: RawAnswer[] = [];
const jobs: string[] = [];
/** what Temporal tells of running workflows, gathered while they ran */
const descriptions: string[] = [];
let server: Server;
let base: string;
let nodePublicKey: string;
const seenHeaders: string[] = [];
const seenPaths = new Set<string>();

/** A data source whose addresses are secret, and which says things that it should not. */
const startSource = async (): Promise<void> => {
  server = createServer((req, res) => {
    seenHeaders.push(String(req.headers['x-api-key']));
    const { pathname } = new URL(req.url ?? '', 'http://source');
    seenPaths.add(pathname);
    if (pathname === `/${canary.urlPath}/data`) res.end(canary.datasetContent);
    else if (pathname === '/algorithm')
      res.end(`// ${canary.algorithmContent}\nrequire('node:fs').writeFileSync('/data/outputs/done', 'done');`);
    else if (pathname === '/redirect') res.writeHead(302, { location: `${base}/forbidden?signature=${canary.redirect}` }).end();
    else if (pathname === '/broken') req.socket.destroy();
    else if (pathname === '/failing') res.writeHead(500, canary.sourceBody).end(`cannot read ${canary.sourceBody}`);
    else res.writeHead(403, { 'x-reason': canary.sourceBody }).end(`no access with ${canary.sourceBody}`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const call = async (method: string, route: string, request: Parameters<typeof send>[3]): Promise<RawAnswer> => {
  const answer = await send(scene().stack.apiUrl, method, route, request);
  answers.push(answer);
  return answer;
};

const publish = (url: string): Promise<PublishedAsset> =>
  scene().publisher.publishAsset({
    ...{ kind: 'dataset', name: 'secret address' },
    files: [{ type: 'url', url, method: 'GET', headers: { 'x-api-key': canary.urlHeader } }],
    compute: {
      ...{ allowRawAlgorithm: true, allowNetworkAccess: false },
      ...{ publisherTrustedAlgorithmPublishers: ['*'], publisherTrustedAlgorithms: [] },
    },
  });

interface Start {
  readonly dataset?: PublishedAsset;
  readonly algorithm?: Readonly<Record<string, unknown>>;
  readonly over?: Readonly<Record<string, unknown>>;
}

/** Where pods run on a cluster, jobs with credentials for a registry are refused. */
const sealRegistryPassword = (): string =>
  encryptTo(nodePublicKey, Buffer.from(JSON.stringify({ username: 'reader', password: canary.registryPassword }))).slice(2);

const start = async ({ dataset, algorithm, over = {} }: Start): Promise<RawAnswer> => {
  const raw = { rawcode: `// ${canary.rawCode}\nprocess.exit(3)`, container: aContainer(scene().stack.nodeImage) };
  return call('POST', '/api/services/freeCompute', {
    body: {
      environment: 'brief',
      datasets: dataset === undefined ? [] : [{ ...nameAsset(dataset), userdata: { note: canary.datasetUserdata } }],
      algorithm: {
        ...(algorithm ?? { meta: raw }),
        userdata: { note: canary.algorithmUserdata },
        algocustomdata: { key: canary.customData },
        envs: { API_TOKEN: canary.env },
      },
      queueMaxWaitTime: 120,
      ...(podsOfThisRun !== 'kubernetes' && { encryptedDockerRegistryAuth: sealRegistryPassword() }),
      ...over,
      ...caller.credentials('freeStartCompute'),
    },
  });
};

const follow = async (jobId: string): Promise<void> => {
  await withTemporal(scene().stack.temporalAddress, async (client) => {
    const handle = client.workflow.getHandle(jobWorkflowId(jobId));
    await awaitJob(scene().stack.apiUrl, jobId, (job) => {
      void handle.describe().then(
        ({ raw }) => descriptions.push(flatten(raw)),
        () => undefined,
      );
      return job.dateFinished !== null;
    });
    descriptions.push(flatten((await handle.describe()).raw));
  });
};

const remember = (answer: RawAnswer): string => {
  expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
  const [{ jobId } = { jobId: '' }] = answer.json as { jobId: string }[];
  jobs.push(jobId);
  scene().jobs.add(jobId);
  return jobId;
};

/** Reads everything that the API says of the jobs, rightly and wrongly asked. */
const readAll = async (): Promise<void> => {
  for (const jobId of jobs) {
    await call('GET', '/api/services/compute', { query: { jobId } });
    await call('GET', '/api/services/computeStreamableLogs', { query: { jobId, ...caller.credentials('getComputeStreamableLogs') } });
    for (const index of ['0', '1', '2'])
      await call('GET', '/api/services/computeResult', { query: { jobId, index, ...caller.credentials('getComputeResult') } });
    await call('PUT', '/api/services/compute', { query: { jobId, ...createCaller().credentials('stopCompute') } });
  }
  await call('GET', '/api/services/compute', { query: { consumerAddress: caller.address } });
};

let secrets: Record<string, string | Buffer>;

beforeAll(async () => {
  ({ nodePublicKey } = (await (await fetch(scene().stack.apiUrl)).json()) as { nodePublicKey: string });
  await startSource();
  const algorithm = await scene().publisher.publishAsset({
    ...{ kind: 'algorithm', name: 'secret address too' },
    files: [
      { type: 'url', url: `${base}/algorithm?key=${canary.algorithmQuery}`, method: 'GET', headers: { 'x-api-key': canary.urlHeader } },
    ],
    algorithm: { language: 'js', version: '1', container: aContainer(scene().stack.nodeImage) },
  });
  const sources = [
    `${base}/${canary.urlPath}/data?sig=${canary.urlQuery}`,
    `${base}/${canary.urlPath}/forbidden?sig=${canary.urlQuery}`,
    `${base}/failing?sig=${canary.urlQuery}`,
    `${base}/broken?sig=${canary.urlQuery}`,
    `${base}/redirect?sig=${canary.urlQuery}`,
    `http://reader:${canary.urlPassword}@127.0.0.1:${new URL(base).port}/data`,
    `http://${canary.hostname}.invalid/data?sig=${canary.urlQuery}`,
    // nobody listens there
    `http://127.0.0.1:1/${canary.urlPath}?sig=${canary.urlQuery}`,
    // an address that the service does not connect to
    `http://169.254.169.254/${canary.urlPath}?sig=${canary.urlQuery}`,
  ];
  const datasets: PublishedAsset[] = [];
  for (const url of sources) datasets.push(await publish(url));
  const [good] = datasets;
  const starts: Start[] = [
    { ...(good && { dataset: good }), algorithm: nameAsset(algorithm) },
    ...datasets.map((dataset) => ({ dataset })),
    { algorithm: { meta: { url: `${base}/${canary.rawUrl}?sig=${canary.rawUrl}`, container: aContainer(scene().stack.nodeImage) } } },
  ];
  const started: string[] = [];
  for (const one of starts) started.push(remember(await start(one)));
  await Promise.all(started.map(follow));

  const { fileObject } = canary;
  const bare = { type: 'url', url: `${base}/${fileObject}`, method: 'GET', headers: { authorization: fileObject } };
  // refused, each for another reason, each with secrets in it
  await start({ over: { datasets: [{ fileObject: bare }] } });
  await start({ over: { datasets: [{ fileObject: { ...bare, url: `ftp://${fileObject}` } }] } });
  await start({ algorithm: { meta: { url: `ftp://${canary.rawUrl}/`, container: aContainer('none:none') } } });
  await start({ over: { environment: 'unheard-of' } });
  await start({ over: { resources: [{ id: 'cpu', amount: canary.malformed }] } });
  await start({ over: { algorithm: { envs: canary.malformed, userdata: canary.malformed } } });
  await call('POST', '/api/services/freeCompute', { body: `{"environment": "${canary.malformed}` });
  await call('POST', '/api/services/freeCompute', { body: `{"algorithm": ${canary.malformed}}` });
  await readAll();

  const keys = JSON.parse(await readFile(path.join(scene().stack.folder, 'keys.json'), 'utf8')) as ServiceKeys;
  const keyring = createKeyring(keyringText.parse(keys.encryptionKeys));
  const tokens = jobs.map((jobId) => createPodTokens(keyring).tokenOf({ jobId, podAttempt: 1 }).split('.').at(-1)!);
  secrets = {
    ...canary,
    providerKey: Buffer.from(keys.providerPrivateKey.slice(2), 'hex'),
    encryptionKey: Buffer.from(keys.encryptionKeys.split(':').at(-1)!, 'base64'),
    ...Object.fromEntries(tokens.map((token, index) => [`podToken${index}`, token])),
  };
}, patienceMs);

afterAll(async () => {
  server?.closeAllConnections();
  server?.close();
});

const logFiles = async (): Promise<ReadonlyMap<string, string>> => {
  const folder = path.join(scene().stack.folder, 'logs');
  const files = await readdir(folder);
  return new Map(await Promise.all(files.map(async (file) => [file, await readFile(path.join(folder, file), 'latin1')] as const)));
};

describe('what is secret is not found (complaint: signed addresses in logs)', () => {
  test('although the jobs used it, and failed in all the ways they should', () => {
    expect(seenHeaders).toContain(canary.urlHeader);
    const { urlPath, rawUrl } = canary;
    const asked = [
      `/${urlPath}/data`,
      `/${urlPath}/forbidden`,
      '/failing',
      '/broken',
      '/redirect',
      '/forbidden',
      '/algorithm',
      `/${rawUrl}`,
    ];
    expect([...seenPaths]).toEqual(expect.arrayContaining(asked));
    expect(jobs.length).toBeGreaterThan(10);
    expect(answers.filter(({ status }) => status >= 400).length).toBeGreaterThan(30);
  });

  test('in any answer of the API', () => {
    for (const answer of answers) expect(findCanaries(answer.text, secrets)).toEqual([]);
    expect(answers.some(({ text }) => text.includes(jobs[0]!))).toBe(true);
  });

  test("in any history, or in what Temporal tells of a running workflow, as seen without the service's keys", async () => {
    await withTemporal(scene().stack.temporalAddress, async (client) => {
      for (const jobId of jobs) {
        const history = flatten(await client.workflow.getHandle(jobWorkflowId(jobId)).fetchHistory());
        expect(history).toContain('validateOrder');
        expect(findCanaries(history, secrets)).toEqual([]);
      }
    });
    for (const description of descriptions) expect(findCanaries(description, secrets)).toEqual([]);
    expect(descriptions.some((text) => text.includes('stageInputs'))).toBe(true);
  });

  test('in the files of the Temporal server', async () => {
    const { folder } = scene().stack;
    const files = (await readdir(folder)).filter((name) => name.startsWith('temporal.db'));
    const contents = await Promise.all(files.map((file) => readFile(path.join(folder, file), 'latin1')));
    for (const content of contents) expect(findCanaries(content, secrets)).toEqual([]);
    expect(contents.some((content) => content.includes(jobs[0]!))).toBe(true);
  });

  test('in any column of the ledger', async () => {
    const dump = await dumpLedger(scene().stack.databaseUrl);
    for (const row of dump) expect(findCanaries(row, secrets)).toEqual([]);
    expect(dump.some((row) => row.includes(jobs[0]!))).toBe(true);
  });

  test('in the log of any process', async () => {
    const logs = await logFiles();
    expect([...logs.keys()]).toEqual(
      expect.arrayContaining(['api.log', 'gateway.log', 'orchestrator.log', 'postgres.log', 'temporal.log']),
    );
    for (const [file, text] of logs) expect([file, findCanaries(text, secrets)]).toEqual([file, []]);
    // jobs that fail are logged by their ids
    const all = [...logs.values()].join('');
    expect(jobs.some((jobId) => all.includes(jobId))).toBe(true);
  });
});

describe('the search', () => {
  test.each([
    ['plain', (text: string) => text],
    ['hex', (text: string) => Buffer.from(text).toString('hex')],
    ['base64', (text: string) => Buffer.from(`ab${text}c`).toString('base64')],
    ['base64url in a longer text', (text: string) => Buffer.from(`{"a":"${text}"}`).toString('base64url')],
  ])('finds a secret in %s', (_title, spell) => {
    expect(findCanaries(`before ${spell(canary.env)} after`, { env: canary.env })).not.toEqual([]);
  });
});
