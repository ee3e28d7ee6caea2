/** The orchestrator: the Temporal worker that runs jobs' workflows and their activities. */

import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import express from 'express';
import { Counter, Registry } from 'prom-client';
import { cancellationSignal } from '@temporalio/activity';
import { NativeConnection } from '@temporalio/worker';
import type { BeginSelfTestDeps } from '../../activities/beginSelfTest.ts';
import type { ExpireJobsDeps } from '../../activities/expireJobs.ts';
import { createActivities, type ActivityDeps } from '../../activities/index.ts';
import { onceForEachPod, type ImageNotesDeps } from '../../activities/noteImage.ts';
import type { PostWebhookDeps } from '../../activities/postWebhook.ts';
import type { PublishAssetDeps } from '../../activities/publishAsset.ts';
import type { RecordVerdictDeps } from '../../activities/recordVerdict.ts';
import { createKeyring, type Keyring } from '../../infra/crypto/keyring.ts';
import { createPodTokens } from '../../infra/crypto/podToken.ts';
import { findEnvironment, type ComputeEnvironment } from '../../infra/environments/environments.ts';
import { withdrawalOf } from '../../infra/environments/standing.ts';
import { connectLedger, migrateLedger } from '../../infra/ledger/connect.ts';
import { createLedger, type Ledger } from '../../infra/ledger/ledger.ts';
import { createManifests, type Manifests } from '../../infra/manifest/manifests.ts';
import { createAssetMaker, type AssetMaker } from '../../infra/ocean/assets/assetMaker.ts';
import { wantedFiltersOf } from '../../infra/ocean/assetFiles.ts';
import { createEscrow, type Escrow } from '../../infra/ocean/escrow/escrow.ts';
import type { Ocean } from '../../infra/ocean/ocean.ts';
import { openOcean, outboundOptions } from '../../infra/ocean/openOcean.ts';
import { createProviderListings } from '../../infra/ocean/providerListing.ts';
import { openNode } from '../../infra/ocean/transactions/node.ts';
import { createTransactions } from '../../infra/ocean/transactions/transactions.ts';
import { createWebhooks, type Webhooks } from '../../infra/outbound/webhooks.ts';
import { algorithmCommand, algorithmEnv, imageReference } from '../../infra/pods/algorithmCommand.ts';
import { openPods } from '../../infra/pods/openPods.ts';
import { parseConfig } from '../../infra/process/config.ts';
import { healthRoutes } from '../../infra/process/health.ts';
import { runProcess, type RunningProcess } from '../../infra/process/lifecycle.ts';
import { listen } from '../../infra/process/listen.ts';
import { createLogger } from '../../infra/process/logger.ts';
import { metricsRoute } from '../../infra/process/metrics.ts';
import { deliveryRefusal } from '../../infra/storage/deliveryRefusal.ts';
import { openStores, uploadsIn, type ResultStores } from '../../infra/storage/stores.ts';
import { createOutputTargets, type OutputTargets } from '../../infra/targets/outputTargets.ts';
import { connectTemporal, connectionOptions, createDataConverter, failureConverterPath } from '../../infra/temporal/connect.ts';
import { createJobStarter, type JobStarter } from '../../infra/temporal/jobStarter.ts';
import { createPlaceQueues, type PlaceQueues } from '../../infra/temporal/placeQueues.ts';
import { JobFailure } from '../../workflows/contract/failures.ts';
import type { PodRuntime } from '../../workflows/contract/pod.ts';
import type { QueueRef } from '../../workflows/contract/queue.ts';
import type { JobSpec } from '../../workflows/contract/spec.ts';
import { orchestratorConfig, type OrchestratorConfig } from './config.ts';
import { openWorkflows, type OpenWorkflows } from './openWorkflows.ts';
import { createPodSpecs } from './podSpecs.ts';
import { createPodWatch } from './podWatch.ts';
import { ensureReaper, ensureRetention, ensureSearchAttributes, ensureSelfTests } from './schedule.ts';
import { findSealTargets } from './sealTargets.ts';
import { createSelfTests } from './selfTests.ts';
import { bundleWorkflows, createWorker, installRuntime } from './worker.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };

/** The adapters that the activities are joined with. */
interface Adapters {
  readonly ledger: Ledger;
  readonly images: ImageNotesDeps['images'];
  readonly manifests: Manifests;
  readonly ocean: Pick<Ocean, 'admit' | 'guardedFetch'>;
  readonly escrow: Escrow;
  readonly assetMaker: AssetMaker;
  readonly webhooks: Webhooks;
  readonly pods: PodRuntime;
  readonly workflows: OpenWorkflows;
  readonly queues: PlaceQueues;
  readonly starter: Pick<JobStarter, 'start'>;
  readonly keyring: Keyring;
  readonly environments: readonly ComputeEnvironment[];
  readonly config: OrchestratorConfig;
  readonly owner: string;
  readonly clusterUrl: string | null;
  readonly registry: Registry;
  readonly storedFiles: ResultStores;
  readonly outputTargets: OutputTargets;
}

const notOffered = (id: string): string => `environment ${id} is no longer offered; choose another one`;

/** The number of places that an environment has for one kind of job; none in one that is no longer offered. */
const maxJobsOf = (environments: readonly ComputeEnvironment[], { environmentId, kind }: QueueRef): number => {
  const environment = findEnvironment(environments, environmentId);
  return (kind === 'free' ? environment?.free?.maxJobs : environment?.maxJobs) ?? 0;
};

/** What self-tests are made of, and where their verdicts go. */
const joinSelfTests = (
  { ledger, config, owner, clusterUrl, registry }: Adapters,
  environmentOf: (id: string) => ComputeEnvironment,
): BeginSelfTestDeps & RecordVerdictDeps => ({
  selfTests: createSelfTests({
    ...{ ledger, environmentOf, owner, agentImage: config.C2D_AGENT_IMAGE, heartbeatSeconds: config.C2D_SILENCE_SECONDS },
    findTargets: () =>
      findSealTargets(
        {
          gatewayUrl: config.C2D_GATEWAY_URL ?? '',
          apiUrl: clusterUrl,
          resolvConf: readFileSync('/etc/resolv.conf', 'utf8'),
          others: config.C2D_SEAL_TEST_TARGETS,
        },
        async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
      ),
  }),
  verdicts: ledger,
  selfTestLogs: ledger,
  verdictCounts: new Counter({
    name: 'c2d_self_tests_total',
    help: 'Self-tests by environment and verdict: sealed, unsealed, or unproved where none was reached',
    labelNames: ['environment', 'verdict'],
    registers: [registry],
  }),
});

const countExpiries = (registry: Registry): ExpireJobsDeps['expiryCounts'] =>
  new Counter({
    name: 'c2d_expired_jobs_total',
    help: 'Jobs whose results were removed because their time was over (expired), and failures to do so, which are tried again (failed)',
    labelNames: ['outcome'],
    registers: [registry],
  });

/** What assets are made of and with. */
const joinAssets = ({ ledger, assetMaker, registry }: Adapters, environmentOf: (id: string) => ComputeEnvironment): PublishAssetDeps => ({
  publications: ledger,
  assetMaker,
  assetTermsOf(environmentId) {
    const { assets } = environmentOf(environmentId);
    if (assets === undefined) throw new JobFailure('RequestInvalid', `environment ${environmentId} makes no assets any more`);
    return assets;
  },
  assetCounts: new Counter({
    name: 'c2d_assets_total',
    help: 'Outputs of jobs that became an asset, or failed to, by outcome: published or failed',
    labelNames: ['outcome'],
    registers: [registry],
  }),
});

const joinWebhooks = ({ ledger, webhooks, registry }: Adapters): PostWebhookDeps => ({
  toldJobs: ledger,
  webhooks,
  webhookCounts: new Counter({
    name: 'c2d_webhooks_total',
    help: 'Attempts to tell the receivers of C2D_NOTIFY_START_URL (start) and C2D_NOTIFY_STOP_URL (stop) of a job, by outcome: delivered or failed',
    labelNames: ['event', 'outcome'],
    registers: [registry],
  }),
});

/** @throws JobFailure for an environment, or storage of the consumer's, that does not take outputs now: nothing is started then */
const requireTarget = async (
  { ledger, outputTargets, config }: Adapters,
  spec: JobSpec,
  environment: ComputeEnvironment,
): Promise<void> => {
  const refusal = deliveryRefusal(config)({ environment, isEncrypted: spec.encryption !== undefined });
  if (refusal !== null) throw new JobFailure('RequestInvalid', refusal);
  const target = await ledger.readOutputTarget(spec.jobId);
  if (target !== null) await outputTargets.probe(target, spec.jobId);
};

const joinActivities = (adapters: Adapters): ActivityDeps => {
  const { ledger, images, manifests, ocean, escrow, assetMaker, pods, workflows, queues, starter, keyring, environments, config } =
    adapters;
  const environmentOf = (id: string): ComputeEnvironment => {
    const environment = findEnvironment(environments, id);
    if (environment === undefined) throw new JobFailure('RequestInvalid', notOffered(id));
    return environment;
  };
  const tokens = createPodTokens(keyring);
  const prepareFiles = createProviderListings({ guardedFetch: ocean.guardedFetch, listings: ledger });
  return {
    orders: {
      async admit(spec) {
        const environment = environmentOf(spec.environmentId);
        const chainId = spec.asset && environment.assets?.chainId;
        // the verdict on the orders comes first, also where both are bad
        const [admission, funds] = await Promise.allSettled([
          ocean.admit(spec, environment),
          chainId === undefined ? Promise.resolve() : assetMaker.requireFunds(chainId),
        ]);
        if (admission.status === 'rejected') throw admission.reason;
        if (funds.status === 'rejected') throw funds.reason;
        // nobody whose orders are not good has anything sent anywhere
        if (spec.deliversOutputs === true) await requireTarget(adapters, spec, environment);
        return { ...admission.value, store: environment.storage };
      },
    },
    vacancies: {
      async vacancy(spec) {
        const counts = await ledger.countJobs();
        const count = counts.find(({ environmentId, isFree }) => environmentId === spec.environmentId && isFree === spec.isFree);
        const maxJobs = maxJobsOf(environments, { environmentId: spec.environmentId, kind: spec.isFree ? 'free' : 'paid' });
        return { taken: (count?.running ?? 0) + (count?.queued ?? 0), maxJobs };
      },
    },
    admissions: ledger,
    escrow,
    payments: ledger,
    runs: ledger,
    locks: {
      async releaseLock(jobId) {
        const { accepted } = await ledger.readOrder(jobId);
        if (accepted?.payment) await ledger.recordSettlement(jobId, await escrow.release(jobId, accepted.payment));
      },
    },
    places: queues,
    attempts: ledger,
    losses: ledger,
    positions: ledger,
    claims: ledger,
    fences: ledger,
    offers: { maxJobs: (queue) => maxJobsOf(environments, queue) },
    queues,
    starts: {
      async startJob(jobId) {
        const spec = await ledger.readSpec(jobId);
        const environment = findEnvironment(environments, spec.environmentId);
        if (environment === undefined) return { kind: 'refused', type: 'RequestInvalid', message: notOffered(spec.environmentId) };
        const outcome = await starter.start({ spec, environment });
        return outcome.kind === 'refused' ? outcome : { kind: 'started' };
      },
    },
    podSpecs: createPodSpecs({
      admissions: {
        async readAdmission(jobId) {
          const job = await ledger.readAdmission(jobId);
          const { transferPatienceSeconds: patienceSeconds } = environmentOf(job.spec.environmentId).limits;
          // a job that is stopped waits for no Provider
          await prepareFiles(job, { patienceSeconds, signal: cancellationSignal() });
          return job;
        },
      },
      credentials: ledger,
      isUnsealed: config.C2D_RUNTIME === 'kubernetes' ? ledger.isUnsealed : async () => false,
      environmentOf,
      tokenOf: (pod) => tokens.tokenOf(pod),
      wantedFiltersOf,
      commandOf: algorithmCommand,
      imageOf: imageReference,
      environmentVariablesOf: algorithmEnv,
    }),
    pods,
    records: ledger,
    images,
    manifests,
    refusals: ledger,
    openJobs: ledger,
    workflows,
    retention: ledger,
    storedFiles: adapters.storedFiles,
    published: adapters.storedFiles,
    deliveries: ledger,
    outputTargets: adapters.outputTargets,
    expiryCounts: countExpiries(adapters.registry),
    ...joinSelfTests(adapters, environmentOf),
    ...joinAssets(adapters, environmentOf),
    ...joinWebhooks(adapters),
  };
};

const start = async (): Promise<RunningProcess> => {
  const config = parseConfig(orchestratorConfig, process.env);
  const logger = createLogger('orchestrator', config.C2D_LOG_LEVEL);
  installRuntime(logger);
  const keyring = createKeyring(config.C2D_ENCRYPTION_KEYS);

  const database = connectLedger(config.DATABASE_URL, (err) => logger.warn({ err }, 'an idle connection to the ledger broke'));
  await migrateLedger(database);
  const ledger = createLedger(database, keyring);
  const temporal = connectTemporal(config, keyring);
  if (config.C2D_REGISTER_SEARCH_ATTRIBUTES) await ensureSearchAttributes(temporal.connection, config.C2D_TEMPORAL_NAMESPACE);
  const ocean = openOcean(config);
  const nodes = new Map(config.C2D_CHAINS.map((chain) => [chain.chainId, openNode(chain)]));
  const transactions = createTransactions({ nodes, ledger, privateKey: config.C2D_PROVIDER_PRIVATE_KEY });
  const opened = await openPods(config);
  const { pods, clusterUrl } = opened;
  const registry = new Registry();
  const storedFiles = await openStores(config, { uploads: uploadsIn(ledger), exclusively: ledger.exclusively });
  const outputTargets = createOutputTargets({ outbound: outboundOptions(config), publicKey: ocean.nodePublicKey });
  const assetMaker = createAssetMaker({ transactions, nodes, publicKey: ocean.nodePublicKey });

  const images = onceForEachPod(ledger);
  const webhooks = createWebhooks({
    urls: { start: config.C2D_NOTIFY_START_URL, stop: config.C2D_NOTIFY_STOP_URL },
    privateKey: config.C2D_PROVIDER_PRIVATE_KEY,
  });

  const environments = config.C2D_ENVIRONMENTS;
  const native = await NativeConnection.connect(connectionOptions(config));
  const worker = await createWorker({
    connection: native,
    namespace: config.C2D_TEMPORAL_NAMESPACE,
    dataConverter: createDataConverter(keyring),
    workflowBundle:
      config.C2D_WORKFLOW_BUNDLE === undefined ? await bundleWorkflows(failureConverterPath) : { codePath: config.C2D_WORKFLOW_BUNDLE },
    activities: createActivities(
      joinActivities({
        manifests: createManifests({ ledger, privateKey: config.C2D_PROVIDER_PRIVATE_KEY, version }),
        escrow: createEscrow(transactions),
        ...{
          ledger,
          images,
          ocean,
          assetMaker,
          webhooks,
          pods,
          keyring,
          environments,
          config,
          clusterUrl,
          registry,
          storedFiles,
          outputTargets,
        },
        owner: ocean.providerAddress,
        workflows: openWorkflows(temporal.client),
        queues: createPlaceQueues({ client: temporal.client, maxJobsOf: (queue) => maxJobsOf(environments, queue) }),
        starter: createJobStarter({ client: temporal.client, heartbeatSeconds: config.C2D_SILENCE_SECONDS }),
      }),
    ),
    maxActivities: config.C2D_MAX_ACTIVITIES,
    maxWorkflowTasks: config.C2D_MAX_WORKFLOW_TASKS,
  });
  const running = worker.run();
  const onProblem = (err: unknown): void => logger.warn({ err }, 'a changed pod is looked at later only');
  const podWatch = config.C2D_POD_WATCH
    ? pods.watch?.(createPodWatch({ activity: temporal.client.activity, images, onProblem }))
    : undefined;
  await ensureReaper(temporal.client, { everySeconds: config.C2D_REAPER_SECONDS, graceSeconds: config.C2D_REAPER_GRACE_SECONDS });
  await ensureRetention(temporal.client, { everySeconds: config.C2D_RETENTION_SECONDS });
  const seals = await ledger.readSeals();
  await ensureSelfTests(temporal.client, {
    // the other runtime has no network that could leak
    environmentIds: config.C2D_RUNTIME === 'kubernetes' ? environments.map(({ id }) => id) : [],
    everySeconds: config.C2D_SEAL_TEST_SECONDS,
    isProved: (id) =>
      withdrawalOf(
        seals.find(({ environmentId }) => environmentId === id),
        config.C2D_SEAL_TEST_SECONDS,
      ) === null,
  });

  const app = express();
  app.use(
    healthRoutes({
      ledger: ledger.check,
      temporal: temporal.check,
      chains: () => ocean.check(),
      ...storedFiles.checks,
      containers: () => opened.check(),
      worker: async () => {
        if (worker.getState() !== 'RUNNING') throw new Error(`the worker is ${worker.getState()}`);
      },
    }),
  );
  app.use(metricsRoute(registry));
  const health = await listen(app, { host: config.C2D_HEALTH_HOST, port: config.C2D_HEALTH_PORT }, { name: 'health' });
  logger.info({ health: health.url }, 'the orchestrator is running');

  return {
    logger,
    failed: running,
    parts: [
      { name: 'ledger', close: database.close },
      { name: 'temporal client', close: temporal.close },
      { name: 'ocean', close: async () => ocean.close() },
      { name: 'webhooks', close: () => webhooks.close() },
      { name: 'transactions', close: async () => transactions.close() },
      { name: 'output targets', close: () => outputTargets.close() },
      { name: 'temporal worker connection', close: () => native.close() },
      health,
      { name: 'pod watch', close: async () => podWatch?.close() },
      {
        name: 'worker',
        async close() {
          if (worker.getState() === 'RUNNING') worker.shutdown();
          await running;
        },
      },
    ],
  };
};

await runProcess(start);
