/** The API process: joins routes with adapters, listens, and drains on SIGTERM. */

import { readFileSync } from 'node:fs';
import express from 'express';
import { Registry } from 'prom-client';
import { createJwts } from '../infra/crypto/jwt.ts';
import { createKeyring } from '../infra/crypto/keyring.ts';
import { storageSecondsIn } from '../infra/environments/environments.ts';
import { freshSecondsOf } from '../infra/environments/standing.ts';
import { listenForChanges } from '../infra/ledger/changes.ts';
import { connectLedger, migrateLedger } from '../infra/ledger/connect.ts';
import { createLedger } from '../infra/ledger/ledger.ts';
import { createManifests } from '../infra/manifest/manifests.ts';
import { createResultFiles } from '../infra/ocean/assets/resultFiles.ts';
import { openOcean, outboundOptions } from '../infra/ocean/openOcean.ts';
import { takesRegistryCredentials } from '../infra/pods/config.ts';
import { parseConfig } from '../infra/process/config.ts';
import { healthRoutes } from '../infra/process/health.ts';
import { runProcess, type RunningProcess } from '../infra/process/lifecycle.ts';
import { listen, type Listener } from '../infra/process/listen.ts';
import { createLogger } from '../infra/process/logger.ts';
import { metricsRoute } from '../infra/process/metrics.ts';
import { deliveryRefusal } from '../infra/storage/deliveryRefusal.ts';
import { openStores, uploadsIn } from '../infra/storage/stores.ts';
import { createOutputTargets } from '../infra/targets/outputTargets.ts';
import { connectTemporal } from '../infra/temporal/connect.ts';
import { createJobStarter } from '../infra/temporal/jobStarter.ts';
import { createApp } from './app.ts';
import { createClassicApp } from './classic/app.ts';
import type { ClassicDeps } from './classic/ports.ts';
import { apiConfig, type ApiConfig } from './config.ts';
import { createMetrics } from './metrics.ts';
import { createOperatorApp } from './operator/app.ts';
import type { OperatorDeps } from './operator/ports.ts';
import { createLoad } from './load.ts';
import { createRates } from './rates.ts';
import { createTokens } from './tokens.ts';
import { addSealGauge, createWithdrawals, noWithdrawals, withdrawalRoutes } from './withdrawals.ts';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };

const connect = async (config: ApiConfig, logger: ReturnType<typeof createLogger>) => {
  const keyring = createKeyring(config.C2D_ENCRYPTION_KEYS);
  const database = connectLedger(config.DATABASE_URL, (err) => logger.warn({ err }, 'an idle connection to the ledger broke'), {
    maxConnections: config.C2D_API_DATABASE_CONNECTIONS,
  });
  const changes = listenForChanges(config.DATABASE_URL, (err) => logger.warn({ err }, 'the connection for changes broke'));
  const ledger = createLedger(database, keyring, storageSecondsIn(config.C2D_ENVIRONMENTS));
  const results = await openStores(config, { uploads: uploadsIn(ledger), exclusively: ledger.exclusively });
  return {
    ...{ database, changes, ledger, results },
    jwts: createJwts(keyring),
    temporal: connectTemporal(config, keyring),
    ocean: openOcean(config, createResultFiles({ ledger, store: results })),
  };
};

/** The classic API, if it is to be served. */
const listenClassic = async (
  config: ApiConfig,
  deps: Omit<ClassicDeps, 'orders' | 'settings'>,
  orders: ClassicDeps['orders'],
): Promise<Listener | null> => {
  if (config.C2D_CLASSIC_PORT === undefined) return null;
  const settings = { basePath: config.C2D_CLASSIC_BASE_PATH, takesUnsignedNonces: config.C2D_CLASSIC_UNSIGNED_NONCES };
  const app = createClassicApp({ ...deps, orders, settings });
  return listen(app, { host: config.C2D_API_HOST, port: config.C2D_CLASSIC_PORT }, { name: 'classic' });
};

const lowerCase = (texts: readonly string[]): readonly string[] => texts.map((text) => text.toLowerCase());

/** The operator-service API, if it is to be served. */
const listenOperator = async (config: ApiConfig, deps: Omit<OperatorDeps, 'settings'>): Promise<Listener | null> => {
  if (config.C2D_OPERATOR_PORT === undefined) return null;
  const settings = {
    providers: lowerCase(config.C2D_OPERATOR_PROVIDERS),
    admins: lowerCase(config.C2D_OPERATOR_ADMINS),
    takesOlderSignatures: config.C2D_OPERATOR_OLDER_SIGNATURES,
  };
  return listen(
    createOperatorApp({ ...deps, settings }),
    { host: config.C2D_API_HOST, port: config.C2D_OPERATOR_PORT },
    { name: 'operator' },
  );
};

const start = async (): Promise<RunningProcess> => {
  const config = parseConfig(apiConfig, process.env);
  const logger = createLogger('api', config.C2D_LOG_LEVEL);
  const { database, changes, ledger, results, jwts, temporal, ocean } = await connect(config, logger);
  await migrateLedger(database);
  const outputTargets = createOutputTargets({ outbound: outboundOptions(config), publicKey: ocean.nodePublicKey });
  const ending = new AbortController();
  const registry = new Registry();
  const environmentIds = config.C2D_ENVIRONMENTS.map(({ id }) => id);
  const withdrawals =
    config.C2D_RUNTIME === 'kubernetes'
      ? createWithdrawals({ ledger, environmentIds, freshSeconds: freshSecondsOf(config.C2D_SEAL_TEST_SECONDS) })
      : noWithdrawals;
  if (config.C2D_RUNTIME === 'kubernetes') addSealGauge(registry, withdrawals, environmentIds);
  const health = { ledger: ledger.check, temporal: () => temporal.check(), chains: () => ocean.check(), ...results.checks };
  const deps: Omit<ClassicDeps & OperatorDeps, 'orders' | 'settings'> = {
    ledger: { ...ledger, watchJob: (jobId, onChange) => changes.watch(jobId, onChange) },
    jobs: createJobStarter({ client: temporal.client, heartbeatSeconds: config.C2D_SILENCE_SECONDS }),
    results,
    manifests: createManifests({ ledger, privateKey: config.C2D_PROVIDER_PRIVATE_KEY, version }),
    assets: ocean,
    outputTargets,
    deliveryRefusal: deliveryRefusal(config),
    tokens: createTokens({ jwts, ledger, longestSeconds: config.C2D_API_TOKEN_SECONDS }),
    environments: config.C2D_ENVIRONMENTS,
    withdrawals,
    authorizedDecrypters: config.C2D_AUTHORIZED_DECRYPTERS,
    chains: config.C2D_CHAINS.map(({ chainId, feeToken }) => ({ chainId, feeToken: feeToken ?? null })),
    rates: createRates({
      perIpPerMinute: config.C2D_API_RATE_PER_IP,
      perAddressPerMinute: config.C2D_API_RATE_PER_ADDRESS,
      trustedProxies: config.C2D_API_TRUSTED_PROXIES,
    }),
    load: createLoad({
      requests: config.C2D_API_MAX_REQUESTS,
      answers: config.C2D_API_MAX_ANSWERS,
      streamsPerConsumer: config.C2D_API_STREAMS_PER_ADDRESS,
    }),
    acceptsOlderMessages: config.C2D_API_OLDER_CLIENTS,
    takesRegistryCredentials: takesRegistryCredentials(config),
    limits: { jsonBytes: config.C2D_API_JSON_LIMIT, encryptBytes: config.C2D_API_ENCRYPT_LIMIT },
    health,
    metrics: createMetrics(registry, ledger),
    logger,
    version,
    ending: ending.signal,
  };
  const app = createApp(deps);
  const operations = express().use(healthRoutes(health), metricsRoute(registry), withdrawalRoutes(withdrawals, environmentIds));
  const listener = await listen(
    app,
    { host: config.C2D_API_HOST, port: config.C2D_API_PORT },
    { name: 'api', onDrain: () => ending.abort() },
  );
  const classicListener = await listenClassic(config, deps, ocean.classic);
  const operatorListener = await listenOperator(config, deps);
  const healthListener = await listen(operations, { host: config.C2D_HEALTH_HOST, port: config.C2D_HEALTH_PORT }, { name: 'health' });
  logger.info(
    { url: listener.url, classic: classicListener?.url, operator: operatorListener?.url, health: healthListener.url },
    'the API is ready',
  );
  return {
    logger,
    parts: [
      { name: 'ledger', close: () => database.close() },
      { name: 'changes', close: () => changes.close() },
      { name: 'temporal', close: () => temporal.close() },
      { name: 'ocean', close: async () => ocean.close() },
      { name: 'output targets', close: () => outputTargets.close() },
      healthListener,
      ...(classicListener === null ? [] : [classicListener]),
      ...(operatorListener === null ? [] : [operatorListener]),
      listener,
    ],
  };
};

await runProcess(start);
