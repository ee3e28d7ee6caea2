/** The gateway process: joins routes with adapters, listens, and drains on SIGTERM. */

import express from 'express';
import { createKeyring } from '../../infra/crypto/keyring.ts';
import { createPodTokens } from '../../infra/crypto/podToken.ts';
import { findEnvironment } from '../../infra/environments/environments.ts';
import { outputRulesOf } from '../../infra/environments/outputPolicy.ts';
import { connectLedger } from '../../infra/ledger/connect.ts';
import { createLedger } from '../../infra/ledger/ledger.ts';
import { declaredPolicyOf, filesOfSnapshot } from '../../infra/ocean/assetFiles.ts';
import { createResultFiles } from '../../infra/ocean/assets/resultFiles.ts';
import { openChain } from '../../infra/ocean/chains.ts';
import { createDecrypter } from '../../infra/ocean/ecies.ts';
import { parseFileObject } from '../../infra/ocean/fileObject.ts';
import { createFileSource } from '../../infra/ocean/fileSource.ts';
import { createProviderSource } from '../../infra/ocean/providerSource.ts';
import { createGuardedFetcher } from '../../infra/outbound/guardedFetch.ts';
import { parseConfig } from '../../infra/process/config.ts';
import { healthRoutes } from '../../infra/process/health.ts';
import { runProcess, type Closeable, type RunningProcess } from '../../infra/process/lifecycle.ts';
import { listen } from '../../infra/process/listen.ts';
import { createLogger } from '../../infra/process/logger.ts';
import { metricsRoute } from '../../infra/process/metrics.ts';
import { openStores, uploadsIn } from '../../infra/storage/stores.ts';
import { connectTemporal } from '../../infra/temporal/connect.ts';
import { createGateway } from './app.ts';
import { listenAsCanary } from './canary.ts';
import { gatewayConfig, type GatewayConfig } from './config.ts';
import { createGatewayMetrics } from './metrics.ts';
import { createWorkflowLook } from './workflowLook.ts';

const connect = (config: GatewayConfig, logger: ReturnType<typeof createLogger>) => {
  const keyring = createKeyring(config.C2D_ENCRYPTION_KEYS);
  const connection = connectLedger(config.DATABASE_URL, (err) => logger.warn({ err }, 'a connection to the database broke'));
  const temporal = connectTemporal(config, keyring);
  const chains = config.C2D_CHAINS.map(openChain);
  const fetcher = createGuardedFetcher({
    allowedNetworks: config.C2D_OUTBOUND_ALLOW,
    connectTimeoutMs: config.C2D_OUTBOUND_CONNECT_TIMEOUT_MS,
    headersTimeoutMs: config.C2D_OUTBOUND_HEADERS_TIMEOUT_MS,
    idleTimeoutMs: config.C2D_OUTBOUND_IDLE_TIMEOUT_MS,
  });
  const parts: Closeable[] = [
    { name: 'ledger', close: () => connection.close() },
    { name: 'temporal', close: () => temporal.close() },
    { name: 'chains', close: async () => chains.forEach((chain) => chain.close()) },
    { name: 'data sources', close: () => fetcher.close() },
  ];
  return { keyring, ledger: createLedger(connection, keyring), temporal, chains, fetcher, parts };
};

type Connected = ReturnType<typeof connect>;

const createApp = async (
  config: GatewayConfig,
  { keyring, ledger, temporal, chains, fetcher }: Connected,
  logger: ReturnType<typeof createLogger>,
) => {
  const metrics = createGatewayMetrics();
  const store = await openStores(config, { uploads: uploadsIn(ledger), exclusively: ledger.exclusively });
  const decrypter = createDecrypter([config.C2D_PROVIDER_PRIVATE_KEY, ...config.C2D_FORMER_PROVIDER_PRIVATE_KEYS]);
  const { C2D_GATEWAY_CANARY_HOST: canaryHost, C2D_GATEWAY_CANARY_PORT: canaryPort } = config;
  const app = createGateway({
    tokens: createPodTokens(keyring),
    ledger,
    activity: temporal.client.activity,
    workflows: createWorkflowLook(temporal.client),
    assets: { filesOf: (snapshot) => filesOfSnapshot(snapshot, decrypter), parseFileObject },
    source: createProviderSource(
      { guardedFetch: fetcher.fetch, privateKey: config.C2D_PROVIDER_PRIVATE_KEY, nonces: ledger },
      createFileSource({
        guardedFetch: fetcher.fetch,
        ipfsGateway: config.C2D_IPFS_GATEWAY,
        arweaveGateway: config.C2D_ARWEAVE_GATEWAY,
        chains: new Map(chains.map((chain) => [chain.config.chainId, chain])),
        results: createResultFiles({ ledger, store }),
      }),
    ),
    store,
    environmentOf: (id) => findEnvironment(config.C2D_ENVIRONMENTS, id),
    outputRules: (datasets, environment) =>
      outputRulesOf(datasets, { environment, byDid: config.C2D_OUTPUT_POLICIES, declaredBy: declaredPolicyOf }),
    settings: {
      seal:
        canaryHost === undefined || canaryPort === undefined
          ? { kind: 'noNetwork' }
          : { kind: 'canary', host: canaryHost, port: canaryPort },
      heartbeatSeconds: config.C2D_AGENT_HEARTBEAT_SECONDS,
      partBytes: config.C2D_UPLOAD_PART_BYTES,
    },
    metrics,
    logger,
  });
  const operations = express();
  operations.use(healthRoutes({ ledger: ledger.check, temporal: () => temporal.check(), ...store.checks }));
  operations.use(metricsRoute(metrics.registry));
  return { app, operations };
};

const start = async (): Promise<RunningProcess> => {
  const config = parseConfig(gatewayConfig, process.env);
  const logger = createLogger('gateway', config.C2D_LOG_LEVEL);
  const connected = connect(config, logger);
  const { app, operations } = await createApp(config, connected, logger);
  const { C2D_GATEWAY_SOCKET_PATH: socketPath, C2D_GATEWAY_HOST: host, C2D_GATEWAY_PORT: port } = config;
  // transfers last as long as they make progress
  const forAgents = { name: 'gateway', requestTimeoutMs: 0 };
  const listeners = [];
  if (socketPath !== undefined) listeners.push(await listen(app, { socketPath }, forAgents));
  if (port !== undefined) listeners.push(await listen(app, { host, port }, forAgents));
  const canaryPort = config.C2D_GATEWAY_CANARY_PORT;
  const canaries = canaryPort === undefined ? [] : [await listenAsCanary(host, canaryPort)];
  const health = await listen(operations, { host: config.C2D_HEALTH_HOST, port: config.C2D_HEALTH_PORT }, { name: 'health' });
  logger.info({ urls: listeners.map(({ url }) => url), health: health.url }, 'the gateway is ready');
  return { logger, parts: [...connected.parts, health, ...canaries, ...listeners] };
};

await runProcess(start);
