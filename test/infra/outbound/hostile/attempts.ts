/**
 * Makes every hostile attempt and prints, as JSON, what became of each and what was reached. Run it with `runSealed`:
 * every address is this machine there, and nothing leaves it.
 */

import dns from 'node:dns';
import { buffer } from 'node:stream/consumers';
import { setImmediate as turn } from 'node:timers/promises';
import { readSealed } from '../../../../api/node/sealedFields.ts';
import { Refusal } from '../../../../api/problems.ts';
import { createApp } from '../../../../api/app.ts';
import { createClassicApp } from '../../../../api/classic/app.ts';
import { connectOcean, type Ocean } from '../../../../infra/ocean/ocean.ts';
import {
  createGuardedFetcher,
  type GuardedFetcher,
  type GuardedFetchOptions,
  type NameLookup,
} from '../../../../infra/outbound/guardedFetch.ts';
import { listen, type Listener } from '../../../../infra/process/listen.ts';
import { createOutputTargets } from '../../../../infra/targets/outputTargets.ts';
import type { OutputTarget } from '../../../../workflows/contract/output.ts';
import { isJobFailure } from '../../../../workflows/contract/failures.ts';
import { aJobId } from '../../../support/builders.ts';
import { aWorld } from '../../../api/support/fakes.ts';
import { gatewayHashes, hostileRows, publicAddress, publicHost, witnessPorts, type HostileRow } from './rows.ts';
import { requireSealed, startWitness, type Witness } from './witness.ts';

/** What became of one attempt, and which addresses were connected to, those of public hosts left out. */
export interface Attempt {
  readonly outcome: string;
  readonly reached: readonly string[];
}

/** Everything about one row. */
export interface RowReport {
  readonly url: string;
  /** by the guard as it is configured by default */
  readonly guarded: Attempt;
  /** by a guard that allows everything: shows that the attempt is one, and that the witness sees it */
  readonly open: Attempt;
  /** over HTTP routes, by the guard as it is configured by default */
  readonly routes: Readonly<Record<string, Attempt>>;
}

export interface Report {
  readonly rows: readonly RowReport[];
  readonly gateways: readonly Attempt[];
  /** the public host, by the default guard */
  readonly publicHost: Attempt;
  /** the operating system was asked for a name, which only our resolver may be */
  readonly systemLookups: number;
}

type Names = NonNullable<HostileRow['names']>;

/** Answers one after the other; a name without answers is unknown. */
const resolverOf = (names: Names): NameLookup => {
  const asked = new Map<string, number>();
  return async (hostname) => {
    const name = hostname.replace(/\.$/, '');
    const count = asked.get(name) ?? 0;
    asked.set(name, count + 1);
    const answers = names[name];
    const answer = answers?.[Math.min(count, answers.length - 1)];
    if (answer === undefined) throw Object.assign(new Error('unknown name'), { code: 'ENOTFOUND' });
    return answer;
  };
};

const optionsFor = (names: Names, allowedNetworks: readonly string[]): GuardedFetchOptions => ({
  ...{ allowedNetworks, lookup: resolverOf(names) },
  ...{ connectTimeoutMs: 2_000, headersTimeoutMs: 2_000, idleTimeoutMs: 2_000 },
});

const aFetcher = (names: Names, allowedNetworks: readonly string[]): GuardedFetcher =>
  createGuardedFetcher(optionsFor(names, allowedNetworks));

const everything = (row: HostileRow): readonly string[] => ['0.0.0.0/0', '::/0', ...row.at];
const publicNames: Names = { [publicHost]: [[publicAddress]] };

const endsOf = async (fetcher: GuardedFetcher, url: string): Promise<string> => {
  try {
    const { body } = await fetcher.fetch({ url, method: 'GET', headers: {} }, AbortSignal.timeout(5_000));
    await buffer(body);
    return 'answered';
  } catch (err) {
    return err instanceof Error ? err.name : String(err);
  }
};

/** The API over an Ocean whose way out is changed from attempt to attempt. */
interface Surfaces {
  use(fetcher: GuardedFetcher): void;
  readonly node: string;
  readonly classic: string;
  close(): Promise<void>;
}

const openOcean = (guardedFetch: GuardedFetcher['fetch']): Ocean =>
  connectOcean({
    // nobody listens there, and no file object needs a chain
    chains: [{ chainId: 8996, rpcUrl: 'http://127.0.0.1:9', erc721FactoryAddress: `0x${'1'.repeat(40)}`, startBlock: 0, confirmations: 1 }],
    metadataCacheUrl: 'http://127.0.0.1:9',
    providerPrivateKey: `0x${'7'.repeat(64)}`,
    ...{ guardedFetch, ipfsGateway: `http://${publicHost}`, arweaveGateway: `http://${publicHost}/` },
  });

const openSurfaces = async (): Promise<Surfaces> => {
  let current: GuardedFetcher | undefined;
  const ocean = openOcean(async (...request) => current!.fetch(...request));
  const deps = { ...aWorld().deps, assets: ocean };
  const settings = { basePath: '', takesUnsignedNonces: false };
  const apps = [
    createApp(deps),
    createClassicApp({ ...deps, tokens: { ...deps.tokens, examine: async () => ({ kind: 'unknown' }) }, orders: ocean.classic, settings }),
  ];
  const [node, classic] = (await Promise.all(apps.map((app) => listen(app, { host: '127.0.0.1', port: 0 })))) as [Listener, Listener];
  return {
    use: (fetcher) => void (current = fetcher),
    ...{ node: `${node.url}/api/services/fileInfo`, classic: `${classic.url}/api/services/fileinfo` },
    close: async () => {
      await Promise.all([node.close(), classic.close()]);
      ocean.close();
    },
  };
};

/** @returns `valid`, `not valid` or the status of a refusal */
const askFor = async (route: string, body: object): Promise<string> => {
  const response = await fetch(route, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  const text = await response.text();
  if (text.includes('secret')) return 'told a secret';
  if (response.status !== 200) return `refused with ${response.status}`;
  return (JSON.parse(text) as { valid: boolean }[])[0]?.valid === true ? 'valid' : 'not valid';
};

const isPublic = (address: string): boolean => address === publicAddress;

const attempt = async (witness: Witness, fetcher: Pick<GuardedFetcher, 'close'>, act: () => Promise<string>): Promise<Attempt> => {
  witness.take();
  try {
    const outcome = await act();
    // what was accepted meanwhile is told in this turn
    await turn();
    return { outcome, reached: witness.take().filter((address) => !isPublic(address)) };
  } finally {
    await fetcher.close();
  }
};

/** As a start names it. @throws Refusal for what is no endpoint */
const targetAt = (endpoint: string): OutputTarget => {
  const access = { bucket: 'bucket', objectKey: 'a/', accessKeyId: 'a', secretAccessKey: 's', forcePathStyle: true };
  const output = JSON.stringify({ remoteStorage: { type: 's3', s3Access: { ...access, endpoint } } });
  const { target } = readSealed({ decrypt: (hex) => Buffer.from(hex, 'hex') }, { output: Buffer.from(output).toString('hex') });
  if (target === null) throw new Error('there is no target');
  return target;
};

/** The endpoint of a bucket that a consumer names for outputs. */
const attackWithTarget = (url: string, names: Names, witness: Witness): Promise<Attempt> => {
  const targets = createOutputTargets({ outbound: optionsFor(names, []), publicKey: `0x03${'1'.repeat(64)}` });
  return attempt(witness, targets, async () => {
    try {
      await targets.probe(targetAt(url), aJobId());
      return 'valid';
    } catch (err) {
      if (err instanceof Refusal) return `refused with ${err.status}`;
      return isJobFailure(err) && err.type.startsWith('OutputTarget') ? 'not valid' : String(err);
    }
  });
};

const questions = (url: string): Readonly<Record<string, readonly [keyof Pick<Surfaces, 'node' | 'classic'>, object]>> => ({
  'node, url': ['node', { type: 'url', url, method: 'GET', checksum: true }],
  'node, POST': ['node', { type: 'url', url, method: 'POST' }],
  'node, graphql': ['node', { type: 'graphql', url, query: '{ a }' }],
  'classic, url': ['classic', { type: 'url', url, method: 'get', checksum: true }],
});

const attackWith = async (row: HostileRow, witness: Witness, surfaces: Surfaces): Promise<RowReport> => {
  const names = row.names ?? publicNames;
  const directly = (allowed: readonly string[]): Promise<Attempt> => {
    const fetcher = aFetcher(names, allowed);
    return attempt(witness, fetcher, () => endsOf(fetcher, row.url));
  };
  const routes: Record<string, Attempt> = {};
  for (const [name, [surface, body]] of Object.entries(questions(row.url))) {
    const fetcher = aFetcher(names, []);
    surfaces.use(fetcher);
    routes[name] = await attempt(witness, fetcher, () => askFor(surfaces[surface], body));
  }
  routes['endpoint of a bucket'] = await attackWithTarget(row.url, names, witness);
  return { url: row.url, guarded: await directly([]), open: await directly(everything(row)), routes };
};

const attackGateways = async (witness: Witness, surfaces: Surfaces): Promise<readonly Attempt[]> => {
  const attempts: Attempt[] = [];
  for (const hash of gatewayHashes) {
    for (const file of [
      { type: 'ipfs', hash },
      { type: 'arweave', transactionId: hash },
    ]) {
      const fetcher = aFetcher(publicNames, ['0.0.0.0/0', '::/0']);
      surfaces.use(fetcher);
      attempts.push(await attempt(witness, fetcher, () => askFor(surfaces.node, file)));
    }
  }
  return attempts;
};

/** @returns how often the operating system was asked since */
const watchSystemLookups = (): (() => number) => {
  let asked = 0;
  const answer = ((_host: string, options: dns.LookupAllOptions, done: (err: null, found: unknown, family?: number) => void) => {
    asked += 1;
    if (options.all === true) done(null, [{ address: '127.0.0.1', family: 4 }]);
    else done(null, '127.0.0.1', 4);
  }) as unknown as typeof dns.lookup;
  dns.lookup = answer;
  return () => asked;
};

requireSealed();
const [witness, surfaces] = await Promise.all([startWitness(), openSurfaces()]);
for (const url of [surfaces.node, surfaces.classic]) {
  if (witnessPorts.some((port) => port === Number(new URL(url).port))) throw new Error('a port of the witness was taken');
}
const systemLookups = watchSystemLookups();
const rows: RowReport[] = [];
for (const row of hostileRows) rows.push(await attackWith(row, witness, surfaces));
const gateways = await attackGateways(witness, surfaces);
const fetcher = aFetcher(publicNames, []);
const report: Report = {
  rows,
  gateways,
  publicHost: await attempt(witness, fetcher, () => endsOf(fetcher, `http://${publicHost}/`)),
  systemLookups: systemLookups(),
};
await Promise.all([surfaces.close(), witness.close()]);
process.stdout.write(JSON.stringify(report), () => process.exit(0));
