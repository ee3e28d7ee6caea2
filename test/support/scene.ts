/** The harness of end-to-end tests: the shared stack, two people, a data server, a guard against leftovers. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Consumer } from '../../infra/toolchain/demo/consumer.ts';
import { startFileServer, type FileServer } from './fileServer.ts';
import { openJobPods, type JobPods } from './jobPods.ts';
import { startPerson } from './people.ts';
import { joinSharedStack } from './sharedStack.ts';
import type { StackDescription } from './stackDescription.ts';

/** What a test file works with. */
export interface Scene {
  readonly stack: StackDescription;
  /** the service's execution pods, from outside */
  readonly pods: JobPods;
  readonly files: FileServer;
  readonly publisher: Consumer;
  readonly consumer: Consumer;
  /** a folder of the test file's own */
  readonly folder: string;
  /** jobs of this test file; the guard looks at each after every test */
  readonly jobs: Set<string>;
}

const startPatienceMs = 300_000;
const teardownPatienceMs = 15_000;

const openScene = async (): Promise<Scene> => {
  const stack = await joinSharedStack();
  const [files, publisher, consumer, folder] = await Promise.all([
    startFileServer(),
    startPerson(stack),
    startPerson(stack),
    mkdtemp(path.join(tmpdir(), 'durable-c2d-e2e-')),
  ]);
  return { stack, pods: openJobPods(stack.pods, stack.nodeImage), files, publisher, consumer, folder, jobs: new Set() };
};

const closeScene = async ({ files, publisher, consumer, folder }: Scene): Promise<void> => {
  await Promise.all([files.close(), publisher.close(), consumer.close(), rm(folder, { recursive: true, force: true })]);
};

/** Rejects when a container, a pod or a volume of a job outlives it; a pod may take a moment to go. */
export const expectNoLeftovers = async ({ pods, jobs }: Pick<Scene, 'pods' | 'jobs'>): Promise<void> => {
  const deadline = performance.now() + teardownPatienceMs;
  for (const jobId of jobs) {
    for (;;) {
      const objects = await pods.findObjects(jobId);
      if (objects.length === 0) break;
      if (performance.now() > deadline) throw new Error(`job ${jobId} left ${objects.join(', ')}`);
      await delay(50);
    }
  }
};

/**
 * The shared stack with people of this test file's own. Call it at the top of a `describe`.
 * @returns a function that gives the scene, inside tests
 */
export const useScene = (): (() => Scene) => {
  let scene: Scene | undefined;
  beforeAll(async () => {
    scene = await openScene();
  }, startPatienceMs);
  afterEach(async () => {
    if (scene !== undefined) await expectNoLeftovers(scene);
    scene?.jobs.clear();
  }, teardownPatienceMs + 5_000);
  afterAll(async () => {
    if (scene !== undefined) await closeScene(scene);
  });
  return () => {
    if (scene === undefined) throw new Error('the scene is there inside tests only');
    return scene;
  };
};
