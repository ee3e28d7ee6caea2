/** `npm run demo`: one job from end to end on this machine, told step by step. */

import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ensureClients } from '../clients.ts';
import { startStack } from '../stack.ts';
import { DemoFailure, type Cast, type DemoOutcome } from './cast.ts';
import { startConsumer, type Consumer } from './consumer.ts';
import { startDataOwner } from './dataOwner.ts';
import { createNarration, type Narration, type Print } from './narration.ts';
import { algorithmFile, algorithmServedAs, demoDatasets } from './scene.ts';
import { playScene } from './play.ts';

/** How the demo is run. */
export interface DemoOptions {
  /** leaves the service up until `signal` is aborted, or Ctrl-C */
  readonly keep?: boolean;
  /** folder for the results; default: a new one in the system's temporary folder */
  readonly output?: string;
  readonly print?: Print;
  /** ends the demo early; everything is cleaned up */
  readonly signal?: AbortSignal;
}

type Cleanup = () => Promise<void>;

const raiseCurtain = async (narration: Narration, cleanups: Cleanup[], signal: AbortSignal): Promise<Cast> => {
  const stack = await startStack({ report: (line) => narration.detail(line) });
  cleanups.push(() => stack.close());
  signal.throwIfAborted();
  const server = await startDataOwner({
    [algorithmServedAs]: algorithmFile,
    ...Object.fromEntries(demoDatasets.map(({ served, file }) => [served, file])),
  });
  cleanups.push(() => server.close());
  const clients = await ensureClients((line) => narration.detail(line));
  const addressFile = path.join(stack.folder, 'address.json');
  stack.chain.addressFile(addressFile);
  const start = async (privateKey: string): Promise<Consumer> => {
    const options = { clientsFolder: clients.path, addressFile, rpcUrl: stack.chain.rpcUrl, apiUrl: stack.apiUrl, privateKey };
    const person = await startConsumer(options);
    cleanups.push(() => person.close());
    return person;
  };
  const { accounts } = stack.chain;
  const [publisher, consumer] = await Promise.all([start(accounts.publisher.privateKey), start(accounts.consumer.privateKey)]);
  return { stack, server, publisher, consumer };
};

/** Rejects when the signal is aborted; whatever is under way is left to the cleanup. */
const rejectOnAbort = (signal: AbortSignal): { readonly aborted: Promise<never>; readonly stop: () => void } => {
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(new DemoFailure('the demo was interrupted', 'run it again; everything it started is gone'));
    signal.addEventListener('abort', onAbort, { once: true });
  });
  aborted.catch(() => undefined);
  return { aborted, stop: () => signal.removeEventListener('abort', onAbort) };
};

const waitForEnd = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });

const describeService = ({ stack }: Cast, narration: Narration): void => {
  narration.detail(`API          ${stack.apiUrl}`);
  narration.detail(`API pages    ${stack.docsUrl}`);
  narration.detail(`Temporal     ${stack.temporalUiUrl}`);
  narration.detail(`chain        ${stack.chain.rpcUrl} (chain ${stack.chain.chainId}, Ocean's contracts)`);
};

const createOutputFolder = async (output: string | undefined): Promise<string> => {
  if (output === undefined) return mkdtemp(path.join(tmpdir(), 'durable-c2d-demo-'));
  await mkdir(output, { recursive: true });
  return path.resolve(output);
};

/**
 * Starts the service, publishes two datasets and an algorithm, runs one job with the unmodified client library,
 * downloads the results and shows that nothing else is left. After the call nothing that it started runs any more.
 * Ctrl-C ends it early and cleans up.
 * @throws DemoFailure or MissingPart; both messages end with a remedy
 */
export const runDemo = async ({ keep = false, output, print = console.log, signal }: DemoOptions = {}): Promise<DemoOutcome> => {
  const startedAtMs = Date.now();
  const narration = createNarration(print);
  const interrupt = new AbortController();
  const onSignal = (): void => interrupt.abort();
  // not once: an impatient second Ctrl-C must not leave half of it behind
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, onSignal);
  const ended = AbortSignal.any([interrupt.signal, ...(signal === undefined ? [] : [signal])]);
  const { aborted, stop } = rejectOnAbort(ended);
  const cleanups: Cleanup[] = [];
  try {
    const outputFolder = await createOutputFolder(output);
    const raised = narration.step('The service starts on this machine', async () => {
      const started = await raiseCurtain(narration, cleanups, ended);
      describeService(started, narration);
      return started;
    });
    raised.catch(() => undefined);
    const cast = await Promise.race([raised, aborted]).catch(async (err: unknown) => {
      // the stack may just be coming up: it must be known before it can be closed
      await raised.catch(() => undefined);
      throw err;
    });
    const outcome = await Promise.race([playScene(cast, { narration, outputFolder, startedAtMs }), aborted]);
    if (keep) {
      print('');
      print('The service stays up. Ctrl-C ends it.');
      describeService(cast, narration);
      await waitForEnd(ended);
    }
    return outcome;
  } finally {
    stop();
    print('');
    print('Taking everything down.');
    await closeAll(cleanups, print);
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.removeListener(name, onSignal);
  }
};

const closeAll = async (cleanups: readonly Cleanup[], print: Print): Promise<void> => {
  for (const cleanup of cleanups.toReversed()) {
    await cleanup().catch((err: unknown) => print(`    not cleanly closed: ${err instanceof Error ? err.message : String(err)}`));
  }
};
