/** The demo's story: publish, order, compute, download, look for leftovers. */

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { ensureNodeAlgorithmImage } from '../algorithmImage.ts';
import { ensureBusybox } from '../busybox.ts';
import type { ClientEnvironment, ClientJob, ContainerSection, PublishedAsset } from './clientTypes.ts';
import { DemoFailure, type Cast, type DemoOutcome } from './cast.ts';
import { followJob } from './follow.ts';
import { findLeftovers, takeMarkers, type Leftovers } from './leftovers.ts';
import { formatBytes, type Narration } from './narration.ts';
import { orderAssets } from './ordering.ts';
import { algorithmQuestion, demoDatasets, publishDemoAlgorithm, publishDemoDataset } from './scene.ts';

const maxJobSeconds = 120;

interface Stage {
  readonly narration: Narration;
  readonly outputFolder: string;
  readonly startedAtMs: number;
}

interface Props {
  readonly algorithm: PublishedAsset;
  readonly datasets: readonly PublishedAsset[];
  readonly environment: ClientEnvironment;
}

const containerOf = (image: string): ContainerSection => {
  const at = image.lastIndexOf(':');
  return { entrypoint: 'node $ALGO', image: image.slice(0, at), tag: image.slice(at + 1), checksum: '' };
};

const publishAll = async ({ stack, server, publisher, consumer }: Cast, { narration }: Stage): Promise<Props> => {
  const busybox = await ensureBusybox((line) => narration.detail(line));
  const image = await ensureNodeAlgorithmImage({ docker: stack.docker, busyboxPath: busybox.path });
  const container = containerOf(image);
  const algorithm = await publishDemoAlgorithm(publisher, server, container);
  narration.detail(`algorithm  ${algorithm.did}`);
  const datasets: PublishedAsset[] = [];
  for (const dataset of demoDatasets) {
    const published = await publishDemoDataset(publisher, { dataset, server, algorithm, container });
    datasets.push(published);
    narration.detail(`dataset    ${published.did}  ${dataset.name}`);
  }
  narration.detail('Their files are encrypted; both datasets trust this algorithm, by its checksums, and no other.');
  const [environment] = await consumer.environments();
  if (environment === undefined) throw new DemoFailure('the service offers no compute environment', 'check its configuration');
  return { algorithm, datasets, environment };
};

const startJob = async ({ consumer, stack }: Cast, { narration }: Stage, props: Props): Promise<ClientJob> => {
  const { environment } = props;
  const token = environment.fees?.[String(stack.chain.chainId)]?.[0]?.feeToken ?? stack.chain.contracts.ocean;
  const ordered = await orderAssets(consumer, { ...props, maxJobDuration: maxJobSeconds, token });
  for (const { documentId, transferTxId } of ordered.datasets) narration.detail(`ordered ${documentId.slice(0, 19)}… in ${transferTxId}`);
  narration.detail(`ordered ${props.algorithm.did.slice(0, 19)}… in ${ordered.algorithm.transferTxId}`);
  const startedAt = performance.now();
  const [job] = await consumer.computeStart({
    environment: environment.id,
    datasets: ordered.datasets,
    algorithm: { ...ordered.algorithm, algocustomdata: algorithmQuestion },
    maxJobDuration: maxJobSeconds,
    token,
    resources: (environment.resources ?? []).map(({ id, max }) => ({ id, amount: max })),
  });
  if (job === undefined) throw new DemoFailure('the service answered the start with no job', 'look into its log');
  narration.detail(`job ${job.jobId}, accepted after ${Math.round(performance.now() - startedAt)} ms`);
  return job;
};

const followToEnd = async ({ consumer, server }: Cast, { narration }: Stage, job: ClientJob): Promise<ClientJob> => {
  const startedAt = performance.now();
  let sent = server.bytesSent();
  const ended = await followJob(consumer, job.jobId, {
    pollMs: 50,
    onStatus: ({ status, statusText }) => {
      const staged = server.bytesSent() - sent;
      sent = server.bytesSent();
      const bytes = staged > 0 ? `   (${formatBytes(staged)} left the data owner's server)` : '';
      narration.moment(startedAt, `${String(status).padStart(2)} ${statusText.trim()}${bytes}`);
    },
    onLogLine: (line) => narration.moment(startedAt, `   | ${line}`),
  });
  const { algoStartTimestamp, algoStopTimestamp, terminationDetails } = ended;
  const ran = Number(algoStopTimestamp) - Number(algoStartTimestamp);
  narration.detail(`exit code ${terminationDetails?.exitCode ?? 'unknown'}, the algorithm itself ran ${ran.toFixed(2)} s`);
  if (ended.status !== 70) {
    const reason = terminationDetails?.reason ?? 'no reason given';
    throw new DemoFailure(
      `the job ended with status ${ended.status}, ${ended.statusText}: ${reason}`,
      'look at the job in the Temporal UI (run the demo with --keep)',
    );
  }
  return ended;
};

const download = async ({ consumer }: Cast, { narration, outputFolder }: Stage, job: ClientJob): Promise<readonly string[]> => {
  const files: string[] = [];
  for (const { index, filename, filesize } of job.results) {
    const file = path.join(outputFolder, path.basename(filename));
    const { bytes } = await consumer.computeResult({ jobId: job.jobId, index, file });
    if (bytes !== filesize) throw new DemoFailure(`${filename} came with ${bytes} bytes instead of ${filesize}`, 'run the demo again');
    files.push(file);
    narration.detail(`${file}  ${formatBytes(bytes)}`);
  }
  return files;
};

const describeLeftovers = (found: Leftovers, narration: Narration): void => {
  narration.detail(`containers of the job: ${found.containers.join(', ') || 'none'}`);
  narration.detail(`volumes of the job: ${found.volumes.join(', ') || 'none'}`);
  const where = `${found.searchedFiles} files (${(found.searchedBytes / 1e6).toFixed(1)} MB) of the service, the engine and the results`;
  narration.detail(`rows of the datasets in ${where}: ${found.files.join(', ') || 'none'}`);
  if (found.unreadable.length > 0) narration.detail(`could not be read: ${found.unreadable.length} files or folders`);
  if (found.containers.length + found.volumes.length + found.files.length > 0)
    throw new DemoFailure('something of the job is left on this machine', 'please report what is named above');
};

const lookForLeftovers = async ({ stack }: Cast, { narration, outputFolder, startedAtMs }: Stage, jobId: string): Promise<void> => {
  const info = (await stack.docker.info()) as { DockerRootDir?: string };
  const folders = [stack.folder, outputFolder, ...(info.DockerRootDir === undefined ? [] : [info.DockerRootDir])];
  const markers = (await Promise.all(demoDatasets.map(({ file }) => takeMarkers(file)))).flat();
  describeLeftovers(await findLeftovers({ docker: stack.docker, jobId, folders, markers, changedSinceMs: startedAtMs }), narration);
};

/** Plays the demo on a stack that runs. @throws DemoFailure when something goes another way than promised */
export const playScene = async (cast: Cast, stage: Stage): Promise<DemoOutcome> => {
  const { narration, outputFolder } = stage;
  const props = await narration.step('A data owner publishes two datasets, a developer an algorithm', () => publishAll(cast, stage));
  const started = await narration.step('A consumer orders all three and starts the job', () => startJob(cast, stage, props));
  const job = await narration.step('The job runs in a sealed pod', () => followToEnd(cast, stage, started));
  const files = await narration.step('The consumer downloads the results', () => download(cast, stage, job));
  await narration.step('What the consumer has', async () => {
    const report = files.find((file) => path.basename(file) === 'report.txt');
    if (report !== undefined) for (const line of (await readFile(report, 'utf8')).trimEnd().split('\n')) narration.detail(line);
    narration.detail(`The plots are in ${outputFolder}`);
  });
  await narration.step('What is left of the job on this machine', () => lookForLeftovers(cast, stage, job.jobId));
  return { jobId: job.jobId, status: job.status, outputFolder, files };
};
