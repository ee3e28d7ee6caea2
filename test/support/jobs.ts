/** Publishing, starting, following and reading jobs in end-to-end tests: say what matters, the rest is plausible. */

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { trustAlgorithm } from '../../infra/toolchain/demo/checksums.ts';
import type {
  ClientEnvironment,
  ClientJob,
  ComputeRules,
  ContainerSection,
  PublishedAsset,
} from '../../infra/toolchain/demo/clientTypes.ts';
import type { Consumer } from '../../infra/toolchain/demo/consumer.ts';
import { followJob } from '../../infra/toolchain/demo/follow.ts';
import { nameAsset, orderAssets } from '../../infra/toolchain/demo/ordering.ts';
import type { Content } from './fileServer.ts';
import type { Scene } from './scene.ts';

const secondsPerJob = 60;
const lookPatienceMs = 90_000;

/** `image:tag` as the container section of an algorithm's metadata. */
export const aContainer = (image: string, over: Partial<ContainerSection> = {}): ContainerSection => {
  const at = image.lastIndexOf(':');
  return { entrypoint: 'node $ALGO', image: image.slice(0, at), tag: image.slice(at + 1), checksum: '', ...over };
};

const rules: ComputeRules = {
  allowRawAlgorithm: true,
  allowNetworkAccess: false,
  publisherTrustedAlgorithmPublishers: [],
  publisherTrustedAlgorithms: [],
};

/** A dataset; what is left out is plausible. */
export interface DatasetToPublish {
  readonly contents?: readonly Content[];
  /** file objects instead of contents */
  readonly files?: readonly unknown[];
  readonly compute?: Partial<ComputeRules>;
  /** of its service */
  readonly additionalInformation?: unknown;
}

/** Publishes a dataset; anybody's own code may compute on it unless `compute` says otherwise. */
export const publishDataset = (
  { publisher, files }: Scene,
  { contents = ['a dataset'], files: objects, compute = {}, additionalInformation }: DatasetToPublish = {},
): Promise<PublishedAsset> =>
  publisher.publishAsset({
    kind: 'dataset',
    name: 'a dataset',
    files: objects ?? contents.map((content) => ({ type: 'url', url: files.serve(content), method: 'GET' })),
    compute: { ...rules, ...compute },
    ...(additionalInformation !== undefined && { additionalInformation }),
  });

export interface AlgorithmToPublish {
  /** content of each file; the first is the code */
  readonly contents: readonly string[];
  readonly container?: ContainerSection;
}

/** Publishes an algorithm for the image with `node`. */
export const publishAlgorithm = (
  { publisher, files, stack }: Scene,
  { contents, container = aContainer(stack.nodeImage) }: AlgorithmToPublish,
): Promise<PublishedAsset> =>
  publisher.publishAsset({
    kind: 'algorithm',
    name: 'an algorithm',
    files: contents.map((content) => ({ type: 'url', url: files.serve(content), method: 'GET' })),
    algorithm: { language: 'js', version: '1', container },
  });

/** An algorithm and as many datasets as `datasets` has, each of which trusts it. */
export const publishTrustingPair = async (
  scene: Scene,
  {
    contents,
    container = aContainer(scene.stack.nodeImage),
    datasets,
  }: AlgorithmToPublish & { datasets: readonly (readonly (string | Uint8Array)[])[] },
): Promise<{ algorithm: PublishedAsset; datasets: readonly PublishedAsset[] }> => {
  const algorithm = await publishAlgorithm(scene, { contents, container });
  const trusted = trustAlgorithm(
    algorithm,
    contents.map((content) => Buffer.from(content)),
    container,
  );
  const published: PublishedAsset[] = [];
  for (const dataset of datasets) {
    const compute = { allowRawAlgorithm: false, publisherTrustedAlgorithms: [trusted] };
    published.push(await publishDataset(scene, { contents: dataset, compute }));
  }
  return { algorithm, datasets: published };
};

/** An environment that the service offers: the one with this id, or the first. */
export const findEnvironment = async (consumer: Consumer, id?: string): Promise<ClientEnvironment> => {
  const environment = (await consumer.environments()).find((offered) => id === undefined || offered.id === id);
  if (environment === undefined) throw new Error(`the service does not offer the environment ${id ?? ''}`);
  return environment;
};

/** The first environment that the service offers. */
export const firstEnvironment = (consumer: Consumer): Promise<ClientEnvironment> => findEnvironment(consumer);

/** The most that an environment gives to one job. */
const everything = ({ resources = [] }: ClientEnvironment): readonly { id: string; amount: number }[] =>
  resources.map(({ id, max }) => ({ id, amount: max }));

const remember = ({ jobs }: Scene, [job]: readonly ClientJob[]): ClientJob => {
  if (job === undefined) throw new Error('the start was answered with no job');
  jobs.add(job.jobId);
  return job;
};

/** A free job with code of the consumer's own. */
export interface RawJob {
  /** the code, or where it can be had */
  readonly code: string | { readonly url: string };
  /** id of the compute environment; default: the first one */
  readonly environment?: string;
  /** seconds that it may wait for a place */
  readonly queueMaxWaitTime?: number;
  readonly datasets?: readonly PublishedAsset[];
  readonly container?: ContainerSection;
  readonly algocustomdata?: unknown;
  readonly envs?: Readonly<Record<string, string>>;
}

/** Starts a free job with raw code. */
export const startRawJob = async (
  scene: Scene,
  { code, environment: id, queueMaxWaitTime, datasets = [], container, ...algorithm }: RawJob,
): Promise<ClientJob> => {
  const environment = await findEnvironment(scene.consumer, id);
  const meta = { ...(typeof code === 'string' ? { rawcode: code } : code), container: container ?? aContainer(scene.stack.nodeImage) };
  return remember(
    scene,
    await scene.consumer.freeComputeStart({
      environment: environment.id,
      datasets: datasets.map(nameAsset),
      algorithm: { ...algorithm, meta },
      resources: everything(environment),
      ...(queueMaxWaitTime !== undefined && { queueMaxWaitTime }),
    }),
  );
};

/** Orders all assets and starts a job. */
export const startOrderedJob = async (
  scene: Scene,
  assets: { readonly algorithm: PublishedAsset; readonly datasets: readonly PublishedAsset[]; readonly algocustomdata?: unknown },
): Promise<ClientJob> => {
  const { consumer, stack } = scene;
  const environment = await firstEnvironment(consumer);
  const terms = { maxJobDuration: secondsPerJob, token: stack.token };
  const ordered = await orderAssets(consumer, { ...assets, ...terms, environment });
  const algorithm = { ...ordered.algorithm, ...(assets.algocustomdata !== undefined && { algocustomdata: assets.algocustomdata }) };
  return remember(
    scene,
    await consumer.computeStart({
      ...terms,
      resources: everything(environment),
      environment: environment.id,
      datasets: ordered.datasets,
      algorithm,
    }),
  );
};

/** A job that has ended, with its results downloaded. */
export interface EndedJob {
  readonly job: ClientJob;
  /** content by file name */
  readonly results: ReadonlyMap<string, Buffer>;
  /** the algorithm's log */
  readonly log: string;
}

/** Follows a job to its end and downloads everything it has. */
export const awaitEnd = async (scene: Scene, jobId: string): Promise<EndedJob> => {
  const job = await followJob(scene.consumer, jobId, { pollMs: 50 });
  const results = new Map<string, Buffer>();
  for (const { index, filename } of job.results) {
    const file = path.join(scene.folder, `${jobId}-${index}`);
    await scene.consumer.computeResult({ jobId, index, file });
    results.set(filename, await readFile(file));
  }
  const logName = job.results.find((result) => result.type === 'algorithmLog')?.filename ?? '';
  return { job, results, log: results.get(logName)?.toString('utf8') ?? '' };
};

/** Looks at a job until it is as wanted. @throws Error when it ends before that, or after 90 s */
export const awaitJob = async (scene: Scene, jobId: string, isWanted: (job: ClientJob) => boolean): Promise<ClientJob> => {
  const deadline = performance.now() + lookPatienceMs;
  for (;;) {
    const [job] = await scene.consumer.computeStatus({ jobId });
    if (job !== undefined && isWanted(job)) return job;
    if (job === undefined || job.dateFinished !== null || performance.now() > deadline)
      throw new Error(`the job is ${job?.status} ${job?.statusText}: ${job?.terminationDetails?.reason ?? job?.statusReason}`);
    await delay(50);
  }
};

/** Starts a free job with raw code and waits for its end. */
export const runRawJob = async (scene: Scene, job: RawJob): Promise<EndedJob> => awaitEnd(scene, (await startRawJob(scene, job)).jobId);
