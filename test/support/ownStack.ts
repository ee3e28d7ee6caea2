/** A stack of a test file's own: for tests that kill its parts. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startStack, type Stack, type StackOptions } from '../../infra/toolchain/stack.ts';
import { startFileServer, type FileServer } from './fileServer.ts';
import { openJobPods } from './jobPods.ts';
import { startPerson } from './people.ts';
import { expectNoLeftovers, type Scene } from './scene.ts';
import { describeForTests } from './stackDescription.ts';
import { runtimeOfThisRun } from './testCluster.ts';

/** What a test works with. */
export interface OwnStack {
  readonly parts: Stack;
  readonly scene: Scene;
}

const startPatienceMs = 300_000;
const endPatienceMs = 120_000;
const guardPatienceMs = 60_000;

const raise = async (options: StackOptions, ends: (() => Promise<unknown>)[]): Promise<OwnStack> => {
  const { env, ...runtime } = await runtimeOfThisRun();
  const parts = await startStack({ ...runtime, ...options, env: { ...env, ...options.env } });
  ends.push(() => parts.close());
  const stack = await describeForTests(parts);
  const files: FileServer = await startFileServer();
  ends.push(() => files.close());
  const folder = await mkdtemp(path.join(tmpdir(), 'durable-c2d-e2e-'));
  ends.push(() => rm(folder, { recursive: true, force: true }));
  const [publisher, consumer] = await Promise.all([startPerson(stack), startPerson(stack)]);
  ends.push(() => Promise.all([publisher.close(), consumer.close()]));
  return { parts, scene: { stack, pods: openJobPods(stack.pods, stack.nodeImage), files, publisher, consumer, folder, jobs: new Set() } };
};

/**
 * A stack with two people. Call it at the top of a `describe`; after each test nothing of its jobs may be left.
 * @param options or what finds them out when the stack is about to be started
 * @returns a function that gives the stack, inside tests
 */
export const useOwnStack = (options: StackOptions | (() => Promise<StackOptions>)): (() => OwnStack) => {
  const ends: (() => Promise<unknown>)[] = [];
  let own: OwnStack | undefined;
  beforeAll(async () => {
    own = await raise(typeof options === 'function' ? await options() : options, ends);
  }, startPatienceMs);
  afterEach(async () => {
    if (own !== undefined) await expectNoLeftovers(own.scene);
    own?.scene.jobs.clear();
  }, guardPatienceMs);
  afterAll(async () => {
    for (const end of ends.toReversed()) await end();
  }, endPatienceMs);
  return () => {
    if (own === undefined) throw new Error('the stack is there inside tests only');
    return own;
  };
};
