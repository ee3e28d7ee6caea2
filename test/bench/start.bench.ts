/** The second half of `npm run bench:api`: jobs started by schedule on the whole service, beside the parts of a start. */

import { randomBytes } from 'node:crypto';
import { Wallet } from 'ethers';
import type { SignedCommand } from '../../api/authentication.ts';
import type { EnvironmentSettings } from '../../infra/toolchain/serviceEnvironment.ts';
import { sign } from '../api/support/consumer.ts';
import { awaitCalm } from './calm.ts';
import { summarize, type Summary } from './figures.ts';
import { runLoad, type PlannedRequest } from './load.ts';
import { openMarket, type Customer, type Market } from './market.ts';
import { onStage, type Stage } from './stage.ts';
import { measureStartParts, type StartParts } from './startParts.ts';

/** How it is run. */
export interface StartBenchOptions {
  readonly perSecond: number;
  /** of free starts; of those with an order ten at most */
  readonly seconds: number;
  readonly print: (line: string) => void;
}

/** Milliseconds from the time at which a request was due to its answer. */
export interface StartFigures extends Summary {
  /** how many answers of each status: 200 is an accepted job */
  readonly answers: Readonly<Record<string, number>>;
}

/** Figures of starts of one kind. */
export interface StartPair {
  /** at a rate at which none meets another */
  readonly alone: StartFigures;
  readonly loaded: StartFigures;
}

/** All of them. */
export interface StartsMeasured {
  readonly free: StartPair;
  readonly ordered: StartPair;
  readonly parts: StartParts;
}

const warmUpSeconds = 1;
const alonePerSecond = 2;
const aloneCount = alonePerSecond * (15 + warmUpSeconds);
const longestOrderedSeconds = 10;
const connections = 64;
const waitSeconds = 600;

/** One place of each kind: the first job takes it and keeps it, so that starts are measured and not pods. */
const environment: EnvironmentSettings = { id: 'local', free: { maxJobs: 1 }, maxJobs: 1 };

const algorithmFor = (image: string) => {
  const at = image.lastIndexOf(':');
  const container = { entrypoint: 'node $ALGO', image: image.slice(0, at), tag: image.slice(at + 1), checksum: '' };
  return { meta: { rawcode: 'setTimeout(() => undefined, 3_600_000)', container } };
};

/** A body as clients send it, each from a consumer of its own: nobody's nonces can overtake each other. */
const requestOf = (path: string, wallet: Wallet, { command, fields }: { command: SignedCommand; fields: object }): PlannedRequest => {
  const { address: consumerAddress } = wallet;
  const signature = sign(wallet, 1, command);
  const terms = { environment: environment.id, queueMaxWaitTime: waitSeconds };
  const body = JSON.stringify({ consumerAddress, nonce: '1', signature, ...terms, ...fields });
  return { method: 'POST', path, headers: { 'content-type': 'application/json' }, body };
};

const freeStart = ({ image }: Stage): PlannedRequest =>
  requestOf('/api/services/freeCompute', new Wallet(`0x${randomBytes(32).toString('hex')}`), {
    command: 'freeStartCompute',
    fields: { datasets: [], algorithm: algorithmFor(image) },
  });

const orderedStart = ({ image, stack }: Stage, { dataset }: Market, { wallet, transferTxId }: Customer): PlannedRequest => {
  const datasets = [{ documentId: dataset.did, serviceId: dataset.serviceIds[0], transferTxId }];
  const fields = { datasets, algorithm: algorithmFor(image), maxJobDuration: 60, chainId: stack.chain.chainId };
  return requestOf('/api/services/compute', wallet, { command: 'startCompute', fields });
};

interface Requests {
  readonly free: readonly PlannedRequest[];
  readonly ordered: readonly PlannedRequest[];
}

/** Both kinds alone, then both by schedule; each after what was started before has come to rest. */
const measurePairs = async ({ stack }: Stage, { perSecond, print }: StartBenchOptions, { free, ordered }: Requests) => {
  const load = async (name: string, rate: number, requests: readonly PlannedRequest[]): Promise<StartFigures> => {
    print(`  ${name}, ${rate} a second`);
    const plan = { url: stack.apiUrl, perSecond: rate, connections, warmUps: warmUpSeconds * rate, requests };
    const result = await runLoad(plan, { folder: stack.folder, pid: stack.processes.api.pid });
    const restless = await awaitCalm(stack);
    if (restless > 0) print(`  ${restless} of the jobs have no verdict or no place in the queue yet`);
    return { ...summarize(result.latencies), answers: result.answers };
  };
  const alone = {
    free: await load('free jobs', alonePerSecond, free.slice(0, aloneCount)),
    ordered: await load('jobs with orders', alonePerSecond, ordered.slice(0, aloneCount)),
  };
  return {
    free: { alone: alone.free, loaded: await load('free jobs', perSecond, free.slice(aloneCount)) },
    ordered: { alone: alone.ordered, loaded: await load('jobs with orders', perSecond, ordered.slice(aloneCount)) },
  };
};

const measure = async (stage: Stage, options: StartBenchOptions): Promise<StartsMeasured> => {
  const { print, seconds, perSecond } = options;
  const countFor = (loadedSeconds: number): number => aloneCount + perSecond * (loadedSeconds + warmUpSeconds);
  const count = countFor(Math.min(seconds, longestOrderedSeconds));
  print(`  placing ${count} orders`);
  const { container } = algorithmFor(stage.image).meta;
  const market = await openMarket(stage.stack, { count, environment, container });
  try {
    print('  measuring the parts of a start');
    const parts = await measureStartParts(stage.stack, market.order);
    const pairs = await measurePairs(stage, options, {
      free: Array.from({ length: countFor(seconds) }, () => freeStart(stage)),
      ordered: market.customers.map((customer) => orderedStart(stage, market, customer)),
    });
    return { ...pairs, parts };
  } finally {
    market.close();
  }
};

/** Starts the service, measures, and ends it. */
export const benchStarts = (options: StartBenchOptions): Promise<StartsMeasured> =>
  onStage({ environments: [environment], report: (line) => options.print(`  ${line}`) }, (stage) => measure(stage, options));
