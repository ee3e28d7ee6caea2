/** The four APIs that are fuzzed, each on a listener of its own: real applications on a real ledger and a real chain. */

import { Wallet } from 'ethers';
import type { RequestListener } from 'node:http';
import { createApp } from '../../api/app.ts';
import { classicDescription, createClassicApp } from '../../api/classic/app.ts';
import { classicRoutes } from '../../api/classic/routes.ts';
import { nodeRoutes } from '../../api/node/routes.ts';
import { describeApi } from '../../api/openapi.ts';
import { createOperatorApp, operatorDescription } from '../../api/operator/app.ts';
import type { OperatorDeps } from '../../api/operator/ports.ts';
import { operatorRoutes } from '../../api/operator/routes.ts';
import { v1Routes } from '../../api/v1/routes.ts';
import { v1Description } from '../../api/v1/surface.ts';
import { computeEnvironments } from '../../infra/environments/environments.ts';
import { listen } from '../../infra/process/listen.ts';
import { createCleanups } from '../../infra/toolchain/cleanups.ts';
import { startClassicWorld, type ClassicWorld } from '../api/support/classicWorld.ts';
import type { World } from '../infra/ocean/support/world.ts';
import { openFront, type Front } from './front.ts';
import { endJob } from './jobs.ts';
import type { Description } from './offers.ts';
import { sealFetch } from './sealedFetch.ts';
import { classicSignings, nodeSignings, operatorSignings, type SigningTable } from './signing.ts';

/** Names of the APIs, in the order in which they are fuzzed. */
export const surfaceNames = ['node', 'v1', 'classic', 'operator'] as const;
export type SurfaceName = (typeof surfaceNames)[number];

/** What counts as the `Admin` header. */
export const adminKey = '0x00000000000000000000000000000000000aDmin';

/** One API. */
export interface Surface {
  readonly description: Description;
  readonly front: Front;
}

/** All that is fuzzed, and the world around it. */
export interface Service {
  readonly classic: ClassicWorld;
  /** on the list of the operator-service API */
  readonly provider: Wallet;
  readonly surfaces: Readonly<Record<SurfaceName, Surface>>;
  close(): Promise<void>;
}

const environmentsOf = ({ chain }: World) =>
  computeEnvironments.parse([
    { id: 'small', description: 'a small one', maxJobDuration: 1_200, maxQueueTime: 300, free: { maxJobDuration: 60 } },
    { id: 'private', access: { addresses: [chain.accounts.publisher.address] } },
    {
      id: 'paid',
      maxJobDuration: 7_200,
      fees: [{ chainId: 8996, feeToken: chain.contracts.ocean, prices: [{ id: 'cpu', price: 0.5 }, { id: 'ram', price: 0.1 }] }],
    },
    { id: 'withdrawn' },
  ]); // prettier-ignore

/** The dependencies of every API. A job that somebody follows or stops ends: no stream stays open, and orders are free again. */
const depsOf = (classic: ClassicWorld, provider: Wallet): ClassicWorld['deps'] & OperatorDeps => ({
  ...classic.deps,
  ledger: {
    ...classic.opened.ledger,
    watchJob: (jobId, onChange) => {
      endJob(classic, jobId).then(onChange, onChange);
      return () => undefined;
    },
  },
  jobs: {
    start: (job) => classic.deps.jobs.start(job),
    stop: (jobId) => endJob(classic, jobId),
  },
  environments: environmentsOf(classic.world),
  withdrawals: async () => new Map([['withdrawn', 'not sealed']]),
  settings: {
    ...classic.deps.settings,
    providers: [provider.address.toLowerCase()],
    admins: [adminKey.toLowerCase()],
    takesOlderSignatures: false,
  },
});

interface Application {
  readonly app: RequestListener;
  readonly description: Description;
  readonly signings: SigningTable;
}

const applicationsOf = (classic: ClassicWorld, provider: Wallet): Readonly<Record<SurfaceName, Application>> => {
  const deps = depsOf(classic, provider);
  const { consumer } = classic.world.chain.accounts;
  const { version } = deps;
  return {
    node: { app: createApp(deps), description: describeApi(nodeRoutes, version), signings: nodeSignings(consumer) },
    v1: { app: createApp(deps), description: describeApi(v1Routes, version, v1Description), signings: nodeSignings(consumer) },
    classic: {
      app: createClassicApp(deps),
      description: describeApi(classicRoutes, version, classicDescription),
      signings: classicSignings(consumer),
    },
    operator: {
      app: createOperatorApp(deps),
      description: describeApi(operatorRoutes, version, operatorDescription),
      signings: operatorSignings(provider),
    },
  };
};

const callsOf = ({ paths = {} }: Description): readonly string[] =>
  Object.entries(paths).flatMap(([path, item]) => Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`));

/** Starts everything; the database server must be there. Nothing that is started here reaches another machine. */
export const openService = async (): Promise<Service> => {
  const cleanups = createCleanups();
  try {
    const classic = cleanups.own(await startClassicWorld({ restrict: (fetch, { origin }) => sealFetch(fetch, origin) }));
    const provider = new Wallet(Wallet.createRandom().privateKey);
    const surfaces: Partial<Record<SurfaceName, Surface>> = {};
    for (const [name, { app, description, signings }] of Object.entries(applicationsOf(classic, provider))) {
      const { url: target } = cleanups.own(await listen(app, { host: '127.0.0.1', port: 0 }));
      const front = cleanups.own(await openFront({ target, signings, calls: callsOf(description) }));
      surfaces[name as SurfaceName] = { description, front };
    }
    return { classic, provider, surfaces: surfaces as Record<SurfaceName, Surface>, close: () => cleanups.run() };
  } catch (err) {
    await cleanups.run();
    throw err;
  }
};
